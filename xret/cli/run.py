"""`xret run`: the rankings of many queries, written as a TREC run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from xret.cli.languages import OldQueryLangs, spelt_langs
from xret.cli.options import (
    AsJson,
    CalibrateOption,
    DeviceOption,
    PairRoutingOption,
    RerankOption,
    routed_reranker,
)
from xret.cli.output import message, print_json, print_table, show_progress
from xret.types import Mode

__all__ = ["run"]


def run(
    target: Annotated[
        str, typer.Argument(metavar="CORPUS|INDEX", help="A corpus with queries, or an index.")
    ],
    output: Annotated[Path, typer.Option("--output", help="The run file to write.")],
    topics: Annotated[
        Path | None, typer.Option("--topics", help="Queries; without them those of the corpus.")
    ] = None,
    hits: Annotated[int, typer.Option("-k", "--hits", min=1, max=10_000, help="Depth.")] = 1_000,
    lang: Annotated[
        list[str] | None,
        typer.Option(
            "--lang", help="Queries of a corpus in this language; that of nameless topics."
        ),
    ] = None,
    doc_lang: Annotated[
        list[str] | None,
        typer.Option("--doc-lang", help="Only documents in this language; repeatable."),
    ] = None,
    query_lang: OldQueryLangs = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Which queries of a corpus: test, dev, ...")
    ] = None,
    index: Annotated[
        str | None, typer.Option("--index", help="The index; a corpus has its own.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option("--encoder", help="Name or folder of the index's encoder.")
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option("--mode", help="By vectors, by words or by both.")
    ] = None,
    rerank: RerankOption = None,
    pair_routing: PairRoutingOption = None,
    device: DeviceOption = None,
    calibrate: CalibrateOption = None,
    tag: Annotated[
        str | None, typer.Option("--tag", help="Name of the run, its last column.")
    ] = None,
    metadata: Annotated[
        Literal["file", "header", "none"],
        typer.Option("--metadata", help="ir_metadata beside the run, in its first lines, or not."),
    ] = "file",
    as_json: AsJson = False,
) -> None:
    """Answer every query and write the six columns that trec_eval reads."""
    from xret.eval.ranked_run import rank_run_steps

    questions, documents = spelt_langs(lang, doc_lang, query_lang)
    steps = rank_run_steps(
        target,
        output,
        topics=topics,
        hits=hits,
        lang=questions,
        doc_lang=documents,
        split=split,
        index=index,
        encoder=encoder,
        mode=mode,
        rerank=routed_reranker(rerank, pair_routing),
        calibrate=calibrate,
        tag=tag,
        metadata=metadata,
        device=device,
    )
    summary = show_progress(steps, stoppable=True).as_json()
    if as_json:
        print_json(summary)
        return
    print_table(("", "value"), [(name, str(value or "")) for name, value in summary.items()])
    asked = "" if topics is None else f" --topics {topics}"
    message(f"next: xret eval --runs {output}{asked} --qrels QRELS")
