"""What of a ranking is shown, and what is counted over all of it: pages, groups and facets."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xret.index.search.commit import Found, Matches
from xret.index.search.filters import Condition, Filter
from xret.index.storage.stored import moment
from xret.retriever.answer import Facet, FacetValue, HitGroup, SearchHit, Total, metadata_name
from xret.retriever.languages.codes import direction
from xret.types import Document, SearchRequest

__all__ = ["AnswerPage", "answer_page", "asked_fields", "hit_groups"]

MAX_VALUES = 100
"""Values of a facet that are listed."""

LANG, DATE = "lang", "date"

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class AnswerPage:
    """found: of a ranking the hits that are shown. ranks: theirs, from 1, rising. facets: counted
    over the ranking."""

    found: Found
    ranks: Sequence[int]
    facets: Mapping[str, Facet]


def answer_page(found: Found, request: SearchRequest) -> AnswerPage:
    """The page, or the best of each group, of an answer's only query.

    found: the page itself, or all that the request counts.
    """
    ranking = found.rankings[0]
    start, end = request.offset, request.offset + request.k
    if not request.counted:
        return AnswerPage(found, range(start + 1, start + 1 + len(ranking)), {})
    documents = [found.documents[hit.doc_id] for hit in ranking]
    matches = found.matches[0]
    facets = {name: _facet(name, documents, matches) for name in dict.fromkeys(request.facets)}
    shown = [*range(len(ranking))[start:end]]
    if request.group_by is not None:
        seen: Counter[str] = Counter()
        shown = []
        for place, document in enumerate(documents):
            if start <= seen[document.lang] < end:
                shown.append(place)
            seen[document.lang] += 1
    cut = dataclasses.replace(
        found,
        rankings=[[ranking[place] for place in shown]],
        spans=[[found.spans[0][place] for place in shown]],
        raw=[[found.raw[0][place] for place in shown]],
    )
    return AnswerPage(cut, [place + 1 for place in shown], facets)


def hit_groups(hits: Iterable[SearchHit], matches: Matches) -> list[HitGroup]:
    """Hits by language, that of the first hit first."""
    groups: dict[str, list[SearchHit]] = {}
    for hit in hits:
        groups.setdefault(hit.lang, []).append(hit)
    totals = matches.languages or {}
    return [
        HitGroup(lang, direction(lang), Total(totals.get(lang, len(own))), own)
        for lang, own in groups.items()
    ]


def asked_fields(request: SearchRequest, wanted: Filter | None) -> list[str]:
    """Names of metadata that a request's filter, facets and fields have, once each."""
    of_filter = [name[5:] for name in _filter_fields(wanted) if name.startswith("meta.")]
    own = {LANG, DATE, "text"}
    named = [name for name in (*request.facets, *(request.fields or ())) if name not in own]
    return [*dict.fromkeys([*of_filter, *map(metadata_name, named)])]


def _filter_fields(wanted: Filter | None) -> Iterator[str]:
    if isinstance(wanted, Condition):
        yield wanted.field
    elif wanted is not None:
        for condition in wanted.conditions:
            yield from _filter_fields(condition)


def _facet(name: str, documents: Sequence[Document], matches: Matches) -> Facet:
    counts: Counter[tuple[type, Value]] = Counter()  # 1 == True == 1.0, and are three values
    without = 0
    for document in documents:
        values = {(type(value), value) for value in _values(name, document)}
        counts.update(values)
        without += not values
    totals = (matches.languages or {}) if name == LANG else None
    order = sorted(counts.items(), key=lambda one: (-one[1], str(one[0][1]), str(one[0][0])))
    return Facet(
        over="candidates",
        documents=len(documents),
        values=[
            FacetValue(value, count, None if totals is None else totals.get(str(value), count))
            for (_, value), count in order[:MAX_VALUES]
        ],
        more=max(len(order) - MAX_VALUES, 0),
        without=without,
    )


def _values(name: str, document: Document) -> list[Value]:
    """A document's values of a field: of a list its members, of a date the year."""
    if name == LANG:
        return [document.lang]
    if name == DATE:
        known = document.date is not None and moment(document.date) is not None
        return [str(document.date)[:4]] if known else []
    value = document.meta.get(metadata_name(name))
    members = value if isinstance(value, list) else [value]
    return [member for member in members if isinstance(member, str | int | float | bool)]
