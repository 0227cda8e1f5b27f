"""Questions to shards and their answers as JSON: arrays in base64, numbers to the last bit.

Reading is strict: what does not fit raises QueryError, whoever sent it.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from xret.errors import QueryError
from xret.index.search.commit import Matches
from xret.index.search.filters import Condition, Filter, Logic, parse_filter
from xret.index.sharded.messages import (
    Fetched,
    LanguageScales,
    RankRequest,
    ShardHits,
    ShardRanking,
    ShardState,
    Survey,
    SurveyRequest,
    WordSurveyRequest,
)
from xret.index.storage.stored import IndexInfo, StoredRoute
from xret.index.words.bm25 import QueryTerms, WordTotals
from xret.types import MAX_K, Document, Embeddings, SearchParams

__all__ = [
    "Written",
    "read",
    "read_array",
    "read_filter",
    "read_routes",
    "sequence_of",
    "written",
    "written_filter",
]

T = TypeVar("T")

Written = Any
"""What JSON can hold."""

LARGEST = 2**53
"""Of a count: what every reader of JSON has exactly."""

TYPES = frozenset({"<f4", "<f8", "<i4", "<i8", "<u8", "|b1"})


def written(value: object) -> Written:
    """A message as JSON holds it."""
    match value:
        case None | str() | bool() | int() | float():
            return value
        case np.ndarray():
            return _written_array(value)
        case Condition() | Logic():
            return written_filter(value)
        case Embeddings():
            return {"values": written(value.values), "offsets": written(value.offsets)}
        case Mapping():
            return {str(name): written(one) for name, one in value.items()}
        case list() | tuple():
            return [written(one) for one in value]
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: written(getattr(value, name)) for name in names}
    raise TypeError(f"a {type(value).__name__} is no message")


def read(kind: type[T], value: Written) -> T:
    """A message of a kind. Raises QueryError where the value is none."""
    try:
        made: T = _READERS[kind](_fields(value))
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise QueryError(f"what came is no {kind.__name__}") from error
    return made


def written_filter(wanted: Filter) -> Written:
    """In the nested form that `parse_filter` reads."""
    if isinstance(wanted, Condition):
        value = list(wanted.value) if isinstance(wanted.value, tuple) else wanted.value
        return {"field": wanted.field, "operator": wanted.operator, "value": value}
    conditions = [written_filter(one) for one in wanted.conditions]
    return {"operator": wanted.operator, "conditions": conditions}


def read_filter(value: Written) -> Filter | None:
    return None if value is None else parse_filter(_fields(value))


def _written_array(array: npt.NDArray[Any]) -> Written:
    kind = array.dtype.newbyteorder("<").str
    content = np.ascontiguousarray(array, kind).tobytes()
    return {"type": kind, "shape": list(array.shape), "data": base64.b64encode(content).decode()}


def read_array(value: Written, kind: str, n_axes: int) -> npt.NDArray[Any]:
    """Raises QueryError for another type or another number of axes."""
    try:
        fields = _fields(value)
        shape = tuple(map(_count, fields["shape"]))
        content = base64.b64decode(fields["data"], validate=True)
        if fields["type"] != kind or kind not in TYPES or len(shape) != n_axes:
            raise ValueError
        return np.frombuffer(content, kind).reshape(shape)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise QueryError(f"what came is no array of {kind} with {n_axes} axes") from error


def _fields(value: Written) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise QueryError("what came is no object")
    return value


def _count(value: Written) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise ValueError(f"{value!r} is no count")
    return value


def _flag(value: Written) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _text(value: Written) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _list(value: Written, of: Callable[[Written], T]) -> list[T]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return [of(one) for one in value]


def _optional(value: Written, of: Callable[[Written], T]) -> T | None:
    return None if value is None else of(value)


def _counts(value: Written) -> dict[str, int]:
    return {_text(name): _count(one) for name, one in _fields(value).items()}


def _embeddings(value: Written) -> Embeddings:
    """Raises ValueError where the offsets do not divide the values, or a number is not finite."""
    fields = _fields(value)
    values = read_array(fields["values"], "<f4", 2)
    offsets = read_array(fields["offsets"], "<i8", 1)
    whole = len(offsets) > 1 and offsets[0] == 0 and offsets[-1] == len(values)
    if not whole or not (np.diff(offsets) > 0).all() or not np.isfinite(values).all():
        raise ValueError("vectors and offsets do not fit")
    return Embeddings(values, offsets)


def _terms(value: Written) -> QueryTerms:
    """Of one query: a list, or each with how much of it is asked for."""
    if isinstance(value, dict):
        weights = {_text(term): float(weight) for term, weight in value.items()}
        if not all(map(np.isfinite, weights.values())):
            raise ValueError("a weight is not finite")
        return weights
    return _list(value, _text)


def _totals(value: Written) -> WordTotals:
    fields = _fields(value)
    return WordTotals(_count(fields["documents"]), _count(fields["words"]))


def _floats(value: Written, n_axes: int = 1) -> npt.NDArray[np.float64]:
    return read_array(value, "<f8", n_axes)


def _scales(value: Written) -> LanguageScales:
    fields = _fields(value)
    langs = tuple(_list(fields["langs"], _text))
    means, spreads = _floats(fields["means"], 2), _floats(fields["spreads"], 2)
    if not langs or not np.isfinite(means).all() or not np.isfinite(spreads).all():
        raise ValueError("scales are of no language, or not finite")
    if means.shape != spreads.shape or means.shape[1] != len(langs) or not (spreads > 0).all():
        raise ValueError("means and spreads do not fit")
    return LanguageScales(langs, means, spreads)


def _state(fields: Mapping[str, Any]) -> ShardState:
    backgrounds = {
        lang: read_array(one, "<u8", 1) for lang, one in _fields(fields["backgrounds"]).items()
    }
    return ShardState(_text(fields["identity"]), _optional(fields["totals"], _totals), backgrounds)


def _survey_request(fields: Mapping[str, Any]) -> SurveyRequest:
    queries = _optional(fields["queries"], _embeddings)
    return SurveyRequest(queries, _list(fields["terms"], _terms), _counts(fields["background"]))


def _survey(fields: Mapping[str, Any]) -> Survey:
    scores, owners = read_array(fields["scores"], "<f4", 2), read_array(fields["owners"], "<i8", 1)
    return Survey(scores, owners, _list(fields["having"], _floats))


def _word_survey_request(fields: Mapping[str, Any]) -> WordSurveyRequest:
    terms, having = _list(fields["terms"], _terms), _list(fields["having"], _floats)
    if not terms or len(terms) != len(having):
        raise ValueError("terms and frequencies are of different queries")
    return WordSurveyRequest(
        terms, having, _totals(fields["totals"]), _counts(fields["background"])
    )


def _params(value: Written) -> SearchParams:
    fields = _fields(value)
    wanted = _optional(fields["n_candidates"], _count)
    return SearchParams(exact=_flag(fields["exact"]), n_candidates=wanted)


def _rank_request(fields: Mapping[str, Any]) -> RankRequest:
    """Raises ValueError where parts are not of as many queries."""
    made = RankRequest(
        _optional(fields["queries"], _embeddings),
        _count(fields["depth"]),
        _params(fields["params"]),
        read_filter(fields["filter"]),
        _list(fields["terms"], _terms),
        _list(fields["having"], _floats),
        _optional(fields["totals"], _totals),
        joined=_flag(fields["joined"]),
        langs=_list(fields["langs"], lambda langs: tuple(_list(langs, _text))),
        scales=_optional(fields["scales"], _scales),
        word_scales=_optional(fields["word_scales"], _scales),
        counted=_flag(fields["counted"]),
    )
    n = len(made.terms) if made.queries is None else len(made.queries)
    words = made.totals is not None
    sizes = [len(made.terms), len(made.having)] if words else []
    sizes += [len(one.means) for one in (made.scales, made.word_scales) if one is not None]
    sizes += [len(made.langs)] if made.joined else []
    vectors = made.queries is not None
    settled = made.word_scales is None or made.scales is not None or not vectors
    sound = n and settled and (words or vectors) and 0 < made.depth <= MAX_K
    if not sound or any(size != n for size in sizes):
        raise ValueError("parts are of different queries")
    return made


def _hits(value: Written) -> ShardHits:
    fields = _fields(value)
    made = ShardHits(
        tuple(_list(fields["doc_ids"], _text)),
        _floats(fields["scores"]),
        read_array(fields["spans"], "<i4", 2),
        _optional(fields["raw"], _floats),
        _optional(fields["within"], lambda one: read_array(one, "|b1", 1)),
    )
    parts = (made.scores, made.spans, made.raw, made.within)
    if any(part is not None and len(part) != len(made.doc_ids) for part in parts):
        raise ValueError("parts are of different documents")
    if made.spans.shape[1] != 2 or not np.isfinite(made.scores).all():
        raise ValueError("spans or scores are none")
    return made


def _ranking(fields: Mapping[str, Any]) -> ShardRanking:
    matches = _fields(fields["matches"])
    counted = Matches(_count(matches["documents"]), _optional(matches["languages"], _counts))
    dense, lexical = _optional(fields["dense"], _hits), _optional(fields["lexical"], _hits)
    return ShardRanking(dense, lexical, counted)


def read_routes(value: Written) -> dict[str, StoredRoute]:
    """Adapters by language. Raises QueryError."""
    try:
        return {lang: StoredRoute(**one) for lang, one in _fields(value).items()}
    except TypeError as error:
        raise QueryError("what came are no routes") from error


def _fetched(fields: Mapping[str, Any]) -> Fetched:
    documents = _list(fields["documents"], lambda one: read(Document, one))
    return Fetched(documents, read_routes(fields["routes"]))


def _info(fields: Mapping[str, Any]) -> IndexInfo:
    codecs = tuple(_list(fields["codecs"], _count))
    return IndexInfo(**{**fields, "codecs": codecs, "routes": read_routes(fields["routes"])})


def _document(fields: Mapping[str, Any]) -> Document:
    made = Document(**fields)
    for one in (made.doc_id, made.text, made.lang, made.title):
        _text(one)
    for other in (made.url, made.date):
        _optional(other, _text)
    _fields(made.meta)
    return made


_READERS: Mapping[type, Callable[[Mapping[str, Any]], Any]] = {
    Document: _document,
    Fetched: _fetched,
    IndexInfo: _info,
    RankRequest: _rank_request,
    ShardRanking: _ranking,
    ShardState: _state,
    Survey: _survey,
    SurveyRequest: _survey_request,
    WordSurveyRequest: _word_survey_request,
}


def sequence_of(kind: type[T], value: Written) -> list[T]:
    """A list of messages of a kind. Raises QueryError."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise QueryError(f"what came is no list of {kind.__name__}")
    return [read(kind, one) for one in value]
