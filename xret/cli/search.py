"""`xret search`: one question, ranked documents."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from xret.cli.hits import print_answer
from xret.cli.languages import OldQueryLang, question_lang
from xret.cli.options import (
    AsJson,
    AsWrittenOption,
    CalibrateOption,
    DeviceOption,
    IndexArgument,
    LangPolicyOption,
    PairRoutingOption,
    RerankOption,
    routed_reranker,
)
from xret.cli.output import print_json
from xret.types import Mode

__all__ = ["search"]


def search(
    index: IndexArgument,
    query: Annotated[
        list[str], typer.Argument(metavar="QUERY", help="The question, in any language.")
    ],
    k: Annotated[int, typer.Option("-k", "--hits", min=1, help="How many hits.")] = 10,
    lang: Annotated[str | None, typer.Option("--lang", help="Language of the question.")] = None,
    doc_lang: Annotated[
        list[str] | None,
        typer.Option("--doc-lang", help="Only documents in this language; may be repeated."),
    ] = None,
    filter: Annotated[
        str | None,
        typer.Option(
            "--filter", help='Only such documents: lang:fr,de date>=2020 publisher:"UN Press"'
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Score every document, whatever the preset.")
    ] = False,
    mode: Annotated[
        Mode | None,
        typer.Option("--mode", help="By vectors (the default), by words, or by both."),
    ] = None,
    calibrate: CalibrateOption = None,
    encoder: Annotated[
        str | None,
        typer.Option("--encoder", help="Where the index's own encoder lies now: name or folder."),
    ] = None,
    rerank: RerankOption = None,
    pair_routing: PairRoutingOption = None,
    deadline_ms: Annotated[
        float | None,
        typer.Option("--deadline-ms", help="When the reranker stops reading, since the start."),
    ] = None,
    partial: Annotated[
        bool | None,
        typer.Option(
            "--partial/--no-partial",
            help="Of an index in several parts: answer without those that do not answer, and say "
            "so; by default as its shards.json says.",
            show_default=False,
        ),
    ] = None,
    lang_policy: LangPolicyOption = "nearest",
    device: DeviceOption = None,
    code_switching: Annotated[
        bool,
        typer.Option("--code-switching", help="The question may mix languages; --lang overrides."),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say which words carry each hit's score.")
    ] = False,
    highlight: Annotated[
        bool, typer.Option("--highlight", help="Mark the words that carry each hit's score.")
    ] = False,
    group_by: Annotated[
        Literal["lang"] | None,
        typer.Option("--group-by", help="Sort the best hits by language, -k of each."),
    ] = None,
    facet: Annotated[
        list[str] | None,
        typer.Option(
            "--facet", help="Count a field's values: lang, date, or metadata; repeatable."
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", help="With --json: only this metadata; may be repeated."),
    ] = None,
    text: Annotated[
        bool, typer.Option("--text", help="With --json: the whole text of each hit.")
    ] = False,
    as_written: AsWrittenOption = False,
    query_lang: OldQueryLang = None,
    as_json: AsJson = False,
) -> None:
    """Search an index; the hits may be in any of its languages."""
    import xret
    from xret.types import SearchParams, SearchRequest

    with xret.open(
        index,
        encoder=encoder,
        mode=mode,
        partial=partial,
        lang_policy=lang_policy,
        device=device,
        code_switching=code_switching,
    ) as searcher:
        answer = searcher.answer(
            SearchRequest(
                " ".join(query),
                question_lang(lang, query_lang),
                k,
                doc_langs=doc_lang,
                filter=filter,
                mode=mode,
                params=SearchParams(exact=exact),
                rerank=routed_reranker(rerank, pair_routing),
                deadline_ms=deadline_ms,
                explain=explain,
                calibrate=calibrate,
                facets=facet or (),
                group_by=group_by,
                fields=field,
                full_text=text,
                highlight=highlight,
                as_written=as_written,
            )
        )
    if as_json:
        print_json(answer)
        return
    print_answer(answer, narrowed=bool(doc_lang or filter))
