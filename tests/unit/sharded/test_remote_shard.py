"""What a shard elsewhere answers is taken where it fits what was asked, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from encoders import HashingEncoder
from indices import random_documents
from sharded_indices import build_index

from xret.deadline import Deadline
from xret.errors import ShardError
from xret.index.search.filters import Condition
from xret.index.search.reader import IndexReader
from xret.index.sharded import remote_shard
from xret.index.sharded.calls import answered
from xret.index.sharded.local_shard import LocalShard
from xret.index.sharded.reader import ShardedReader
from xret.index.sharded.remote_shard import RemoteShard
from xret.index.sharded.shard_address import ShardAddress
from xret.index.sharded.wire import written
from xret.types import Document, Hit, Query

Change = Callable[[Any], Any]


def sharded(parts: Path, call: str = "", change: Change | None = None) -> ShardedReader:
    """Two shards here, and one whose answers come as over HTTP, some of them changed."""
    local = [LocalShard(f"{n}", partial(IndexReader.open, parts / f"shard{n}")) for n in (0, 1, 2)]

    def ask(body: dict[str, Any], deadline: Deadline) -> Any:
        body = json.loads(json.dumps(body))
        answer = answered(local[2], body["call"], body["identity"], body["asked"], deadline)
        answer = json.loads(json.dumps(answer))
        return {"answer": change(answer) if change and body["call"] == call else answer}

    address = cast(ShardAddress, SimpleNamespace(ask=ask, close=local[2].close, timeout_s=1.0))
    return ShardedReader(parts, [*local[:2], RemoteShard("elsewhere", address)])


def hits(reader: ShardedReader) -> list[list[Hit]]:
    queries = HashingEncoder().encode_queries([Query("", "tide reef bee", "en")])
    found = reader.search(queries, 30, calibrate="z", query_langs=["en"])
    reader.documents([hit.doc_id for hit in found[0]])
    reader.close()
    return found


def set_to(**fields: Any) -> Change:
    return lambda answer: answer | fields


def of_rankings(name: str, make: Callable[[int], Any]) -> Change:
    def change(rankings: list[Any]) -> list[Any]:
        for ranking in rankings:
            ranking["dense"][name] = written(make(len(ranking["dense"]["doc_ids"])))
        return rankings

    return change


@pytest.mark.parametrize(
    ("call", "change"),
    [
        ("settings", lambda _: {}),
        ("settings", lambda _: [1]),
        ("ranked", lambda _: []),
        ("ranked", lambda answer: answer * 2),
        ("ranked", of_rankings("scores", lambda n: np.full(n, np.nan))),
        ("ranked", of_rankings("spans", lambda n: np.zeros((n, 3), np.int32))),
        ("survey", set_to(owners=written(np.full(3, 99)))),
        ("survey", set_to(scores=written(np.zeros((1, 3), np.float32)))),
        ("survey", set_to(scores=written(np.zeros((2, 3), np.float32)))),
        ("survey", set_to(having=[written(np.ones(1))])),
        ("documents", lambda answer: [one | {"text": 5} for one in answer]),
        ("documents", lambda answer: [one | {"doc_id": [1]} for one in answer]),
        ("documents", lambda answer: [one | {"meta": 7} for one in answer]),
    ],
)
def test_an_answer_that_does_not_fit_is_an_error_of_its_shard(
    hashed_parts: Path, call: str, change: Change
) -> None:
    with pytest.raises(ShardError, match="elsewhere"):
        hits(sharded(hashed_parts, call, change))


def test_a_language_that_nobody_has_is_an_error_of_its_shard(hashed_parts: Path) -> None:
    reader = sharded(hashed_parts, "found_languages", lambda langs: [*langs, "xx"])
    queries = HashingEncoder().encode_queries([Query("", "tide reef bee", "en")])
    wanted = Condition("lang", "!=", "fi")
    with pytest.raises(ShardError, match=r"elsewhere .* in a language of which it has none"):
        reader.search(queries, 9, calibrate="z", query_langs=["en"], filter=wanted)
    reader.close()


def test_ids_come_in_pages_and_from_older_servers_at_once(
    hashed_parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = sharded(hashed_parts)
    whole = reader.doc_ids(None)
    sizes: list[int] = []

    def counted(ids: list[str]) -> list[str]:
        sizes.append(len(ids))
        return ids

    monkeypatch.setattr(remote_shard, "LISTED_IDS", 40)
    paged = sharded(hashed_parts, "doc_ids", counted)
    assert paged.doc_ids(None) == whole
    assert sizes[:-1] == [40] * (len(sizes) - 1)
    assert len(sizes) > 2
    every = sorted(paged.shards[-1].doc_ids(None, Deadline()))
    older = sharded(hashed_parts, "doc_ids", lambda _: every)
    assert older.doc_ids(None) == whole
    for one in (reader, paged, older):
        one.close()


def test_rankings_of_many_hits_are_asked_for_in_few_queries_at_once(
    hashed_parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def counted(rankings: list[Any]) -> list[Any]:
        sizes.append(len(rankings))
        return rankings

    monkeypatch.setattr(remote_shard, "BLOCK_HITS", 60)
    reader = sharded(hashed_parts, "ranked", counted)
    texts = [Query("", "tide reef bee", "en")] * 5
    found = reader.search(HashingEncoder().encode_queries(texts), 30)
    assert sizes == [2, 2, 1]
    assert found == [found[0]] * 5
    reader.close()


def test_answers_that_fit_are_taken_and_a_shard_may_have_no_background(tmp_path: Path) -> None:
    many = random_documents(6, 700)
    rarely = [Document(f"last{n}", "tide reef bee", "en") for n in range(2)]
    encoder = HashingEncoder()
    for number, part in enumerate((many[::2], many[1::2], rarely)):
        build_index(tmp_path / f"shard{number}", part, encoder)
    build_index(tmp_path / "whole", [*many, *rarely], encoder)
    whole = IndexReader.open(tmp_path / "whole")
    queries = encoder.encode_queries([Query("", "tide reef bee", "en")])
    expected = whole.search(queries, 30, calibrate="z", query_langs=["en"])
    whole.close()
    assert hits(sharded(tmp_path)) == expected
