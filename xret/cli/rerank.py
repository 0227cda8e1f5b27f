"""`xret rerank`: whether a reranker helps."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xret.cli.options import AsJson, IndexArgument, PairRoutingOption, routed_reranker
from xret.cli.output import message, print_json, print_table, show_progress

if TYPE_CHECKING:
    from xret.eval.rerank_check import PairCheck, RerankCheck

__all__ = ["app"]

HEADINGS = ("query", "documents", "queries", "first", "reranked", "difference", "verdict")
SWAPPED = ("query", "documents", "preferred", "comparisons")

app = typer.Typer(help="Measure rerankers.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def rerank() -> None:
    """Measure rerankers."""


@app.command("check")
def check_rerank(
    index: IndexArgument,
    reranker: Annotated[str, typer.Argument(metavar="NAME[@depth]", help="As --rerank takes it.")],
    corpus: Annotated[
        str | None, typer.Option("--corpus", help="Questions and judgements; or the next two.")
    ] = None,
    topics: Annotated[Path | None, typer.Option("--topics", help="Questions.")] = None,
    qrels: Annotated[Path | None, typer.Option("--qrels", help="Judgements.")] = None,
    lang: Annotated[
        list[str] | None, typer.Option("--lang", help="Questions in this language; repeatable.")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Which questions of a corpus: test, dev, ...")
    ] = None,
    queries: Annotated[
        int, typer.Option("-n", "--queries", min=5, max=10_000, help="Of a pair, at most.")
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of every random draw.")] = 0,
    pair_routing: PairRoutingOption = None,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="Switch it off where it does not help.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Measure a reranker by language pair, and switch it off in this index where it loses.

    Without a corpus the questions are words of the index's own documents.
    """
    from xret.eval.rerank_check import rerank_check_steps

    steps = rerank_check_steps(
        index,
        routed_reranker(reranker, pair_routing) or reranker,
        corpus=corpus,
        topics=topics,
        qrels=qrels,
        lang=lang or (),
        split=split,
        n_queries=queries,
        seed=seed,
        record=record,
    )
    report = show_progress(steps)
    if as_json:
        print_json(asdict(report))
        return
    print_table(HEADINGS, map(_row, report.pairs))
    if report.swaps:
        print_table(
            SWAPPED,
            [(s.query_lang, s.doc_lang, f"{s.preferred:.2f}", str(s.n)) for s in report.swaps],
            follows=True,
        )
    _print_verdict(report)


def _row(pair: PairCheck) -> tuple[str, ...]:
    change = pair.difference
    return (
        pair.query_lang,
        pair.doc_lang,
        str(change.queries),
        f"{pair.first:.4f}",
        f"{pair.reranked:.4f}",
        f"{change.mean:+.4f} [{change.low:+.4f}, {change.high:+.4f}]",
        "too few questions" if pair.on is None else "on" if pair.on else "off",
    )


def _print_verdict(report: RerankCheck) -> None:
    off = len(report.off)
    where = f"recorded in {report.index}" if report.recorded else "not recorded"
    message(
        f"{report.reranker} is off for {off} of {len(report.pairs)} language pairs, by questions "
        f"from {report.source}; {where}"
    )
    if report.refusals:
        message(f"it failed for {report.refusals:,} rankings, which stayed as they were")
