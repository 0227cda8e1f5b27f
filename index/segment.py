"""A segment: the vectors of some documents as immutable little-endian arrays on disk.

Three files in one folder, named and checksummed by the catalog:

    codes.i8      (t, d) int8     each vector divided by its scale, rounded
    scales.f32    (t,) float32    largest magnitude of the vector / 127
    offsets.i64   (n + 1,) int64  document i owns rows offsets[i]:offsets[i + 1]

Symmetric int8 with one scale a vector keeps the dot product of two unit vectors to
about 0.5 %, at d + 4 bytes a vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import DamagedIndexError
from xret.index.files import checksum, create_file, sync_folder
from xret.types import FloatArray, IntArray

__all__ = ["Segment", "SegmentFile", "quantize", "read_segment", "segment_folder", "write_segment"]

DTYPES: Mapping[str, npt.DTypeLike] = {"codes.i8": "|i1", "scales.f32": "<f4", "offsets.i64": "<i8"}


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """One array file as the catalog names it."""

    name: str
    size_bytes: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Segment:
    """An open segment: read-only arrays, mapped from disk."""

    segment: int
    codes: npt.NDArray[np.int8]
    scales: FloatArray
    offsets: IntArray


def segment_folder(index: Path, segment: int) -> Path:
    """The folder of a segment inside its index."""
    return index / "segments" / f"{segment:06d}"


def quantize(values: FloatArray) -> tuple[npt.NDArray[np.int8], FloatArray]:
    """(t, d) float32 → (t, d) int8 codes and (t,) float32 scales; values ≈ codes × scales.

    Raises ValueError when a value is not finite or a vector is all zeros: such a vector
    would score as noise without anyone noticing.
    """
    largest = np.maximum(values.max(axis=1, initial=0.0), -values.min(axis=1, initial=0.0))
    if not np.isfinite(largest).all() or (largest == 0).any():
        raise ValueError("an encoder returned a vector that is zero or not finite")
    scales = (largest / np.float32(127)).astype("<f4")
    scaled = values / scales[:, None]
    np.rint(scaled, out=scaled)
    return scaled.astype(np.int8), scales


def write_segment(
    folder: Path, codes: npt.NDArray[np.int8], scales: FloatArray, offsets: IntArray
) -> list[SegmentFile]:
    """Write and fsync the arrays into a new folder; the caller names them in a commit."""
    folder.mkdir(parents=True)
    arrays = {"codes.i8": codes, "scales.f32": scales, "offsets.i64": offsets}
    files = []
    for name, array in arrays.items():
        content = np.ascontiguousarray(array, dtype=DTYPES[name]).data.cast("B")
        files.append(SegmentFile(name, content.nbytes, create_file(folder / name, content)))
    sync_folder(folder)
    sync_folder(folder.parent)
    return files


def read_segment(folder: Path, segment: int, files: list[SegmentFile], *, dim: int) -> Segment:
    """Check every file's size and checksum, then map it read-only.

    Raises DamagedIndexError naming the file that is missing, cut or changed.
    """
    names = sorted(file.name for file in files)
    if names != sorted(DTYPES):
        raise DamagedIndexError(f"{folder}: the catalog names {names}, not {sorted(DTYPES)}")
    arrays = {file.name: _mapped(folder / file.name, file) for file in files}
    codes, scales, offsets = (arrays[name] for name in DTYPES)
    rows = len(scales)
    if codes.size != rows * dim or not _partition(offsets, rows):
        raise DamagedIndexError(f"{folder}: its arrays do not belong together")
    return Segment(segment, codes.reshape(rows, dim), scales, offsets)


def _mapped(path: Path, file: SegmentFile) -> npt.NDArray[Any]:
    _check(path, file)
    dtype = np.dtype(DTYPES[file.name])
    if file.size_bytes % dtype.itemsize:
        raise DamagedIndexError(f"{path} has {file.size_bytes} bytes, no whole number of values")
    return np.memmap(path, dtype=dtype, mode="r") if file.size_bytes else np.empty(0, dtype)


def _partition(offsets: IntArray, rows: int) -> bool:
    """Whether offsets go from 0 to that many rows without falling."""
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != rows:
        return False
    return bool((offsets[1:] >= offsets[:-1]).all())


def _check(path: Path, file: SegmentFile) -> None:
    advice = "restore it from a copy or build the index again"
    if not path.is_file():
        raise DamagedIndexError(f"{path} is missing; {advice}")
    size = path.stat().st_size
    if size != file.size_bytes:
        raise DamagedIndexError(
            f"{path} has {size} bytes where {file.size_bytes} were written; {advice}"
        )
    if checksum(path) != file.checksum:
        raise DamagedIndexError(f"{path} has changed since it was written (checksum); {advice}")
