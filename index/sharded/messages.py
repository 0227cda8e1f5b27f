"""What a sharded search says to its shards, and what they answer.

A search takes two or three rounds. `Survey` comes back with what only all shards together can
say: in how many documents each term is, and what the question gives to each language's
background. Where words are calibrated, `WordSurvey` says the same of them, weighed by all. Then
every shard ranks its own documents by what all have said, as `ShardHits`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from xret.deadline import Deadline
from xret.index.search.commit import Matches
from xret.index.search.filters import Filter
from xret.index.storage.stored import IndexInfo, StoredRoute
from xret.index.words.bm25 import QueryTerms, WordTotals
from xret.types import Document, Embeddings, FloatArray, IntArray, SearchParams

__all__ = [
    "Fetched",
    "LanguageScales",
    "RankRequest",
    "Shard",
    "ShardHits",
    "ShardRanking",
    "ShardState",
    "Survey",
    "SurveyRequest",
    "WordSurveyRequest",
]

Floats = npt.NDArray[np.float64]

Background = Mapping[str, int]
"""By language, how many of a shard's documents are in the background of all: those of its own
with the smallest hashes."""


@dataclass(frozen=True, slots=True)
class ShardState:
    """One commit of a shard. identity: tells it from any other. totals: of its words, None where
    it has none. backgrounds: by language, rising hashes of the documents that stand for it."""

    identity: str
    totals: WordTotals | None
    backgrounds: Mapping[str, npt.NDArray[np.uint64]]


@dataclass(frozen=True, slots=True)
class SurveyRequest:
    """queries: None where words alone are searched. terms: of each query, () without words.
    background: which documents are scored by the queries."""

    queries: Embeddings | None
    terms: Sequence[QueryTerms] = ()
    background: Background = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Survey:
    """scores: (queries, b) of the background. owners: (b,) its documents' languages, as places in
    the request's. having: of each query, (terms,) in how many documents its terms are."""

    scores: FloatArray
    owners: IntArray
    having: Sequence[Floats] = ()


@dataclass(frozen=True, slots=True)
class WordSurveyRequest:
    """What the words give to the background. having, totals: of all shards together."""

    terms: Sequence[QueryTerms]
    having: Sequence[Floats]
    totals: WordTotals
    background: Background


@dataclass(frozen=True, slots=True)
class LanguageScales:
    """Of each query, where scores begin in each language and how far they spread:
    (queries, languages) each."""

    langs: tuple[str, ...]
    means: Floats
    spreads: Floats


@dataclass(frozen=True, slots=True)
class RankRequest:
    """One search of one shard.

    terms, having, totals: as in WordSurveyRequest, totals None without words. joined: whether words
    rank, beside the vectors, documents in the languages `langs` of each query alone. scales,
    word_scales: None where scores are not calibrated. depth: hits of each list. counted: whether
    all that match are counted by language.
    """

    queries: Embeddings | None
    depth: int
    params: SearchParams
    filter: Filter | None = None
    terms: Sequence[QueryTerms] = ()
    having: Sequence[Floats] = ()
    totals: WordTotals | None = None
    joined: bool = False
    langs: Sequence[tuple[str, ...]] = ()
    scales: LanguageScales | None = None
    word_scales: LanguageScales | None = None
    counted: bool = False


@dataclass(frozen=True, slots=True)
class ShardHits:
    """The best documents of one list, in no order, with all that tie with the last.

    scores, raw, spans: as in `ranking.Best`. within: (m,) whether the words speak for the document,
    None where nothing is joined.
    """

    doc_ids: tuple[str, ...]
    scores: Floats
    spans: npt.NDArray[np.int32]
    raw: Floats | None = None
    within: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class ShardRanking:
    """What one query found in one shard. matches: how many documents it could give."""

    dense: ShardHits | None
    lexical: ShardHits | None
    matches: Matches


@dataclass(frozen=True, slots=True)
class Fetched:
    """Documents of one commit, and which adapter those of each language went through."""

    documents: list[Document]
    routes: dict[str, StoredRoute]


class Shard(Protocol):
    """A part of an index, here or elsewhere.

    name: for people. What is asked of one commit names its identity, and the answer is None where
    the shard is at another by now. Raises UnusableIndexError where it cannot answer, and
    DeadlineError.
    """

    name: str

    def settings(self) -> dict[str, str]: ...

    def state(self, deadline: Deadline) -> ShardState: ...

    def found_languages(
        self, identity: str, wanted: Filter, deadline: Deadline
    ) -> list[str] | None:
        """Of the documents that a filter lets through."""
        ...

    def survey(self, identity: str, asked: SurveyRequest, deadline: Deadline) -> Survey | None: ...

    def word_survey(
        self, identity: str, asked: WordSurveyRequest, deadline: Deadline
    ) -> FloatArray | None:
        """(queries, b) scores of the background, in the order of `Survey.owners`."""
        ...

    def pseudo_questions(
        self, identity: str, wanted: Background, deadline: Deadline
    ) -> list[FloatArray] | None:
        """Runs of vectors out of the first documents of each language's background."""
        ...

    def ranked(
        self, identity: str, asked: RankRequest, deadline: Deadline
    ) -> list[ShardRanking] | None: ...

    def fetched(
        self, identity: str, doc_ids: Sequence[str], deadline: Deadline
    ) -> Fetched | None: ...

    def documents(self, doc_ids: Sequence[str], deadline: Deadline) -> list[Document]:
        """As they are now; those that are not there are left out."""
        ...

    def routes(self) -> dict[str, StoredRoute]: ...

    def info(self) -> IndexInfo: ...

    def size_bytes(self) -> int: ...

    def languages(self, wanted: Filter | None, deadline: Deadline) -> dict[str, int]: ...

    def doc_ids(self, wanted: Filter | None, deadline: Deadline) -> set[str]: ...

    def metadata_fields(self, wanted: Filter | None, deadline: Deadline) -> Mapping[str, int]: ...

    def document_page(
        self, n: int, after: str, wanted: Filter | None, deadline: Deadline
    ) -> list[Document]: ...

    def close(self) -> None: ...
