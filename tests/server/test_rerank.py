"""A server with a reranker: every request has it, may do without, and can choose no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from encoders import HashingEncoder
from rerankers import RuleReranker

from tests.server.conftest import Served, serving
from xret.index.search.reader import IndexReader
from xret.retriever.searcher import Searcher

ASKED = {"query": "number moon", "query_lang": "en", "limit": 5}


@pytest.fixture
def reranking(index: Path) -> Iterator[Served]:
    opened = Searcher("demo", IndexReader.open(index), HashingEncoder())
    opened.rerankers.add("rule", RuleReranker(lambda _q, passage: float(len(passage.text))))
    with serving({"demo": opened}, rerank="rule@30") as running:
        yield running
    opened.close()


def test_requests_have_the_servers_reranker_unless_they_say_off(reranking: Served) -> None:
    by_default = reranking.http.post("/v1/search", json=ASKED).json()
    named = reranking.http.post("/v1/search", json={**ASKED, "rerank": "rule@30"}).json()
    without = reranking.http.post("/v1/search", json={**ASKED, "rerank": "off"}).json()
    linked = reranking.http.get("/v1/search", params={**ASKED, "rerank": "off"}).json()
    ids = [[hit["id"] for hit in one["hits"]] for one in (by_default, named, without, linked)]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert ids[0][0] == "tides.fr"
    assert by_default["hits"][0]["stages"]["rerank"]["rank"] == 1
    assert without["hits"][0]["stages"] == {}


@pytest.mark.parametrize("other", ["xret-modular", "/etc", "https://example.org/rerank", "rule"])
def test_a_request_can_choose_no_other(reranking: Served, other: str) -> None:
    refused = reranking.http.post("/v1/search", json={**ASKED, "rerank": other})
    assert refused.status_code == 422
    assert other not in refused.text
    assert reranking.http.get("/readyz").status_code == 200


def test_a_server_without_a_reranker_has_none_to_choose(served: Served) -> None:
    refused = served.http.post("/v1/search", json={**ASKED, "rerank": "xret-static"})
    assert refused.status_code == 422
    assert served.http.post("/v1/search", json={**ASKED, "rerank": "off"}).status_code == 200


@pytest.mark.parametrize("deadline_ms", [0, -5, 1e9, "soon"])
def test_a_deadline_is_a_time(served: Served, deadline_ms: object) -> None:
    refused = served.http.post("/v1/search", json={**ASKED, "deadline_ms": deadline_ms})
    assert refused.status_code == 422
