"""The lists of all shards as one, exactly as one index would have ordered it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xret.errors import UnusableIndexError
from xret.index.search.choice import at_least
from xret.index.search.commit import Matches
from xret.index.search.lexical_ranking import Join
from xret.index.search.placed_hits import PlacedHit
from xret.index.sharded.messages import ShardHits, ShardRanking
from xret.types import Hit

__all__ = ["MergedRanking", "merged_ranking"]


@dataclass(frozen=True, slots=True)
class MergedRanking:
    """hits: best first. shards: by document id, the number of the shard that has it."""

    hits: list[PlacedHit]
    shards: dict[str, int]
    matches: Matches


def merged_ranking(
    rankings: Sequence[ShardRanking], depth: int, join: Join | None
) -> MergedRanking:
    """Of one query. rankings: of each shard. depth: hits that each list is cut to, with all that
    tie with the last. join: as in `lexical_ranking.Words`.

    Raises UnusableIndexError for a document that is in two shards.
    """
    dense, spoken = _list([ranking.dense for ranking in rankings], depth)
    lexical, _ = _list([ranking.lexical for ranking in rankings], depth)
    matches = _matches([ranking.matches for ranking in rankings])
    shards = _shards(rankings)
    if dense is None or lexical is None or join is None:
        return MergedRanking(lexical if dense is None else dense, shards, matches)  # type: ignore
    by_words = [hit for hit, _, _ in lexical]
    within = spoken | {hit.doc_id for hit in by_words}
    beside = {hit.doc_id: (span, raw) for hit, span, raw in dense}
    joined = join([hit for hit, _, _ in dense], by_words, within)
    placed = [(hit, *beside.get(hit.doc_id, (None, None))) for hit in joined]
    return MergedRanking(placed, shards, matches)


def _list(parts: Sequence[ShardHits | None], depth: int) -> tuple[list[PlacedHit] | None, set[str]]:
    """One list, best first, ties by id, and the ids that the words speak for; None where no
    shard has one."""
    lists = [part for part in parts if part is not None]
    if not lists:
        return None, set()
    scores = np.concatenate([part.scores for part in lists])
    kept = set(at_least(scores, depth).tolist())
    placed: list[PlacedHit] = []
    spoken: set[str] = set()
    number = 0
    for part in lists:
        raw = [None] * len(part.doc_ids) if part.raw is None else part.raw.tolist()
        within = [False] * len(raw) if part.within is None else part.within.tolist()
        columns = (part.doc_ids, part.scores.tolist(), part.spans.tolist(), raw, within)
        for doc_id, score, (start, end), before, inside in zip(*columns, strict=True):
            if number in kept:
                placed.append((Hit(doc_id, score), None if start < 0 else (start, end), before))
                if inside:
                    spoken.add(doc_id)
            number += 1
    return sorted(placed, key=lambda one: (-one[0].score, one[0].doc_id)), spoken


def _shards(rankings: Sequence[ShardRanking]) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, ranking in enumerate(rankings):
        for part in (ranking.dense, ranking.lexical):
            for doc_id in () if part is None else part.doc_ids:
                if found.setdefault(doc_id, number) != number:
                    raise UnusableIndexError(
                        f"document {doc_id!r} is in two shards; delete it from one of them"
                    )
    return found


def _matches(parts: Sequence[Matches]) -> Matches:
    languages: Counter[str] = Counter()
    for part in parts:
        languages.update(part.languages or {})
    counted = any(part.languages is not None for part in parts)
    total = sum(part.documents for part in parts)
    return Matches(total, dict(sorted(languages.items())) if counted else None)
