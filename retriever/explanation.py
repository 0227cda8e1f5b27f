"""Why a document scores what it does: which of its words met which of the question's.

MaxSim is a sum over the question's vectors, each with the one vector of the document that it
is most like (Khattab and Zaharia 2020): so every part of a score belongs to one word of the
question and one of the document, and the parts add up to it. BM25 is a sum over terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from xret.errors import DimensionMismatchError
from xret.retriever.encoder import PlacedVectors
from xret.retriever.text_words import main_script_of, owners, word_spans
from xret.types import FloatArray

__all__ = [
    "ExplainedText",
    "ExplainedWord",
    "Explanation",
    "TermMatch",
    "WordPair",
    "explain_maxsim",
    "explain_terms",
]

Part = Literal["query", "title", "text", "marks"]
Method = Literal["late-interaction", "bm25"]

_Parts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ExplainedWord:
    """A word, and how much of the score it carries.

    text[start:end] of its part, in code points: of the query, or of a document's title or text.
    "marks" stands for all tokens that are of no word, such as those that an encoder sets around
    a text. script: ISO 15924, empty for digits and symbols. read: whether the encoder has a
    vector of it; without one it can carry nothing.
    """

    text: str
    part: Part
    start: int
    end: int
    lang: str
    script: str
    contribution: float = 0.0
    read: bool = True


@dataclass(frozen=True, slots=True)
class WordPair:
    """A word of the query and one of the document, by their numbers in the lists of words.

    similarity: -1 to 1, what MaxSim would give the query's word per unit of its length if the
    document had only that word; None where words are matched by their letters. contribution:
    the part of the score that they have together.
    """

    query: int
    document: int
    similarity: float | None
    contribution: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score as a sum over words.

    score: the sum of the contributions of `query`, of `document` and of `pairs` alike, but for
    rounding. It is of vectors made anew, one a token. indexed_score: what the index gives, whose
    vectors are coded and perhaps pooled; the two differ by what that costs. pairs: those that
    carry a part of the score, largest first. similarities: of each word of the query with each
    of the document, empty where they are not asked for or there are none.
    """

    method: Method
    score: float
    indexed_score: float | None
    query: list[ExplainedWord]
    document: list[ExplainedWord]
    pairs: list[WordPair]
    similarities: list[list[float]] = field(default_factory=list)

    @property
    def difference(self) -> float | None:
        """By how much the index's score is higher than the one explained."""
        return None if self.indexed_score is None else self.indexed_score - self.score

    def aligned(self) -> list[int | None]:
        """For each word of the query, the word of the document that it is most like."""
        readable = [word.read and word.part != "marks" for word in self.document]
        if not self.similarities or not any(readable):
            return [None] * len(self.query)
        matrix = np.where(readable, np.array(self.similarities), -np.inf)
        best = matrix.argmax(axis=1).tolist()
        return [place if word.read else None for word, place in zip(self.query, best, strict=True)]

    def brief(self) -> Explanation:
        """Without similarities and without the document's words that carry nothing."""
        kept = [i for i, word in enumerate(self.document) if word.contribution]
        number = {old: new for new, old in enumerate(kept)}
        pairs = [replace(pair, document=number[pair.document]) for pair in self.pairs]
        document = [self.document[i] for i in kept]
        return replace(self, document=document, pairs=pairs, similarities=[])


@dataclass(frozen=True, slots=True)
class ExplainedText:
    """What is known of a text beside its vectors. title: of a document, as read before its text.
    start: of a passage in the text of its document."""

    lang: str
    title: str | None = None
    start: int = 0


def explain_maxsim(
    query: PlacedVectors, document: PlacedVectors, *, asked: ExplainedText, answer: ExplainedText
) -> Explanation:
    """The MaxSim of two texts by words.

    A vector of a word that is there several times is shared by all of its places. Equally near
    vectors of a document: the first counts. Raises DimensionMismatchError.
    """
    if query.vectors.shape[1] != document.vectors.shape[1]:
        raise DimensionMismatchError(
            f"the query has {query.vectors.shape[1]} dimensions, the document "
            f"{document.vectors.shape[1]}"
        )
    products: FloatArray = query.vectors @ document.vectors.T
    asked_words, query_shares = _shared(query, asked, "query")
    words, shares = _shared(document, answer, "text")
    nearest = products.argmax(axis=1)
    parts = products[np.arange(len(products)), nearest].astype(np.float64)
    together: _Parts = query_shares.T @ (parts[:, None] * shares[nearest])
    similarities = _similarities(query.vectors, products, query_shares, shares)
    return Explanation(
        method="late-interaction",
        score=float(together.sum()),
        indexed_score=None,
        query=_carrying(asked_words, together.sum(axis=1)),
        document=_carrying(words, together.sum(axis=0)),
        pairs=_pairs(together, similarities),
        similarities=np.round(similarities, 4).tolist(),
    )


@dataclass(frozen=True, slots=True)
class TermMatch:
    """A term of a query that a document has, what it adds to the score, and where it stands in
    both: (start, end) in what is read of each."""

    contribution: float
    query: Sequence[tuple[int, int]]
    document: Sequence[tuple[int, int]]


def explain_terms(
    query: str,
    document: str,
    matches: Sequence[TermMatch],
    *,
    asked: ExplainedText,
    answer: ExplainedText,
) -> Explanation:
    """A sum over terms by the words that they are made of.

    document: its title before its text. A term that stands in several places, or is part of
    several words, is shared by them; of a term that stands nowhere "marks" have the share.
    """
    asked_words, query_shares = _term_shares(query, [m.query for m in matches], asked, "query")
    words, shares = _term_shares(document, [m.document for m in matches], answer, "text")
    parts = np.array([match.contribution for match in matches], np.float64)
    together: _Parts = query_shares.T @ (parts[:, None] * shares)
    return Explanation(
        method="bm25",
        score=float(together.sum()),
        indexed_score=None,
        query=_carrying(asked_words, together.sum(axis=1)),
        document=_carrying(words, together.sum(axis=0)),
        pairs=_pairs(together, None),
    )


def _term_shares(
    text: str, terms: Sequence[Sequence[tuple[int, int]]], source: ExplainedText, part: Part
) -> tuple[list[ExplainedWord], _Parts]:
    """The words of a text, and (terms, words) the share of each term that is each word's."""
    spans = word_spans(text, [place for places in terms for place in places])
    words = [_word_of(text, span, source, part) for span in spans]
    shares = np.zeros((len(terms), len(words) + 1))
    for row, places in enumerate(terms):
        for start, end in places:
            for number, (left, right) in enumerate(spans):
                shares[row, number] += max(min(right, end) - max(left, start), 0)
        total = shares[row].sum()
        shares[row] = shares[row] / total if total else np.eye(1, len(words) + 1, len(words))
    return _with_marks(words, shares, source)


def _word_of(text: str, span: tuple[int, int], source: ExplainedText, part: Part) -> ExplainedWord:
    """The word at a place of what was read of a text, a document's title before its text."""
    start, end = span
    word = text[start:end]
    shift = 0
    if part != "query":
        before = len(source.title) + 1 if source.title else 0
        part = "title" if start < before else "text"
        shift = source.start - before if part == "text" else 0
    return ExplainedWord(word, part, start + shift, end + shift, source.lang, main_script_of(word))


def _shared(
    text: PlacedVectors, source: ExplainedText, part: Part
) -> tuple[list[ExplainedWord], _Parts]:
    """The words of a text, marks last where they have vectors, and (t, words) the share of each
    vector that is each word's; the shares of a vector sum to 1."""
    spans = word_spans(text.text, [span for places in text.places for span in places])
    words = [_word_of(text.text, span, source, part) for span in spans]
    shares = np.zeros((len(text.vectors), len(words) + 1))
    for row, places in enumerate(text.places):
        of = [number for place in places if (number := owners(spans, place)) is not None]
        for number in of or [len(words)]:
            shares[row, number] += 1 / max(len(of), 1)
    read = np.any(shares[:, :-1] > 0, axis=0)
    words = [replace(word, read=has) for word, has in zip(words, read.tolist(), strict=True)]
    return _with_marks(words, shares, source)


def _with_marks(
    words: list[ExplainedWord], shares: _Parts, source: ExplainedText
) -> tuple[list[ExplainedWord], _Parts]:
    """The last column of the shares, that of no word, gets a word for what has a share in it."""
    if not shares[:, -1].any():
        return words, shares[:, :-1]
    return [*words, ExplainedWord("", "marks", 0, 0, source.lang, "")], shares


def _similarities(
    queries: FloatArray, products: FloatArray, query_shares: _Parts, shares: _Parts
) -> _Parts:
    """(query words, document words): what each pair would score alone, over what it could."""
    best = np.full((len(products), shares.shape[1]), -np.inf)
    for number in range(shares.shape[1]):
        own = shares[:, number] > 0
        if own.any():
            best[:, number] = products[:, own].max(axis=1)
    best[np.isinf(best)] = 0.0
    lengths = query_shares.T @ np.linalg.norm(queries, axis=1).astype(np.float64)
    likeness: _Parts = query_shares.T @ best / np.maximum(lengths, 1e-12)[:, None]
    return likeness


def _carrying(words: Sequence[ExplainedWord], sums: _Parts) -> list[ExplainedWord]:
    return [
        replace(word, contribution=float(part))
        for word, part in zip(words, sums.tolist(), strict=True)
    ]


def _pairs(together: _Parts, similarities: _Parts | None) -> list[WordPair]:
    """Those that carry something, in order."""
    pairs = []
    for row, column in np.argwhere(together).tolist():
        like = None if similarities is None else round(float(similarities[row, column]), 4)
        pairs.append(WordPair(row, column, like, float(together[row, column])))
    return sorted(pairs, key=lambda pair: (-pair.contribution, pair.query, pair.document))
