"""Failures and overload: what searches get, and what `/readyz` says meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.server.conftest import Served, TouchyEncoder, serving
from xret.errors import DamagedIndexError, ServerError
from xret.retriever.searcher import Searcher
from xret.server.app import create_app
from xret.server.settings import ServerSettings


def search(served: Served, query: str) -> httpx.Response:
    return served.http.get("/v1/search", params={"query": query})


def gate(searcher: Searcher) -> TouchyEncoder:
    assert isinstance(searcher.encoder, TouchyEncoder)
    return searcher.encoder


@pytest.fixture
def asking() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


def test_failed_search_is_a_500_that_tells_nothing(
    touchy: Searcher, caplog: pytest.LogCaptureFixture
) -> None:
    with serving({"demo": touchy}) as served, caplog.at_level(logging.INFO, "xret.server"):
        reply = search(served, "please fail zqxmark")
    assert (reply.status_code, reply.json()["code"]) == (500, "internal")
    assert "ValueError" not in reply.text
    assert "zqxmark" not in reply.text
    assert "ValueError" in caplog.text
    assert "zqxmark" not in caplog.text


def test_log_has_route_and_status_but_not_the_question(
    touchy: Searcher, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), serving({"demo": touchy}) as served:
        search(served, "zqxmark")
        served.http.get("/zqxmark")
        ours = [record.getMessage() for record in caplog.records if record.name != "httpx"]
    assert any(line.startswith("GET /v1/search 200 ") for line in ours)
    assert not any("zqxmark" in line for line in ours if "httpcore" not in line)


def test_readiness_falls_with_a_failure_and_returns_with_a_success(touchy: Searcher) -> None:
    with serving({"demo": touchy}) as served:
        assert served.http.get("/readyz").json() == {"status": "ready"}
        search(served, "fail")
        unready = served.http.get("/readyz")
        assert (unready.status_code, unready.json()["detail"]) == (503, "demo: internal")
        assert unready.headers["Content-Type"] == "application/problem+json"
        assert served.http.get("/livez").status_code == 200
        assert search(served, "tides").status_code == 200
        assert served.http.get("/readyz").status_code == 200


def test_an_unusable_encoder_leaves_search_by_words_and_is_told(index: Path) -> None:
    asked = {"query": "bees and fruit", "query_lang": "en", "mode": "lexical"}
    with Searcher.open(index) as opened, serving({"demo": opened}) as served:
        assert served.http.get("/readyz").json()["detail"] == "demo: model_unknown"
        words = served.http.get("/v1/search", params=asked)
        assert [hit["id"] for hit in words.json()["hits"]] == ["bees.en"]
        assert search(served, "tides").json()["code"] == "model_unknown"
        words = served.http.get("/v1/search", params=asked)
        assert words.status_code == 200
        assert served.http.get("/readyz").json()["detail"] == "demo: model_unknown"


def test_refused_query_does_not_make_the_server_unready(touchy: Searcher) -> None:
    with serving({"demo": touchy}) as served:
        assert search(served, "\x00").status_code == 422
        assert served.http.get("/readyz").status_code == 200


def test_search_may_take_longer_than_a_client_may(
    touchy: Searcher, asking: ThreadPoolExecutor
) -> None:
    with serving({"demo": touchy}, head_timeout_s=0.2) as served:
        slow = asking.submit(search, served, "wait")
        time.sleep(0.5)
        gate(touchy).gate.set()
        assert slow.result().status_code == 200


def test_native_panic_is_contained(touchy: Searcher) -> None:
    with serving({"demo": touchy}) as served:
        assert search(served, "panic").json()["code"] == "internal"
        assert search(served, "tides").status_code == 200


def test_damaged_index_is_503_without_its_path(
    touchy: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({"demo": touchy}) as served:

        def damaged(*_: object, **__: object) -> None:
            raise DamagedIndexError("/home/someone/demo/vectors.bin has changed")

        monkeypatch.setattr(touchy.reader, "answer", damaged)
        reply = search(served, "tides")
        assert (reply.status_code, reply.json()["code"]) == (503, "index_damaged")
        assert "someone" not in reply.text
        assert served.http.get("/readyz").json()["detail"] == "demo: index_damaged"


def test_server_with_a_broken_encoder_never_becomes_ready_but_lives(touchy: Searcher) -> None:
    gate(touchy).broken = True
    with serving({"demo": touchy}) as served:
        assert served.http.get("/readyz").status_code == 503
        assert served.http.get("/healthz").status_code == 200


def test_server_finds_out_by_itself_that_an_index_answers_again(touchy: Searcher) -> None:
    gate(touchy).broken = True
    with serving({"demo": touchy}, probe_every_s=0.05) as served:
        assert served.http.get("/readyz").status_code == 503
        gate(touchy).broken = False
        deadline = time.monotonic() + 60
        while served.http.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline


def test_searches_beyond_the_bound_are_refused_before_those_that_wait_end(
    touchy: Searcher, asking: ThreadPoolExecutor
) -> None:
    with serving({"demo": touchy}, threads=2, max_waiting=3, max_wait_ms=1e6) as served:
        accepted: list[Future[httpx.Response]] = []
        try:
            accepted += [asking.submit(search, served, "wait") for _ in range(5)]
            for _ in range(2):
                assert gate(touchy).waiting.acquire(timeout=5)
            while served.server.service.load < 5:
                time.sleep(0.01)
            refused = search(served, "tides")
            assert not any(future.done() for future in accepted)
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
            assert refused.headers["Retry-After"] == "1"
            assert served.http.get("/healthz").status_code == 200
            assert served.http.get("/readyz").status_code == 200
        finally:
            gate(touchy).gate.set()
        assert [reply.result().status_code for reply in accepted] == [200] * 5
        assert search(served, "tides").status_code == 200


def test_leaving_server_says_so_and_answers_what_is_in_flight(
    touchy: Searcher, asking: ThreadPoolExecutor
) -> None:
    with serving({"demo": touchy}) as served:
        slow = asking.submit(search, served, "wait")
        assert gate(touchy).waiting.acquire(timeout=5)
        served.server.leave(drain_s=0.5)
        unready = served.http.get("/readyz")
        assert unready.json()["detail"] == "the server is stopping"
        assert unready.headers["Connection"] == "close"
        assert search(served, "tides").status_code == 200
        time.sleep(0.7)
        gate(touchy).gate.set()
        assert slow.result().status_code == 200


def test_application_without_an_index_is_refused() -> None:
    with pytest.raises(ServerError, match="nothing to serve"):
        create_app({}, settings=ServerSettings())
