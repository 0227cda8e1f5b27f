"""Indices served on other machines are searched as one: the answers of one index."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from encoders import HashingEncoder
from indices import WORDS
from sharded_indices import make_parts

from tests.server.conftest import Served, serving
from xret.errors import ConfigError, ShardError
from xret.index.search.commit import Found
from xret.index.search.filters import parse_filter
from xret.index.search.lexical_ranking import Words
from xret.index.search.reader import IndexReader
from xret.index.sharded.messages import RankRequest
from xret.index.sharded.opening import open_reader
from xret.index.sharded.shards_file import ShardsFile
from xret.index.sharded.wire import written
from xret.retriever.fusion import fuse_within
from xret.retriever.searcher import Searcher
from xret.types import Query, SearchParams, SearchRequest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_parts(tmp_path_factory.mktemp("served"), HashingEncoder())


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Served]:
    """A server of two of the four shards."""
    with ExitStack() as opened:
        shards = {
            name: opened.enter_context(
                Searcher(name, IndexReader.open(folder / name), HashingEncoder())
            )
            for name in ("shard2", "shard3")
        }
        yield opened.enter_context(serving(shards))


@pytest.fixture(scope="module")
def pair(folder: Path, running: Served) -> Iterator[tuple[IndexReader, IndexReader]]:
    """One index, and the same in two folders and at two addresses."""
    served = [f"{running.url}/v1/indexes/{name}" for name in ("shard2", "shard3")]
    file = ShardsFile.of(["../shard0", "../shard1", *served])
    file.write(folder / "all")
    whole, parts = IndexReader.open(folder / "whole"), open_reader(folder / "all")
    yield whole, parts
    whole.close()
    parts.close()


def asked(reader: IndexReader, request: SearchRequest, wanted: str | None = None) -> Found:
    texts = [f"{WORDS[n % 11]} {WORDS[n * 3 % 11]}" for n in range(70)]
    langs = ["en", "fr", "sw", "fi", "de"] * 14
    queries = [Query("", text, lang) for text, lang in zip(texts, langs, strict=True)]
    of_queries = [(lang,) if lang in ("en", "sw") else () for lang in langs]
    words = Words([text.split() for text in texts], fuse_within, of_queries, True)
    return reader.answer(
        request,
        HashingEncoder().encode_queries(queries),
        filter=None if wanted is None else parse_filter(wanted),
        words=words,
        query_langs=langs,
    )


@pytest.mark.parametrize("wanted", [None, "lang:sw,fi"])
def test_served_shards_find_what_one_index_finds(
    pair: tuple[IndexReader, IndexReader], wanted: str | None
) -> None:
    for counted in ((), ("lang",)):
        request = SearchRequest("", k=15, offset=5, calibrate="z", facets=counted)
        one, other = (asked(reader, request, wanted) for reader in pair)
        assert one.rankings == other.rankings
        assert (one.raw, one.spans, one.documents) == (other.raw, other.spans, other.documents)
        assert one.matches == other.matches


def test_what_served_shards_say_of_themselves_is_read(
    pair: tuple[IndexReader, IndexReader],
) -> None:
    whole, parts = pair
    assert parts.languages() == whole.languages()
    assert parts.metadata_fields() == whole.metadata_fields()
    assert parts.document_page(30) == whole.document_page(30)
    assert parts.doc_ids(parse_filter("lang:fi")) == whole.doc_ids(parse_filter("lang:fi"))
    assert parts.routes() == whole.routes()
    names = ("documents", "deleted", "passages", "vectors", "languages")
    infos = [dataclasses.asdict(reader.info()) for reader in pair]
    assert [infos[0][name] for name in names] == [infos[1][name] for name in names]
    assert parts.size_bytes() > whole.size_bytes() / 2


def test_a_server_that_is_gone_is_an_error_or_a_partial_answer(folder: Path) -> None:
    shard = Searcher("shard1", IndexReader.open(folder / "shard1"), HashingEncoder())
    with shard, serving({"shard1": shard}) as gone:
        address = f"{gone.url}/v1/indexes/shard1"
        file = ShardsFile.of([str(folder / "shard0"), address])
        strict = open_reader(folder, shards=file)
        lenient = open_reader(folder, shards=file, partial=True)
        request = SearchRequest("", k=5)
        queries = HashingEncoder().encode_queries([Query("", "reef sun", "en")])
        before = [reader.answer(request, queries) for reader in (strict, lenient)]
        assert before[0].rankings == before[1].rankings
        assert not before[1].missing
    with pytest.raises(ShardError, match="shard1 does not answer: it cannot be asked"):
        strict.answer(request, queries)
    found = lenient.answer(request, queries)
    assert found.missing[0].startswith(address)
    alone = IndexReader.open(folder / "shard0")
    assert found.rankings == alone.answer(request, queries).rankings
    for reader in (strict, lenient, alone):
        reader.close()


@pytest.mark.parametrize("partial", [True, False])
def test_a_server_in_front_of_another_that_stops_goes_on_and_ends(
    folder: Path, tmp_path: Path, partial: bool
) -> None:
    """All waits here have ends: those of the clients, of `serving`, and of the shards."""
    back = Searcher("shard1", IndexReader.open(folder / "shard1"), HashingEncoder())
    asked = {"query": "reef sun", "query_lang": "en"}
    with ExitStack() as front_open, back, ExitStack() as back_open:
        behind = back_open.enter_context(serving({"shard1": back}))
        parts = [str(folder / "shard0"), f"{behind.url}/v1/indexes/shard1"]
        ShardsFile.of(parts, partial=partial, timeout_s=5).write(tmp_path)
        front = Searcher("all", open_reader(tmp_path), HashingEncoder())
        running = front_open.enter_context(serving({"all": front_open.enter_context(front)}))
        answers: list[httpx.Response] = []
        stopped = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=running.url, timeout=15) as http:
                while not stopped.is_set():
                    answers.append(http.post("/v1/search", json=asked))

        clients = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
        for client in clients:
            client.start()
        assert running.http.get("/v1/indexes/all").json()["warnings"] == []
        back_open.close()
        after = running.http.post("/v1/search", json=asked)
        stopped.set()
        for client in clients:
            client.join(20)
            assert not client.is_alive()
        assert {answer.status_code for answer in answers} <= {200, 503}
        pages = [running.http.get(f"/v1/indexes/all{rest}") for rest in ("", "/documents")]
        assert {page.status_code for page in [after, *pages]} == {200 if partial else 503}
        for page in [after, *pages]:
            said = page.json()
            assert said["warnings"][0].count("is partial") if partial else said["code"] == "shard"


def array(kind: str, *shape: int) -> dict[str, Any]:
    return written(np.ones(shape, kind))  # type: ignore[no-any-return]


def vectors(dim: int) -> dict[str, Any]:
    return {"values": array("<f4", 1, dim), "offsets": written(np.array([0, 1]))}


WORDS_ASKED = {
    "terms": [["reef"]],
    "having": [array("<f8", 1)],
    "totals": {"documents": 9, "words": 90},
    "background": {},
}
NO_SCALES = {"langs": [], "means": array("<f8", 1, 0), "spreads": array("<f8", 1, 0)}
NAN_SCALES = {
    "langs": ["en"],
    "means": written(np.full((1, 1), np.nan)),
    "spreads": array("<f8", 1, 1),
}
RANKED = {
    **written(RankRequest(None, 5, SearchParams())),
    **{name: WORDS_ASKED[name] for name in ("terms", "having", "totals")},
}


def test_a_question_by_words_that_fits_is_answered(running: Served) -> None:
    reply = post(running, call="word_survey", identity="", asked=WORDS_ASKED)
    assert reply.json() == {"answer": None}  # of another commit
    state = post(running, call="state").json()["answer"]
    reply = post(running, call="ranked", identity=state["identity"], asked=RANKED)
    assert len(reply.json()["answer"]) == 1


def post(running: Served, **body: Any) -> httpx.Response:
    return running.http.post("/v1/shards/shard2", json=body)


@pytest.mark.parametrize(
    "body",
    [
        {"call": "survey", "asked": {}},
        {"call": "survey", "asked": {"queries": None, "terms": [[1]], "background": {}}},
        {"call": "survey", "asked": {"queries": {}, "terms": [], "background": {}}},
        {"call": "ranked", "asked": {"queries": None}},
        {"call": "documents", "asked": {"doc_ids": "x"}},
        {"call": "documents", "asked": {"doc_ids": [1]}},
        {"call": "documents", "asked": {}},
        {"call": "document_page", "asked": {"n": 0, "after": "", "filter": None}},
        {"call": "doc_ids", "asked": {"filter": {"field": "x"}}},
        {"call": "found_languages", "asked": {"filter": None}},
        {"call": "pseudo_questions", "asked": {"background": {"en": -1}}},
        {"call": "pseudo_questions", "asked": {"background": {"en": 10**40}}},
        {"call": "ranked", "asked": RANKED | {"depth": 0}},
        {"call": "ranked", "asked": RANKED | {"terms": []}},
        {"call": "ranked", "asked": RANKED | {"having": []}},
        {"call": "ranked", "asked": RANKED | {"totals": None}},
        {"call": "ranked", "asked": RANKED | {"having": [array("<f8", 2)]}},
        {"call": "ranked", "asked": RANKED | {"queries": vectors(5)}},
        {"call": "ranked", "asked": RANKED | {"word_scales": NO_SCALES}},
        {"call": "ranked", "asked": RANKED | {"word_scales": NAN_SCALES}},
        {"call": "word_survey", "asked": {**WORDS_ASKED, "having": [], "terms": []}},
        {"call": "word_survey", "asked": {**WORDS_ASKED, "having": []}},
        {"call": "close"},
        {"call": "state", "asked": [], "more": 1},
    ],
)
def test_what_is_no_question_to_a_shard_is_refused(running: Served, body: dict[str, Any]) -> None:
    identity = post(running, call="state").json()["answer"]["identity"]
    reply = post(running, identity=identity, **body)
    assert reply.status_code == 422, reply.text
    assert reply.json()["code"] in ("query", "invalid_request")


def test_another_commit_is_told(running: Served) -> None:
    state = post(running, call="state").json()["answer"]
    asked = {"doc_ids": []}
    same = post(running, call="fetched", identity=state["identity"], asked=asked).json()
    assert same["answer"] == {"documents": [], "routes": {}}
    other = post(running, call="fetched", identity="0-00", asked=asked).json()
    assert other == {"answer": None}
    assert running.http.post("/v1/shards/nobody", json={"call": "state"}).status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "http://host:8000",
        "http://host/v1/indexes/",
        "http://host/v1/indexes/a/b",
        "http://u:p@host/v1/indexes/a",
        "http://host:x/v1/indexes/a",
        "https://host/v1/indexes/a?key=1",
    ],
)
def test_an_address_that_is_none_is_told(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        open_reader(tmp_path, shards=ShardsFile.of([address]))
