"""How the letters of one language are spelt in Latin ones: a noisy channel, letter by letter.

Each letter of a word writes a few Latin letters or none, with a cost that depends on whether it
begins the word and on what follows it (the vowel that Indic consonants imply is heard or not).
Costs are negative logarithms of probabilities learnt from pairs by expectation maximisation
(`xret.retriever.training.scripts`). What no pair had is possible and dear: people leave vowels
out, double letters and write h where nobody else does.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from heapq import nsmallest

from xret.retriever.scripts.latin import join_keys, latin_key

__all__ = ["LetterCosts", "Spelling", "contexts"]

LetterCosts = Mapping[tuple[str, str], Mapping[str, float]]
"""By letter and context, what it is spelt as, and the cost of that."""

_INSERTED = {**dict.fromkeys("aeiou", 3.0), **dict.fromkeys("hy'w", 4.0)}
_ELSE, _SILENT = 7.0, 5.0
_FAR = 1e9
KEYS, KEY_COST = 4, 2.5
"""Keys of a word, at most, and how much dearer than its best one each may be."""
BEAM = 12


def contexts(word: str) -> list[str]:
    """Of each letter: `s` at the start or `i` inside, then what follows: `e` the end, `v` a
    vowel sign or mark, `m` another letter.

    >>> contexts("\u0915\u093f\u0924")
    ['sv', 'im', 'ie']
    """
    marks = [unicodedata.category(letter)[0] == "M" for letter in word[1:]]
    follows = ["v" if mark else "m" for mark in marks] + ["e"]
    return [("i" if place else "s") + after for place, after in enumerate(follows)]


@dataclass
class Spelling:
    """The costs of one language. bigrams: cost of a letter behind another, for words that are in
    no vocabulary; the empty letter stands for both ends."""

    costs: LetterCosts
    bigrams: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def cost(self, word: str, latin: str, most: float = _FAR) -> float:
        """The least cost of spelling a word so; `most` or more where it is no less."""
        n = len(latin)
        row = self._inserted([0.0] + [_FAR] * n, latin)
        for letter, context in zip(word, contexts(word), strict=True):
            own = self.costs.get((letter, context), {})
            after = [cost + _SILENT for cost in row]
            for at, cost in enumerate(row):
                if cost >= most:
                    continue
                for spelt, more in own.items():
                    if latin.startswith(spelt, at):
                        end = at + len(spelt)
                        if cost + more < after[end]:
                            after[end] = cost + more
            row = self._inserted(after, latin)
        return row[n]

    @staticmethod
    def _inserted(row: list[float], latin: str) -> list[float]:
        """Costs where Latin letters that no letter writes may follow."""
        for at, letter in enumerate(latin):
            cost = row[at] + _INSERTED.get(letter, _ELSE)
            if cost < row[at + 1]:
                row[at + 1] = cost
        return row

    def keys(self, word: str) -> list[str]:
        """The keys that romanisations of a word mostly have, the likeliest first."""
        found = {"": 0.0}
        for letter, context in zip(word, contexts(word), strict=True):
            parts = self._key_parts.get((letter, context), ())
            if len(parts) < 2:
                part = parts[0][0] if parts else ""
                found = {key + part: cost for key, cost in found.items()} if part else found
                continue
            longer: dict[str, float] = {}
            for key, cost in found.items():
                for part, more in parts:
                    whole = key + part
                    if cost + more < longer.get(whole, KEY_COST):
                        longer[whole] = cost + more
            found = dict(nsmallest(KEYS, longer.items(), key=lambda one: one[1]))
        return [*dict.fromkeys(map(join_keys, found))]

    def usual(self, word: str) -> str:
        """How a word is spelt when each letter is spelt as it mostly is."""
        return "".join(
            self._usual.get(place, "") for place in zip(word, contexts(word), strict=True)
        )

    def spelt(self, latin: str, n: int = 1) -> list[tuple[str, float]]:
        """The likeliest words by letters alone, with the costs of their letters."""
        beams: list[dict[str, float]] = [{} for _ in range(len(latin) + 1)]
        beams[0] = {"": 0.0}
        for at in range(len(latin)):
            for word, cost in nsmallest(BEAM, beams[at].items(), key=lambda one: one[1]):
                self._continue(beams, at, word, cost, latin)
        return nsmallest(n, self._ended(beams[-1]), key=lambda one: one[1])

    def _continue(
        self, beams: list[dict[str, float]], at: int, word: str, cost: float, latin: str
    ) -> None:
        inserted = cost + _INSERTED.get(latin[at], _ELSE)
        if inserted < beams[at + 1].get(word, _FAR):
            beams[at + 1][word] = inserted
        last, start = word[-1:], "i" if word else "s"
        for length in range(1, min(4, len(latin) - at) + 1):
            spelt = latin[at : at + length]
            for letter, more in self._writers.get((spelt, start), ()):
                whole = cost + more + self.bigrams.get((last, letter), 9.0)
                after = beams[at + length]
                if whole < after.get(word + letter, _FAR):
                    after[word + letter] = whole

    def _ended(self, words: Mapping[str, float]) -> Iterable[tuple[str, float]]:
        return (
            (word, cost + self.bigrams.get((word[-1:], ""), 9.0))
            for word, cost in words.items()
            if word
        )

    @cached_property
    def _usual(self) -> dict[tuple[str, str], str]:
        return {place: min(own, key=lambda one: own[one]) for place, own in self.costs.items()}

    @cached_property
    def _key_parts(self) -> dict[tuple[str, str], list[tuple[str, float]]]:
        """By letter and context, the parts that it adds to a key, and by how much dearer."""
        found = {}
        for place, own in self.costs.items():
            parts: dict[str, float] = {}
            for spelt, cost in own.items():
                part = join_keys(latin_key(spelt))
                parts[part] = min(cost, parts.get(part, _FAR))
            least = min(parts.values())
            ranked = sorted((cost - least, part) for part, cost in parts.items())
            found[place] = [(part, cost) for cost, part in ranked if cost < KEY_COST]
        return found

    @cached_property
    def _writers(self) -> dict[tuple[str, str], list[tuple[str, float]]]:
        """By Latin letters and whether they begin a word, the letters that write them."""
        found: dict[tuple[str, str], dict[str, float]] = {}
        for (letter, context), own in self.costs.items():
            for spelt, cost in own.items():
                if spelt:
                    letters = found.setdefault((spelt, context[0]), {})
                    letters[letter] = min(cost, letters.get(letter, _FAR))
        return {
            place: sorted(letters.items(), key=lambda o: o[1])[:8]
            for place, letters in found.items()
        }
