"""Systems measured over one collection: what `xret eval` does, and `xret.evaluate`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from xret.errors import ConfigError, RunError
from xret.eval.answer_recall import ANSWER_MEASURES, answer_tokens
from xret.eval.comparison import finished_evaluation, floor_warnings
from xret.eval.coverage import coverage_warnings
from xret.eval.environment import corpus_facts
from xret.eval.evaluation import Evaluation
from xret.eval.measure_names import measure_names
from xret.eval.measures import DEFAULT_MEASURES, REPORT_MEASURES, check_measures
from xret.eval.rankings import IndexRankings, RunRankings, measure_latency
from xret.eval.report import write_report
from xret.eval.report.paper_files import check_paper_paths, write_paper_table
from xret.eval.runner import PairEvaluation
from xret.eval.system_names import BESIDE, check_system_names, named_calibrations, named_modes
from xret.eval.system_report import Assessment, SystemReport
from xret.eval.systems import SystemNames, chosen_topics, open_systems
from xret.eval.trec import write_run
from xret.retriever.corpora.collection import Corpus
from xret.retriever.corpora.parts import CollectionCorpus
from xret.retriever.corpora.qrels import Qrels, read_qrels
from xret.retriever.corpora.registry import open_corpus
from xret.types import Progress, Query, Work, finished

__all__ = ["evaluate", "evaluation_steps"]


@dataclass(frozen=True, slots=True)
class _Counted:
    """What of each ranking is measured and kept."""

    depth: int | None
    exclude_self: bool
    keep_run: bool


def evaluation_steps(
    corpus: str | Path | None = None,
    *,
    topics: str | Path | None = None,
    qrels: str | Path | None = None,
    lang: Sequence[str] = (),
    doc_lang: Sequence[str] = (),
    split: str | None = None,
    index: Sequence[str] = (),
    encoder: Sequence[str] = (),
    runs: Sequence[str | Path] = (),
    doc_langs: str | Path | None = None,
    measures: Sequence[str] = (),
    depth: int | None = None,
    exclude_self: bool = False,
    mode: Sequence[str] = (),
    rerank: Sequence[str] = (),
    calibrate: Sequence[str] = (),
    psq: str | None = None,
    translator: str | None = None,
    device: str | None = None,
    baseline: str | None = None,
    seed: int = 0,
    output: str | Path | None = None,
    report: str | Path | None = None,
    table: Sequence[str | Path] = (),
) -> Work[Assessment]:
    """Evaluate a corpus (indexed first where it is not yet), an index, or run files.

    Each system's SystemReport is the `part` of a Progress as soon as it is measured.

    corpus: one with judgements, or with topics and qrels an index. lang, doc_lang: of a
    corpus's queries and documents. index, encoder, runs, mode, calibrate: the systems; a corpus
    has its own index, and several ways to calibrate are compared by measures of fairness too.
    rerank: rerankers over each index, measured beside it. doc_langs: a file with the languages
    of the documents that runs name. psq: the table of the mode psq, the shipped one where it is
    None; translator: that of the modes query-translation and document-translation. depth:
    documents of a ranking that are measured, None for all (trec_eval's -M). device: where texts
    are encoded and documents scored, as in EncoderOptions. exclude_self: not
    the document with the query's id (BEIR). baseline: compare with this system only, not each
    with each. output: where the mixed run of the one system is written; report: the folder of a
    report; table: files of the table for a paper, by their ends .md, .tex, .csv or .html.
    Raises ConfigError, CorpusError and RunError for what cannot be meant or measured, and what
    building and opening an index raise.
    """
    if depth is not None and depth < 1:
        raise ConfigError(f"--depth {depth}: name how many documents are measured, from 1")
    began = time.perf_counter()
    topics, qrels, output, report = map(_path, (topics, qrels, output, report))
    tables = [Path(path) for path in ([table] if isinstance(table, str | Path) else table)]
    check_paper_paths(tables)
    corpus = None if corpus is None else str(corpus)
    names = SystemNames(
        corpus,
        _listed(index),
        _listed(encoder),
        [Path(run) for run in ([runs] if isinstance(runs, str | Path) else runs)],
        langs=_listed(doc_lang),
        doc_langs=_path(doc_langs),
        modes=named_modes(_listed(mode)),
        rerankers=list(dict.fromkeys(_listed(rerank))),
        beside=[one for one in dict.fromkeys(_listed(mode)) if one in BESIDE],
        psq=psq,
        translator=translator,
        calibrations=named_calibrations(_listed(calibrate)),
        device=device,
    )
    check_system_names(names, topics, qrels, output, report)
    source = _source(corpus, topics, qrels, _listed(doc_lang), _listed(lang), split)
    queries, judgements = _collection(source, topics, qrels, _listed(lang))
    for note in source.notes() if source is not None and topics is None else ():
        yield Progress("evaluate", 0, None, "queries", note=note)
    with ExitStack() as closing:
        evaluations = yield from _opened(
            names,
            source,
            queries,
            judgements,
            measures=measure_names(_listed(measures)),
            counted=_Counted(depth, exclude_self, keep_run=output is not None),
            report=report is not None,
            closing=closing,
        )
        _check_baseline(baseline, evaluations)
        systems = []
        for number, evaluation in enumerate(evaluations, 1):
            yield from _named(evaluation, number, len(evaluations))
            system = SystemReport.of(evaluation)
            systems.append(system)
            yield Progress("systems", number, len(evaluations), "systems", part=system)
        if output:
            _write_run(output, evaluations[0])
        finished = None
        if len(evaluations) > 1 or report is not None or tables:
            yield Progress("compare", 0, None, "systems")
            files = [path for path in (topics, qrels, *names.runs) if path is not None]
            if source is not None and source.name is None:
                files += _corpus_files(Path(str(corpus)))
            finished = _finish(
                evaluations,
                source,
                queries,
                corpus or "runs",
                files,
                baseline=baseline,
                seed=seed,
                began=began,
                latency=report is not None,
            )
        warnings = coverage_warnings(evaluations)
        if finished is not None:
            warnings += floor_warnings(finished.comparisons, finished.column_tests)
    written = write_report(finished, report) if report is not None and finished else []
    written += [write_paper_table(finished, path) for path in tables if finished is not None]
    return Assessment(tuple(systems), finished, warnings, written)


evaluate = finished(evaluation_steps)


def _named(evaluation: PairEvaluation, number: int, total: int) -> Iterator[Progress]:
    """The progress of one of several systems, under its name."""
    name = f"{evaluation.rankings.name} ({number} of {total})"
    for step in evaluation.progress():
        yield step if total == 1 else replace(step, stage=name)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _listed(given: Sequence[str]) -> list[str]:
    """Several, or a single one by itself: the letters of a name are no names."""
    return [given] if isinstance(given, str) else [*given]


def _source(
    corpus: str | None,
    topics: Path | None,
    qrels: Path | None,
    doc_langs: Sequence[str],
    query_langs: Sequence[str],
    split: str | None,
) -> Corpus | None:
    """The corpus, None where the topics and judgements are files of their own."""
    if corpus is None or (topics is not None and qrels is not None):
        if doc_langs or split:
            raise ConfigError(
                "--doc-lang and --split choose among a corpus's own documents and queries; leave "
                "them out with --topics and --qrels"
            )
        return None
    return open_corpus(corpus, doc_langs=doc_langs, query_langs=query_langs, split=split)


def _collection(
    source: Corpus | None,
    topics: Path | None,
    qrels: Path | None,
    query_langs: Sequence[str],
) -> tuple[list[Query], Qrels]:
    """Queries and judgements; those of a run alone are queries without a text."""
    judgements = read_qrels(qrels) if qrels else source.qrels() if source else {}
    if topics is not None:
        return chosen_topics(topics, query_langs), judgements
    if source is not None:
        return source.queries(), judgements
    return [Query(query_id, "", lang_source="unknown") for query_id in judgements], judgements


def _opened(
    names: SystemNames,
    source: Corpus | None,
    queries: Sequence[Query],
    qrels: Qrels,
    *,
    measures: Sequence[str],
    counted: _Counted,
    report: bool,
    closing: ExitStack,
) -> Work[list[PairEvaluation]]:
    """An evaluation of each system, yet to be run."""
    answers = source.answers() if isinstance(source, CollectionCorpus) else {}
    _check_answers(measures, answers)
    check_measures(measures or (ANSWER_MEASURES if answers else DEFAULT_MEASURES), qrels)
    systems = yield from open_systems(names, source=source, qrels=qrels, closing=closing)
    mixed = all(len(system.languages) > 1 for system in systems)
    fair = mixed and (report or len(names.calibrations) > 1)
    usual = ANSWER_MEASURES if answers else REPORT_MEASURES if fair else DEFAULT_MEASURES
    chosen = measures or usual
    return [
        PairEvaluation(
            system,
            queries,
            qrels,
            measures=chosen,
            keep_run=counted.keep_run,
            depth=counted.depth,
            exclude_self=counted.exclude_self,
            answers=answers,
        )
        for system in systems
    ]


def _check_answers(measures: Sequence[str], answers: Mapping[str, Sequence[str]]) -> None:
    """Answers are looked for in texts by measures of their own. Raises RunError for others."""
    for name in measures:
        if answers and not answer_tokens(name):
            raise RunError(
                f"{name} needs judgements of documents, and this collection has answers: measure "
                f"{' or '.join(ANSWER_MEASURES)}"
            )
        if not answers and answer_tokens(name):
            raise RunError(
                f"{name} looks for answers in the texts, and this collection has judgements of "
                "documents; measure nDCG@10 or R@100"
            )


def _corpus_files(path: Path) -> list[Path]:
    """The files of a corpus that is a path, for their checksums."""
    if path.is_file():
        return [path]
    there = (*path.glob("*"), *path.glob("qrels/*"))
    return sorted(
        p
        for p in there
        if p.name.startswith(("corpus.", "queries", "qrels")) or p.parent.name == "qrels"
    )


def _check_baseline(baseline: str | None, evaluations: Sequence[PairEvaluation]) -> None:
    known = [evaluation.rankings.name for evaluation in evaluations]
    if baseline is not None and baseline not in known:
        raise ConfigError(f"no system is called {baseline!r}; there are: {', '.join(known)}")
    if baseline is not None and len(known) == 1:
        raise ConfigError(f"{baseline} is the only system; --baseline needs another to compare")


def _write_run(output: Path, evaluation: PairEvaluation) -> None:
    rankings = evaluation.rankings
    assert isinstance(rankings, IndexRankings)  # noqa: S101 — the words were checked
    write_run(output, evaluation.run(rankings.searcher.encoder.spec.name))


def _finish(
    evaluations: Sequence[PairEvaluation],
    source: Corpus | None,
    queries: Sequence[Query],
    title: str,
    files: Sequence[Path],
    *,
    baseline: str | None,
    seed: int,
    began: float,
    latency: bool,
) -> Evaluation:
    first = evaluations[0]
    latencies = {
        rankings.name: measure_latency(
            rankings.searcher,
            one.queries,
            mode=rankings.mode,
            rerank=rankings.rerank,
            calibrate=rankings.calibrate,
        )
        for one in evaluations
        if isinstance(rankings := one.rankings, IndexRankings) and latency
    }
    called = title if source is not None and source.name else Path(title).name or title
    return finished_evaluation(
        called,
        evaluations,
        corpus=corpus_facts(
            title,
            source=source,
            queries=queries,
            qrels=first.qrels,
            # A run shows only the documents that it ranks; an index knows the collection.
            languages=first.rankings.languages
            if not isinstance(first.rankings, RunRankings)
            else {},
            files=files,
        ),
        baseline=baseline,
        seed=seed,
        began=began,
        latencies=latencies,
        notes=source.notes() if source else (),
    )
