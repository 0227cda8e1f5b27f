"""Which tokens of a text get a vector, without torch: what `TokenVectors.kept` says, in NumPy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from xret.types import IntArray

__all__ = ["prompt_tokens", "text_tokens"]


def text_tokens(
    ids: IntArray, *, marks: IntArray, openings: Sequence[IntArray] = ()
) -> npt.NDArray[np.bool_]:
    """(t,) for the ids of one text, without padding: which are neither marks nor its prompt's.

    openings: ids that a text may begin with, as `prompt_tokens` returns them. Where nothing
    would be left, the first token is.
    """
    kept: npt.NDArray[np.bool_] = ~np.isin(ids, marks)
    for opening in openings:
        for first in (0, 1):  # after the mark at the start, where there is one
            end = first + len(opening)
            if np.array_equal(ids[first:end], opening):
                kept[first:end] = False
    kept[0] |= not kept.any()
    return kept


def prompt_tokens(
    tokenizer: Tokenizer, prompts: Iterable[str], *, marks: IntArray
) -> list[IntArray]:
    """The ids of each prompt, without marks; prompts of none are left out.

    tokenizer: one that cuts nothing.
    """
    known = sorted({*prompts} - {""})
    rows = [tokenizer.encode(prompt.rstrip()).ids for prompt in known]
    openings = [np.array(row, np.int64) for row in rows]
    openings = [opening[~np.isin(opening, marks)] for opening in openings]
    return [opening for opening in openings if len(opening)]
