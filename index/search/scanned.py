"""A commit's documents on a device, for readers that were asked to search there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.index.scoring.query_codes import query_codes
from xret.index.search.calibration import LanguageScale
from xret.index.search.dense.dense_vectors import Int8Vectors, VectorRows
from xret.index.search.device.gpu import DeviceScan, ScanLanguages, ScanSegment, torch_device
from xret.index.storage.segment import Segment, padded
from xret.types import Embeddings, FloatArray, IntArray

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec

__all__ = ["DeviceIndex", "scanned_documents"]


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


class DeviceIndex:
    """The scan of the commit that was asked for last; that of an earlier one is extended.

    Threads may share it, as long as one at a time calls `of`.
    """

    def __init__(self, device: str) -> None:
        """Raises ConfigError for a device that is not there, MissingLibraryError."""
        torch_device(device)
        self._device = device
        self._segments: tuple[Segment, ...] = ()
        self._scan: DeviceScan | None = None

    def of(
        self, segments: Sequence[Segment], codecs: Mapping[int, ResidualCodec]
    ) -> DeviceScan | None:
        """The scan of these segments, None where there are none.

        A commit that only adds segments sends those; others send everything again.
        """
        known = len(self._segments)
        if [*map(id, segments[:known])] != [*map(id, self._segments)]:
            known, self._scan = 0, None
        added = [_scan_segment(segment, codecs) for segment in segments[known:]]
        if added and self._scan is None:
            self._scan = DeviceScan.open(added, device=self._device)
        elif added and self._scan is not None:
            self._scan = self._scan.extended(added)
        self._segments = tuple(segments)
        return self._scan


def scanned_documents(
    scan: DeviceScan,
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
