"""The codec that came with an encoder of ours, for its indices that are too small for their own."""

from __future__ import annotations

from pathlib import Path

from xret.retriever.models.registry import PRETRAINED
from xret.types import EncoderSpec

__all__ = ["general_codec"]

CODECS = {"xret-modular": PRETRAINED / "codecs" / "xret-modular.safetensors"}
"""By the encoder's registered name; written by benchmarks/general_codec.py. They lie beside the
models' folders, since whatever is in one of those is part of the model's fingerprint."""


def general_codec(spec: EncoderSpec) -> Path | None:
    """The file of an encoder's codec; None for those that have none."""
    return CODECS.get(spec.name)
