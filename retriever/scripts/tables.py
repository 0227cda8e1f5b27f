"""The shipped tables: what each language's words are, how they are spelt, and what tells them.

One file a language in `tables/`, JSON packed by xz, made by `benchmarks/script_tables`; its
README.md is their card. They are read when a language is first needed, and kept.
"""

from __future__ import annotations

import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import ModelError
from xret.retriever.scripts.lattice import Lattice
from xret.retriever.scripts.native_words import NativeWords
from xret.retriever.scripts.spelling import Spelling
from xret.types import FloatArray

__all__ = ["LATTICES", "READ_LANGUAGES", "Telling", "lattice", "native_words", "telling"]

FOLDER = Path(__file__).parent / "tables"

_SPELT = "am ar be bg bn el fa gu he hi hy ka kn ko mk ml mr ne pa ru si ta te uk ur"
LETTERS = frozenset(_SPELT.split(" "))
LATTICES = frozenset({"ja", "zh"})
READ_LANGUAGES = LETTERS | LATTICES
"""Languages whose romanised questions are read."""

_LETTER_UNIT, _WORD_UNIT, _FIRST = 0.1, 0.15, 35
"""Costs are whole numbers of these; those of words are characters from `_FIRST` on."""


def native_words(lang: str) -> NativeWords:
    """The words of a language of `LETTERS`."""
    return _native_words(lang)


def lattice(lang: str) -> Lattice:
    """The lattice of a language of `LATTICES`."""
    return _lattice(lang)


class Telling:
    """Weights by which romanised text of each language is told from other Latin text.

    classes: the first is text that is as it is written. weights: (classes, buckets) int8, in
    units of `scale`; bias: (classes,). english: its common words, which people use in questions
    of every language.
    """

    def __init__(
        self,
        classes: list[str],
        weights: npt.NDArray[np.int8],
        scale: float,
        bias: FloatArray,
        english: frozenset[str],
    ) -> None:
        self.classes, self.english = classes, english
        # One row a bucket: what a text needs of them lies together.
        self.rows = np.ascontiguousarray(weights.T)
        self.scale, self.bias = scale, bias


def telling() -> Telling:
    """The shipped weights."""
    return _telling()


@cache
def _native_words(lang: str) -> NativeWords:
    content = _content(lang)
    costs = {
        (letter, context): {spelt: cost * _LETTER_UNIT for spelt, cost in own.items()}
        for letter, by_context in content["letters"].items()
        for contexts, own in by_context
        for context in contexts.split()
    }
    spelling = Spelling(costs)
    words, rare = content["words"].split("\n"), _word_costs(content["costs"])
    return NativeWords(words, rare, spelling, decomposed=lang == "ko")


@cache
def _lattice(lang: str) -> Lattice:
    content = _content(lang)
    words = content["words"].split("\n")
    spellings = [spelt.split(" ") for spelt in content["spellings"].split("\n")]
    pairs = content["bigrams"]
    bigrams = {
        (first, second): cost * _WORD_UNIT
        for first, second, cost in zip(pairs[0], pairs[1], pairs[2], strict=True)
    }
    return Lattice(words, spellings, _word_costs(content["costs"]), bigrams)


@cache
def _telling() -> Telling:
    content = _content("telling")
    packed = lzma.decompress((FOLDER / "telling.weights.xz").read_bytes())
    classes = content["classes"]
    weights = np.frombuffer(packed, np.int8).reshape(len(classes), -1)
    bias, english = np.array(content["bias"], np.float32), frozenset(content["english"].split(" "))
    return Telling(classes, weights, content["scale"], bias, english)


def _word_costs(letters: str) -> list[float]:
    return [(ord(letter) - _FIRST) * _WORD_UNIT for letter in letters]


def _content(name: str) -> dict[str, Any]:
    """Raises ModelError where a file of the package is not as it was written."""
    path = FOLDER / f"{name}.json.xz"
    try:
        content: dict[str, Any] = json.loads(lzma.decompress(path.read_bytes()))
    except (OSError, ValueError, lzma.LZMAError) as error:
        raise ModelError(f"{path} cannot be read ({error}); install xret again") from error
    return content
