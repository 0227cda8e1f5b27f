"""Searches are stopped when their time is over or their client has left."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.server.conftest import Served, TouchyEncoder, serving
from xret.retriever.searcher import Searcher


def gate(searcher: Searcher) -> TouchyEncoder:
    assert isinstance(searcher.encoder, TouchyEncoder)
    return searcher.encoder


def search(served: Served, **asked: object) -> httpx.Response:
    return served.http.post("/v1/search", json=asked)


@pytest.mark.parametrize("own", [True, False], ids=["request", "settings"])
def test_a_search_is_over_when_its_time_is(touchy: Searcher, own: bool) -> None:
    limits = {"timeout_ms": 10_000.0} if own else {"timeout_ms": 200.0}
    with serving({"demo": touchy}, **limits) as served:
        began = time.monotonic()
        asked = {"timeout_ms": 200} if own else {}
        reply = search(served, query="wait", **asked)
        assert time.monotonic() - began < 1.0
        gate(touchy).gate.set()
    assert (reply.status_code, reply.json()["code"]) == (504, "deadline")
    assert "200 ms" in reply.json()["detail"]


def test_no_search_has_more_time_than_the_server_allows(touchy: Searcher) -> None:
    with serving({"demo": touchy}, max_timeout_ms=200.0) as served:
        reply = search(served, query="wait", timeout_ms=60_000)
        gate(touchy).gate.set()
    assert (reply.status_code, reply.json()["code"]) == (504, "deadline")


def test_a_search_that_was_stopped_says_nothing_of_the_index(touchy: Searcher) -> None:
    with serving({"demo": touchy}) as served:
        assert search(served, query="x", timeout_ms=0.001).status_code == 504
        assert served.http.get("/readyz").status_code == 200
        assert search(served, query="x").status_code == 200


def test_a_search_whose_client_has_left_is_not_begun(touchy: Searcher) -> None:
    encoder = gate(touchy)
    with (
        serving({"demo": touchy}, threads=1, max_wait_ms=1e6) as served,
        ThreadPoolExecutor(1) as asking,
    ):
        first = asking.submit(search, served, query="wait")
        assert encoder.waiting.acquire(timeout=5)
        body = json.dumps({"query": "wait again"}).encode()
        head = f"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        for _ in range(4):
            with socket.create_connection(("127.0.0.1", served.port)) as connection:
                connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
                time.sleep(0.05)
        assert served.server.service.load == 5
        time.sleep(0.1)
        encoder.gate.set()
        assert first.result().status_code == 200
        assert search(served, query="tides").status_code == 200
        assert not encoder.waiting.acquire(blocking=False)


def test_lists_are_answered_while_every_thread_searches(touchy: Searcher) -> None:
    with serving({"demo": touchy}, threads=2) as served, ThreadPoolExecutor(2) as asking:
        slow = [asking.submit(search, served, query="wait") for _ in range(2)]
        for _ in slow:
            assert gate(touchy).waiting.acquire(timeout=5)
        assert served.http.get("/v1/indexes", timeout=2).status_code == 200
        gate(touchy).gate.set()
        assert [one.result().status_code for one in slow] == [200, 200]


def test_an_encoder_that_hangs_is_seen_without_a_search(
    touchy: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.server.indexes.readiness.PROBE_S", 0.1)
    encoder = gate(touchy)
    with serving({"demo": touchy}, probe_every_s=0.1) as served:
        assert served.http.get("/readyz").status_code == 200
        monkeypatch.setattr(encoder, "encode_queries", lambda _: encoder.gate.wait(5))
        until = time.monotonic() + 5
        while served.http.get("/readyz").status_code == 200:
            assert time.monotonic() < until
        assert served.http.get("/readyz").json()["detail"] == "demo: deadline"
        encoder.gate.set()


def test_an_encoder_that_hangs_keeps_one_thread_and_not_one_a_probe(
    touchy: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.server.indexes.readiness.PROBE_S", 0.05)
    encoder, calls = gate(touchy), []
    with serving({"demo": touchy}, probe_every_s=0.05) as served:
        assert served.http.get("/readyz").status_code == 200

        def hang(_: object) -> None:
            calls.append(threading.get_ident())
            encoder.gate.wait(10)
            raise ValueError("too late")

        monkeypatch.setattr(encoder, "encode_queries", hang)
        time.sleep(0.8)
        assert served.http.get("/readyz").status_code == 503
        assert len(calls) == 1
        monkeypatch.undo()
        monkeypatch.setattr("xret.server.indexes.readiness.PROBE_S", 5.0)
        encoder.gate.set()
        until = time.monotonic() + 10
        while served.http.get("/readyz").status_code != 200:
            assert time.monotonic() < until


def test_a_batch_has_one_deadline_for_all(touchy: Searcher) -> None:
    with serving({"demo": touchy}) as served:
        searches = [{"query": "wait"}, {"query": "tides"}, {"query": "bees"}]
        began = time.monotonic()
        reply = served.http.post("/v1/search/batch", json={"searches": searches, "timeout_ms": 300})
        assert time.monotonic() - began < 3
        assert [answer["code"] for answer in reply.json()["answers"]] == ["deadline"] * 3
        gate(touchy).gate.set()


def test_lists_of_documents_wait_for_no_search_and_have_an_end(touchy: Searcher) -> None:
    with serving({"demo": touchy}, threads=2) as served, ThreadPoolExecutor(2) as asking:
        slow = [asking.submit(search, served, query="wait") for _ in range(2)]
        for _ in slow:
            assert gate(touchy).waiting.acquire(timeout=5)
        listed = served.http.get("/v1/indexes/demo/documents?limit=2", timeout=5)
        assert len(listed.json()["documents"]) == 2
        gate(touchy).gate.set()
        assert [each.result().status_code for each in slow] == [200, 200]
    with serving({"demo": touchy}, timeout_ms=0.001) as served:
        assert served.http.get("/v1/indexes/demo/documents").status_code == 504


def test_hundreds_of_conditions_are_answered_and_many_fields_refused(
    served: Served,
) -> None:
    served.http.post("/v1/search", json={"query": "x"})
    negations = " ".join(f"topic!=a{i}" for i in range(100))
    conditions = {
        "operator": "AND",
        "conditions": [{"field": f"meta.f{i}", "operator": "!=", "value": i} for i in range(250)],
    }
    unknown = {"query": "x", **{f"unknown{i}": i for i in range(40_000)}}
    assert len(json.dumps(unknown)) < 1 << 20
    for body, status in (
        ({"query": "x", "filter": negations}, 200),
        ({"query": "x", "filter": conditions}, 200),
        (unknown, 422),
        ({"searches": [{"query": "x"}, *({f"u{i}": 1} for i in range(60_000))]}, 422),
    ):
        address = "/v1/search/batch" if "searches" in body else "/v1/search"
        reply = served.http.post(address, json=body)
        assert reply.status_code == status, reply.text
        if "searches" in body:
            assert "60,000 fields that are not known" in reply.json()["detail"]
