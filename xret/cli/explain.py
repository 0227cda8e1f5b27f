"""`xret explain`: which words of a document carry its score for a question."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xret.cli.explained import print_explanation
from xret.cli.ids import typed
from xret.cli.options import (
    AsJson,
    AsWrittenOption,
    DeviceOption,
    IndexArgument,
    LangPolicyOption,
    PairRoutingOption,
    RerankOption,
    routed_reranker,
)
from xret.cli.output import message, print_json
from xret.types import Mode

__all__ = ["explain"]


def explain(
    index: IndexArgument,
    doc_id: Annotated[str, typer.Argument(metavar="DOC", help="Id of the document.")],
    query: Annotated[
        list[str], typer.Argument(metavar="QUERY", help="The question, in any language.")
    ],
    lang: Annotated[str | None, typer.Option("--lang", help="Language of the question.")] = None,
    mode: Annotated[
        Mode | None,
        typer.Option("--mode", help="The score by vectors (the default), by words, or both."),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Draw the heat map into this file.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write a page with the text, the heat map and its tables."),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option("--encoder", help="Where the index's own encoder lies now: name or folder."),
    ] = None,
    rerank: RerankOption = None,
    pair_routing: PairRoutingOption = None,
    device: DeviceOption = None,
    lang_policy: LangPolicyOption = "nearest",
    as_written: AsWrittenOption = False,
    as_json: AsJson = False,
) -> None:
    """Say why a document scores what it does: its words against the question's, and its score
    and rank at each stage of the search.
    """
    import xret

    with xret.open(
        index, encoder=encoder, mode=mode, lang_policy=lang_policy, device=device
    ) as searcher:
        found = searcher.explain(
            typed(doc_id),
            " ".join(query),
            lang=lang,
            mode=mode,
            rerank=routed_reranker(rerank, pair_routing),
            as_written=as_written,
        )
    if svg is not None or html is not None:
        from xret.eval.report.alignment_page import explanation_page, explanation_svg

        if svg is not None:
            svg.write_text(explanation_svg(found), encoding="utf-8", newline="\n")
        if html is not None:
            html.write_text(explanation_page(found), encoding="utf-8", newline="\n")
    if as_json:
        print_json(found)
    elif svg is None and html is None:
        print_explanation(found)
    for path in filter(None, (svg, html)):
        message(f"written: {path}")
    if not as_json:
        for warning in found.warnings:
            message(warning)
