"""Writing a model folder that `StaticEncoder` opens."""

from __future__ import annotations

import dataclasses
import json
import shutil
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
from xret.retriever.training.static.quantize import principal_axes, quantize_rows
from xret.types import FloatArray, IntArray

__all__ = ["LARGEST_COUNT", "write_model"]

LARGEST_COUNT = 200
"""Pieces seen more often weigh no more than this when the axes are chosen."""


def write_model(
    folder: Path,
    rows: FloatArray,
    emphasis: FloatArray,
    counts: IntArray,
    tokenizer: Path,
    config: StaticConfig,
) -> None:
    """Rotate, quantise and write the three files, each whole or not at all.

    rows: (v, d) float32, d as in the configuration; emphasis: (v,), each piece's in queries;
    counts: (v,), how often each piece was seen. tokenizer: the file to copy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = np.minimum(counts + 1, LARGEST_COUNT).astype(np.float32)
    table = quantize_rows(rows @ principal_axes(rows, weights))
    fields = {"format": FORMAT, **dataclasses.asdict(config)}
    text = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
    tensors = {**table.tensors(), "emphasis": emphasis.astype(np.float16)}
    save_file(tensors, _aside(folder / WEIGHTS_FILE))
    _aside(folder / WEIGHTS_FILE).chmod(0o644)
    _aside(folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    if tokenizer.resolve() != (folder / TOKENIZER_FILE).resolve():
        shutil.copyfile(tokenizer, _aside(folder / TOKENIZER_FILE))
        _aside(folder / TOKENIZER_FILE).replace(folder / TOKENIZER_FILE)
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        _aside(folder / name).replace(folder / name)


def _aside(path: Path) -> Path:
    return path.with_name(path.name + ".part")
