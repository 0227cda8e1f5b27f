"""Which words of an explanation a heat map shows, and how strong the colour of each pair is.

Drawings, tables and terminals show the same words, so that they are chosen in one place.
"""

from __future__ import annotations

from dataclasses import dataclass

from xret.retriever.explanation import ExplainedWord, Explanation

__all__ = ["HEAT_STEPS", "AlignmentMap", "percent", "score_share"]

HEAT_STEPS = 10
"""Colours of a heat map."""

MAX_ROWS, MAX_COLUMNS = 24, 16
"""Words of a document and of a question that are drawn, those that carry most."""


@dataclass(frozen=True, slots=True)
class AlignmentMap:
    """Which words of an explanation are shown, in the order of the texts, and what is left out.

    rows: numbers of the document's words; columns: of the query's. rest: the share of the score
    that the document's other words carry.
    """

    explanation: Explanation
    rows: list[int]
    columns: list[int]
    rest: float

    @classmethod
    def of(
        cls, explanation: Explanation, *, rows: int = MAX_ROWS, columns: int = MAX_COLUMNS
    ) -> AlignmentMap:
        """The words that carry something, at most so many."""
        words = explanation.document
        carrying = [i for i, word in enumerate(words) if word.contribution]
        chosen = sorted(_largest(words, carrying, rows))
        asked = sorted(_largest(explanation.query, list(range(len(explanation.query))), columns))
        others = sum(words[i].contribution for i in set(carrying) - set(chosen))
        return cls(explanation, chosen, asked, score_share(others, explanation))

    def share(self, value: float) -> float:
        """A contribution as a part of the score."""
        return score_share(value, self.explanation)

    def pairs(self) -> dict[tuple[int, int], float]:
        """The share of the score of each pair that has one: (query's word, document's)."""
        return {
            (pair.query, pair.document): self.share(pair.contribution)
            for pair in self.explanation.pairs
        }

    def level(self, query: int, document: int, shares: dict[tuple[int, int], float]) -> int | None:
        """The place of a pair on the colour ramp, None where it says nothing.

        By similarity, -1 to 1 from 0 on; where words match by their letters, by share.
        """
        similarities = self.explanation.similarities
        if similarities:
            value = similarities[query][document]
            words = (self.explanation.query[query], self.explanation.document[document])
            if not all(word.read for word in words):
                return None
        elif (query, document) in shares:
            value = shares[query, document]
        else:
            return None
        return min(max(int(value * HEAT_STEPS), 0), HEAT_STEPS - 1)


def percent(share: float) -> str:
    """A share in whole percent.

    >>> percent(0.124), percent(0.001), percent(-0.02)
    ('12', '<1', '−2')
    """
    if 0 < share < 0.005:
        return "<1"
    return f"{share * 100:.0f}".replace("-", "−")


def score_share(value: float, explanation: Explanation) -> float:
    """A contribution as a part of an explanation's score; 0 where that is 0."""
    return value / explanation.score if explanation.score else 0.0


def _largest(words: list[ExplainedWord], among: list[int], most: int) -> list[int]:
    return sorted(among, key=lambda i: (-abs(words[i].contribution), i))[:most]
