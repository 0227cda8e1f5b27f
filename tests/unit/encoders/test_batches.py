"""Batches by length and token budget, and what happens when memory runs out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xret.errors import ModelError
from xret.retriever.encoders.batches import (
    is_out_of_memory,
    padding_waste,
    run_batches,
    token_batches,
)
from xret.types import IntArray

lengths_of_texts = st.lists(st.integers(0, 600), max_size=200)


@given(lengths_of_texts, st.integers(1, 5000), st.integers(1, 64))
def test_every_text_is_in_one_batch_within_the_budget(
    lengths: list[int], budget: int, most: int
) -> None:
    batches = token_batches(lengths, budget, max_texts=most)
    assert sorted(i for batch in batches for i in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert len(batch) == 1 or (longest * len(batch) <= budget and len(batch) <= most)


def test_sorting_by_length_saves_the_padding_of_batches_in_input_order() -> None:
    lengths = np.random.default_rng(0).lognormal(4, 0.8, 4000).astype(np.int64) + 5
    naive = [np.arange(i, min(i + 32, len(lengths))) for i in range(0, len(lengths), 32)]
    assert padding_waste(lengths, naive) > 2
    assert padding_waste(lengths, token_batches(lengths, 4096)) < 1.03


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="holds nothing"):
        token_batches([1], 0)


class Memory:
    """A model that fits `room` texts at a time and notes what it was asked."""

    def __init__(self, room: int, error: Exception) -> None:
        self.room, self.error = room, error
        self.asked: list[int] = []

    def forward(self, rows: IntArray) -> list[int]:
        self.asked.append(len(rows))
        if len(rows) > self.room:
            raise self.error
        return (rows * 10).tolist()


def torch_error() -> Exception:
    import torch

    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize(
    "error",
    [
        torch_error(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA error: out of memory"),
        MemoryError(),
    ],
)
def test_a_batch_too_large_for_the_memory_is_halved_and_the_rest_goes_on(error: Exception) -> None:
    memory = Memory(3, error)
    batches = token_batches([10] * 20, 160)
    found: dict[int, int] = {}
    for rows, values in run_batches(batches, memory.forward):
        found.update(zip(rows.tolist(), values, strict=True))
    assert found == {i: i * 10 for i in range(20)}
    # 16 fails, 8 and 4 fail, and from then on nothing larger than 2 is tried.
    assert memory.asked[:4] == [16, 8, 4, 2] and max(memory.asked[4:]) == 2


def test_one_text_that_does_not_fit_is_an_error_and_another_error_is_not_taken_for_it() -> None:
    batches = token_batches([10, 10], 20)
    with pytest.raises(ModelError, match="not even one text fits"):
        list(run_batches(batches, Memory(0, MemoryError()).forward))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        list(run_batches(batches, Memory(0, RuntimeError("shape mismatch")).forward))
    assert not is_out_of_memory(ValueError("length"))
