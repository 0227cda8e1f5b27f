"""`/search` and what is beside it, as RoutIR's clients and relays ask."""

from typing import Any

import pytest
from encoders import HashingEncoder

from tests.server.conftest import Served
from xret.retriever.pair_scores import score_pairs
from xret.retriever.rerankers.second_encoder import SecondEncoder
from xret.retriever.searcher import Searcher

QUERY = "the moon makes high water"
PASSAGES = ["bees make honey", "the moon", "high water"]


def test_scores_are_those_of_a_search(clients: Served, searcher: Searcher) -> None:
    body = {"service": "demo", "query": QUERY, "limit": 15, "subset": "none"}
    answer = clients.http.post("/search", json=body).json()
    hits = searcher.search(QUERY, k=15)
    assert answer["scores"] == {hit.id: hit.score for hit in hits}
    assert list(answer["scores"]) == [hit.id for hit in hits]
    assert (answer["query"], answer["service"]) == (QUERY, "demo")
    assert (answer["processed"], answer["cached"]) == (True, False)
    assert answer["timestamp"] > 1.7e9


@pytest.mark.parametrize("subset", ["sw", ["sw", "none"]])
def test_a_subset_is_a_language(clients: Served, subset: Any) -> None:
    body = {"service": "demo", "query": QUERY, "subset": subset}
    assert list(clients.http.post("/search", json=body).json()["scores"]) == ["bees.sw"]


@pytest.mark.parametrize("service", ["demo", "hashing"])
def test_passages_are_scored_in_their_order(clients: Served, service: str) -> None:
    body = {"service": service, "query": QUERY, "passages": PASSAGES}
    answer = clients.http.post("/score", json=body).json()
    expected = score_pairs(SecondEncoder(HashingEncoder()), QUERY, PASSAGES).scores
    assert answer["scores"] == pytest.approx(expected.tolist())


def test_a_relay_is_told_what_it_may_ask(clients: Served) -> None:
    told = clients.http.get("/avail").json()
    assert told["search"] == told["content"] == ["demo", "single"]
    assert told["score"] == ["demo", "single", "hashing", "mean"]
    assert told["fuse"] == told["decompose_query"] == []
    assert clients.http.get("/ping").json() == {"status": "pong"}


def test_the_text_of_a_document(clients: Served) -> None:
    body = {"collection": "demo", "id": "tides.fr"}
    answer = clients.http.post("/content", json=body).json()
    assert (answer["id"], answer["collection"]) == ("tides.fr", "demo")
    assert answer["text"] == "La lune fait monter la mer deux fois par jour."
    assert (answer["title"], answer["language"]) == ("Marées", "fr")


@pytest.mark.parametrize(
    ("address", "body", "status"),
    [
        ("/search", {}, 400),
        ("/search", {"service": "demo"}, 400),
        ("/search", {"service": "demo", "query": ""}, 400),
        ("/search", {"service": "demo", "query": ["moon"]}, 400),
        ("/search", {"service": "demo", "query": "moon " * 2_000}, 400),
        ("/search", {"service": "demo", "query": "moon", "limit": 100_000}, 400),
        ("/search", {"service": "demo", "query": "moon", "subset": "klingonese"}, 400),
        ("/search", {"service": "nowhere", "query": "moon"}, 400),
        ("/search", {"service": 7, "query": "moon"}, 400),
        ("/score", {"service": "demo", "query": "moon", "passages": []}, 400),
        ("/score", {"service": "demo", "query": "moon", "passages": "moon"}, 400),
        ("/score", {"service": "demo", "query": "moon", "passages": ["moon"] * 10_000}, 400),
        ("/score", {"service": "nowhere", "query": "moon", "passages": ["moon"]}, 404),
        ("/content", {"collection": "demo", "id": "nothing"}, 404),
        ("/content", {"collection": "nowhere", "id": "tides.en"}, 400),
        ("/content", {"collection": "demo", "id": 7}, 400),
    ],
)
def test_bad_input_is_one_error_of_routirs_shape(
    clients: Served, address: str, body: dict[str, Any], status: int
) -> None:
    refused = clients.http.post(address, json=body)
    assert refused.status_code == status, refused.text
    error = refused.json()["error"]
    assert isinstance(error, str) and "klingonese" not in error
