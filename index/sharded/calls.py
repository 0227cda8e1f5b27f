"""What other machines may ask of a shard, by the names of `messages.Shard`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from xret.deadline import Deadline
from xret.errors import DimensionMismatchError, QueryError
from xret.index.sharded.local_shard import LocalShard
from xret.index.sharded.messages import RankRequest, SurveyRequest, WordSurveyRequest
from xret.index.sharded.wire import Written, read, read_filter, written

__all__ = ["MAX_LISTED", "CallName", "answered"]

MAX_LISTED = 1_000
MAX_IDS = 10_000

CallName = Literal[
    "doc_ids",
    "document_page",
    "documents",
    "fetched",
    "found_languages",
    "info",
    "languages",
    "metadata_fields",
    "pseudo_questions",
    "ranked",
    "routes",
    "settings",
    "size_bytes",
    "state",
    "survey",
    "word_survey",
]

Answer = Callable[[LocalShard, str, Mapping[str, Any], Deadline], object]


def answered(
    shard: LocalShard, call: CallName, identity: str, asked: Mapping[str, Any], deadline: Deadline
) -> Written:
    """The answer as JSON holds it; None where the shard is at another commit by now.

    identity: of the commit, for what is asked of one. Raises QueryError for what is no such
    question, and what the shard raises.
    """
    try:
        return written(_ANSWERS[call](shard, identity, asked, deadline))
    except KeyError as error:
        raise QueryError(f"{call} is asked without {error}") from error
    except DimensionMismatchError as error:
        raise QueryError(str(error)) from error
    except (ValueError, IndexError, TypeError, ArithmeticError) as error:
        raise QueryError(f"{call} cannot be answered as it was asked") from error


def _ids(asked: Mapping[str, Any]) -> list[str]:
    doc_ids = asked["doc_ids"]
    if not isinstance(doc_ids, list) or len(doc_ids) > MAX_IDS:
        raise QueryError(f"doc_ids is no list of at most {MAX_IDS:,} ids")
    if not all(isinstance(doc_id, str) for doc_id in doc_ids):
        raise QueryError("doc_ids are texts")
    return doc_ids


def _counts(asked: Mapping[str, Any]) -> dict[str, int]:
    return dict(read(SurveyRequest, {"queries": None, "terms": [], **asked}).background)


def _page(shard: LocalShard, _: str, asked: Mapping[str, Any], deadline: Deadline) -> object:
    n, after = asked["n"], asked["after"]
    if not isinstance(n, int) or not 0 < n <= MAX_LISTED or not isinstance(after, str):
        raise QueryError(f"n is 1 to {MAX_LISTED:,}, after a text")
    return shard.document_page(n, after, read_filter(asked["filter"]), deadline)


def _doc_ids(shard: LocalShard, _: str, asked: Mapping[str, Any], deadline: Deadline) -> list[str]:
    """In order; those after an id, and so many of them, where that is asked for."""
    n, after = asked.get("n"), asked.get("after", "")
    if not isinstance(after, str) or (n is not None and (not isinstance(n, int) or n < 1)):
        raise QueryError("n is a number of ids, after a text")
    doc_ids = sorted(shard.doc_ids(read_filter(asked["filter"]), deadline))
    return doc_ids[bisect_right(doc_ids, after) :][:n]


def _found_languages(
    shard: LocalShard, identity: str, asked: Mapping[str, Any], deadline: Deadline
) -> object:
    wanted = read_filter(asked["filter"])
    if wanted is None:
        raise QueryError("found_languages is asked of a filter")
    return shard.found_languages(identity, wanted, deadline)


_ANSWERS: Mapping[str, Answer] = {
    "doc_ids": _doc_ids,
    "document_page": _page,
    "documents": lambda shard, _, asked, until: shard.documents(_ids(asked), until),
    "fetched": lambda shard, at, asked, until: shard.fetched(at, _ids(asked), until),
    "found_languages": _found_languages,
    "info": lambda shard, *_: shard.info(),
    "languages": lambda shard, _, asked, until: shard.languages(
        read_filter(asked["filter"]), until
    ),
    "metadata_fields": lambda shard, _, asked, until: shard.metadata_fields(
        read_filter(asked["filter"]), until
    ),
    "pseudo_questions": lambda shard, at, asked, until: shard.pseudo_questions(
        at, _counts(asked), until
    ),
    "ranked": lambda shard, at, asked, until: shard.ranked(at, read(RankRequest, asked), until),
    "routes": lambda shard, *_: shard.routes(),
    "settings": lambda shard, *_: shard.settings(),
    "size_bytes": lambda shard, *_: shard.size_bytes(),
    "state": lambda shard, _at, _asked, until: shard.state(until),
    "survey": lambda shard, at, asked, until: shard.survey(at, read(SurveyRequest, asked), until),
    "word_survey": lambda shard, at, asked, until: shard.word_survey(
        at, read(WordSurveyRequest, asked), until
    ),
}
assert _ANSWERS.keys() == set(get_args(CallName))  # noqa: S101
