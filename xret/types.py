"""The values that every part of xret exchanges. Nothing heavier than numpy is imported here.

Field names are those of ir_datasets and ir_measures: `doc_id`, `query_id`, `score`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from xret.errors import QueryError

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

__all__ = [
    "CALIBRATE",
    "MAX_FACETS",
    "MAX_K",
    "MAX_QUERY_CHARACTERS",
    "UNDETERMINED",
    "Calibrate",
    "Document",
    "Embeddings",
    "EncoderSpec",
    "FloatArray",
    "GroupBy",
    "Hit",
    "IntArray",
    "LangSource",
    "Mode",
    "Progress",
    "Query",
    "Run",
    "SearchParams",
    "SearchRequest",
    "Work",
    "check_page",
    "check_text",
    "finish",
    "finished",
]

P = ParamSpec("P")
T = TypeVar("T")

UNDETERMINED = "und"
"""The BCP 47 code of a language that is not known."""

MAX_QUERY_CHARACTERS = 8_192
MAX_K = 10_000
"""The last hit that can be asked for."""
MAX_FACETS = 16

LangSource = Literal["given", "identified", "unknown"]
"""How a language is known: the user's word, an identifier's guess, or not at all."""


Mode = Literal["dense", "lexical", "hybrid"]
"""How an index is asked. dense: by vectors. lexical: by BM25, in all languages. hybrid: by
vectors, with BM25 putting the documents in the query's own language in order."""


Calibrate = Literal["off", "fixed", "z"]
"""How scores are made to compare across languages. off: not at all. z: each counted from what
the question gives to a sample of its language's documents, in units of their spread. fixed: by
what languages differ in for any question, and the one level of this."""

GroupBy = Literal["lang"]
"""What hits are sorted into groups by."""

CALIBRATE: Calibrate = "z"
"""Where nobody says how."""


@dataclass(frozen=True, slots=True)
class Document:
    """One searchable text. `lang` is BCP 47, `UNDETERMINED` until it is identified."""

    doc_id: str
    text: str
    lang: str = UNDETERMINED
    title: str = ""
    url: str | None = None
    date: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    lang_source: LangSource = "given"
    lang_confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `lang` is BCP 47, `UNDETERMINED` where nobody said or guessed it."""

    query_id: str
    text: str
    lang: str = UNDETERMINED
    lang_source: LangSource = "given"


@dataclass(frozen=True, slots=True)
class SearchParams:
    """exact: score every passage, whatever the preset. n_candidates: documents that are
    scored in full where an index does not scan all; None lets the index choose. threads:
    None takes those of the process."""

    exact: bool = False
    n_candidates: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("n_candidates", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise QueryError(f"{name} is {value}; use 1 or more, or leave it away")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search as it was asked for: made once, by a route or a command, and never changed.

    text: the question. lang: its language, None to have it identified (unless `identify` is
    off and neither the encoder nor the mode needs it). k: hits, after the `offset` best.
    doc_langs: only documents in these languages. filter: only documents that fulfil it, as a
    line of text or in Haystack's nested form. mode: None is dense, lexical where the index
    has no vectors, and hybrid where its words are translated. params: how the index is searched.
    rerank: a reranker and how many documents it reads, `NAME[@depth]`. deadline_ms: when it stops
    reading, counted from the search's start. timeout_ms: when the search is stopped, which raises
    DeadlineError; None lets it end. explain: whether hits say which words carry their scores.
    calibrate: None is "z" where documents in several languages can be found; of one language no
    score is changed.
    facets: "lang", "date" or names of metadata, whose values are counted over the best hits.
    group_by: "lang" sorts the best hits by language; k and offset are then of each group.
    fields: which metadata come with hits, None for all; "text" among them is as `full_text`: the
    whole text comes as well. highlight: whether snippets are the stretches that carry most of the
    score, with those words marked. as_written: a question in Latin letters is not read as a
    romanised one of a language with letters of its own.
    """

    text: str
    lang: str | None = None
    k: int = 10
    offset: int = 0
    doc_langs: Sequence[str] | None = None
    filter: str | Mapping[str, Any] | None = None
    mode: Mode | None = None
    params: SearchParams = SearchParams()
    identify: bool = True
    rerank: str | None = None
    deadline_ms: float | None = None
    timeout_ms: float | None = None
    explain: bool = False
    calibrate: Calibrate | None = None
    facets: Sequence[str] = ()
    group_by: GroupBy | None = None
    fields: Sequence[str] | None = None
    full_text: bool = False
    highlight: bool = False
    as_written: bool = False

    @property
    def texts(self) -> bool:
        """Whether hits come with their whole text."""
        return self.full_text or (self.fields is not None and "text" in self.fields)

    @property
    def counted(self) -> bool:
        """Whether more hits are looked at than are shown: to count facets, or to group them."""
        return bool(self.facets) or self.group_by is not None

    def __post_init__(self) -> None:
        if isinstance(self.facets, str) or len(self.facets) > MAX_FACETS:
            raise QueryError(f"facets are a list of at most {MAX_FACETS} names of fields")
        if isinstance(self.fields, str):
            raise QueryError("fields are a list of names of metadata")
        if self.group_by not in (None, "lang"):
            raise QueryError('hits are grouped by "lang" and by nothing else')
        for name in ("deadline_ms", "timeout_ms"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise QueryError(f"{name} is {value}; use more than 0 milliseconds")


@dataclass(frozen=True, slots=True)
class Hit:
    """One ranked document; a higher score is better, ties are ordered by `doc_id`."""

    doc_id: str
    score: float


@dataclass(frozen=True, slots=True)
class Run:
    """Rankings of many queries: hits by `query_id`, best first."""

    tag: str
    hits: Mapping[str, Sequence[Hit]]


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors of n texts, packed and ragged: no padding that could be scored by mistake.

    values: (t, d) float32; offsets: (n + 1,) int64, rising from 0 to t.
    Text i owns values[offsets[i]:offsets[i + 1]]; a bi-encoder has one row a text.
    """

    values: FloatArray
    offsets: IntArray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, position: int) -> FloatArray:
        return self.values[self.offsets[position] : self.offsets[position + 1]]

    def __iter__(self) -> Iterator[FloatArray]:
        return (self[position] for position in range(len(self)))

    def kept(self, keep: npt.NDArray[np.bool_]) -> Embeddings:
        """Those of some texts. keep: (n,), one a text."""
        lengths = np.diff(self.offsets)
        offsets = np.concatenate([[0], np.cumsum(lengths[keep])]).astype(np.int64)
        return Embeddings(self.values[np.repeat(keep, lengths)], offsets)


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """What an index must know of the encoder that built it.

    name: for people. fingerprint: hash of everything that shapes a vector (weights,
    tokenizer, pooling, text template); two encoders are the same when it is equal.
    dim: width of every vector. languages: BCP 47 codes it was trained on.
    language_adapters: whether a text's vectors depend on its language.
    preset: that of a new index for which none is named, empty for the index's own default.
    words_share: of translated words beside the vectors in a hybrid list (benchmarks/psq.py).

    base: hash of what all languages share, and of how the encoder is used; adapters: hash by
    language of what shapes only the vectors of texts that go through its adapter. Both empty
    where a model cannot be told apart so: then only the fingerprint counts.
    """

    name: str
    fingerprint: str
    dim: int
    languages: tuple[str, ...]
    language_adapters: bool = False
    base: str = ""
    adapters: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)
    preset: str = ""
    words_share: float = 0.3


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of long work has come; `total` is None while it is unknown.

    note: what people are told at this step. part: a piece of the result that is ready.
    stoppable: whether the work, sent True now, keeps what was done and stops.
    """

    stage: str
    done: int
    total: int | None
    unit: str
    note: str = ""
    part: Any = None
    stoppable: bool = False


Work = Generator[Progress, bool | None, T]
"""Long work: a generator of Progress that returns its result."""


def check_text(text: str) -> None:
    """Raises QueryError for a question that is empty, too long, or no valid text."""
    if len(text) > MAX_QUERY_CHARACTERS:
        raise QueryError(
            f"the query has {len(text):,} characters; at most {MAX_QUERY_CHARACTERS:,} are taken"
        )
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise QueryError("the query is empty; write a few words of what you are looking for")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise QueryError("the query holds a lone surrogate and is not valid Unicode text")


def check_page(k: int, offset: int) -> None:
    """Raises QueryError for a number of hits that is not given out."""
    if not isinstance(k, int) or k < 1 or offset < 0 or k + offset > MAX_K:
        raise QueryError(
            f"asked for {k} hits from position {offset}; k is at least 1, and the last hit "
            f"asked for at most {MAX_K:,}"
        )


def finish(steps: Work[T]) -> T:
    """The result of long work, run to its end without showing how far it is."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def finished(work: Callable[P, Work[T]]) -> Callable[P, T]:
    """The same work as a function that returns its result; what a notebook calls."""

    @wraps(work)
    def run(*words: P.args, **named: P.kwargs) -> T:
        return finish(work(*words, **named))

    return run
