"""A search as a page shows it: by language, as one list, or two lists side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xret.retriever.languages.codes import COMMON, autonym
from xret.retriever.searcher import SearchAnswer
from xret.server.indexes.documents import IndexDetail
from xret.server.page.facets import FacetChoice, FacetView, chosen_values, facet_names, facet_views
from xret.server.page.hits import HitView, hit_views, language_tag
from xret.server.page.interface import INTERFACES, Interface
from xret.server.page.state import PAGE_HITS, PageState
from xret.types import MAX_K, UNDETERMINED, SearchRequest

__all__ = ["AskView", "GroupView", "PaneView", "ResultsView", "ask_view", "page_request"]
__all__ += ["pane_view", "results_view"]

KEPT = ("doc_lang", "facet", "view", "marks", "ui")
"""What stays as it is when another question is asked."""

GROUP_HITS = 3
"""Hits of each language where results are grouped."""


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    label: str
    lang: str = ""
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class AskView:
    """The form. question_lang: its language for the chip, with whether it was detected; None
    before there is a question."""

    langs: list[Option]
    indexes: list[Option]
    modes: list[Option]
    vs_indexes: list[Option]
    vs_modes: list[Option]
    question_lang: tuple[str, str, bool] | None
    kept: list[tuple[str, str]]
    mode: str
    index: str


@dataclass(frozen=True, slots=True)
class GroupView:
    """The best hits in one language. more: the address of all of them, "" where these are all."""

    lang: str
    dir: str
    own_name: str
    name: str
    total: str
    hits: list[HitView]
    more: str


@dataclass(frozen=True, slots=True)
class PaneView:
    """One of two lists."""

    title: str
    took: str
    hits: list[HitView]
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class ResultsView:
    """What was found. first: whether this is the first page; previous, next: addresses, ""
    where there is none. facts: of the answer, (name, value) each."""

    total: str
    groups: list[GroupView]
    hits: list[HitView]
    facets: list[FacetView]
    chosen: list[FacetChoice]
    warnings: Sequence[str]
    took: str
    facts: list[tuple[str, str]]
    previous: str
    next: str


def page_request(state: PageState, detail: IndexDetail) -> SearchRequest:
    """The search that a state asks for."""
    grouped = state.view == "languages" and not state.compared
    of_one = bool(state.group) and not grouped and not state.compared
    per_page = GROUP_HITS if grouped else PAGE_HITS
    return SearchRequest(
        state.q,
        state.lang or None,
        per_page,
        0 if grouped else (state.page - 1) * PAGE_HITS,
        doc_langs=list(state.doc_lang) or None,
        filter=state.wanted(),
        mode=state.mode or None,
        facets=[] if state.compared else facet_names(detail.fields, state),
        group_by="lang" if grouped or of_one else None,
        fields=["date"],
        highlight=state.marks == "on",
    )


def results_view(
    answer: SearchAnswer, state: PageState, ui: Interface, detail: IndexDetail
) -> ResultsView:
    last = state.page * PAGE_HITS
    groups = answer.groups
    if state.view == "list":  # without one there are none
        groups = [group for group in groups if group.lang == state.group]
    n_shown = len(answer.hits) or sum(len(group.hits) for group in groups)
    n_all = sum(group.total.value for group in groups) or answer.total.value
    return ResultsView(
        total=ui.say("ranked", total=answer.total.value),
        groups=[
            GroupView(
                lang=language_tag(group.lang),
                dir=group.dir,
                own_name=ui.own_name(group.lang),
                name=ui.name(group.lang),
                total=ui.say("ranked", total=group.total.value),
                hits=hit_views(group.hits, state, ui, index=detail.name),
                more=state.link(group=group.lang, view="list")
                if state.view == "languages" and group.total.value > len(group.hits)
                else "",
            )
            for group in groups
        ],
        hits=hit_views(answer.hits, state, ui, index=detail.name),
        facets=facet_views(answer.facets, state, ui, langs=detail.languages),
        chosen=chosen_values(state, ui),
        warnings=answer.warnings,
        took=ui.say("timings", total=round(answer.took_ms)),
        facts=_facts(answer, ui),
        previous=state.link(page=state.page - 1) if state.page > 1 else "",
        next=state.link(page=state.page + 1)
        if state.view == "list" and n_shown and n_all > last and last < MAX_K
        else "",
    )


def pane_view(
    answer: SearchAnswer, other: SearchAnswer, state: PageState, ui: Interface, *, index: str
) -> PaneView:
    """One list, each document of which says where the other list has it.

    state: of this list, with its mode. index: the name it was asked by.
    """
    ranks = {hit.id: hit.rank for hit in other.hits}
    return PaneView(
        title=f"{index} · {ui[state.mode]}",
        took=ui.say("timings", total=round(answer.took_ms)),
        hits=hit_views(answer.hits, state, ui, index=index, others=ranks),
        warnings=answer.warnings,
    )


def ask_view(
    state: PageState,
    ui: Interface,
    *,
    detail: IndexDetail,
    names: Sequence[str],
    answer: SearchAnswer | None = None,
) -> AskView:
    """names: of the indices served."""
    modes = [Option(one, ui[one], chosen=one == state.mode) for one in detail.modes]
    known = {*COMMON.split(), *INTERFACES, *detail.languages, *filter(None, [state.lang])}
    langs = sorted(known - {UNDETERMINED}, key=lambda code: ui.own_name(code).casefold())
    asked = None
    if answer is not None:
        code = answer.query.lang
        asked = (language_tag(code), ui.own_name(code), answer.query.lang_source != "given")
    several = len(names) > 1
    return AskView(
        langs=[Option(one, autonym(one) or one, one, one == state.lang) for one in langs],
        indexes=[Option(one, one, chosen=one == detail.name) for one in names] if several else [],
        modes=modes if len(modes) > 1 else [],
        vs_indexes=[Option(one, one, chosen=one == state.vs_index) for one in names]
        if several
        else [],
        vs_modes=[Option(one.value, one.label, chosen=one.value == state.vs_mode) for one in modes]
        if len(modes) > 1
        else [],
        question_lang=asked,
        kept=[
            pair
            for pair in state.fields()
            if pair[0] in ("doc_lang", "facet", "view", "marks", "ui")
        ],
        mode=ui[state.mode or detail.modes[0]],
        index=detail.name,
    )


def _facts(answer: SearchAnswer, ui: Interface) -> list[tuple[str, str]]:
    timings: dict[str, Any] = {
        name: getattr(answer.timings, name)
        for name in ("encode_ms", "search_ms", "rerank_ms", "fetch_ms", "explain_ms")
    }
    facts = [
        (ui[name], ui.say("timings", total=ui.number(value, 1)))
        for name, value in timings.items()
        if value >= 0.05
    ]
    return [
        *facts,
        (ui["model"], answer.model),
        (ui["index"], answer.index),
        (ui["version"], ui.number(answer.index_version)),
        (ui["request"], answer.request_id),
    ]
