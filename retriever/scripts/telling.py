"""Whether a text in Latin letters is a romanised one, and of which language.

A linear model over hashed runs of two to five letters, learnt from romanised and from Latin
training text (`benchmarks/script_tables`). It takes 50 µs for a question, so that every one can
be asked.
"""

from __future__ import annotations

import re

import numpy as np

from xret.retriever.scripts.tables import telling
from xret.types import FloatArray, IntArray

__all__ = ["AS_WRITTEN", "is_english", "letter_runs", "margins"]

AS_WRITTEN = "latin"
"""The class of text that is as its language writes it."""

BUCKET_BITS = 14
LONGEST = 5

_OTHERS = re.compile("[^a-z0-9']+")
_NUMBERS = re.compile(r"(?<![a-z])[0-9]+(?![a-z])")
_SPACES = re.compile(" +")


def letter_runs(plain_text: str) -> IntArray:
    """The buckets of a plain text's runs of letters, repeated ones repeated."""
    text = _SPACES.sub(" ", _NUMBERS.sub(" ", f" {_OTHERS.sub(' ', plain_text)} "))
    letters = np.frombuffer(text.encode(), np.uint8).astype(np.uint32)
    if len(letters) < 3:
        return np.empty(0, np.int64)
    parts = []
    hashed = letters + np.uint32(1)
    for n in range(2, min(LONGEST, len(letters)) + 1):
        hashed = hashed[:-1] * np.uint32(0x01000193) + letters[n - 1 :] + np.uint32(1)
        parts.append((hashed * np.uint32(0x9E3779B1)) >> np.uint32(32 - BUCKET_BITS))
    return np.concatenate(parts).astype(np.int64)


def is_english(plain_text: str) -> bool:
    """Whether at least half of a text's words are common ones of English."""
    words = [word for word in _OTHERS.sub(" ", plain_text).split() if not word.isdigit()]
    return 2 * sum(word in telling().english for word in words) >= len(words)


def margins(plain_text: str) -> dict[str, float]:
    """By language, by how much a text looks more like a romanised one than like one that is as
    it is written; nothing for a text without letters."""
    runs = letter_runs(plain_text)
    if not len(runs):
        return {}
    model = telling()
    sums: FloatArray = model.rows[runs].sum(axis=0, dtype=np.int32).astype(np.float32)
    scores = sums * np.float32(model.scale / np.sqrt(len(runs))) + model.bias
    scores -= scores[model.classes.index(AS_WRITTEN)]
    return dict(zip(model.classes, scores.tolist(), strict=True))
