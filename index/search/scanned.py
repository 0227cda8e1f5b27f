"""A commit's documents on a device, for readers that were asked to search there."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.errors import ConfigError, MissingLibraryError
from xret.index.scoring.devices import torch_device
from xret.index.scoring.query_codes import QueryCodes, query_codes
from xret.index.search.calibration import LanguageScale
from xret.index.search.dense.ann import faiss_device
from xret.index.search.dense.dense_vectors import Int8Vectors, VectorRows
from xret.index.search.dense.device_vectors import DeviceVectors
from xret.index.search.device.gpu import DeviceScan, ScanLanguages, ScanSegment, free_bytes
from xret.index.storage.segment import Segment, padded
from xret.types import Embeddings, FloatArray, IntArray

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec

__all__ = ["CommitScan", "DeviceIndex", "faiss_fault", "scanned_documents"]


@dataclass(frozen=True, slots=True)
class DecodedRows:
    """Vectors of a trained codec as float32, padded with zeros to the width of 8-bit codes."""

    segment: Segment
    codec: ResidualCodec

    def __len__(self) -> int:
        return len(self.segment.coded)

    def rows(self, which: slice | IntArray) -> FloatArray:
        rows = np.arange(*which.indices(len(self))) if isinstance(which, slice) else which
        owners = np.searchsorted(self.segment.offsets, rows, side="right") - 1
        values = self.codec.decode(self.segment.coded.rows(which, owners))
        width = padded(values.shape[1])
        return np.pad(values, ((0, 0), (0, width - values.shape[1])))


class CommitScan:
    """The documents of a commit on a device: every one scored by torch, or, where each passage
    has one vector, searched by FAISS. Threads may share it.

    torch answers what FAISS cannot: calibrated scores, a filter that leaves few, very many
    hits. It is sent the documents at the first such question.
    """

    def __init__(
        self,
        segments: Sequence[ScanSegment],
        *,
        device: str,
        vectors: DeviceVectors | None,
        scan: DeviceScan | None,
    ) -> None:
        """scan: of the first of these segments, or of all, if there is one already."""
        self._segments, self._device = tuple(segments), device
        self.vectors, self._known, self._turn = vectors, scan, threading.Lock()
        self.n_documents = sum(len(segment.starts()[0]) - 1 for segment in segments)
        if vectors is None:
            self.scan()

    @classmethod
    def of(
        cls,
        added: Sequence[ScanSegment],
        before: CommitScan | None,
        device: str,
        by_faiss: bool,
    ) -> CommitScan:
        """These segments after those of an earlier commit, of which nothing is sent again."""
        segments = [*before._segments, *added] if before is not None else [*added]
        vectors = None
        if by_faiss and faiss_fault(device) is None:
            room = free_bytes(torch_device(device))
            if before is not None and before.vectors is not None:
                vectors = before.vectors.extended(added, memory_bytes=room)
            if vectors is None:
                vectors = DeviceVectors.open(segments, device=device, memory_bytes=room)
        scan = None if before is None else before._known
        return cls(segments, device=device, vectors=vectors, scan=scan)

    def scan(self) -> DeviceScan:
        """Every document, scored by torch."""
        with self._turn:
            if self._known is None:
                self._known = DeviceScan.open(self._segments, device=self._device)
            elif self._known.n_segments < len(self._segments):
                rest = self._segments[self._known.n_segments :]
                self._known = self._known.extended(rest)
            return self._known

    def search(
        self,
        queries: QueryCodes,
        k: int,
        *,
        keep: npt.NDArray[np.bool_] | None = None,
        languages: ScanLanguages | None = None,
    ) -> tuple[list[IntArray], list[FloatArray]]:
        """As `DeviceScan.search`; by FAISS there may be more than k."""
        if self.vectors is not None and languages is None:
            best = self.vectors.search(queries, k, keep=keep)
            if best is not None:
                return best
        return self.scan().search(queries, k, keep=keep, languages=languages)


@cache
def faiss_fault(device: str) -> str | None:
    """Why FAISS cannot search on that device, which torch then does; told once, as a warning."""
    try:
        faiss_device(device)
    except (ConfigError, MissingLibraryError) as error:
        warnings.warn(f"torch scores every document: {error}", UserWarning, stacklevel=2)
        return str(error)
    return None


class DeviceIndex:
    """The scan of the commit that was asked for last; that of an earlier one is extended.

    Threads may share it, as long as one at a time calls `of`.
    """

    def __init__(self, device: str) -> None:
        """Raises ConfigError for a device that is not there, MissingLibraryError."""
        torch_device(device)
        self._device = device
        self._segments: tuple[Segment, ...] = ()
        self._scan: CommitScan | None = None

    def of(
        self,
        segments: Sequence[Segment],
        codecs: Mapping[int, ResidualCodec],
        *,
        by_faiss: bool = False,
    ) -> CommitScan | None:
        """The scan of these segments, None where there are none.

        by_faiss: every passage has one vector of 8 bits, and FAISS's best are good enough. A
        commit that only adds segments sends those; others send everything again.
        """
        known, before = len(self._segments), self._scan
        if [*map(id, segments[:known])] != [*map(id, self._segments)]:
            known, before = 0, None
        if len(segments) > known or before is None:
            added = [_scan_segment(segment, codecs) for segment in segments[known:]]
            self._scan = CommitScan.of(added, before, self._device, by_faiss) if added else None
        self._segments = tuple(segments)
        return self._scan


def scanned_documents(
    scan: DeviceScan | CommitScan,
    queries: Embeddings,
    segments: Sequence[Segment],
    masks: Sequence[npt.NDArray[np.bool_] | None],
    n: int,
    *,
    scales: Sequence[LanguageScale] | None = None,
    numbers: npt.NDArray[np.uint16] | None = None,
) -> list[list[IntArray]]:
    """For each query and segment, rising positions of the n best documents of the scan.

    masks: for each segment (documents,), None for all. scales: of each query, to choose by
    calibrated scores; numbers: (documents,) the languages then.
    """
    keep = None
    if any(mask is not None for mask in masks):
        keep = np.concatenate(
            [
                np.ones(segment.n_documents, np.bool_) if mask is None else mask
                for segment, mask in zip(segments, masks, strict=True)
            ]
        )
    width = queries.values.shape[1]
    values = np.pad(queries.values, ((0, 0), (0, padded(width) - width)))
    languages = None
    if scales is not None and numbers is not None:
        languages = ScanLanguages.of(scales, numbers)
    chosen, _ = scan.search(query_codes(values, queries.offsets), n, keep=keep, languages=languages)
    ends = np.cumsum([0, *(segment.n_documents for segment in segments)])
    found = []
    for best in map(np.sort, chosen):
        cuts = np.searchsorted(best, ends)
        found.append([best[a:b] - c for (a, b), c in zip(pairwise(cuts), ends, strict=False)])
    return found


def _scan_segment(segment: Segment, codecs: Mapping[int, ResidualCodec]) -> ScanSegment:
    vectors: VectorRows
    if segment.codec:
        vectors = DecodedRows(segment, codecs[segment.codec])
    else:
        vectors = Int8Vectors(segment.coded.codes.view(np.int8), segment.coded.scales)
    return ScanSegment(vectors, segment.offsets, segment.documents)
