"""How many documents a search could give, in all and by language, and how many are counted.

A search by vectors ranks every document that fulfils its filter; a search by words alone
those that have one of the words as well.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from xret.index.search.candidates import default_candidates
from xret.index.search.commit import Asked, Matches, Ranked
from xret.index.search.languages import LanguageGroups
from xret.index.search.lexical_ranking import HYBRID_DEPTH
from xret.index.search.ranking import Masks
from xret.index.storage.segment import Segment
from xret.types import SearchParams

__all__ = ["COUNTED", "matches_of", "ranked_depth", "ranked_params"]

COUNTED = 256
"""Hits, at least, over which facets are counted and that are sorted into groups. Of a hybrid
search only `HYBRID_DEPTH`: joining more would put them in another order."""


def ranked_depth(asked: Asked) -> int:
    """How many hits of a query are ranked: to the end of the page, or of what is counted."""
    end = asked.request.offset + asked.request.k
    joined = asked.words is not None and asked.words.join is not None
    least = HYBRID_DEPTH if joined else COUNTED
    return max(end, least) if joined or asked.request.counted else end


def ranked_params(asked: Asked, segments: Sequence[Segment]) -> SearchParams:
    """Those of the request, with as many candidates as without anything counted."""
    params = asked.request.params
    if not asked.request.counted or params.n_candidates is not None:
        return params
    n_documents = sum(segment.n_documents for segment in segments)
    end = asked.request.offset + asked.request.k
    return dataclasses.replace(params, n_candidates=default_candidates(end, n_documents))


def matches_of(
    rankings: Sequence[Ranked],
    keep: Masks,
    segments: Sequence[Segment],
    languages: LanguageGroups | None,
) -> list[Matches]:
    """Of each query. keep: the documents that may be found. languages: of the same segments, None
    where nobody asks how many documents each has."""
    ranked_all: Matches | None = None
    found = []
    for ranked in rankings:
        if ranked.dense is None and ranked.lexical is not None:
            best = ranked.lexical
            by_words = None if languages is None else _by_language(languages, best.matching)
            found.append(Matches(best.total, by_words))
            continue
        if ranked.dense is None:
            found.append(Matches(0, None if languages is None else {}))
            continue
        if ranked_all is None:
            by_filter = None if languages is None else _by_language(languages, keep)
            ranked_all = Matches(_count(keep, segments), by_filter)
        found.append(ranked_all)
    return found


def _count(keep: Masks, segments: Sequence[Segment]) -> int:
    return sum(
        segment.n_documents if mask is None else int(np.count_nonzero(mask))
        for segment, mask in zip(segments, keep, strict=True)
    )


def _by_language(languages: LanguageGroups, keep: Masks) -> Mapping[str, int]:
    counts = np.zeros(len(languages.langs) + 1, np.int64)
    for numbers, mask in zip(languages.numbers, keep, strict=True):
        own = numbers if mask is None else numbers[mask]
        counts += np.bincount(own, minlength=len(counts))
    return {
        lang: int(count) for lang, count in zip(languages.langs, counts[:-1], strict=True) if count
    }
