"""Writing a model folder that `StaticEncoder` opens."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from xret.retriever.encoders.static import (
    CONFIG_FILE,
    FORMAT,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    StaticConfig,
)
from xret.retriever.models.published import published_file, write_file
from xret.retriever.training.static.quantize import principal_axes, quantize_rows
from xret.types import FloatArray, IntArray

__all__ = ["LARGEST_COUNT", "write_static"]

LARGEST_COUNT = 200
"""Pieces seen more often weigh no more than this when the axes are chosen."""


def write_static(
    folder: Path,
    rows: FloatArray,
    emphasis: FloatArray,
    counts: IntArray,
    tokenizer: Path,
    config: StaticConfig,
) -> None:
    """Rotate, quantise and write the three files, each whole or not at all, the settings last.

    rows: (v, d) float32, d as in the configuration; emphasis: (v,), each piece's in queries;
    counts: (v,), how often each piece was seen. tokenizer: the file to copy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = np.minimum(counts + 1, LARGEST_COUNT).astype(np.float32)
    table = quantize_rows(rows @ principal_axes(rows, weights))
    fields = {"format": FORMAT, **dataclasses.asdict(config)}
    text = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
    tensors = {**table.tensors(), "emphasis": emphasis.astype(np.float16)}
    with published_file(folder / WEIGHTS_FILE) as part:
        save_file(tensors, part)
        part.chmod(0o644)  # safetensors writes for the owner alone
    if tokenizer.resolve() != (folder / TOKENIZER_FILE).resolve():
        write_file(folder / TOKENIZER_FILE, tokenizer.read_bytes())
    write_file(folder / CONFIG_FILE, text)
