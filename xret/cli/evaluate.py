"""`xret eval`: how good an index answers, language pair by language pair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xret.cli.options import AsJson, encoder_name
from xret.cli.output import message, print_json, print_table

if TYPE_CHECKING:
    from xret.eval.runner import PairResult
    from xret.retriever.searcher import Searcher

__all__ = ["evaluate"]


def evaluate(
    corpus: Annotated[
        str, typer.Argument(metavar="CORPUS", help="A corpus with judgements, or an index.")
    ],
    topics: Annotated[
        Path | None, typer.Option("--topics", help="Queries, where the corpus brings none.")
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option("--qrels", help="Judgements, where the corpus brings none.")
    ] = None,
    measures: Annotated[
        list[str] | None, typer.Option("--measure", help="A measure of ir_measures; repeatable.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the mixed run here, in TREC format.")
    ] = None,
    index: Annotated[
        str | None, typer.Option("--index", help="The index; a registered corpus has its own.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option("--encoder", help="Name or folder of the index's encoder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a corpus (indexed first where it is not yet), or an index with --topics."""
    from xret.errors import CorpusError
    from xret.eval.corpora.local import read_queries
    from xret.eval.corpora.registry import open_corpus
    from xret.eval.measures import DEFAULT_MEASURES
    from xret.eval.runner import PairEvaluation
    from xret.eval.trec import read_qrels, write_run

    if (topics is None) != (qrels is None):
        raise CorpusError("--topics and --qrels go together; name both or neither")
    source = None if topics else open_corpus(corpus)
    queries = read_queries(topics) if topics else source.queries()  # type: ignore[union-attr]
    judgements = read_qrels(qrels) if qrels else source.qrels()  # type: ignore[union-attr]
    searcher = _searcher(index or (corpus if topics else None), corpus, encoder)
    chosen = measures or list(DEFAULT_MEASURES)
    evaluation = PairEvaluation(searcher, queries, judgements, measures=chosen)
    results = list(evaluation.results())
    if output:
        write_run(output, evaluation.run(searcher.encoder.spec.name))
    report = _report(searcher, results, evaluation.identified)
    if as_json:
        print_json(report)
    else:
        _print(report, results)


def _searcher(index: str | None, corpus: str, encoder: str | None) -> Searcher:
    """The index named, or the registered corpus's own, built where it is not there yet."""
    from xret.cli.index import build_index
    from xret.config import find_index, index_folder
    from xret.errors import ConfigError
    from xret.eval.corpora.registry import CORPORA
    from xret.retriever.encoder import DEFAULT_ENCODER
    from xret.retriever.searcher import Searcher

    named = None if encoder is None else encoder_name(encoder)
    if index is not None:
        return Searcher.open(find_index(index), encoder=named)
    if corpus not in CORPORA:
        raise ConfigError(f"{corpus} is no registered corpus; name its index with --index")
    if not index_folder(corpus).is_dir():
        message(f"{corpus} is not indexed yet; indexing it")
        build_index(corpus, None, encoder=encoder or DEFAULT_ENCODER)
    return Searcher.open(index_folder(corpus), encoder=named)


def _report(searcher: Searcher, results: list[PairResult], identified: int) -> dict[str, Any]:
    from xret.types import UNDETERMINED

    first = next(iter(results[-1].measures))
    pairs = [r for r in results if r.doc_lang is not None and r.query_lang != UNDETERMINED]
    cross = [r for r in pairs if r.query_lang != r.doc_lang]
    same = [r for r in pairs if r.query_lang == r.doc_lang]
    worst = min(cross, key=lambda r: r.measures[first], default=None)
    return {
        "index": searcher.name,
        "encoder": searcher.encoder.spec.name,
        "queries_without_lang": identified,
        "mean_cross_language": _mean(cross),
        "mean_same_language": _mean(same),
        "worst_pair": worst,
        "results": results,
    }


def _mean(results: list[PairResult]) -> dict[str, float]:
    if not results:
        return {}
    names = results[0].measures
    return {name: sum(r.measures[name] for r in results) / len(results) for name in names}


def _print(report: dict[str, Any], results: list[PairResult]) -> None:
    names = list(results[0].measures)
    rows = [
        (r.query_lang or "all", r.doc_lang or "all", str(r.queries),
         *[f"{r.measures[name]:.4f}" for name in names])
        for r in results
    ]  # fmt: skip
    print_table(("query", "documents", "queries", *names), rows)
    if report["queries_without_lang"]:
        message(f"{report['queries_without_lang']:,} queries name no language; it was identified")
    for title, key in (
        ("across languages", "mean_cross_language"),
        ("within one", "mean_same_language"),
    ):
        if report[key]:
            values = ", ".join(f"{name} {value:.4f}" for name, value in report[key].items())
            message(f"mean of the pairs {title}: {values}")
    worst = report["worst_pair"]
    if worst is not None:
        message(
            f"weakest pair: {worst.query_lang} to {worst.doc_lang}, "
            f"{names[0]} {worst.measures[names[0]]:.4f}"
        )
