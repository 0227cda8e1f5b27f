"""What a query found, as one list of hits: document ids read, ties ordered, lists joined."""

from __future__ import annotations

from collections.abc import Sequence

from xret.index.search.commit import Ranked
from xret.index.search.lexical_ranking import Words, numbers_within
from xret.index.search.ranking import Best
from xret.index.storage.documents import DocumentTable
from xret.index.storage.segment import Segment, Span
from xret.types import Hit

__all__ = ["PlacedHit", "placed_hits"]

PlacedHit = tuple[Hit, Span | None, float | None]
"""A hit, its document's best passage, and its score before it was calibrated."""


def placed_hits(
    ranked: Ranked, documents: DocumentTable, segments: Sequence[Segment], words: Words | None
) -> list[PlacedHit]:
    """The one ranking there is, or both as `words.join` puts them together."""
    rankings = [
        _ordered(best, documents) for best in (ranked.dense, ranked.lexical) if best is not None
    ]
    if not rankings:
        return []
    if ranked.dense is None or words is None or words.join is None:
        return rankings[0]
    numbers = numbers_within(ranked.dense.numbers, segments, ranked.within)
    dense, lexical = ([hit for hit, _, _ in ranking] for ranking in rankings)
    within = {*documents.doc_ids(numbers), *(hit.doc_id for hit in lexical)}
    beside = {hit.doc_id: (span, raw) for hit, span, raw in rankings[0]}
    joined = words.join(dense, lexical, within)
    return [(hit, *beside.get(hit.doc_id, (None, None))) for hit in joined]


def _ordered(best: Best, documents: DocumentTable) -> list[PlacedHit]:
    """Best first; those that tie are ordered by doc_id."""
    doc_ids = documents.doc_ids(best.numbers.tolist())
    spans = [None if start < 0 else (start, end) for start, end in best.spans.tolist()]
    raw = [None] * len(spans) if best.raw is None else best.raw.tolist()
    hits = map(Hit, doc_ids, best.scores.tolist())
    return sorted(zip(hits, spans, raw, strict=True), key=_order)


def _order(placed: PlacedHit) -> tuple[float, str]:
    hit = placed[0]
    return -hit.score, hit.doc_id
