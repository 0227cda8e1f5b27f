"""Which documents fulfil a filter, as masks over the segments of a commit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from xret.errors import DamagedIndexError
from xret.index.search.columns import Column, Columns, has_column
from xret.index.search.commit import Commit
from xret.index.search.filters import Condition, Filter, compile_filter
from xret.index.search.folding import folded
from xret.index.search.ranking import Masks
from xret.index.storage.documents import DocumentTable
from xret.index.storage.stored import place_of

__all__ = ["FilterMasks"]

MASK_BYTES = 1 << 26
"""Masks of filters that are kept for the next search with the same filter."""

COLUMN_DOCUMENTS = 1 << 21
"""Documents of an index up to which filters are answered from columns in memory; SQLite reads
the rows of larger ones each time."""

Whole = list[npt.NDArray[np.bool_]]
"""For each segment (n,) of its documents."""


class FilterMasks:
    """Masks of the filters asked for lately. One thread at a time."""

    def __init__(self) -> None:
        self._masks: OrderedDict[tuple[int, str], Masks] = OrderedDict()
        self._columns = Columns()

    def kept(self, commit: Commit, wanted: Filter | None) -> Masks | None:
        """Those that an earlier search made; None where none did."""
        if wanted is None:
            return commit.alive
        key = commit.version, repr(wanted)  # equal filters are not the same: 1 == True
        known = self._masks.get(key)
        if known is not None:
            self._masks.move_to_end(key)
        return known

    def of(self, commit: Commit, wanted: Filter | None, documents: DocumentTable) -> Masks:
        """Which documents of each segment may be found: None for all of them.

        documents: those of that commit, read where they are not known yet. Masks are kept for
        the next search of the same commit, the oldest going first where they are more than
        `MASK_BYTES`.
        """
        known = self.kept(commit, wanted)
        if known is not None or wanted is None:
            return commit.alive if known is None else known
        size = sum(segment.n_documents for segment in commit.segments)
        by_columns = size <= COLUMN_DOCUMENTS
        fulfilled = _Fulfilled(commit, documents, self._columns if by_columns else None)
        masks: Masks = tuple(
            mask if alive is None else mask & alive
            for mask, alive in zip(fulfilled.of(folded(wanted)), commit.alive, strict=True)
        )
        self._columns.forget(commit.segments)
        for version, other in [*self._masks]:
            if version != commit.version:
                del self._masks[version, other]
        self._masks[commit.version, repr(wanted)] = masks
        while len(self._masks) > max(1, MASK_BYTES // max(size, 1)):
            self._masks.popitem(last=False)
        return masks


class _Fulfilled:
    """The documents of a commit that conditions hold for; columns: None to ask SQLite alone."""

    def __init__(self, commit: Commit, documents: DocumentTable, columns: Columns | None) -> None:
        self._commit = commit
        self._documents = documents
        self._columns = columns

    def of(self, wanted: Filter) -> Whole:
        """Of a whole filter; fields that it names are read in one pass."""
        if self._columns is not None:
            fields = {one.field for one in _conditions(wanted) if has_column(one.field)}
            columns = [
                self._columns.of(segment, sorted(fields), self._documents)
                for segment in self._commit.segments
            ]
            return self._by_parts(wanted, columns)
        return self._by_sql(wanted)

    def _by_parts(self, wanted: Filter, columns: list[dict[str, Column]]) -> Whole:
        if isinstance(wanted, Condition):
            if not has_column(wanted.field):
                return self._by_sql(wanted)
            return [own[wanted.field].mask(wanted) for own in columns]
        if not any(has_column(one.field) for one in _conditions(wanted)):
            return self._by_sql(wanted)
        either = wanted.operator == "OR"
        joined = [np.full(s.n_documents, not either, np.bool_) for s in self._commit.segments]
        for part in wanted.conditions:
            for whole, mask in zip(joined, self._by_parts(part, columns), strict=True):
                whole[:] = whole | mask if either else whole & mask
        return [~whole for whole in joined] if wanted.operator == "NOT" else joined

    def _by_sql(self, wanted: Filter) -> Whole:
        """Documents of segments that the commit does not have are passed over."""
        masks = {s.segment: np.zeros(s.n_documents, np.bool_) for s in self._commit.segments}
        where, values = compile_filter(wanted)
        for segment, position in map(place_of, self._documents.numbers(where, values)):
            mask = masks.get(segment)
            if mask is not None:
                if position >= len(mask):
                    raise DamagedIndexError(
                        f"{self._documents.path}: segment {segment} has no position {position}"
                    )
                mask[position] = True
        return list(masks.values())


def _conditions(wanted: Filter) -> Iterator[Condition]:
    if isinstance(wanted, Condition):
        yield wanted
    else:
        for part in wanted.conditions:
            yield from _conditions(part)
