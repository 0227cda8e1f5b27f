"""`/v1/{index}/search` and `/v1/{index}/doc/{id}`, as Pyserini's REST server is asked."""

import json
from typing import Any

import httpx
import pytest

from xret.retriever.searcher import Searcher

TIDES = {"query": "the moon makes high water", "query_lang": "en"}


def searched(client: httpx.Client, index: str = "demo", **params: Any) -> httpx.Response:
    return client.get(f"/v1/{index}/search", params={**TIDES, **params})


def test_candidates_are_the_hits_with_their_whole_texts(
    client: httpx.Client, searcher: Searcher
) -> None:
    answer = searched(client, hits=3).json()
    hits = searcher.search(TIDES["query"], lang="en", k=3)
    assert (answer["api"], answer["index"], answer["query"]) == (
        *("v1", "demo"),
        {"text": TIDES["query"]},
    )
    assert [(row["docid"], row["score"], row["rank"]) for row in answer["candidates"]] == [
        (hit.id, hit.score, hit.rank) for hit in hits
    ]
    assert answer["candidates"][0]["doc"] == {
        "contents": "The moon makes high water twice a day.",
        "title": "Tides",
        "lang": "en",
        "date": "1999",
    }


def test_a_document_is_had_by_its_id(client: httpx.Client) -> None:
    answer = client.get("/v1/second/doc/bees.sw").json()
    assert answer == {
        "api": "v1",
        "index": "second",
        "docid": "bees.sw",
        "doc": {"contents": "Nyuki wachache, mavuno madogo ya matunda.", "lang": "sw", "pages": 3},
    }


def test_a_document_is_a_line_of_json_where_it_is_not_parsed(client: httpx.Client) -> None:
    raw = client.get("/v1/demo/doc/tides.en", params={"parse": "false"}).json()["doc"]
    assert json.loads(raw)["id"] == "tides.en"
    listed = searched(client, hits=1, parse="false").json()["candidates"][0]["doc"]
    assert json.loads(listed) == json.loads(raw)


def test_texts_are_cut_to_a_length(client: httpx.Client) -> None:
    cut = client.get("/v1/demo/doc/tides.en", params={"max_doc_length": 8}).json()
    assert cut["doc"]["contents"] == "The moon"


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/v1/demo/search", {}, 400),
        ("/v1/demo/search", {"query": ""}, 400),
        ("/v1/demo/search", {"query": " "}, 400),
        ("/v1/demo/search", {"query": "moon " * 2_000}, 400),
        ("/v1/demo/search", {"query": "moon", "hits": "many"}, 400),
        ("/v1/demo/search", {"query": "moon", "hits": 0}, 400),
        ("/v1/demo/search", {"query": "moon", "hits": 100_000}, 400),
        ("/v1/demo/search", {"query": "moon", "parse": "maybe"}, 400),
        ("/v1/demo/search", {"query": "moon", "k1": 0.9, "b": 0.4}, 400),
        ("/v1/demo/search", {"query": "moon", "parse": "false", "max_doc_length": 5}, 400),
        ("/v1/demo/search", {"query": "moon", "doc_lang": "klingonese"}, 400),
        ("/v1/nowhere/search", {"query": "moon"}, 400),
        ("/v1/%2e%2e%2fdemo/search", {"query": "moon"}, 404),
        ("/v1/demo/doc/nothing", {}, 404),
        ("/v1/nowhere/doc/tides.en", {}, 400),
        (f"/v1/demo/doc/{'x' * 5_000}", {}, 400),
        ("/v1/demo/doc/tides.en", {"max_doc_length": 0}, 400),
    ],
)
def test_bad_input_is_one_error_of_pyserinis_shape(
    client: httpx.Client, path: str, params: dict[str, Any], status: int
) -> None:
    refused = client.get(path, params=params)
    assert refused.status_code == status, refused.text
    error = refused.json().get("error") or refused.json()["detail"]
    assert isinstance(error, str) and "klingonese" not in error


def test_only_get_is_served(client: httpx.Client) -> None:
    refused = client.post("/v1/demo/search", json=TIDES)
    assert refused.status_code == 405
    assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert "does not take that method" in refused.json()["error"]
