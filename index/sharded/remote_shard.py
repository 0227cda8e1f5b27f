"""A shard that a server of xret has open elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from xret.deadline import Deadline
from xret.errors import QueryError, ShardError
from xret.index.search.filters import Filter
from xret.index.sharded.calls import MAX_LISTED, CallName
from xret.index.sharded.messages import (
    Fetched,
    LanguageScales,
    RankRequest,
    ShardRanking,
    ShardState,
    Survey,
    SurveyRequest,
    WordSurveyRequest,
)
from xret.index.sharded.shard_address import ShardAddress
from xret.index.sharded.wire import (
    Written,
    read,
    read_array,
    read_routes,
    sequence_of,
    written,
    written_filter,
)
from xret.index.storage.stored import IndexInfo, StoredRoute
from xret.types import Document, Embeddings, FloatArray

__all__ = ["RemoteShard"]

BLOCK_BYTES = 1 << 18
"""Of vectors that are sent at once: a server takes a mebibyte unless it is told otherwise."""

BLOCK_QUERIES = 64
BLOCK_HITS = 64_000
"""Of all queries that are sent at once: a few MiB of ids and scores in two lists."""

IDS_AT_ONCE = 1_000
LISTED_IDS = 100_000
"""Of a shard's ids, in one reply."""


class RemoteShard:
    """See `messages.Shard`. Answers are checked: what does not fit is a ShardError."""

    def __init__(self, name: str, address: ShardAddress) -> None:
        self.name = name
        self._address = address

    def close(self) -> None:
        self._address.close()

    def settings(self) -> dict[str, str]:
        answer = self._asked("settings")
        with _sound():
            _expect({"dim", "preset", "lexical"} <= answer.keys(), "settings")
            return {str(name): str(value) for name, value in answer.items()}

    def state(self, deadline: Deadline) -> ShardState:
        answer = self._asked("state", deadline=deadline)
        with _sound():
            return read(ShardState, answer)

    def found_languages(
        self, identity: str, wanted: Filter, deadline: Deadline
    ) -> list[str] | None:
        asked = {"filter": written_filter(wanted)}
        return _texts(self._asked("found_languages", asked, identity, deadline))

    def survey(self, identity: str, asked: SurveyRequest, deadline: Deadline) -> Survey | None:
        n_queries = len(asked.terms) if asked.queries is None else len(asked.queries)
        parts = []
        for first, last in _blocks(asked.queries, n_queries):
            queries = _part(asked.queries, first, last)
            block = dataclasses.replace(asked, queries=queries, terms=asked.terms[first:last])
            answer = self._asked("survey", written(block), identity, deadline)
            if answer is None:
                return None
            with _sound():
                parts.append(_surveyed(read(Survey, answer), block))
        scores = np.concatenate([part.scores for part in parts])
        return Survey(scores, parts[0].owners, [one for part in parts for one in part.having])

    def word_survey(
        self, identity: str, asked: WordSurveyRequest, deadline: Deadline
    ) -> FloatArray | None:
        parts = []
        for first, last in _blocks(None, len(asked.terms)):
            block = dataclasses.replace(
                asked, terms=asked.terms[first:last], having=asked.having[first:last]
            )
            answer = self._asked("word_survey", written(block), identity, deadline)
            if answer is None:
                return None
            with _sound():
                scores = read_array(answer, "<f4", 2)
                _expect(scores.shape == (last - first, sum(asked.background.values())), "scores")
                _expect(np.isfinite(scores).all(), "scores")
                parts.append(scores)
        return np.concatenate(parts)

    def pseudo_questions(
        self, identity: str, wanted: Mapping[str, int], deadline: Deadline
    ) -> list[FloatArray] | None:
        asked = {"background": dict(wanted)}
        answer = self._asked("pseudo_questions", asked, identity, deadline)
        with _sound():
            return None if answer is None else [read_array(one, "<f4", 2) for one in answer]

    def ranked(
        self, identity: str, asked: RankRequest, deadline: Deadline
    ) -> list[ShardRanking] | None:
        n_queries = len(asked.terms) if asked.queries is None else len(asked.queries)
        found: list[ShardRanking] = []
        at_once = max(1, min(BLOCK_QUERIES, BLOCK_HITS // asked.depth))
        for first, last in _blocks(asked.queries, n_queries, at_once):
            block = _rank_block(asked, first, last)
            answer = self._asked("ranked", written(block), identity, deadline)
            if answer is None:
                return None
            with _sound():
                rankings = sequence_of(ShardRanking, answer)
                _expect(len(rankings) == last - first, "rankings")
                found += rankings
        return found

    def fetched(self, identity: str, doc_ids: Sequence[str], deadline: Deadline) -> Fetched | None:
        documents: list[Document] = []
        routes: dict[str, StoredRoute] = {}
        for first in range(0, max(1, len(doc_ids)), IDS_AT_ONCE):
            asked = {"doc_ids": list(doc_ids[first : first + IDS_AT_ONCE])}
            answer = self._asked("fetched", asked, identity, deadline)
            if answer is None:
                return None
            with _sound():
                part = read(Fetched, answer)
                ids = [document.doc_id for document in part.documents]
                _expect(ids == asked["doc_ids"], "documents")
            documents += part.documents
            routes |= part.routes
        return Fetched(documents, routes)

    def documents(self, doc_ids: Sequence[str], deadline: Deadline) -> list[Document]:
        found: list[Document] = []
        for first in range(0, len(doc_ids), IDS_AT_ONCE):
            asked = {"doc_ids": list(doc_ids[first : first + IDS_AT_ONCE])}
            answer = self._asked("documents", asked, deadline=deadline)
            with _sound():
                found += sequence_of(Document, answer)
        return found

    def routes(self) -> dict[str, StoredRoute]:
        answer = self._asked("routes")
        with _sound():
            return read_routes(answer)

    def info(self) -> IndexInfo:
        answer = self._asked("info")
        with _sound():
            return read(IndexInfo, answer)

    def size_bytes(self) -> int:
        answer = self._asked("size_bytes")
        with _sound():
            return int(answer)

    def languages(self, wanted: Filter | None, deadline: Deadline) -> dict[str, int]:
        return self._counted("languages", wanted, deadline)

    def metadata_fields(self, wanted: Filter | None, deadline: Deadline) -> Mapping[str, int]:
        return self._counted("metadata_fields", wanted, deadline)

    def doc_ids(self, wanted: Filter | None, deadline: Deadline) -> set[str]:
        asked = {"filter": wanted and written_filter(wanted), "n": LISTED_IDS}
        found: list[str] = []
        while True:
            last = {"after": found[-1]} if found else {}
            page = _texts(self._asked("doc_ids", asked | last, deadline=deadline)) or []
            found += page
            if len(page) != LISTED_IDS:  # the last ones, or a server that gives all at once
                return set(found)

    def document_page(
        self, n: int, after: str, wanted: Filter | None, deadline: Deadline
    ) -> list[Document]:
        asked = {
            "n": min(n, MAX_LISTED),
            "after": after,
            "filter": wanted and written_filter(wanted),
        }
        answer = self._asked("document_page", asked, deadline=deadline)
        with _sound():
            return sequence_of(Document, answer)

    def _counted(self, call: CallName, wanted: Filter | None, deadline: Deadline) -> dict[str, int]:
        asked = {"filter": wanted and written_filter(wanted)}
        answer = self._asked(call, asked, deadline=deadline)
        with _sound():
            return {str(name): int(count) for name, count in answer.items()}

    def _asked(
        self,
        call: CallName,
        asked: Mapping[str, Any] | None = None,
        identity: str = "",
        deadline: Deadline | None = None,
    ) -> Written:
        """The answer; None where the shard is at another commit."""
        body = {"call": call, "identity": identity, "asked": asked or {}}
        reply = self._address.ask(body, deadline or Deadline())
        if not isinstance(reply, dict) or "answer" not in reply:
            raise ShardError("it answered what no shard does")
        return reply["answer"]


@contextmanager
def _sound() -> Iterator[None]:
    """Reads an answer. Raises ShardError where it is none."""
    try:
        yield
    except (QueryError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ShardError(f"it answered what no shard does: {error}") from error


def _surveyed(part: Survey, asked: SurveyRequest) -> Survey:
    """An answer that fits what was asked. Raises ValueError where it does not."""
    n_queries = 0 if asked.queries is None else len(asked.queries)
    owners = np.repeat(np.arange(len(asked.background)), [*asked.background.values()])
    _expect(np.array_equal(np.sort(part.owners), owners), "languages")
    _expect(part.scores.shape == (n_queries, len(owners)), "scores")
    _expect(np.isfinite(part.scores).all(), "scores")
    wanted = [len(set(terms)) for terms in asked.terms]
    _expect([len(one) for one in part.having] == wanted, "frequencies")
    _expect(all(np.isfinite(one).all() for one in part.having), "frequencies")
    return part


def _expect(fits: bool | np.bool_, what: str) -> None:
    if not fits:
        raise ValueError(f"{what} other than those asked for")


def _texts(value: Written) -> list[str] | None:
    with _sound():
        return None if value is None else [str(one) for one in value]


def _blocks(
    queries: Embeddings | None, n_queries: int, at_once: int = BLOCK_QUERIES
) -> Iterator[tuple[int, int]]:
    """Queries from the first to before the last, as many at a time as one request holds."""
    first = 0
    while first < n_queries or not first:
        last = min(first + at_once, max(n_queries, 1))
        if queries is not None:
            row_bytes = 4 * max(1, queries.values.shape[1])
            ends = queries.offsets[first] + BLOCK_BYTES // row_bytes
            fit = int(np.searchsorted(queries.offsets, ends, side="right")) - 1
            last = max(first + 1, min(last, fit))
        yield first, last
        first = last


def _part(queries: Embeddings | None, first: int, last: int) -> Embeddings | None:
    if queries is None:
        return None
    keep = np.zeros(len(queries), np.bool_)
    keep[first:last] = True
    return queries.kept(keep)


def _rank_block(asked: RankRequest, first: int, last: int) -> RankRequest:
    def of(scales: LanguageScales | None) -> LanguageScales | None:
        if scales is None:
            return None
        return LanguageScales(scales.langs, scales.means[first:last], scales.spreads[first:last])

    return dataclasses.replace(
        asked,
        queries=_part(asked.queries, first, last),
        terms=asked.terms[first:last],
        having=asked.having[first:last],
        langs=asked.langs[first:last],
        scales=of(asked.scales),
        word_scales=of(asked.word_scales),
    )
