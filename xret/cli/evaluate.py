"""`xret eval`: how good systems answer, language pair by language pair."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from xret.cli.options import AsJson
from xret.cli.output import message, show_progress
from xret.cli.results import print_results
from xret.cli.systems import SystemNames, check_output, chosen_topics, open_systems
from xret.types import Mode

if TYPE_CHECKING:
    from xret.eval.evaluation import Evaluation
    from xret.eval.runner import PairEvaluation
    from xret.retriever.corpora.collection import Corpus
    from xret.retriever.corpora.qrels import Qrels
    from xret.types import Query

__all__ = ["evaluate"]


def evaluate(
    corpus: Annotated[
        str | None,
        typer.Argument(metavar="CORPUS", help="A corpus with judgements, or an index."),
    ] = None,
    topics: Annotated[
        Path | None, typer.Option("--topics", help="Queries, where the corpus brings none.")
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option("--qrels", help="Judgements, where the corpus brings none.")
    ] = None,
    lang: Annotated[
        list[str] | None,
        typer.Option("--lang", help="Documents of a corpus in this language; repeatable."),
    ] = None,
    query_lang: Annotated[
        list[str] | None,
        typer.Option("--query-lang", help="Queries of a corpus in this language; repeatable."),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Which queries of a corpus: test, dev, ...")
    ] = None,
    index: Annotated[
        list[str] | None,
        typer.Option("--index", help="An index; repeatable. A corpus has its own."),
    ] = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option("--encoder", help="An encoder; with several, the corpus is indexed by each."),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option("--runs", metavar="FILES", help="Run files of any program, in TREC format."),
    ] = None,
    doc_langs: Annotated[
        Path | None,
        typer.Option("--doc-langs", help="The documents' languages, for runs: document, language."),
    ] = None,
    measures: Annotated[
        list[str] | None,
        typer.Option(
            "--measure",
            help="A measure of ir_measures, or PEER@k, AWRF@k, LPR@k, alpha_nDCG_lang@k; "
            "repeatable.",
        ),
    ] = None,
    mode: Annotated[
        list[str] | None,
        typer.Option("--mode", help="By vectors, by words or by both; repeatable, to compare."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", help="Compare with this system only, not each with each."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of every random draw.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the mixed run here, in TREC format.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the report into this folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a corpus (indexed first where it is not yet), an index, or run files."""
    began = time.perf_counter()
    names = SystemNames(
        corpus,
        index or (),
        encoder or (),
        runs or (),
        langs=lang or (),
        doc_langs=doc_langs,
        modes=_modes(mode or ()),
    )
    _check_words(names, topics, qrels, output, report)
    source = _source(corpus, topics, qrels, lang, query_lang, split)
    queries, judgements = _collection(source, topics, qrels, query_lang)
    with ExitStack() as closing:
        evaluations = _evaluate(
            names,
            source,
            queries,
            judgements,
            measures=measures,
            keep_run=output is not None,
            report=report is not None,
            closing=closing,
        )
        _check_baseline(baseline, evaluations)
        if output:
            _write_run(output, evaluations[0])
        finished = None
        if len(evaluations) > 1 or report is not None:
            files = [path for path in (topics, qrels, *(runs or ())) if path is not None]
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
        print_results(evaluations, finished, as_json=as_json)
    if report is not None and finished is not None:
        _write_report(finished, report)


def _modes(modes: Sequence[str]) -> list[Mode]:
    from xret.errors import ConfigError

    known = {mode: mode for mode in get_args(Mode)}
    for mode in modes:
        if mode not in known:
            raise ConfigError(f"no mode {mode!r}; use {', '.join(known)}")
    return [known[mode] for mode in dict.fromkeys(modes)]


def _check_words(
    names: SystemNames,
    topics: Path | None,
    qrels: Path | None,
    output: Path | None,
    report: Path | None,
) -> None:
    """What cannot be meant, before anything is opened."""
    from xret.errors import ConfigError, CorpusError

    if names.target is None and not (names.runs or names.indexes):
        raise ConfigError("name a corpus or an index, or run files with --runs and --qrels")
    if topics is not None and qrels is None:
        raise CorpusError("--topics and --qrels go together; name both or neither")
    if qrels is not None and topics is None and (names.indexes or not names.runs):
        raise CorpusError("--topics and --qrels go together; name both or neither")
    if names.target is None and qrels is None:
        raise CorpusError("without a corpus there are no judgements; name them with --qrels")
    systems = max(1, len(names.indexes) + len(names.encoders)) * max(1, len(names.modes))
    if output and (names.runs or systems > 1):
        raise ConfigError("--output writes the run of one index; for more, use xret run for each")
    if names.doc_langs is not None and not names.runs:
        raise ConfigError("--doc-langs names the documents' languages of --runs; there are none")
    if names.modes and names.runs and not (names.indexes or names.encoders):
        raise ConfigError("--mode is for an index; with --runs name one with --index")
    if output:
        check_output(output)
    if report is not None and report.exists() and not report.is_dir():
        raise ConfigError(f"--report {report} is a file; name a folder, which may be new")


def _source(
    corpus: str | None,
    topics: Path | None,
    qrels: Path | None,
    doc_langs: Sequence[str] | None,
    query_langs: Sequence[str] | None,
    split: str | None,
) -> Corpus | None:
    """The corpus, None where the topics and judgements are files of their own."""
    from xret.errors import ConfigError
    from xret.retriever.corpora.registry import open_corpus

    if corpus is None or (topics is not None and qrels is not None):
        if doc_langs or split:
            raise ConfigError(
                "--lang and --split choose among a corpus's own queries and judgements; leave "
                "them out with --topics and --qrels"
            )
        return None
    return open_corpus(
        corpus, doc_langs=doc_langs or (), query_langs=query_langs or (), split=split
    )


def _collection(
    source: Corpus | None,
    topics: Path | None,
    qrels: Path | None,
    query_langs: Sequence[str] | None,
) -> tuple[list[Query], Qrels]:
    """Queries and judgements; those of a run alone are queries without a text."""
    from xret.retriever.corpora.qrels import read_qrels
    from xret.types import Query

    judgements = read_qrels(qrels) if qrels else source.qrels() if source else {}
    if topics is not None:
        return chosen_topics(topics, query_langs or ()), judgements
    if source is not None:
        for note in source.notes():
            message(note)
        return source.queries(), judgements
    return [Query(query_id, "", lang_source="unknown") for query_id in judgements], judgements


def _evaluate(
    names: SystemNames,
    source: Corpus | None,
    queries: Sequence[Query],
    qrels: Qrels,
    *,
    measures: Sequence[str] | None,
    keep_run: bool,
    report: bool,
    closing: ExitStack,
) -> list[PairEvaluation]:
    from xret.eval.measures import DEFAULT_MEASURES, REPORT_MEASURES, check_measures
    from xret.eval.runner import PairEvaluation

    check_measures(measures or DEFAULT_MEASURES, qrels)
    systems = open_systems(names, source=source, qrels=qrels, closing=closing)
    mixed = all(len(system.languages) > 1 for system in systems)
    chosen = measures or (REPORT_MEASURES if report and mixed else DEFAULT_MEASURES)
    evaluations = [
        PairEvaluation(system, queries, qrels, measures=chosen, keep_run=keep_run)
        for system in systems
    ]
    for evaluation in evaluations:
        show_progress(evaluation.progress())
    return evaluations


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
    from xret.errors import ConfigError

    known = [evaluation.rankings.name for evaluation in evaluations]
    if baseline is not None and baseline not in known:
        raise ConfigError(f"no system is called {baseline!r}; there are: {', '.join(known)}")
    if baseline is not None and len(known) == 1:
        raise ConfigError(f"{baseline} is the only system; --baseline needs another to compare")


def _write_run(output: Path, evaluation: PairEvaluation) -> None:
    from xret.eval.rankings import IndexRankings
    from xret.eval.trec import write_run

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
    from xret.eval.comparison import finished_evaluation
    from xret.eval.environment import corpus_facts
    from xret.eval.rankings import IndexRankings, measure_latency

    first = evaluations[0]
    latencies = {
        rankings.name: measure_latency(rankings.searcher, one.queries, mode=rankings.mode)
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
            languages=first.rankings.languages if isinstance(first.rankings, IndexRankings) else {},
            files=files,
        ),
        baseline=baseline,
        seed=seed,
        began=began,
        latencies=latencies,
        notes=source.notes() if source else (),
    )


def _write_report(evaluation: Evaluation, folder: Path) -> None:
    from xret.eval.report import write_report

    written = write_report(evaluation, folder)
    pages = [path for path in written if path.suffix == ".html"]
    for path in pages:
        message(f"written: {path}")
    message(f"and {len(written) - len(pages):,} files of tables, figures and numbers beside it")
