"""A codec that came with an encoder: trained on general text, for indices too small for their own.

An index takes it as soon as it saves more than the codec itself takes, which lies in the index as
any codec does: nothing outside is needed to read it. From `CODEC_ROWS` vectors on one is trained
on the index's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import xxhash
from safetensors import SafetensorError
from safetensors.numpy import load

from xret.errors import DamagedIndexError
from xret.index.coding.codec import ResidualCodec
from xret.index.storage.segment import padded

__all__ = ["GENERAL_SETTING", "GeneralCodec"]

GENERAL_SETTING = "general_codec"
"""Name of the catalog's setting with the hash of the codec that an index was created with."""


@dataclass(frozen=True, slots=True)
class GeneralCodec:
    """size_bytes and hash: of its file; hash is xxh3-128 in hex."""

    codec: ResidualCodec
    size_bytes: int
    hash: str

    @classmethod
    def read(cls, path: Path) -> GeneralCodec:
        """Raises DamagedIndexError for a file that is no codec."""
        try:
            content = path.read_bytes()
            codec = ResidualCodec.from_arrays(load(content))
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise DamagedIndexError(f"{path} is no codec ({error}); install xret again") from error
        return cls(codec, len(content), xxhash.xxh3_128_hexdigest(content))

    def fits(self, dim: int, bits: int) -> bool:
        """Whether it codes vectors of so many dimensions, in fewer than these bits are now."""
        return self.codec.dim == dim and bits < 8

    def saves(self, *, vectors: int, passages: int) -> bool:
        """Whether an index of so many vectors is smaller by it, itself counted.

        One with a vector for each passage has none of what passages' vectors share.
        """
        if vectors == passages:
            return False
        coded = vectors * (self.codec.code_bytes + 4) + passages * (self.codec.mean_bytes + 2)
        return coded + self.size_bytes < vectors * (padded(self.codec.dim) + 2)
