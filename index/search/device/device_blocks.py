"""Blocks of documents whose codes lie in a device's memory, or pass through it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.errors import DamagedIndexError
from xret.index.scoring.maxsim_numpy import from_bfloat16
from xret.index.scoring.query_codes import rounded
from xret.index.search.dense.dense_vectors import Int8Vectors, VectorRows
from xret.types import FloatArray, IntArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Block", "ScanSegment", "Staging", "cut_blocks", "padded_dim"]

FILL_ROWS = 2**14
MAX_CODE = 127
ALIGNMENT = 8


@dataclass(frozen=True, slots=True)
class ScanSegment:
    """A segment to scan: its vectors and what owns them.

    vectors: t rows; offsets: (passages + 1,) int64 into the rows; documents:
    (documents + 1,) int64 into the passages, None if each document is one passage.
    """

    vectors: VectorRows
    offsets: IntArray
    documents: IntArray | None = None

    def starts(self) -> tuple[IntArray, IntArray]:
        """First passage and first row of every document, each with the end of the last.

        Raises DamagedIndexError for offsets that do not rise from 0 to their end.
        """
        passages = np.arange(len(self.offsets)) if self.documents is None else self.documents
        for starts, end in ((passages, len(self.offsets) - 1), (self.offsets, len(self.vectors))):
            if not len(starts) or starts[0] or starts[-1] != end or (np.diff(starts) < 1).any():
                raise DamagedIndexError(
                    f"{len(starts)} offsets do not rise from 0 to the {end} entries that they "
                    "divide; the index is damaged: restore it from a copy or build it again"
                )
        return passages, self.offsets[passages]


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive documents of a segment; `loaded` is their codes and scales on the device.

    passage_lengths: vectors of each passage; document_lengths: passages of each document,
    None for one. Both are on the device; codes (rows, padded d) int8, scales (rows, 1).
    """

    segment: ScanSegment
    first_row: int
    last_row: int
    first_document: int
    passage_lengths: Tensor
    document_lengths: Tensor | None
    loaded: tuple[Tensor, Tensor] | None = None

    @property
    def n_rows(self) -> int:
        return self.last_row - self.first_row

    @property
    def n_documents(self) -> int:
        lengths = self.document_lengths
        return len(self.passage_lengths if lengths is None else lengths)

    def resident(self, dim: int, device: torch.device) -> Block:
        """The block with its codes in the device's memory."""
        buffer = Staging(self.n_rows, dim, None)
        return replace(self, loaded=buffer.sent(self, device))


class Staging:
    """A buffer on the host for one block's codes, page-locked where it serves a GPU again."""

    def __init__(self, rows: int, dim: int, device: torch.device | None) -> None:
        import torch

        pinned = device is not None and device.type == "cuda"
        width = padded_dim(dim)
        self._codes = torch.zeros((rows, width), dtype=torch.int8, pin_memory=pinned)
        self._scales = torch.zeros((rows, 1), dtype=torch.float32, pin_memory=pinned)
        self._copied = torch.cuda.Event() if pinned else None  # type: ignore[no-untyped-call]

    def sent(self, block: Block, device: torch.device) -> tuple[Tensor, Tensor]:
        """The block's codes and scales on the device; the copy may still be under way."""
        import torch

        if self._copied is not None:
            self._copied.synchronize()  # the last copy out of this buffer is done
        self._fill(block)
        later = self._copied is not None
        codes = self._codes[: block.n_rows].to(device, non_blocking=later, copy=True)
        scales = self._scales[: block.n_rows].to(device, non_blocking=later, copy=True)
        if self._copied is not None:
            self._copied.record(torch.cuda.current_stream(device))
        return codes, scales

    def _fill(self, block: Block) -> None:
        codes, scales = self._codes.numpy(), self._scales.numpy()
        for start in range(block.first_row, block.last_row, FILL_ROWS):
            rows = slice(start, min(block.last_row, start + FILL_ROWS))
            part, units = _int8_rows(block.segment.vectors, rows)
            place = slice(start - block.first_row, start - block.first_row + len(part))
            codes[place, : part.shape[1]], scales[place, 0] = part, units


def cut_blocks(
    segment: ScanSegment, first_document: int, device: torch.device, *, limit: int
) -> Iterator[Block]:
    """A segment in blocks of whole documents of at most `limit` rows, or one that is longer."""
    import torch

    passages, rows = segment.starts()
    first = 0
    while first < len(rows) - 1:
        last = int(np.searchsorted(rows, rows[first] + limit, side="right")) - 1
        last = max(last, first + 1)
        offsets = segment.offsets[passages[first] : passages[last] + 1]
        counts = None
        if segment.documents is not None:
            counts = torch.from_numpy(np.diff(passages[first : last + 1])).to(device)
        yield Block(
            segment,
            int(rows[first]),
            int(rows[last]),
            first_document + first,
            torch.from_numpy(np.diff(offsets)).to(device),
            counts,
        )
        first = last


def padded_dim(dim: int) -> int:
    """Dimensions on the device: int8 products take a multiple of 8."""
    return -(-dim // ALIGNMENT) * ALIGNMENT


def _int8_rows(vectors: VectorRows, rows: slice) -> tuple[npt.NDArray[np.int8], FloatArray]:
    """Codes and scales of these rows: those of an 8-bit segment, or rounded from its values."""
    if isinstance(vectors, Int8Vectors):
        return vectors.codes[rows], from_bfloat16(vectors.scales[rows])
    integers, scales = rounded(vectors.rows(rows), levels=MAX_CODE)
    return integers.astype(np.int8), scales
