"""Training examples for the modular encoder: a query, a passage, and the language of each.

Drawn ahead, a batch at a time, as a pure function of the seed and the step: most batches hold
passages of one language, so that the negatives are hard, and queries in English, in the
passage's language or in a third one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xret.retriever.encoders.wordpieces import IS_UNSPACED
from xret.retriever.training.common.parallel import ParallelText, source_weight
from xret.retriever.training.modular.settings import ExampleShares
from xret.retriever.training.static.batches import PairSampler
from xret.retriever.training.static.framing import OPENINGS
from xret.retriever.training.static.settings import StaticTraining
from xret.types import IntArray

__all__ = ["DrawnPair", "ExampleDrawer"]

_QUERY_CHARACTERS, _PASSAGE_CHARACTERS = 400, 1_200
_MOST_SWITCHED = 0.5
_SHORTEST_SWITCHED = 4


@dataclass(frozen=True, slots=True)
class DrawnPair:
    """Languages are codes as the training files write them; label: which English text it is.

    english_query, english_document: both in English, for a teacher that reads nothing else.
    """

    query: str
    document: str
    query_lang: str
    document_lang: str
    label: int
    english_query: str
    english_document: str


class ExampleDrawer:
    """Draws batches from parallel text."""

    def __init__(
        self,
        text: ParallelText,
        *,
        seed: int,
        batch_size: int,
        shares: ExampleShares | None = None,
    ) -> None:
        self._text = text
        self._rows = text.rows()
        self._seed = seed
        self._size = batch_size
        self._shares = shares or ExampleShares()
        weights = np.array([source_weight(name) for name in text.sources], np.float32)
        settings = StaticTraining(languages=text.languages)
        self._sampler = PairSampler(self._rows, text.sentences, weights, settings)
        self._translations = _word_translations(text)
        self._order = np.argsort(self._rows[: text.sentences, 2], kind="stable")
        self._sorted = self._rows[self._order, 2]

    def batch(self, step: int) -> list[DrawnPair]:
        """The examples of one step."""
        rng = np.random.default_rng([self._seed, 11, step])
        if rng.random() < self._shares.entries:
            return self._entries(rng)
        passages = self._sampler.passages(rng, self._size)
        shares, kind = self._shares, rng.random()
        ends = np.searchsorted(passages.group, np.arange(self._size + 1))
        direction = int(
            np.searchsorted(np.cumsum([shares.into_english, shares.across, shares.within]), kind)
        )
        return [
            self._example(rng, passages.rows[start:end], int(asked), direction)
            for start, end, asked in zip(ends[:-1], ends[1:], passages.asked, strict=True)
        ]

    def batches(self, steps: range) -> Iterator[list[DrawnPair]]:
        """The batches of several steps in order."""
        for step in steps:
            yield self.batch(step)

    def _example(
        self, rng: np.random.Generator, rows: IntArray, asked: int, direction: int
    ) -> DrawnPair:
        text, english = self._text, int(self._rows[asked, 2])
        lang = text.languages[int(self._rows[asked, 1])]
        in_english = " ".join(text.english[int(self._rows[row, 2])] for row in rows)
        if direction == 0:
            passage, passage_lang = in_english, "en"
            query, query_lang = text.others[asked], lang
        else:
            passage, passage_lang = " ".join(text.others[int(row)] for row in rows), lang
            query, query_lang = text.english[english], "en"
            if direction == 1:
                query, query_lang = self._in_another(rng, english, asked)
            elif direction == 2:
                query, query_lang = text.others[asked], lang
        query, plain = self._asked(rng, query, query_lang, passage_lang)
        if query_lang != "en":
            plain = text.english[english][:_QUERY_CHARACTERS]
        return DrawnPair(
            query,
            passage[:_PASSAGE_CHARACTERS],
            query_lang,
            passage_lang,
            english,
            plain,
            in_english[:_PASSAGE_CHARACTERS],
        )

    def _entries(self, rng: np.random.Generator) -> list[DrawnPair]:
        """Words and titles with their translations, half of them asked from English."""
        text, rows = self._text, self._sampler.entries(rng, self._size)
        from_english, found = rng.random() < 0.5, []
        for row in rows.tolist():
            label, lang = int(self._rows[row, 2]), text.languages[int(self._rows[row, 1])]
            pair = [(text.english[label], "en"), (text.others[row], lang)]
            (query, query_lang), (document, document_lang) = pair if from_english else pair[::-1]
            english = text.english[label]
            found.append(
                DrawnPair(query, document, query_lang, document_lang, label, english, english)
            )
        return found

    def _in_another(self, rng: np.random.Generator, english: int, row: int) -> tuple[str, str]:
        """The same text in a third language, in English where there is none."""
        start, end = np.searchsorted(self._sorted, [english, english + 1])
        others = self._order[start:end]
        others = others[self._rows[others, 1] != self._rows[row, 1]]
        if not len(others):
            return self._text.english[english], "en"
        chosen = int(rng.choice(others))
        return self._text.others[chosen], self._text.languages[int(self._rows[chosen, 1])]

    def _asked(
        self, rng: np.random.Generator, query: str, lang: str, passage_lang: str
    ) -> tuple[str, str]:
        """A sentence made more like a question: shorter, framed, at times in mixed language;
        and the same without the last two."""
        query = query[:_QUERY_CHARACTERS]
        words = query.split()
        if len(words) > 2 and not IS_UNSPACED.search(query):
            lost = rng.random(len(words)) < rng.random() * 2 * self._shares.word_dropout
            if lost.all():
                lost[rng.integers(len(words))] = False
            words = [word for word, gone in zip(words, lost.tolist(), strict=True) if not gone]
        plain = " ".join(words)
        if lang != "en":
            return plain, plain
        if rng.random() < self._shares.switched:
            words = self._switched(rng, words, passage_lang)
        if rng.random() < self._shares.framed:
            words = [OPENINGS[rng.integers(len(OPENINGS))], *words]
        return " ".join(words), plain

    def _switched(self, rng: np.random.Generator, words: list[str], lang: str) -> list[str]:
        """Some English words replaced by a translation (Conneau et al. 2018's dictionaries,
        used as in Qin et al. 2020)."""
        share = rng.random() * _MOST_SWITCHED
        switched = []
        for word in words:
            found = self._translations.get((word.lower().strip(".,;:!?\"'()"), lang))
            swap = found is not None and rng.random() < share
            switched.append(str(rng.choice(found)) if swap and found else word)
        return switched


def _word_translations(text: ParallelText) -> dict[tuple[str, str], list[str]]:
    """Single English words to their translations, by language."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in range(text.sentences, len(text.others)):
        word = text.english[text.english_of[row]]
        if len(word) >= _SHORTEST_SWITCHED and " " not in word:
            known = found[word.lower(), text.languages[text.lang_of[row]]]
            if len(known) < 4:
                known.append(text.others[row])
    return dict(found)
