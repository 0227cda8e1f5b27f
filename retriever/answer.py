"""What a search answers: hits with snippets of their best passages, timings, warnings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from xret.index.search.commit import Found
from xret.index.storage.segment import Span
from xret.index.storage.stored import StoredRoute
from xret.retriever.explanation import Explanation
from xret.retriever.languages.codes import direction
from xret.types import Document, LangSource, SearchRequest

__all__ = [
    "Facet",
    "FacetValue",
    "HitGroup",
    "PassageSpan",
    "QueryInfo",
    "SearchAnswer",
    "SearchHit",
    "Snippet",
    "StageScore",
    "Timings",
    "Total",
    "metadata_name",
    "search_hit",
    "search_hits",
]

SNIPPET_CHARACTERS = 240


@dataclass(frozen=True, slots=True)
class Snippet:
    """Plain text of a document; spans are [start, end, weight] in code points, half open."""

    text: str
    spans: list[tuple[int, int, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PassageSpan:
    """Where a passage is in its document's text, in code points, half open."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class StageScore:
    """What one stage made of a document: its score there, and its rank by it, from 1."""

    score: float
    rank: int


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One result; higher scores are better. `lang_source` says how the language is known.

    raw_score: what the score in the index was before it was calibrated to compare across
    languages; None where it was not.

    fields: metadata, and "date"; those asked for. text: the whole of it, where that was asked for.

    passage: the one that scored, of which the snippet is. adapter: "Galician through the
    Portuguese adapter", empty where a text's language has its own or the encoder has none.
    stages: after a reranker, what each stage made of the document; where a search by vectors and
    words is explained, what each of them did, too.
    explanations: where they were asked for, which words carry the score, in short, and the
    snippet is the stretch of the passage that carries most, with those words as its spans.
    """

    id: str
    rank: int
    score: float
    lang: str
    lang_source: LangSource
    lang_confidence: float
    dir: str
    title: str
    url: str | None
    snippets: list[Snippet]
    fields: dict[str, Any]
    passage: PassageSpan
    adapter: str = ""
    stages: Mapping[str, StageScore] = field(default_factory=dict)
    explanations: list[Explanation] = field(default_factory=list)
    raw_score: float | None = None
    text: str | None = None

    @property
    def doc_id(self) -> str:
        return self.id


@dataclass(frozen=True, slots=True)
class QueryInfo:
    """The question as it was asked. reading: what a romanised one was read as, in the letters of
    its language; empty where it was read as written. word_langs: languages that its words were
    read in as well, where it was not plain which it is in."""

    text: str
    lang: str
    lang_source: LangSource
    adapter: str = ""
    reading: str = ""
    word_langs: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Timings:
    encode_ms: float
    search_ms: float
    fetch_ms: float
    rerank_ms: float = 0.0
    explain_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Total:
    """How many documents a search could give, page by page: by vectors all that fulfil its
    filter and languages, by words alone those of them that have one. relation: whether there are
    that many ("eq") or may be more ("gte")."""

    value: int
    relation: Literal["eq", "gte"] = "eq"


@dataclass(frozen=True, slots=True)
class FacetValue:
    """count: of the documents that the facet counts. total: of all that the answer's `total` is
    of, None where only those counted are known."""

    value: str | int | float | bool
    count: int
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Facet:
    """How often each value of a field is among the best hits, most first.

    over: what was counted: "candidates" are the best hits of the first ranking, `documents` of
    them. more: values that are not listed. without: documents that have no such field.
    """

    over: Literal["candidates"]
    documents: int
    values: list[FacetValue]
    more: int = 0
    without: int = 0


@dataclass(frozen=True, slots=True)
class HitGroup:
    """The best hits in one language; their ranks are those among all hits."""

    lang: str
    dir: str
    total: Total
    hits: list[SearchHit]


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What the HTTP endpoint sends and `xret search --json` prints.

    hits: none where they were to be grouped; then they are in `groups`, the language of the best
    hit first. facets: by the fields asked for.
    """

    request_id: str
    index: str
    index_version: int
    model: str
    query: QueryInfo
    took_ms: float
    timings: Timings
    total: Total
    hits: list[SearchHit]
    facets: Mapping[str, Facet]
    groups: list[HitGroup]
    warnings: list[str]


def search_hit(
    document: Document,
    rank: int,
    score: float,
    *,
    span: Span,
    adapter: str,
    raw: float | None = None,
) -> SearchHit:
    """A document as a hit; span: of the passage that its score is of; raw: that score before it
    was calibrated, None where it was not."""
    return SearchHit(
        id=document.doc_id,
        rank=rank,
        score=round(score, 6),
        lang=document.lang,
        lang_source=document.lang_source,
        lang_confidence=document.lang_confidence,
        dir=direction(document.lang),
        title=document.title,
        url=document.url,
        snippets=[Snippet(_opening(document.text[span[0] : span[1]]))],
        fields={**document.meta, **({"date": document.date} if document.date else {})},
        passage=PassageSpan(*span),
        adapter=adapter,
        raw_score=None if raw is None else round(raw, 6),
    )


def search_hits(
    found: Found,
    ranks: Sequence[int],
    request: SearchRequest,
    *,
    adapters: bool,
    stages: Mapping[str, Mapping[str, StageScore]] | None = None,
) -> list[SearchHit]:
    """The hits of an answer's only query, of these ranks, with what the request asks for.

    adapters: whether the encoder has language adapters, and hits say which theirs was. stages:
    by document, where there were several.
    """
    routes = found.routes if adapters else {}
    hits = []
    ranking = zip(ranks, found.rankings[0], found.spans[0], found.raw[0], strict=True)
    for rank, hit, passage, raw in ranking:
        document = found.documents[hit.doc_id]
        span = passage or (0, len(document.text))
        adapter = _described(routes.get(document.lang))
        shown = search_hit(document, rank, hit.score, span=span, adapter=adapter, raw=raw)
        if request.fields is not None:
            names = {*map(metadata_name, request.fields)}
            fields = {name: value for name, value in shown.fields.items() if name in names}
            shown = dataclasses.replace(shown, fields=fields)
        if stages or request.texts:
            text = document.text if request.texts else None
            own = (stages or {}).get(hit.doc_id, {})
            shown = dataclasses.replace(shown, stages=own, text=text)
        hits.append(shown)
    return hits


def metadata_name(field: str) -> str:
    """The name of a metadata field, which filters write as `meta.NAME`."""
    return field.removeprefix("meta.")


def _described(stored: StoredRoute | None) -> str:
    """The route that a document took when it was indexed, for people."""
    if stored is None or stored.how == "own":
        return ""
    from xret.retriever.languages.router import Route

    how: Any = stored.how
    return Route(stored.lang, stored.adapter, how, stored.reason).describe()


def _opening(text: str) -> str:
    """The beginning of a text, cut at a space where there is one near."""
    flat = re.sub(r"\s+", " ", text).strip()
    if len(flat) <= SNIPPET_CHARACTERS:
        return flat
    cut = flat.rfind(" ", SNIPPET_CHARACTERS * 3 // 4, SNIPPET_CHARACTERS)
    return flat[: cut if cut > 0 else SNIPPET_CHARACTERS] + "…"
