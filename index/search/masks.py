"""Which documents fulfil a filter, as masks over the segments of a commit."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from xret.errors import DamagedIndexError
from xret.index.search.commit import Commit
from xret.index.search.filters import Filter, compile_filter
from xret.index.search.ranking import Masks
from xret.index.storage.documents import DocumentTable
from xret.index.storage.stored import place_of

__all__ = ["FilterMasks"]

MASK_BYTES = 1 << 26
"""Masks of filters that are kept for the next search with the same filter."""


class FilterMasks:
    """Masks of the filters asked for lately. One thread at a time."""

    def __init__(self, documents: DocumentTable) -> None:
        self._documents = documents
        self._masks: OrderedDict[tuple[int, str], Masks] = OrderedDict()

    def of(self, commit: Commit, wanted: Filter | None) -> Masks:
        """Which documents of each segment may be found: None for all of them.

        Those of a filter are kept for the next search of the same commit, the oldest going
        first where they are more than `MASK_BYTES`.
        """
        if wanted is None:
            return commit.alive
        key = commit.version, repr(wanted)  # equal filters are not the same: 1 == True
        known = self._masks.get(key)
        if known is not None:
            self._masks.move_to_end(key)
            return known
        made = self._masks_of(commit, wanted)
        for version, other in [*self._masks]:
            if version != commit.version:
                del self._masks[version, other]
        self._masks[key] = made
        size = sum(segment.n_documents for segment in commit.segments)
        while len(self._masks) > max(1, MASK_BYTES // max(size, 1)):
            self._masks.popitem(last=False)
        return made

    def _masks_of(self, commit: Commit, wanted: Filter) -> Masks:
        """Documents of segments that the commit does not have are passed over."""
        masks = {s.segment: np.zeros(s.n_documents, np.bool_) for s in commit.segments}
        where, values = compile_filter(wanted)
        for segment, position in map(place_of, self._documents.numbers(where, values)):
            mask = masks.get(segment)
            if mask is not None:
                if position >= len(mask):
                    raise DamagedIndexError(
                        f"{self._documents.path}: segment {segment} has no position {position}"
                    )
                mask[position] = True
        return tuple(masks.values())
