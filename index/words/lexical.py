"""The terms of a segment's documents as arrays: an inverted file.

Stored beside the segment's vectors, or without any; `xret.index.words.bm25` scores with them:

    lexical_hashes.u32             (m,)      low half of xxh3-64 of each term, rising
    lexical_terms.u8               (bytes,)  the terms in UTF-8, in that order (equal hashes
                                             in the order of their bytes)
    lexical_term_lengths.u8        (m,)      bytes of each term
    lexical_posting_counts.u16     (m,)      postings of each term
    lexical_documents.u16          (p,)      documents that have the term, rising
    lexical_frequencies.u8         (p,)      how often, or in parts of a word (`xret.index.words.
                                             expected`); 255 and more stand in the next two
    lexical_large_postings.u32     (l,)      numbers of such postings, rising
    lexical_large_frequencies.u32  (l,)      how often
    lexical_lengths.u32            (n,)      terms of each document, or parts of them

Lengths, counts and documents are u8, u16 or u32, whichever is the narrowest that holds them. In
the place of lengths and counts, segments of earlier versions have lexical_term_offsets.u32 and
lexical_posting_offsets.u32, (m + 1,) of where each term's bytes and postings start.

A segment has less than 2**32 documents, terms, bytes of terms and postings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from xret.errors import DamagedIndexError

__all__ = [
    "LEXICAL_DTYPES",
    "NARROWED",
    "DocumentTerms",
    "LexicalSegment",
    "merged_arrays",
    "segment_arrays",
]

LEXICAL_DTYPES: Mapping[str, str] = {
    "lexical_hashes": "<u4",
    "lexical_terms": "|u1",
    "lexical_term_lengths": "<u4",
    "lexical_posting_counts": "<u4",
    "lexical_documents": "<u4",
    "lexical_frequencies": "|u1",
    "lexical_large_postings": "<u4",
    "lexical_large_frequencies": "<u4",
    "lexical_lengths": "<u4",
}
"""Every array of a segment by its name; of the narrowed ones the widest type."""

NARROWED = ("lexical_term_lengths", "lexical_posting_counts", "lexical_documents")
_EARLIER = {
    "lexical_term_lengths": "lexical_term_offsets",
    "lexical_posting_counts": "lexical_posting_offsets",
}
_WIDTHS = (np.dtype("|u1"), np.dtype("<u2"), np.dtype("<u4"))

LARGE = 255
_Array = npt.NDArray[Any]


DocumentTerms = Sequence[str] | Mapping[str, int]
"""Of a document: repeated ones repeated, or each with its frequency, at least 1."""


def segment_arrays(terms: Iterable[DocumentTerms]) -> dict[str, _Array]:
    """The arrays of a segment from the terms of each of its documents, in order.

    The same whatever order a document's terms are in, and whether they are repeated or counted.
    Terms are Unicode without surrogates.

    >>> arrays = segment_arrays([["a", "b", "a"], []])
    >>> arrays["lexical_lengths"].tolist(), arrays["lexical_frequencies"].tolist()
    ([3, 0], [2, 1])
    """
    numbers: dict[str, int] = {}
    lengths, parts = [], [np.empty(0, np.int64)]
    of_document: list[int] = []
    times: list[_Array] = []
    for document in terms:
        found = [numbers.setdefault(term, len(numbers)) for term in document]
        parts.append(np.array(found, dtype=np.int64))
        of_document.append(len(found))
        counted = isinstance(document, Mapping)
        own = list(document.values()) if isinstance(document, Mapping) else ()
        times.append(np.array(own, np.int64) if counted else np.ones(len(found), np.int64))
        lengths.append(int(times[-1].sum()))
    names = list(numbers)
    owners = np.repeat(np.arange(len(lengths), dtype=np.int64), of_document)
    pairs, places = np.unique((np.concatenate(parts) << 32) | owners, return_inverse=True)
    weights = np.concatenate([np.empty(0, np.int64), *times])
    counts = np.bincount(places, weights, len(pairs)).astype(np.int64)
    return _inverted(
        [name.encode() for name in names], pairs >> 32, pairs & 0xFFFFFFFF, counts, lengths
    )


def _inverted(
    names: list[bytes],
    terms: _Array,
    documents: _Array,
    counts: _Array,
    lengths: Sequence[int] | _Array,
) -> dict[str, _Array]:
    """Arrays from postings in any order; terms: (p,) positions in `names`."""
    hashes = [term_hash(name) for name in names]
    order = sorted(range(len(names)), key=lambda number: (hashes[number], names[number]))
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    by_term = np.argsort((rank[terms] << 32) | documents, kind="stable")
    counts = counts[by_term]
    large = np.flatnonzero(counts >= LARGE)
    ordered = [names[number] for number in order]
    arrays = {
        "lexical_hashes": [hashes[number] for number in order],
        "lexical_terms": np.frombuffer(b"".join(ordered), np.uint8),
        "lexical_term_lengths": list(map(len, ordered)),
        "lexical_posting_counts": np.bincount(rank[terms], minlength=len(names)),
        "lexical_documents": documents[by_term],
        "lexical_frequencies": np.minimum(counts, LARGE),
        "lexical_large_postings": large,
        "lexical_large_frequencies": counts[large],
        "lexical_lengths": lengths,
    }
    made = {name: np.asarray(array, LEXICAL_DTYPES[name]) for name, array in arrays.items()}
    return made | {name: _narrowed(made[name]) for name in NARROWED}


def _narrowed(array: _Array) -> _Array:
    """Whole numbers in the fewest bytes."""
    largest = int(array.max(initial=0))
    return array.astype(next(width for width in _WIDTHS if largest <= np.iinfo(width).max))


@dataclass(frozen=True, slots=True)
class LexicalSegment:
    """The arrays of an open segment, checked as far as reading them safely needs."""

    hashes: _Array
    terms: _Array
    term_offsets: _Array
    posting_offsets: _Array
    documents: _Array
    frequencies: _Array
    large_postings: _Array
    large_frequencies: _Array
    lengths: _Array

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, _Array], n_documents: int, *, where: object = "the segment"
    ) -> LexicalSegment:
        """Arrays by their names, mapped or in memory; they are not copied.

        Raises DamagedIndexError, naming `where`, for arrays that `segment_arrays` does not
        make: a document that is out of range is found when its term is searched for.
        """
        found = {name: _checked(arrays, name, where) for name in LEXICAL_DTYPES}
        segment = cls(
            hashes=found["lexical_hashes"],
            terms=found["lexical_terms"],
            term_offsets=_offsets(found["lexical_term_lengths"], arrays, "lexical_term_offsets"),
            posting_offsets=_offsets(
                found["lexical_posting_counts"], arrays, "lexical_posting_offsets"
            ),
            documents=found["lexical_documents"],
            frequencies=found["lexical_frequencies"],
            large_postings=found["lexical_large_postings"],
            large_frequencies=found["lexical_large_frequencies"],
            lengths=found["lexical_lengths"],
        )
        if not segment._belongs_together(n_documents):
            raise DamagedIndexError(
                f"{where}: its lexical arrays do not belong together; build the index again"
            )
        return segment

    @property
    def n_documents(self) -> int:
        return len(self.lengths)

    def find(self, names: Sequence[bytes]) -> list[tuple[int, int]]:
        """Where the postings of each term start and end; (0, 0) if the term does not occur."""
        hashes = [term_hash(name) for name in names]
        firsts = self.hashes.searchsorted(np.array(hashes, np.uint32)).tolist()
        return list(map(self._postings, names, firsts, hashes))

    def counts(self, start: int, end: int) -> _Array:
        """Frequencies of postings start:end, (end - start,) float64."""
        counts = self.frequencies[start:end].astype(np.float64)
        if len(self.large_postings):
            first, last = np.searchsorted(self.large_postings, (start, end))
            counts[self.large_postings[first:last] - start] = self.large_frequencies[first:last]
        return counts

    def names(self) -> list[bytes]:
        """Every term, in the order of the arrays."""
        content, offsets = self.terms.tobytes(), self.term_offsets.tolist()
        return [content[a:b] for a, b in pairwise(offsets)]

    def _postings(self, name: bytes, number: int, value: int) -> tuple[int, int]:
        while number < len(self.hashes) and self.hashes.item(number) == value:
            start, end = self.term_offsets.item(number), self.term_offsets.item(number + 1)
            if self.terms[start:end].tobytes() == name:
                return self.posting_offsets.item(number), self.posting_offsets.item(number + 1)
            number += 1
        return 0, 0

    def _belongs_together(self, n_documents: int) -> bool:
        return (
            len(self.lengths) == n_documents
            and len(self.hashes) + 1 == len(self.term_offsets) == len(self.posting_offsets)
            and bool((self.hashes[1:] >= self.hashes[:-1]).all())
            and _partition(self.term_offsets, len(self.terms))
            and _partition(self.posting_offsets, len(self.documents))
            and len(self.documents) == len(self.frequencies)
            and len(self.large_postings) == len(self.large_frequencies)
            and bool((self.large_postings[1:] > self.large_postings[:-1]).all())
            and (not len(self.large_postings) or self.large_postings[-1] < len(self.documents))
        )


def merged_arrays(parts: Sequence[tuple[LexicalSegment, _Array]]) -> dict[str, _Array]:
    """The arrays of a segment made of documents of others, as if built of their terms.

    parts: segments, each with (k,) positions of the documents to take, without repeats, in
    their new order.
    """
    numbers: dict[bytes, int] = {}
    columns: list[tuple[_Array, _Array, _Array]] = []
    lengths = [np.empty(0, np.uint32)]
    n_documents = 0
    for segment, positions in parts:
        moved = np.full(segment.n_documents, -1, np.int64)
        moved[positions] = np.arange(n_documents, n_documents + len(positions))
        n_documents += len(positions)
        lengths.append(segment.lengths[positions])
        documents = moved[segment.documents]
        ends = segment.posting_offsets.astype(np.int64)
        per_term: _Array = ends[1:] - ends[:-1]
        kept = np.repeat(np.arange(len(per_term)), per_term)[documents >= 0]
        used, kept = np.unique(kept, return_inverse=True)
        names = segment.names()
        mapping = [numbers.setdefault(names[i], len(numbers)) for i in used.tolist()]
        counts = segment.counts(0, len(documents)).astype(np.int64)[documents >= 0]
        columns.append((np.array(mapping, np.int64)[kept], documents[documents >= 0], counts))
    empty = np.empty(0, np.int64)
    joined = [np.concatenate([empty, *column]) for column in zip(*columns, strict=True)]
    terms, documents, counts = joined or [empty, empty, empty]
    return _inverted(list(numbers), terms, documents, counts, np.concatenate(lengths))


def _checked(arrays: Mapping[str, _Array], name: str, where: object) -> _Array:
    """An array by its name, or what earlier versions have in its place."""
    earlier = _EARLIER.get(name, name)
    array = arrays.get(name, arrays.get(earlier))
    widths = _WIDTHS if name in NARROWED and name in arrays else (np.dtype(LEXICAL_DTYPES[name]),)
    if array is None or array.dtype not in widths or array.ndim != 1:
        raise DamagedIndexError(f"{where} has no sound array {name}; build it again")
    return np.asarray(array)


def _offsets(stored: _Array, arrays: Mapping[str, _Array], earlier: str) -> _Array:
    """Where each starts, and the last ends, of lengths; of an earlier version as they are."""
    if earlier in arrays:
        return stored
    offsets: _Array = np.zeros(len(stored) + 1, np.int64)
    np.cumsum(stored, out=offsets[1:])
    return offsets


def _partition(offsets: _Array, total: int) -> bool:
    return bool(offsets[0] == 0 and offsets[-1] == total and (offsets[1:] >= offsets[:-1]).all())


def term_hash(name: bytes) -> int:
    return xxhash.xxh3_64_intdigest(name) & 0xFFFFFFFF
