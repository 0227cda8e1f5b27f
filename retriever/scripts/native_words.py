"""The words of one language, found by how they are spelt in Latin letters.

A word's cost is what its letters cost (`Spelling.cost`) and how rare it is. Words are looked for
under the key of what was typed, and under that key without one of its letters; what no word is
close to is spelt letter by letter, at a price.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from xret.retriever.scripts.latin import latin_key
from xret.retriever.scripts.spelling import Spelling

__all__ = ["NativeWords", "WordReading"]

UNKNOWN_COST = 6.0
"""What a word costs that is in no vocabulary, beside its letters."""
MARGIN = 4.0
"""How much dearer than the best a reading may be that is kept."""
COMPARED = 40
"""Words of one key whose letters are compared with what was typed."""
MEMO = 1 << 14
MISMATCH = 2.0


@dataclass(frozen=True, slots=True)
class WordReading:
    """A word, what it costs, and whether the vocabulary has it."""

    word: str
    cost: float
    known: bool


class NativeWords:
    """words: the vocabulary; costs: of each, the negative logarithm of how often it is used.

    decomposed: whether words are read as their parts (Hangul as its letters).
    """

    def __init__(
        self,
        words: Sequence[str],
        costs: Sequence[float],
        spelling: Spelling,
        *,
        decomposed: bool = False,
    ) -> None:
        parts = [unicodedata.normalize("NFD", word) for word in words] if decomposed else words
        self._words, self._costs, self._spelling = parts, costs, spelling
        self._memo: dict[str, list[WordReading]] = {}
        spelling.bigrams = letter_bigrams(parts, costs)

    def readings(self, latin: str, n: int = 4) -> list[WordReading]:
        """The n likeliest words for a plain Latin one, at most, best first."""
        known = self._memo.get(latin)
        if known is None:
            if len(self._memo) >= MEMO:
                self._memo.clear()
            known = self._memo[latin] = self._found(latin)
        return known[:n]

    def _found(self, latin: str) -> list[WordReading]:
        key = latin_key(latin)
        best = self._closest(latin, self._by_key.get(key, ()), [])
        if len(key) > 2 and (not best or best[0][0] > 1.2 * len(latin) + 12):
            for at in range(len(key)):
                best = self._closest(latin, self._by_key.get(key[:at] + key[at + 1 :], ()), best)
        spelt = [
            (cost + UNKNOWN_COST, word, False) for word, cost in self._spelling.spelt(latin, 2)
        ]
        made: dict[str, WordReading] = {}
        for cost, word, known in sorted([*best, *spelt]):
            whole = unicodedata.normalize("NFC", word)
            made.setdefault(whole, WordReading(whole, cost, known))
        first = next(iter(made.values()), None)
        return [one for one in made.values() if first and one.cost < first.cost + MARGIN]

    def _closest(
        self, latin: str, numbers: Sequence[int], best: list[tuple[float, str, bool]]
    ) -> list[tuple[float, str, bool]]:
        """The best of these words and of those before."""
        bones = _bones(latin)
        size = len(latin)
        likely = sorted(
            (self._costs[number] + self._distance(number, bones, size), number)
            for number in numbers
        )
        for _, number in likely[:COMPARED]:
            most = best[0][0] + MARGIN if best else math.inf
            cost = self._costs[number]
            if cost < most:
                cost += self._spelling.cost(self._words[number], latin, most - cost)
                if cost < most:
                    best = sorted([*best, (cost, self._words[number], True)])[:6]
        return best

    def _distance(self, number: int, bones: str, size: int) -> float:
        """How unlike its usual spelling is, roughly: by consonants in place, and by length."""
        own, length = self._usual[number]
        unlike = sum(a != b for a, b in zip(own, bones, strict=False)) + abs(len(own) - len(bones))
        return MISMATCH * unlike + 0.5 * abs(length - size)

    @cached_property
    def _usual(self) -> list[tuple[str, int]]:
        usual = map(self._spelling.usual, self._words)
        return [(_bones(latin), len(latin)) for latin in usual]

    @cached_property
    def _by_key(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for number, word in enumerate(self._words):
            for key in self._spelling.keys(word):
                found[key].append(number)
        return dict(found)


_VOWELS = str.maketrans("", "", "aeiouyhw'")


def _bones(latin: str) -> str:
    return latin.translate(_VOWELS)


def letter_bigrams(words: Sequence[str], costs: Sequence[float]) -> dict[tuple[str, str], float]:
    """Costs of letters behind letters in these words; the empty one stands for both ends."""
    pairs: Counter[tuple[str, str]] = Counter()
    firsts: Counter[str] = Counter()
    top = max(costs, default=0.0) + 1
    for word, cost in zip(words, costs, strict=True):
        weight = top - cost
        for pair in pairwise(["", *word, ""]):
            pairs[pair] += weight  # type: ignore[assignment]
            firsts[pair[0]] += weight  # type: ignore[assignment]
    return {pair: -math.log(n / firsts[pair[0]]) for pair, n in pairs.items()}
