"""What a teacher said, kept beside the run: a killed run asks only for the rest."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

import numpy as np

from xret.errors import ModelError
from xret.retriever.corpora.rows import Example
from xret.retriever.training.common.checkpoint import WorkFolder
from xret.retriever.training.recipes.scoring import load_scorer, teacher_vectors
from xret.types import FloatArray, Progress

__all__ = ["taught_scores", "taught_vectors"]

_SHARD = 2_048
_BATCH = 64


def taught_scores(
    examples: Sequence[Example], work: WorkFolder, teacher: str, *, device: str | None
) -> Generator[Progress, None, list[FloatArray]]:
    """Of each example, the teacher's score of the positive and of each negative."""
    shards = _missing(len(examples), work)
    scorer = load_scorer(teacher, device=device) if shards else None
    for number in shards:
        chunk = examples[number * _SHARD : (number + 1) * _SHARD]
        rows: list[FloatArray] = []
        for first in range(0, len(chunk), _BATCH):
            rows += scorer.scores(chunk[first : first + _BATCH]) if scorer else []
            done = number * _SHARD + len(rows)
            yield Progress("teacher", done, len(examples), "examples")
        _keep(work, number, np.concatenate(rows), teacher)
    flat = _kept(len(examples), work)
    ends = np.cumsum([1 + len(one.negatives) for one in examples])[:-1]
    return list(np.split(flat, ends))


def taught_vectors(
    examples: Sequence[Example], work: WorkFolder, teacher: str, *, device: str | None
) -> Generator[Progress, None, FloatArray]:
    """(n, d): the teacher's vector of the first text of each example."""
    texts = [(one.query, one.query_lang) for one in examples]
    for number in _missing(len(texts), work):
        chunk = texts[number * _SHARD : (number + 1) * _SHARD]
        rows: list[FloatArray] = []
        for made in teacher_vectors(teacher, chunk, device=device):
            rows.append(made)
            done = number * _SHARD + sum(map(len, rows))
            yield Progress("teacher", done, len(texts), "texts")
        _keep(work, number, np.concatenate(rows), teacher)
    return _kept(len(texts), work)


def _name(number: int) -> str:
    return f"teacher-{number:05}.safetensors"


def _numbers(n: int) -> Iterable[int]:
    return range(-(-n // _SHARD))


def _missing(n: int, work: WorkFolder) -> list[int]:
    return [number for number in _numbers(n) if not work.has(_name(number))]


def _keep(work: WorkFolder, number: int, values: FloatArray, teacher: str) -> None:
    if not np.isfinite(values).all():
        raise ModelError(f"{teacher} gives what is no number; its weights are damaged")
    work.save_arrays(_name(number), {"values": np.ascontiguousarray(values, np.float32)})


def _kept(n: int, work: WorkFolder) -> FloatArray:
    shards = [work.load_arrays(_name(number))["values"] for number in _numbers(n)]
    return np.concatenate(shards).astype(np.float32)
