"""A segment: the vectors of some documents as immutable little-endian arrays on disk.

Files in one folder, named and checksummed by the catalog; t vectors of p passages of n
documents, each passage with at least one vector and each document with at least one passage:

    codes.u8       (t, code_bytes)  the vectors' codes, of 8 bits or by a trained codec
    scales.bf16    (t,)             bfloat16, one scale a vector
    centroids.u16  (t,)             only where the codec has centroids
    means.u8       (p, mean_bytes)  the passages' means, 4 bits a dimension, and
    mean_scales.bf16  (p,)          their scales, only where the codec has means
    offsets.i64    (p + 1,)         passage i owns rows offsets[i]:offsets[i + 1]
    documents.i64  (n + 1,)         document i owns passages documents[i]:documents[i + 1]
    spans.i32      (p, 2)           where each passage starts and ends in its document's text,
                                    -1 where it is the whole

The last two are there where some document has more than one passage. Beside them lie the
arrays of other indices over the same documents, such as the lexical one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import DamagedIndexError
from xret.index.storage.files import StoredFile, create_folder
from xret.index.storage.mapped import DTYPES, file_values
from xret.index.storage.stored import SegmentRecord
from xret.types import FloatArray, IntArray

__all__ = [
    "NOTHING",
    "Coded",
    "Segment",
    "Span",
    "padded",
    "quantize",
    "read_segment",
    "widened",
    "write_segment",
]

NOTHING = 0x8000
"""The scale, minus zero, of a vector that says nothing: the only one of a passage of which the
encoder can read no word. No other vector has it."""

Span = tuple[int, int]
"""Start and end of a passage in the text of its document, in code points."""

_SUFFIXES = {np.dtype(dtype): suffix for suffix, dtype in DTYPES.items() if suffix != "bf16"}
_OWN = {
    "codes": "codes.u8",
    "scales": "scales.bf16",
    "centroids": "centroids.u16",
    "offsets": "offsets.i64",
    "documents": "documents.i64",
    "spans": "spans.i32",
    "means": "means.u8",
    "mean_scales": "mean_scales.bf16",
}
_REQUIRED = {"codes.u8", "scales.bf16", "offsets.i64"}


@dataclass(frozen=True, slots=True)
class Coded:
    """codes: (t, code_bytes) uint8, for 8 bits the patterns of int8; scales: (t,) bfloat16
    as uint16; centroids: (t,) uint16, None where the codec has none. means: of the passages
    that own the vectors, by `xret.index.coding.passage_means`, None where the codec has none."""

    codes: npt.NDArray[np.uint8]
    scales: npt.NDArray[np.uint16]
    centroids: npt.NDArray[np.uint16] | None = None
    means: Coded | None = None

    def __len__(self) -> int:
        return len(self.scales)

    def rows(self, which: slice | IntArray, passages: slice | IntArray | None = None) -> Coded:
        """Some vectors, with the means of these passages; None leaves the means out."""
        centroids = None if self.centroids is None else self.centroids[which]
        means = None
        if self.means is not None and passages is not None:
            means = self.means.rows(passages)
        return Coded(self.codes[which], self.scales[which], centroids, means)


@dataclass(frozen=True, slots=True)
class Segment:
    """An open segment: read-only arrays, mapped from disk. See the module for their shapes.

    codec: number of the codec in the catalog, 0 for 8 bits. documents and spans: None where
    every document is one passage. arrays: by name without its ending, of other indices. silent:
    rising positions of the documents that no vector speaks for, None where there are none.
    """

    segment: int
    codec: int
    coded: Coded
    offsets: IntArray
    documents: IntArray | None = None
    spans: npt.NDArray[np.int32] | None = None
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    silent: IntArray | None = None

    @property
    def n_passages(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_documents(self) -> int:
        return self.n_passages if self.documents is None else len(self.documents) - 1

    @property
    def packed(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16], IntArray]:
        """Codes, scales and offsets, as the kernels take them."""
        return self.coded.codes, self.coded.scales, self.offsets

    def passages(self, positions: IntArray) -> tuple[IntArray, IntArray]:
        """Numbers of these documents' passages, and where each document's start among them."""
        if self.documents is None:
            return positions, np.arange(len(positions))
        first = self.documents[positions]
        counts = self.documents[positions + 1] - first
        starts = np.cumsum(counts) - counts
        return np.repeat(first - starts, counts) + np.arange(counts.sum()), starts

    def by_passage(self, keep: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """(n,) of documents → (p,) of their passages."""
        return keep if self.documents is None else np.repeat(keep, np.diff(self.documents))

    def by_document(self, scores: FloatArray) -> FloatArray:
        """(…, p) scores of passages → (…, n), each document's best."""
        if self.documents is None or not self.n_documents:
            return scores
        best: FloatArray = np.maximum.reduceat(scores, self.documents[:-1], axis=-1)
        return best


def quantize(values: FloatArray) -> Coded:
    """(t, d) float32 → 8-bit codes; values ≈ codes × scales.

    Codes are padded with zeros to `padded(d)` columns. A vector that is all zeros says nothing,
    and its scale is `NOTHING`. Raises ValueError when a value is not finite.
    """
    largest = np.maximum(values.max(axis=1, initial=0.0), -values.min(axis=1, initial=0.0))
    if not np.isfinite(largest).all():
        raise ValueError("an encoder returned a vector that is not finite")
    empty = largest == 0
    largest[empty] = 1
    bits = (largest / np.float32(127)).astype("<f4").view(np.uint32)
    scales = ((bits + np.uint32(0xFFFF)) >> 16).astype(np.uint16)  # up, so that codes fit
    scaled = values / widened(scales)[:, None]
    np.rint(scaled, out=scaled)
    codes = np.zeros((len(values), padded(values.shape[1])), np.int8)
    codes[:, : values.shape[1]] = scaled
    scales[empty] = NOTHING
    return Coded(codes.view(np.uint8), scales)


def padded(dim: int) -> int:
    """Bytes of an 8-bit code: the kernels read four at a time."""
    return -(-dim // 4) * 4


def widened(scales: npt.NDArray[np.uint16]) -> FloatArray:
    """bfloat16 as uint16 → float32."""
    return (scales.astype(np.uint32) << 16).view(np.float32)


def write_segment(
    index: Path, record: SegmentRecord, coded: Coded, arrays: Mapping[str, npt.NDArray[Any] | None]
) -> list[StoredFile]:
    """Write and fsync the arrays into a new folder; the caller names them in a commit.

    arrays: `offsets`, `documents` and `spans`, and any one-dimensional others by a name of
    their own; None is left out.
    """
    named: dict[str, npt.NDArray[Any] | None] = {
        "codes": coded.codes,
        "scales": coded.scales,
        "centroids": coded.centroids,
        **arrays,
    }
    if coded.means is not None:
        named |= {"means": coded.means.codes, "mean_scales": coded.means.scales}
    contents = {}
    for name, array in named.items():
        if array is None:
            continue
        little = array.dtype.newbyteorder("<")
        file = _OWN.get(name) or f"{name}.{_SUFFIXES[little]}"
        dtype = DTYPES[file.rpartition(".")[2]]
        contents[file] = np.ascontiguousarray(array, dtype=dtype).reshape(-1).data.cast("B")
    return create_folder(index / record.folder, contents)


def read_segment(
    index: Path,
    record: SegmentRecord,
    files: Sequence[StoredFile],
    *,
    code_bytes: int,
    n_centroids: int = 0,
    mean_bytes: int = 0,
    verify: bool = True,
    in_memory: bool = False,
) -> Segment:
    """Check every file's size, and its checksum where `verify`, then map it read-only.

    in_memory: or read it, so that whatever becomes of the file these arrays stay as they are.

    Raises DamagedIndexError naming the file that is missing, cut or changed.
    """
    folder = index / record.folder
    names = {file.name for file in files}
    required = _REQUIRED | ({"centroids.u16"} if n_centroids else set())
    required |= {"means.u8", "mean_scales.bf16"} if mean_bytes else set()
    if not required <= names or any(name.rpartition(".")[2] not in DTYPES for name in names):
        raise DamagedIndexError(
            f"{folder}: the catalog names {sorted(names)}, not {sorted(required)}"
        )
    arrays = {
        file.name: file_values(folder / file.name, file, verify=verify, in_memory=in_memory)
        for file in files
    }
    try:
        means = _means(arrays, record.passages, mean_bytes)
        return _segment(record, arrays, code_bytes, n_centroids, means)
    except (ValueError, IndexError) as error:
        raise DamagedIndexError(
            f"{folder}: its arrays do not belong together; restore it from a copy or build the "
            "index again"
        ) from error


def _means(
    arrays: Mapping[str, npt.NDArray[Any]], n_passages: int, mean_bytes: int
) -> Coded | None:
    """Raises ValueError where they are no means of so many passages."""
    codes, scales = arrays.get("means.u8"), arrays.get("mean_scales.bf16")
    if codes is None and scales is None:
        return None
    if codes is None or scales is None or not mean_bytes or len(scales) != n_passages:
        raise ValueError("means of other passages")
    if not np.isfinite(widened(scales)).all():
        raise ValueError("a mean that is not finite")
    return Coded(codes.reshape(n_passages, mean_bytes), scales)


def _segment(
    record: SegmentRecord,
    arrays: Mapping[str, npt.NDArray[Any]],
    code_bytes: int,
    n_centroids: int,
    means: Coded | None,
) -> Segment:
    """Raises ValueError where shapes or values would let a kernel read beyond an array."""
    scales, offsets = arrays["scales.bf16"], arrays["offsets.i64"]
    centroids, documents = arrays.get("centroids.u16"), arrays.get("documents.i64")
    codes = arrays["codes.u8"].reshape(len(scales), code_bytes)
    spans = arrays.get("spans.i32")
    n_documents = len(offsets) if documents is None else len(documents)
    counts = (record.vectors, record.passages, record.documents)
    sound = counts == (len(scales), len(offsets) - 1, n_documents - 1)
    none = not code_bytes and not offsets.any()  # an index of words alone
    sound = sound and (none or _partition(offsets, len(scales)))
    sound = sound and (documents is None) == (spans is None)
    if documents is not None and spans is not None:
        sound = sound and _partition(documents, record.passages)
        spans = spans.reshape(record.passages, 2)
    if centroids is not None:
        sound = sound and len(centroids) == len(scales)
        sound = sound and not bool((centroids >= n_centroids).any())
    if not sound:
        raise ValueError("counts, offsets or centroids")
    others = {n.rpartition(".")[0]: array for n, array in arrays.items() if n not in _OWN.values()}
    coded = Coded(codes, scales, centroids, means)
    silent = _silent(scales, offsets, documents) if code_bytes else None
    return Segment(record.segment, record.codec, coded, offsets, documents, spans, others, silent)


def _silent(
    scales: npt.NDArray[np.uint16], offsets: IntArray, documents: IntArray | None
) -> IntArray | None:
    """Positions of the documents all of whose passages have one vector that says nothing."""
    alone = np.flatnonzero(np.diff(offsets) == 1)
    passages = alone[scales[offsets[alone]] == NOTHING]
    if not len(passages) or documents is None:
        return passages if len(passages) else None
    owners = np.searchsorted(documents, passages, side="right") - 1
    positions, counts = np.unique(owners, return_counts=True)
    positions = positions[counts == np.diff(documents)[positions]]
    return positions if len(positions) else None


def _partition(offsets: IntArray, rows: int) -> bool:
    """Whether offsets go from 0 to that many rows, rising at every step."""
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != rows:
        return False
    return bool((offsets[1:] > offsets[:-1]).all())
