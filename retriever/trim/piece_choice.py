"""Which pieces of a vocabulary some languages need, and what becomes of texts without the rest."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from xret.errors import CorpusError, ModelError
from xret.retriever.languages.codes import autonym, language_name
from xret.retriever.trim.report import HeldOutLines
from xret.retriever.trim.served_texts import Sample, ServedTexts, whole_text
from xret.retriever.trim.vocabulary import Vocabulary
from xret.retriever.trim.word_cuts import UsedRows, WordCuts
from xret.types import Document, IntArray, Progress

__all__ = ["PieceChoice"]

CHECKED_EVERY = 16
HELD_OUT_EVERY = 10
SAMPLE = 64
EXAMPLES = 512
_SHOWN = 60


@dataclass(slots=True)
class PieceChoice:
    """The choice for one vocabulary.

    langs, scripts: served, and those that these are written in. always: rows that stay
    whatever texts say; fixed: those of them that keep their numbers. prompts: what may stand
    before a text, "" too.

    Filled in by `by_texts` and `by_scripts`: order, the old row of each new one; compared,
    texts that have the same vectors before and after; lines, identical, held_out as in
    `TrimReport`.
    """

    vocabulary: Vocabulary
    langs: Sequence[str]
    scripts: Collection[str]
    always: Collection[int]
    fixed: Collection[int] = ()
    prompts: Sequence[str] = ("",)
    order: Sequence[int] = ()
    compared: Sequence[Document] = ()
    lines: int = 0
    identical: int = 0
    held_out: HeldOutLines | None = None

    def by_scripts(self) -> None:
        """Keep every piece with a letter of the scripts, or with none.

        Raises ModelError where a text of these scripts is cut otherwise then.
        """
        self.order = self._order(self.vocabulary.of_scripts(self.scripts))
        own = [*map(autonym, self.langs), *map(language_name, self.langs)]
        examples = self.vocabulary.examples(self.scripts, EXAMPLES)
        _Smaller(self.vocabulary, self.order, self.prompts).same(examples, certain=True)
        chosen = [*own, *examples[:SAMPLE]]
        self.compared = [
            Document("", text, self.langs[i % len(self.langs)]) for i, text in enumerate(chosen)
        ]

    def by_texts(
        self, texts: ServedTexts, *, min_count: int, pieces: int = 0
    ) -> Iterator[Progress]:
        """Keep the pieces that occur so often in the texts; then cut every text by them.

        pieces: with how many the vocabulary is filled up, by the likeliest of the others.
        Raises CorpusError where no text keeps its pieces, ModelError where one that should
        does not, or where a vocabulary to fill does not say how likely its pieces are.
        """
        cuts = WordCuts(self.vocabulary, self.prompts)
        counts, others = yield from self._count(texts, cuts)
        likeliest = _likeliest(self.vocabulary) if pieces else []
        rare = (min_count - 1) * len(self.prompts)  # each line is counted behind every prompt
        self.order = self._filled(counts > rare, likeliest, pieces)
        whole = _Smaller(self.vocabulary, self.order, self.prompts)
        part = self._filled(others > rare, likeliest, pieces)
        estimate = _Smaller(self.vocabulary, part, self.prompts)
        whole.check(cuts)
        sample = Sample(SAMPLE)
        apart, apart_same, done = 0, 0, 0
        for batch in texts.batches():
            lines = [whole_text(document) for document in batch]
            whole.same(lines[:1], certain=min_count == 1)
            same = [True] * len(lines)  # nothing was taken away
            if min_count > 1:
                same = whole.alike(lines, cuts.used(lines))
            self.identical += sum(same)
            for document, alike in zip(batch, same, strict=True):
                if alike:
                    sample.offer(document)
            held = lines[_first_held_out(done) :: HELD_OUT_EVERY]
            apart, done = apart + len(held), done + len(lines)
            apart_same += sum(estimate.alike(held, cuts.used(held)))
            yield Progress("try", done, self.lines, "lines")
        if not sample.documents:
            raise CorpusError(
                f"no line of the texts keeps all its pieces where each must occur {min_count} "
                "times; lower --min-count, or give more text"
            )
        self.held_out = HeldOutLines(apart, apart_same) if apart else None
        self.compared = [Document("", d.text, texts.lang_of(d), d.title) for d in sample.documents]

    def _order(self, kept: Collection[int]) -> list[int]:
        rows = self.vocabulary.closed({*self.always, *self.fixed, *kept})
        return self.vocabulary.order(rows, fixed=self.fixed)

    def _filled(
        self, frequent: npt.NDArray[np.bool_], likeliest: Sequence[int], pieces: int
    ) -> list[int]:
        """`_order` of the frequent rows and, up to so many in all, the likeliest others."""
        order = self._order(np.flatnonzero(frequent).tolist())
        kept = set(order)
        others = [row for row in likeliest if row not in kept]
        missing = max(pieces - len(order), 0)
        return self._order(kept.union(others[:missing])) if missing else order

    def _count(
        self, texts: ServedTexts, cuts: WordCuts
    ) -> Generator[Progress, None, tuple[IntArray, IntArray]]:
        """Returns how often rows occur in all lines, and in those that are not held out."""
        apart = cuts.apart
        counts: IntArray = np.zeros(self.vocabulary.size, np.int64)
        held_out = counts.copy()
        self.lines = 0
        for batch in texts.batches():
            lines = [whole_text(document) for document in batch]
            held = lines[_first_held_out(self.lines) :: HELD_OUT_EVERY]
            cuts.used(lines).add_to(counts)
            cuts.used(held).add_to(held_out)
            self.lines += len(lines)
            yield Progress("read", self.lines, None, "lines")
        if cuts.apart != apart:  # words were counted alone that are not
            return (yield from self._count(texts, cuts))
        return counts, counts - held_out


class _Smaller:
    """A vocabulary beside one with some of its rows."""

    def __init__(
        self, vocabulary: Vocabulary, order: Sequence[int], prompts: Sequence[str]
    ) -> None:
        self._whole, self._order = vocabulary, order
        self._prompts = prompts
        self._numbers = np.full(vocabulary.size, -1, np.int64)
        self._numbers[list(order)] = np.arange(len(order))

    @cached_property
    def _smaller(self) -> Vocabulary:
        return self._whole.smaller(self._order)

    def alike(self, lines: Sequence[str], used: UsedRows) -> list[bool]:
        """As `same`, told by the rows that each line uses.

        A line whose rows are all there is cut as before (see `Vocabulary`), one without some of
        them is not; unless it used those only on the way to an unknown word, which is tried.
        """
        same = used.within(self._numbers >= 0)
        if self._whole.kind == "WordPiece":
            for place in np.flatnonzero(~same & used.having(self._whole.unknown)).tolist():
                same[place] = self.same([lines[place]])[0]
        return [bool(alike) for alike in same]

    def check(self, cuts: WordCuts) -> None:
        """Try some words whose rows are all there. Raises ModelError for one cut otherwise."""
        words = cuts.words(CHECKED_EVERY)
        within = cuts.rows_of(words).within(self._numbers >= 0)
        kept = [word for word, inside in zip(words, within, strict=True) if inside]
        self._be_certain(kept, self._alike(kept))

    def same(self, lines: Sequence[str], *, certain: bool = False) -> list[bool]:
        """Whether each line is cut into the same pieces. certain: ModelError where one is not."""
        same = [True] * len(lines)
        for prompt in self._prompts:
            alike = self._alike([self._whole.prepared(prompt + line) for line in lines])
            same = [before and now for before, now in zip(same, alike, strict=True)]
        if certain:
            self._be_certain(lines, same)
        return same

    def _alike(self, prepared: Sequence[str]) -> list[bool]:
        pairs = zip(
            self._whole.cut_prepared(prepared), self._smaller.cut_prepared(prepared), strict=True
        )
        return [
            np.array_equal(self._numbers[np.array(before, np.int64)], after)
            for before, after in pairs
        ]

    @staticmethod
    def _be_certain(texts: Sequence[str], same: Sequence[bool]) -> None:
        for text, alike in zip(texts, same, strict=True):
            if not alike:
                raise ModelError(
                    f"the tokenizer would cut a text otherwise after trimming: "
                    f"{text[:_SHOWN]!r}; this model cannot be trimmed"
                )


def _likeliest(vocabulary: Vocabulary) -> list[int]:
    """Rows, those first that were the commonest in what the tokenizer learnt from.

    Raises ModelError for a tokenizer whose pieces have no probability.
    """
    if vocabulary.kind != "Unigram":
        raise ModelError(
            f"the pieces of a {vocabulary.kind} tokenizer have no probability, by which a "
            "vocabulary could be filled up; leave --pieces out"
        )
    scores = np.array([score for _, score in vocabulary.content["model"]["vocab"]])
    return [int(row) for row in np.argsort(-scores, kind="stable")]


def _first_held_out(before: int) -> int:
    """Place in a batch of the first line that is held out; before: lines of earlier batches."""
    return -(before + 1) % HELD_OUT_EVERY
