"""Coded passages as the kernels are given them: checked, selected, shared among threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.deadline import Deadline
from xret.errors import DamagedIndexError, DimensionMismatchError
from xret.index.scoring.trellis_values import GROUP, MOST_RATE, WINDOWS, trellis_bytes
from xret.types import IntArray

__all__ = [
    "CodedPassages",
    "array_of",
    "check_passage",
    "passage_numbers",
    "run_shares",
    "spread_columns",
]

SHARE = 2**18
"""Pairs of query and document vectors below which a thread costs more than it saves."""

BLOCK = 2**21
"""About as many pairs between two looks at a deadline: at 384 dimensions 8 ms of a core with
VNNI, some 30 ms with AVX2."""

MAX_DIM = 32_768


@dataclass(frozen=True, slots=True)
class CodedPassages:
    """Coded vectors of n passages: passage i owns rows offsets[i]:offsets[i + 1], at least one.

    codes: (t, d * bits / 8) uint8, the bit patterns of int8 for 8 bits; scales: (t,) uint16,
    bfloat16 bits; offsets: (n + 1,) int64; levels: (2**bits,) int8, None for 8 bits;
    centroids: (t,) uint16 or None. bits: 0 for codes of a trellis, (t, `trellis_bytes`), whose
    levels say how many each group of dimensions has.
    """

    codes: npt.NDArray[np.uint8]
    scales: npt.NDArray[np.uint16]
    offsets: IntArray
    bits: int
    levels: npt.NDArray[np.int8] | None
    centroids: npt.NDArray[np.uint16] | None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def checked(
        cls,
        codes: npt.NDArray[Any],
        scales: npt.NDArray[Any],
        offsets: npt.NDArray[Any],
        *,
        dim: int,
        bits: int,
        levels: npt.NDArray[Any] | None,
        centroids: npt.NDArray[Any] | None,
    ) -> CodedPassages:
        """Arrays whose lengths belong together, for queries of `dim` dimensions.

        Raises DimensionMismatchError for another width than the queries', TypeError for
        another type of number, DamagedIndexError for lengths that differ.
        """
        if bits not in (0, 1, 2, 4, 8):
            raise ValueError(f"codes of {bits} bits; there are 0, 1, 2, 4 and 8")
        if bits == 8 and codes.dtype == np.int8:
            codes = codes.view(np.uint8)
        coded = array_of(codes, np.uint8, "codes")
        step, row_bits = 4 if bits == 8 else 8 if bits else GROUP, dim * bits
        table = None
        if bits < 8:
            shape = (2**bits,) if bits else (dim // GROUP, 1 + WINDOWS)
            if levels is None or levels.shape != shape:
                raise DamagedIndexError(f"{bits}-bit codes need {shape} levels")
            table = array_of(levels, np.int8, "levels")
        if table is not None and not bits:
            if len(table) and not 0 <= table[:, 0].min() <= table[:, 0].max() <= MOST_RATE:
                raise DamagedIndexError(f"a trellis has {table[:16, 0].tolist()} bits a dimension")
            row_bits = trellis_bytes(table) * 8
        if coded.ndim != 2 or coded.shape[1] * 8 != row_bits or dim % step or dim > MAX_DIM:
            raise DimensionMismatchError(
                f"queries of {dim} dimensions and {bits}-bit codes of shape {coded.shape}; the "
                f"dimensions must be the same, a multiple of {step} and at most {MAX_DIM:,}"
            )
        near = None if centroids is None else array_of(centroids, np.uint16, "centroids")
        made = cls(
            coded,
            array_of(scales, np.uint16, "scales"),
            array_of(offsets, np.int64, "offsets"),
            bits,
            table,
            near,
        )
        shapes = {made.scales.shape} | ({near.shape} if near is not None else set())
        if shapes != {(len(coded),)} or made.offsets.ndim != 1 or len(made.offsets) < 1:
            raise DamagedIndexError(
                f"codes of {len(coded)} vectors, scales {made.scales.shape}, offsets "
                f"{made.offsets.shape}: these arrays do not belong together"
            )
        return made


def array_of(array: npt.NDArray[Any], dtype: npt.DTypeLike, name: str) -> npt.NDArray[Any]:
    """The array as the kernels read it: of this type, without gaps. Raises TypeError."""
    if array.dtype != dtype:
        raise TypeError(f"{name} are {array.dtype}, not {np.dtype(dtype)}")
    return np.ascontiguousarray(array)


def passage_numbers(
    which: IntArray | None, keep: npt.NDArray[np.bool_] | None, *, n_passages: int
) -> IntArray | None:
    """The passage numbers to score, None for all. Raises ValueError for a number out of range."""
    if keep is not None:
        if which is not None or keep.shape != (n_passages,) or keep.dtype != np.bool_:
            raise ValueError(f"keep is a mask of {n_passages} passages, or which a list of some")
        return np.flatnonzero(keep)
    if which is None:
        return None
    numbers = np.ascontiguousarray(which, dtype=np.int64)
    if numbers.ndim != 1 or (len(numbers) and not 0 <= numbers.min() <= numbers.max() < n_passages):
        raise ValueError(f"passage numbers go from 0 to {n_passages - 1}")
    return numbers


def spread_columns(
    found: npt.NDArray[Any], keep: npt.NDArray[np.bool_] | None, *, missing: float
) -> npt.NDArray[Any]:
    """(n_queries, kept) answers to the columns of all passages, `missing` in the others."""
    if keep is None:
        return found
    scores = np.full((len(found), len(keep)), missing, dtype=found.dtype)
    scores[:, keep] = found
    return scores


def check_passage(number: int) -> None:
    """Raise DamagedIndexError for the number of a passage that reaches outside its arrays."""
    if number >= 0:
        raise DamagedIndexError(
            f"passage {number} points outside the vectors or centroids of its segment; the "
            "index is damaged: restore it from a copy or build it again"
        )


def run_shares(
    work: Callable[[int, int], int],
    offsets: IntArray,
    which: IntArray | None,
    *,
    n_vectors: int,
    threads: int,
    deadline: Deadline | None = None,
) -> int:
    """Answer all columns by work(first, last), in shares of about as many document vectors.

    n_vectors: query vectors that each of them meets. Returns the first damaged passage that
    a share found, or -1. The caller's own thread does the first share. deadline: shares are
    then done block by block, and raise DeadlineError between two where it has passed.
    """
    n_columns = len(offsets) - 1 if which is None else len(which)
    if deadline is not None and n_columns:
        mean = (int(offsets[-1]) - int(offsets[0])) / max(len(offsets) - 1, 1)
        columns = int(BLOCK / max(mean * n_vectors, 1.0)) + 1
        work = _in_blocks(work, columns, deadline)
    if threads > 1 and n_columns:
        lengths = np.diff(offsets) if which is None else offsets[which + 1] - offsets[which]
        ends = np.cumsum(np.maximum(lengths, 0))
        threads = min(threads, int(ends[-1]) * n_vectors // SHARE, n_columns)
    if threads <= 1:
        return work(0, n_columns)
    cuts = np.searchsorted(ends, ends[-1] * np.arange(1, threads) // threads)
    bounds = [0, *cuts.tolist(), n_columns]
    with ThreadPoolExecutor(threads - 1) as pool:
        rest = [pool.submit(work, *share) for share in itertools.pairwise(bounds[1:])]
        found = [work(0, bounds[1]), *(share.result() for share in rest)]
    return next((number for number in found if number >= 0), -1)


def _in_blocks(
    work: Callable[[int, int], int], columns: int, deadline: Deadline
) -> Callable[[int, int], int]:
    """The same work, so many columns at a time."""

    def blocks(first: int, last: int) -> int:
        for start in range(first, last, columns):
            deadline.check()
            damaged = work(start, min(start + columns, last))
            if damaged >= 0:
                return damaged
        return -1

    return blocks
