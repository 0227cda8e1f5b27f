"""`/v1/rerank` and `/v2/rerank`, asked as Cohere's and Jina's clients do, and by Cohere's own."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from encoders import HashingEncoder
from rerankers import RuleReranker

from tests.server.conftest import Served, serving
from xret.index.search.reader import IndexReader
from xret.retriever.pair_scores import score_pairs
from xret.retriever.rerankers.second_encoder import SecondEncoder
from xret.retriever.searcher import Searcher

QUERY = "high water of the moon"
TEXTS = ["bees make honey", "The moon makes high water", "water", "..."]
BODY = {"model": "hashing", "query": QUERY, "documents": TEXTS}


def asked(served: Served, address: str = "/v2/rerank", **body: Any) -> Any:
    return served.http.post(address, json={**BODY, **body})


@pytest.mark.parametrize("address", ["/v1/rerank", "/v2/rerank"])
def test_texts_come_in_the_order_of_the_indexs_encoder(clients: Served, address: str) -> None:
    answer = asked(clients, address).json()
    expected = score_pairs(SecondEncoder(HashingEncoder()), QUERY, TEXTS)
    assert [row["index"] for row in answer["results"]] == expected.order() == [1, 2, 0, 3]
    relevance = [row["relevance_score"] for row in answer["results"]]
    assert relevance == sorted(relevance, reverse=True)
    assert all(0 <= share <= 1 for share in relevance)
    assert relevance == pytest.approx(sorted(expected.relevance.tolist(), reverse=True))
    assert answer["meta"]["api_version"] == {"version": address[2]}
    assert answer["usage"]["total_tokens"] == 15
    assert set(answer["results"][0]) == {"index", "relevance_score"}


def test_a_text_that_holds_the_question_is_wholly_relevant(clients: Served) -> None:
    best = asked(clients, documents=["salt", QUERY]).json()["results"][0]
    assert best["index"] == 1
    assert best["relevance_score"] == pytest.approx(1, abs=0.02)


def test_top_n_and_documents_are_returned_where_asked_for(clients: Served) -> None:
    documents: list[Any] = [{"text": text, "n": n} for n, text in enumerate(TEXTS)]
    answer = asked(clients, documents=documents, top_n=2, return_documents=True).json()
    assert [row["document"] for row in answer["results"]] == [documents[1], documents[2]]


def test_fields_are_read_in_their_order(clients: Served) -> None:
    documents: list[Any] = [{"title": "salt", "text": QUERY}, {"title": QUERY, "text": "salt"}]
    by_title = asked(clients, documents=documents, rank_fields=["title"]).json()
    assert [row["index"] for row in by_title["results"]] == [1, 0]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"documents": []}, 400, "invalid_request"),
        ({"documents": "moon"}, 400, "invalid_request"),
        ({"documents": ["moon", 3]}, 400, "invalid_request"),
        ({"documents": [{"body": "moon"}, {"text": None}]}, 400, "invalid_request"),
        ({"documents": ["moon"] * 10_000}, 400, "too_many_texts"),
        ({"documents": ["moon " * 2_000]}, 400, "text_too_long"),
        ({"documents": ["moon " * 400_000]}, 413, "body_too_large"),
        ({"documents": [{"text": "moon", "lang": "klingonese"}]}, 400, "language"),
        ({"query": ""}, 400, "invalid_request"),
        ({"query": " \n"}, 400, "query"),
        ({"query": "moon " * 2_000}, 400, "invalid_request"),
        ({"query": ["moon"]}, 400, "invalid_request"),
        ({"top_n": 0}, 400, "invalid_request"),
        ({"top_n": "3"}, 400, "invalid_request"),
        ({"model": "rerank-v3.5"}, 404, "model_not_found"),
    ],
)
@pytest.mark.parametrize("address", ["/v1/rerank", "/v2/rerank"])
def test_bad_input_is_one_error_that_both_clients_read(
    clients: Served, address: str, body: dict[str, Any], status: int, code: str
) -> None:
    refused = asked(clients, address, **body)
    error = refused.json()
    assert (refused.status_code, error["code"]) == (status, code), error
    assert error["message"] == error["detail"] != ""
    assert "rerank-v3.5" not in refused.text


@pytest.fixture
def reranking(index: Path) -> Iterator[tuple[Served, RuleReranker]]:
    opened = Searcher("demo", IndexReader.open(index), HashingEncoder())
    rule = RuleReranker(lambda _, passage: float(len(passage.text)))
    opened.rerankers.add("rule", rule)
    with serving({"demo": opened}, rerank="rule@30") as running:
        yield running, rule
    opened.close()


def test_the_servers_reranker_scores_where_it_has_one(
    reranking: tuple[Served, RuleReranker],
) -> None:
    served, rule = reranking
    texts = ["Le chat dort sur le canapé du salon.", "Paka analala kwenye kochi la sebule leo."]
    texts.append("短い")
    rule.seen.clear()
    answer = asked(served, model="rule", documents=texts).json()
    assert (answer["model"], [row["index"] for row in answer["results"]]) == ("rule", [1, 0, 2])
    assert [passage.lang for passage in rule.seen] == ["fr", "sw", "ja"]
    named = [{"text": texts[0], "lang": "fra"}, texts[1]]
    assert asked(served, model=None, documents=named).status_code == 200
    assert [passage.lang for passage in rule.seen[3:]] == ["fr", "sw"]


def test_a_reranker_that_fails_leaves_the_index_ready(
    reranking: tuple[Served, RuleReranker],
) -> None:
    served, rule = reranking
    rule._rule = lambda _q, _p: float("nan")
    refused = asked(served, model=None)
    assert (refused.status_code, refused.json()["code"]) == (424, "rerank")
    assert served.http.get("/readyz").status_code == 200


def test_work_that_takes_too_long_is_stopped_and_leaves_the_index_ready(index: Path) -> None:
    opened = Searcher("demo", IndexReader.open(index), HashingEncoder())
    slow = RuleReranker(lambda _q, passage: time.sleep(0.4 * ("slow" in passage.text)) or 1.0)
    opened.rerankers.add("slow", slow)
    with serving({"demo": opened}, rerank="slow", texts_timeout_s=0.2) as running:
        began = time.monotonic()
        late = asked(running, model=None, documents=["slow", "slow again"])
        assert (late.status_code, time.monotonic() - began < 0.7) == (504, True)
        assert "0.2 s" in late.json()["message"] or "200 ms" in late.json()["message"]
        assert running.http.get("/readyz").status_code == 200
        while asked(running, model=None, documents=["quick"]).status_code != 200:
            assert time.monotonic() - began < 10
    opened.close()


def test_coheres_own_clients(clients: Served) -> None:
    cohere = pytest.importorskip("cohere")
    with httpx.Client(timeout=20) as http:
        own = {"api_key": "any", "base_url": clients.url, "httpx_client": http}
        second, first = cohere.ClientV2(**own), cohere.Client(**own)
        ranked = second.rerank(model="hashing", query=QUERY, documents=TEXTS, top_n=2)
        assert [row.index for row in ranked.results] == [1, 2]
        ranked = first.rerank(query=QUERY, documents=TEXTS, return_documents=True)
        assert ranked.results[0].document.text == TEXTS[1]
        assert np.diff([row.relevance_score for row in ranked.results]).max() <= 0
        with pytest.raises(cohere.NotFoundError) as unknown:
            second.rerank(model="rerank-v3.5", query=QUERY, documents=TEXTS)
        assert "hashing" in unknown.value.body["message"]
        with pytest.raises(cohere.BadRequestError):
            second.rerank(model="hashing", query=QUERY, documents=[])
