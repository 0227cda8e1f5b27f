"""What a search answers: hits with snippets of their best passages, timings, warnings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xret.index.search.commit import Found
from xret.index.storage.segment import Span
from xret.index.storage.stored import StoredRoute
from xret.retriever.explanation import Explanation
from xret.retriever.languages.codes import direction
from xret.types import Document, LangSource

__all__ = [
    "PassageSpan",
    "QueryInfo",
    "SearchAnswer",
    "SearchHit",
    "Snippet",
    "StageScore",
    "Timings",
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

    passage: the one that scored, of which the snippet is. adapter: "Galician through the
    Portuguese adapter", empty where a text's language has its own or the encoder has none.
    stages: after a reranker, what each stage made of the document.
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

    @property
    def doc_id(self) -> str:
        return self.id


@dataclass(frozen=True, slots=True)
class QueryInfo:
    text: str
    lang: str
    lang_source: LangSource
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class Timings:
    encode_ms: float
    search_ms: float
    fetch_ms: float
    rerank_ms: float = 0.0
    explain_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What the HTTP endpoint sends and `xret search --json` prints."""

    request_id: str
    index: str
    index_version: int
    model: str
    query: QueryInfo
    took_ms: float
    timings: Timings
    hits: list[SearchHit]
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
    offset: int,
    *,
    adapters: bool,
    stages: Mapping[str, Mapping[str, StageScore]] | None = None,
) -> list[SearchHit]:
    """The hits of an answer's only query, ranked from offset + 1.

    adapters: whether the encoder has language adapters, and hits say which theirs was. stages:
    by document, where there were several.
    """
    routes = found.routes if adapters else {}
    hits = []
    for rank, hit in enumerate(found.rankings[0], offset + 1):
        document = found.documents[hit.doc_id]
        span = found.spans[0][rank - offset - 1] or (0, len(document.text))
        adapter = _described(routes.get(document.lang))
        raw = found.raw[0][rank - offset - 1]
        shown = search_hit(document, rank, hit.score, span=span, adapter=adapter, raw=raw)
        if stages:
            shown = dataclasses.replace(shown, stages=stages.get(hit.doc_id, {}))
        hits.append(shown)
    return hits


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
