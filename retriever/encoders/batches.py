"""Batches of texts of like length, and what to do when one does not fit into memory.

A batch is padded to its longest text, so texts are sorted by length and cut where length
times number reaches a budget of tokens: padding then costs a few percent at most, against a
factor of about 2 for batches in input order. Nothing here knows of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from xret.errors import ModelError
from xret.types import IntArray

__all__ = ["is_out_of_memory", "padding_waste", "run_batches", "token_batches"]

Result = TypeVar("Result")


def token_batches(
    lengths: Sequence[int] | IntArray, budget: int, *, max_texts: int = 1024
) -> list[IntArray]:
    """Positions of texts, batch by batch, longest first.

    lengths: tokens of each text; budget: most tokens of a batch, padding counted, though
    a text longer than it still makes a batch of its own. Every position is in one batch.
    A batch that is a quarter full ends before a text that would be padded by an eighth.
    The longest batch comes first, so that too large a budget is noticed at once.

    >>> [batch.tolist() for batch in token_batches([5, 1, 9, 1], 10)]
    [[2], [0, 1], [3]]
    """
    if budget < 1 or max_texts < 1:
        raise ValueError(f"a batch of {budget} tokens or {max_texts} texts holds nothing")
    sizes = np.maximum(np.asarray(lengths, dtype=np.int64), 1)
    # A stable sort: equal texts keep their order, and so every run has the same batches.
    order: IntArray = np.argsort(-sizes, kind="stable").astype(np.int64)
    batches = []
    start = 0
    while start < len(order):
        longest = int(sizes[order[start]])
        stop = start + min(max(budget // longest, 1), max_texts)
        alike = start + int(np.searchsorted(-sizes[order[start:stop]], -longest * 7 / 8, "right"))
        stop = min(stop, max(alike, start + budget // 4 // longest, start + 1))
        batches.append(order[start:stop])
        start = stop
    return batches


def padding_waste(lengths: Sequence[int] | IntArray, batches: Sequence[IntArray]) -> float:
    """Tokens computed over tokens that are there; 1.0 is no padding at all."""
    sizes: npt.NDArray[np.int64] = np.asarray(lengths, dtype=np.int64)
    computed = sum(int(sizes[batch].max()) * len(batch) for batch in batches if len(batch))
    return computed / max(int(sizes.sum()), 1)


def run_batches(
    batches: Sequence[IntArray], forward: Callable[[IntArray], Result]
) -> Iterator[tuple[IntArray, Result]]:
    """Each batch with its result; one that is too large for the memory is halved and goes on.

    Once a batch has failed no later one is tried with as many texts: they are as long or
    shorter, but memory that failed once is likely to fail again, and each failure costs a
    whole forward pass. Raises ModelError when a single text does not fit.
    """
    pending = list(reversed(batches))
    most: int | None = None
    while pending:
        batch = pending.pop()
        if most is not None and len(batch) > most:
            pending += [batch[most:], batch[:most]]
            continue
        # The retry happens outside `except`: the traceback would keep the failed tensors alive.
        try:
            result = forward(batch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise ModelError(
                    "not even one text fits into the memory; choose a smaller model, fewer "
                    f"tokens (max_tokens) or another device: {error}"
                ) from error
            most = len(batch) // 2
        else:
            yield batch, result
            continue
        _release_memory()
        pending += [batch[most:], batch[:most]]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch, onnxruntime or Python says that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return any(words in text for words in ("out of memory", "can't allocate memory", "bad_alloc"))


def _release_memory() -> None:
    """Give cached device memory back, where torch is in use at all."""
    import sys

    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
