"""Presets, and the passage from 8-bit codes to those of a trained codec.

An index of the presets `balanced` and `compact` keeps 8 bits a dimension while it is small.
The segment that brings it to `CODEC_ROWS` vectors trains a codec on vectors of all segments,
and the earlier ones are coded again, all in one commit. Everything here starts from 8-bit
codes and works in blocks of fixed size, so that a build that was killed and run again writes
the same bytes as one that was not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from xret.errors import ConfigError, DamagedIndexError
from xret.index.storage.catalog import Catalog
from xret.index.storage.files import StoredFile, create_folder, prepare_folder, remove_folder
from xret.index.storage.mapped import file_values
from xret.index.storage.segment import (
    Coded,
    Segment,
    padded,
    read_segment,
    widened,
    write_segment,
)
from xret.index.storage.stored import SegmentRecord, codec_folder
from xret.types import FloatArray, IntArray

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec

__all__ = [
    "CODEC_ROWS",
    "DEFAULT_PRESET",
    "PRESETS",
    "CodedVectors",
    "concatenated",
    "decoded",
    "first_codec",
    "last_codec",
    "preset_bits",
    "read_codec",
    "recode_segment",
    "recoded",
    "sampled",
    "selected_passages",
    "train_on_segments",
    "wants_codec",
    "write_codec",
]

PRESETS: Mapping[str, int] = {"exact": 8, "balanced": 2, "compact": 1}
"""Bits a dimension of a document vector, once the index is large."""

NamedSegment = tuple[SegmentRecord, list[StoredFile]]

CodedVectors = tuple[Coded, IntArray, "ResidualCodec | None"]
"""Coded vectors, the offsets of their passages, and the codec, None for 8 bits."""

DEFAULT_PRESET = "balanced"
CODEC_ROWS = 1 << 18
TRAIN_ROWS = 1 << 17
BLOCK_ROWS = 1 << 15
CODEC_FILE = "codec.safetensors"


def preset_bits(preset: str) -> int:
    """Raises ConfigError for a preset that does not exist."""
    if preset not in PRESETS:
        raise ConfigError(f"no preset is called {preset!r}; use {', '.join(PRESETS)}")
    return PRESETS[preset]


def wants_codec(bits: int, *, vectors: int, passages: int) -> bool:
    """Whether an index of so many vectors, deleted ones included, leaves 8 bits for a codec.

    A bi-encoder's index, one vector a passage, leaves them for 1 bit alone, where the fewest
    bytes are asked for: its 8-bit codes are d bytes a passage, fewer than the text has, and
    nothing is lost in their ranking.
    """
    single = vectors == passages
    return bits < 8 and vectors >= CODEC_ROWS and (bits == 1 or not single)


def train_on_segments(
    sources: Sequence[CodedVectors], *, bits: int, dim: int, device: str | None = None
) -> ResidualCodec:
    """A codec for the vectors of these segments, trained on an even sample of them."""
    from xret.index.coding.training import train_passage_codec

    values, offsets = sampled(sources, dim)
    return train_passage_codec(values, bits=bits, offsets=offsets, device=device)


class EightBitVectors:
    """(t, d) vectors in codes of 8 bits, float32 where they are looked at."""

    def __init__(self, coded: Coded, dim: int) -> None:
        self._coded = coded
        self.shape = (len(coded), dim)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: slice | IntArray) -> FloatArray:
        return decoded(self._coded.rows(which))[:, : self.shape[1]]


def sampled(
    sources: Sequence[CodedVectors], dim: int
) -> tuple[FloatArray | EightBitVectors, IntArray]:
    """(t, d) of some passages, evenly spaced over all of them, and their offsets.

    As many as own about `TRAIN_ROWS` vectors, or all where there are fewer.
    """
    vectors = sum(len(coded) for coded, _, _ in sources)
    total = sum(len(offsets) - 1 for _, offsets, _ in sources)
    share = min(total, max(1, total * TRAIN_ROWS // vectors))
    wanted = np.unique(np.linspace(0, total - 1, share).astype(np.int64))
    parts, lengths, first = [], [], 0
    for coded, offsets, codec in sources:
        last = first + len(offsets) - 1
        which = wanted[(wanted >= first) & (wanted < last)] - first
        some, own = selected_passages(coded, offsets, which)
        parts.append((some, codec, own))
        lengths.append(np.diff(own))
        first = last
    together = np.cumsum([0, *np.concatenate(lengths)], dtype=np.int64)
    if all(codec is None for _, codec, _ in parts):
        return EightBitVectors(concatenated(some for some, _, _ in parts), dim), together
    values = [decoded(some, codec, offsets=own)[:, :dim] for some, codec, own in parts]
    return np.concatenate(values), together


def selected_passages(coded: Coded, offsets: IntArray, which: IntArray) -> tuple[Coded, IntArray]:
    """The vectors of the passages of these numbers, and their offsets."""
    lengths = offsets[which + 1] - offsets[which]
    own = np.cumsum([0, *lengths], dtype=np.int64)
    rows = np.repeat(offsets[which] - own[:-1], lengths) + np.arange(own[-1])
    return coded.rows(rows, which), own


def decoded(
    coded: Coded, codec: ResidualCodec | None = None, *, offsets: IntArray | None = None
) -> FloatArray:
    """(t, d) float32 of a codec's codes; of 8-bit codes with their padding, (t, padded(d)).

    offsets: of the passages that own the vectors, None where each is one.
    """
    if coded.centroids is not None and codec is not None:
        return codec.decode(coded, offsets)
    values: FloatArray = coded.codes.view(np.int8) * widened(coded.scales)[:, None]
    return values


def recoded(
    coded: Coded, codec: ResidualCodec, *, offsets: IntArray, before: ResidualCodec | None = None
) -> Coded:
    """The same vectors in the codes of a codec, made in blocks of whole passages."""
    from xret.index.coding.passage_means import passage_blocks

    if len(offsets) == 1:  # every document has been deleted
        return codec.encode(np.empty((0, codec.dim), np.float32), offsets)
    parts = []
    for passages, rows in passage_blocks(offsets, BLOCK_ROWS):
        own = offsets[passages.start : passages.stop + 1] - offsets[passages.start]
        values = decoded(coded.rows(rows, passages), before, offsets=own)
        parts.append(codec.encode(values[:, : codec.dim], own))
    return concatenated(parts)


def concatenated(parts: Iterable[Coded]) -> Coded:
    """Vectors of one codec, one after the other."""
    made = list(parts)
    if len(made) == 1:
        return made[0]
    centroids = [part.centroids for part in made if part.centroids is not None]
    means = [part.means for part in made if part.means is not None]
    return Coded(
        np.concatenate([part.codes for part in made]),
        np.concatenate([part.scales for part in made]),
        np.concatenate(centroids) if centroids else None,
        concatenated(means) if means else None,
    )


def write_codec(index: Path, number: int, codec: ResidualCodec) -> list[StoredFile]:
    """Write a codec's arrays into a folder of their own; the caller names them in a commit."""
    arrays = {name: np.ascontiguousarray(array) for name, array in codec.arrays().items()}
    return create_folder(index / codec_folder(number), {CODEC_FILE: save(arrays)})


def read_codec(index: Path, number: int, files: Sequence[StoredFile]) -> ResidualCodec:
    """A stored codec, its checksum checked. Raises DamagedIndexError naming the file."""
    from xret.index.coding.codec import ResidualCodec

    path = index / codec_folder(number) / CODEC_FILE
    if [file.name for file in files] != [CODEC_FILE]:
        raise DamagedIndexError(f"{path} is missing from the catalog; build the index again")
    content = file_values(path, files[0], verify=True, dtype="u8", in_memory=True).tobytes()
    try:
        return ResidualCodec.from_arrays(load(content))
    except (SafetensorError, KeyError, ValueError) as error:
        raise DamagedIndexError(f"{path} is no codec ({error})") from error


def first_codec(
    folder: Path,
    earlier: Sequence[NamedSegment],
    last: CodedVectors,
    *,
    bits: int,
    dim: int,
    device: str | None = None,
    general: ResidualCodec | None = None,
) -> tuple[ResidualCodec, list[StoredFile], list[NamedSegment]]:
    """Train codec 1 on the 8-bit segments there are and on `last`, and recode the segments.

    general: the codec to take in its place. Returns it, its files, and the segments in its
    codes, all written and named by no commit.
    """
    segments = [
        read_segment(folder, record, files, code_bytes=padded(dim)) for record, files in earlier
    ]
    sources = [*((segment.coded, segment.offsets, None) for segment in segments), last]
    codec = general or train_on_segments(sources, bits=bits, dim=dim, device=device)
    prepare_folder(folder / "codec")
    files = write_codec(folder, 1, codec)
    made: list[NamedSegment] = []
    try:
        for (record, _), segment in zip(earlier, segments, strict=True):
            made.append(recode_segment(folder, record, segment, (1, codec)))
    except OSError:  # a commit that is tried again writes under the same names
        for name in (codec_folder(1), *(record.folder for record, _ in made)):
            remove_folder(folder / name)
        raise
    return codec, files, made


def recode_segment(
    folder: Path,
    record: SegmentRecord,
    segment: Segment,
    codec: tuple[int, ResidualCodec],
    *,
    before: ResidualCodec | None = None,
) -> tuple[SegmentRecord, list[StoredFile]]:
    """Write a segment again in the codes of a codec, into a folder of its own."""
    made = replace(record, codec=codec[0])
    arrays = {
        "offsets": segment.offsets,
        "documents": segment.documents,
        "spans": segment.spans,
        **segment.arrays,
    }
    coded = recoded(segment.coded, codec[1], offsets=segment.offsets, before=before)
    return made, write_segment(folder, made, coded, arrays)


def last_codec(folder: Path, catalog: Catalog) -> tuple[int, ResidualCodec] | None:
    """The codec that new segments are coded with and its number; None while 8 bits are."""
    number = max(catalog.codecs(), default=0)
    if not number:
        return None
    return number, read_codec(folder, number, catalog.files()[codec_folder(number)])
