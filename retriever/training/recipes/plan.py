"""Which examples make up which step: settled before the first, so that any step can be redone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xxhash
from sentence_transformers.base.sampler import DefaultBatchSampler, NoDuplicatesBatchSampler

from xret.errors import TrainingError
from xret.retriever.corpora.rows import Example
from xret.types import IntArray

__all__ = ["BatchPlan", "PlannedBatches", "plan_batches"]


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """rows: (n,) int64, the examples of all steps in order; starts: (steps + 1,) int64, where
    in it each step begins; ends with n. A place is a position in `rows`."""

    rows: IntArray
    starts: IntArray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def step_of(self, place: int) -> int:
        """The step, from 0, in which a place is."""
        return int(np.searchsorted(self.starts, place, side="right")) - 1


class PlannedBatches(DefaultBatchSampler):
    """The plan as sentence-transformers' trainers ask for batches: lists of places."""

    def __init__(self, plan: BatchPlan) -> None:
        super().__init__(range(len(plan.rows)), batch_size=1, drop_last=False)
        self._plan = plan

    def __iter__(self) -> Iterator[list[int]]:
        for start, end in zip(self._plan.starts[:-1], self._plan.starts[1:], strict=True):
            yield list(range(int(start), int(end)))

    def __len__(self) -> int:
        return len(self._plan)


def plan_batches(
    examples: Sequence[Example],
    *,
    batch_size: int,
    seed: int,
    steps: int | None = None,
    epochs: int = 1,
    distinct: bool = True,
) -> BatchPlan:
    """Batches of all passes over the examples, or of the first `steps`.

    distinct: no text stands twice in a batch, nor two versions of one, since a text is the
    wrong negative of itself (sentence-transformers' NoDuplicatesBatchSampler). A last batch
    that is too small to hold any negative is left out.
    Raises TrainingError where no batch can be made.
    """
    batches: list[list[int]] = []
    for epoch, of_epoch in enumerate(_epochs(examples, batch_size, seed, distinct)):
        before = len(batches)
        for batch in of_epoch:
            if len(batch) > 1 or not distinct or examples[batch[0]].negatives:
                batches.append(batch)
            if len(batches) == steps:
                return _plan(batches)
        if len(batches) == before:
            raise TrainingError(
                f"no batch can be made of {len(examples):,} examples: a batch needs two whose "
                "texts differ, or negatives"
            )
        if steps is None and epoch + 1 == epochs:
            break
    return _plan(batches)


def _plan(batches: Sequence[Sequence[int]]) -> BatchPlan:
    starts = np.cumsum([0, *(len(batch) for batch in batches)]).astype(np.int64)
    return BatchPlan(np.concatenate([np.array(batch, np.int64) for batch in batches]), starts)


def _epochs(
    examples: Sequence[Example], batch_size: int, seed: int, distinct: bool
) -> Iterator[Iterator[list[int]]]:
    """The batches of one pass after another, without end."""
    sampler = (
        NoDuplicatesBatchSampler(
            _Keys(map(_keys, examples)),
            batch_size=batch_size,
            drop_last=False,
            generator=torch.Generator(),
            seed=seed,
        )
        if distinct
        else None
    )
    epoch = 0
    while True:
        if sampler is not None:
            sampler.set_epoch(epoch)
            yield iter(sampler)
        else:
            order = np.random.default_rng([seed, 13, epoch]).permutation(len(examples)).tolist()
            yield (order[i : i + batch_size] for i in range(0, len(order), batch_size))
        epoch += 1


class _Keys(list[dict[str, int]]):
    """What must not stand twice in a batch, a row an example, as the sampler reads a dataset."""

    column_names: tuple[str, ...] = ()


def _keys(example: Example) -> dict[str, int]:
    """Hashes of the texts of an example and of what they are versions of."""
    texts = {"query": example.query, "positive": example.positive}
    texts |= {f"negative_{i}": text for i, text in enumerate(example.negatives)}
    found = {name: xxhash.xxh3_64_intdigest(text.encode()) for name, text in texts.items()}
    if example.text_id:
        found["id"] = xxhash.xxh3_64_intdigest(f"id\0{example.text_id}".encode())
    return found
