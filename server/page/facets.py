"""What the reader can narrow down to, and what was chosen already."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from xret.retriever.answer import Facet
from xret.server.page.hits import language_tag
from xret.server.page.interface import Interface
from xret.server.page.state import PageState

__all__ = ["FacetChoice", "FacetView", "chosen_values", "facet_names", "facet_views"]

LANG, DATE = "lang", "date"
MAX_FIELDS = 8
"""Metadata fields that are counted, those that most documents have."""
MAX_FACETS = 4
"""Of those that are shown, beside the languages."""
MAX_VALUES = 8
MAX_LABEL = 60


@dataclass(frozen=True, slots=True)
class FacetChoice:
    """A value with the address that chooses it, or takes the choice away.

    lang, dir: of the label, "" for the page's own. note: its name in the reader's language.
    """

    label: str
    lang: str
    dir: str
    note: str
    count: str
    link: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class FacetView:
    title: str
    choices: list[FacetChoice]
    more: str
    counted: str


def facet_names(fields: Mapping[str, int], state: PageState) -> list[str]:
    """What to count: languages, years, what is chosen, and the most common metadata."""
    chosen = [name for name, _ in state.facet]
    common = [name for name in fields if _nameable(name)][:MAX_FIELDS]
    return [*dict.fromkeys([LANG, DATE, *chosen, *common])][: MAX_FIELDS + 2]


def facet_views(
    facets: Mapping[str, Facet], state: PageState, ui: Interface, *, langs: Collection[str]
) -> list[FacetView]:
    """Languages first; of the others those whose values divide the documents into groups."""
    shown = []
    for name, facet in facets.items():
        counts = {str(one.value): one.total or one.count for one in facet.values}
        if name == LANG:
            choices = _languages(counts, state, ui, langs=langs)
        elif _divides(facet) or any(state.has(name, value) for value in counts):
            kept = [*counts.items()][:MAX_VALUES]
            choices = [_choice(name, value, count, state, ui) for value, count in kept]
        else:
            continue
        if not choices:
            continue
        rest = 0 if name == LANG else len(counts) - len(choices) + facet.more
        title = {LANG: ui["languages"], DATE: ui["date"]}.get(name, name)
        shown.append(
            FacetView(
                title,
                choices,
                ui.say("more_values", more=rest) if rest else "",
                "" if name == LANG else ui.say("counted", documents=facet.documents),
            )
        )
    return shown[: MAX_FACETS + 1]


def _languages(
    counts: Mapping[str, int], state: PageState, ui: Interface, *, langs: Collection[str]
) -> list[FacetChoice]:
    """Those found, most documents first, and after a choice of some the others of the index."""
    order = sorted(counts, key=lambda code: (-counts[code], ui.own_name(code).casefold()))
    others = sorted(set(langs) - counts.keys(), key=lambda code: ui.own_name(code).casefold())
    if not state.doc_lang:
        others = []
    return [_choice(LANG, code, counts.get(code), state, ui) for code in [*order, *others]]


def chosen_values(state: PageState, ui: Interface) -> list[FacetChoice]:
    """Each choice with the address without it."""
    chosen = [_choice(LANG, lang, None, state, ui) for lang in state.doc_lang]
    chosen += [_choice(name, value, None, state, ui) for name, value in state.facet]
    if state.filter:
        label = state.filter[:MAX_LABEL]
        chosen.append(FacetChoice(label, "", "ltr", "", "", state.link(filter=""), True))
    return chosen


def _choice(
    name: str, value: str, count: int | None, state: PageState, ui: Interface
) -> FacetChoice:
    language = name == LANG
    label = ui.own_name(value) if language else value[:MAX_LABEL]
    note = ui.name(value) if language else ""
    return FacetChoice(
        label=label,
        lang=language_tag(value) if language else "",
        dir="auto",
        note="" if note.casefold() == label.casefold() else note,
        count="" if count is None else ui.number(count),
        link=state.link(**state.toggled(name, value)),
        chosen=state.has(name, value),
    )


def _divides(facet: Facet) -> bool:
    """Whether the values of a facet put several documents together, and not all into one."""
    counts: Sequence[int] = [one.count for one in facet.values]
    return len(counts) >= 2 and not facet.more and len(counts) * 4 <= sum(counts)


def _nameable(field: str) -> bool:
    return ":" not in field and field.isprintable() and len(field) <= MAX_LABEL
