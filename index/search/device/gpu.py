"""Exact late-interaction scan on a GPU by torch, which is imported only when one is asked for.

Every passage is scored, in blocks of whole documents: int8 products with all query vectors and
a maximum over each passage's own vectors (segments, so there is no padding to be scored by
mistake; `maxima`), the sum over query vectors, the maximum over each document's passages,
and the best k of what the mask keeps, all on the device. Codes stay resident in its memory
until its budget is spent; what is left is streamed through two page-locked buffers for
every batch of queries, at the speed of the bus. Beyond the codes a search takes a block's
`SIMILARITIES` at 8 bytes each, and k numbers of 8 bytes a query: never a score of every
vector, and no more than a block's documents.

8-bit segments give the scores of `xret.index.scoring.maxsim.score_passages` bit for bit: products
are exact integers, and each float operation is the same single one, in the same order.
Other segments are decoded and rounded to int8 when they are loaded, so that a similarity
differs by up to about half a percent; the caller asks for more than it needs and orders the
best by `fine_scores` on the CPU. In both cases what is returned to a user is the same as
without a GPU.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.errors import ConfigError, DimensionMismatchError
from xret.index.scoring.devices import torch_device
from xret.index.scoring.query_codes import QueryCodes
from xret.index.search.calibration import LanguageScale
from xret.index.search.device.device_blocks import (
    Block,
    ScanSegment,
    Staging,
    cut_blocks,
    padded_dim,
)
from xret.index.search.device.device_scores import (
    lane_sums,
    ordered_keys,
    stacked,
    unpacked_keys,
)
from xret.index.search.device.maxima import is_fused, weighted_maxima
from xret.types import FloatArray, IntArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["DeviceScan", "ScanLanguages", "ScanSegment", "free_bytes"]

BLOCK_ROWS = {"cuda": 2**22, "cpu": 2**14}
"""Vectors of one block, or the longest document's where that is more."""

SIMILARITIES = {"cuda": 2**28, "cpu": 2**22}
"""Numbers at a time, of 8 bytes each: one for each query lane and passage of a block by the fused
kernel, one for each lane and vector without it."""

MEMORY_SHARE = 0.75
"""Of the memory free at opening, what resident codes may take."""


@dataclass(frozen=True, slots=True)
class ScanLanguages:
    """Calibration of a scan. numbers: (documents,) int64, each one's language; means, spreads:
    (languages + 1, queries) float32, the last row for documents in none."""

    numbers: npt.NDArray[np.int64]
    means: FloatArray
    spreads: FloatArray

    @classmethod
    def of(cls, scales: Sequence[LanguageScale], numbers: npt.NDArray[np.uint16]) -> ScanLanguages:
        means = np.stack([np.append(scale.means, 0) for scale in scales], axis=1)
        spreads = np.stack([np.append(scale.spreads, 1) for scale in scales], axis=1)
        clipped = np.minimum(numbers, len(means) - 1).astype(np.int64)
        return cls(clipped, means.astype(np.float32), spreads.astype(np.float32))

    def calibrated(self, scores: Tensor, first: int) -> Tensor:
        """(n, queries) scores of the documents from number `first` on."""
        import torch

        there = slice(first, first + len(scores))
        numbers = torch.from_numpy(self.numbers[there]).to(scores.device)
        means, spreads = (
            torch.from_numpy(table).to(scores.device)[numbers]
            for table in (self.means, self.spreads)
        )
        result: Tensor = (scores - means) / spreads
        return result


class DeviceScan:
    """Documents on a device, numbered from 0 in the order of their segments; never changed."""

    def __init__(
        self, device: torch.device, dim: int, blocks: tuple[Block, ...], *, n_segments: int = 0
    ) -> None:
        self.device, self.dim, self._blocks = device, dim, blocks
        self.n_segments = n_segments
        self.n_documents = sum(block.n_documents for block in blocks)

    @classmethod
    def open(
        cls,
        segments: Sequence[ScanSegment],
        *,
        device: str | None = None,
        resident_bytes: int | None = None,
    ) -> DeviceScan:
        """Copy the codes to the device, as many as fit.

        device: None or "cpu", "cuda", "cuda:1". resident_bytes: how much its memory may
        hold of them; None is `MEMORY_SHARE` of what is free on a GPU, everything on a CPU.
        Raises ConfigError for a device that is not there, MissingLibraryError without torch.
        """
        place = torch_device(device)
        if not segments:
            raise ConfigError("a scan needs at least one segment")
        dim = segments[0].vectors.rows(slice(0, 1)).shape[1]
        return cls(place, dim, ()).extended(segments, resident_bytes=resident_bytes)

    def extended(
        self, segments: Sequence[ScanSegment], *, resident_bytes: int | None = None
    ) -> DeviceScan:
        """These and further documents; codes already on the device are shared, not copied.

        resident_bytes: as in `open`, for the further ones.
        """
        budget = free_bytes(self.device) if resident_bytes is None else resident_bytes
        blocks = list(self._blocks)
        n_documents = self.n_documents
        for segment in segments:
            limit = BLOCK_ROWS[self.device.type]
            for cut in cut_blocks(segment, n_documents, self.device, limit=limit):
                n_bytes = cut.n_rows * (padded_dim(self.dim) + 4)
                fits = n_bytes <= budget
                budget -= n_bytes if fits else 0
                blocks.append(cut.resident(self.dim, self.device) if fits else cut)
            n_documents += len(segment.starts()[0]) - 1
        total = self.n_segments + len(segments)
        return DeviceScan(self.device, self.dim, tuple(blocks), n_segments=total)

    @property
    def n_resident(self) -> int:
        """Documents whose codes stay in the device's memory."""
        return sum(block.n_documents for block in self._blocks if block.loaded is not None)

    def search(
        self,
        queries: QueryCodes,
        k: int,
        *,
        keep: npt.NDArray[np.bool_] | None = None,
        languages: ScanLanguages | None = None,
    ) -> tuple[list[IntArray], list[FloatArray]]:
        """The best k documents of each query: numbers and scores, best first, ties by number.

        queries: from `query_codes`, plain; all of them take as long as the longest.
        keep: (n_documents,) bool; others are no hits. Fewer than k where fewer are kept.
        languages: of the documents and of these queries; the scores are calibrated then.
        Raises DimensionMismatchError.
        """
        import torch

        if queries.codes.shape[1] != self.dim:
            raise DimensionMismatchError(
                f"the queries have {queries.codes.shape[1]} dimensions, the documents {self.dim}"
            )
        n_kept = self.n_documents if keep is None else int(np.count_nonzero(keep))
        k = min(k, n_kept)
        if k < 1 or not len(queries):
            return unpacked_keys(np.zeros((0, len(queries)), dtype=np.int64))
        codes, scales = map(torch.from_numpy, stacked(queries, padded_dim(self.dim)))
        codes, scales = codes.to(self.device), scales.to(self.device)
        mask = None if keep is None else torch.from_numpy(np.array(keep)).to(self.device)
        best = torch.empty((0, len(queries)), dtype=torch.int64, device=self.device)
        with torch.inference_mode():
            for block, loaded in self._in_turn():
                scores = _block_scores(block, loaded, codes, scales)
                if languages is not None:
                    scores = languages.calibrated(scores, block.first_document)
                best = torch.cat([best, ordered_keys(scores, block.first_document, mask)])
                best = best.topk(min(k, len(best)), dim=0).values
        return unpacked_keys(best.cpu().numpy())

    def _in_turn(self) -> Iterator[tuple[Block, tuple[Tensor, Tensor]]]:
        """The blocks with their codes, those on the host brought over one after the other."""
        rows = max((b.n_rows for b in self._blocks if b.loaded is None), default=0)
        buffers = [Staging(rows, self.dim, self.device) for _ in range(2)] if rows else []
        for turn, block in enumerate(self._blocks):
            yield block, block.loaded or buffers[turn % 2].sent(block, self.device)


def _block_scores(
    block: Block, loaded: tuple[Tensor, Tensor], codes: Tensor, scales: Tensor
) -> Tensor:
    """(documents of the block, n_queries) float32; queries in shares that fit in memory.

    codes: (n_queries, lanes, d) int8; scales: (n_queries, lanes) float32.
    """
    import torch

    n_queries, lanes, dim = codes.shape
    height = len(block.passage_lengths) if is_fused(codes.device) else block.n_rows
    share = max(1, SIMILARITIES[codes.device.type] // (height * lanes))
    found = []
    for first in range(0, n_queries, share):
        some = slice(first, first + share)
        asked = codes[some].reshape(-1, dim), scales[some].reshape(-1)
        weighted = weighted_maxima(*loaded, block.passage_lengths, *asked)
        sums = lane_sums(weighted.view(len(weighted), -1, lanes))
        if block.document_lengths is not None:
            sums = torch.segment_reduce(sums, "max", lengths=block.document_lengths, unsafe=True)
        found.append(sums)
    return torch.cat(found, dim=1)


def free_bytes(device: torch.device) -> int:
    """What may be taken of a device's memory now: all of a CPU's."""
    import torch

    if device.type == "cpu":
        return sys.maxsize
    return int(torch.cuda.mem_get_info(device)[0] * MEMORY_SHARE)
