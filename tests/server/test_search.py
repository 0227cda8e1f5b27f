"""What a search over HTTP takes and gives."""

from typing import Any

import httpx
import pytest

from xret.retriever.searcher import Searcher
from xret.server.error_shapes import error_shape

SEARCH = "/v1/search"


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [hit["id"] for hit in answer.json()["hits"]]


def test_http_gives_the_hits_that_the_searcher_gives(
    client: httpx.Client, searcher: Searcher
) -> None:
    answer = client.post(SEARCH, json={"query": "bees and fruit", "limit": 5})
    expected = searcher.answer("bees and fruit", k=5)
    assert ids(answer) == [hit.id for hit in expected.hits]
    assert ids(answer)[0] == "bees.en"
    assert [hit["score"] for hit in answer.json()["hits"]] == [hit.score for hit in expected.hits]


def test_link_and_body_give_the_same_answer(client: httpx.Client) -> None:
    asked: dict[str, Any] = {
        "query": "lune mer",
        "query_lang": "fra",
        "limit": 3,
        "doc_lang": ["fr", "en"],
    }
    by_link, by_body = client.get(SEARCH, params=asked), client.post(SEARCH, json=asked)
    assert ids(by_link) == ids(by_body)
    assert by_link.json()["query"] == by_body.json()["query"]


def test_answer_has_the_documented_shape(client: httpx.Client) -> None:
    answer = client.post(SEARCH, json={"query": "mavuno", "query_lang": "Swahili"}).json()
    assert answer["query"] == {
        "text": "mavuno",
        "lang": "sw",
        "lang_source": "given",
        "adapter": "",
        "reading": "",
        "word_langs": [],
    }
    assert answer["index"] == "demo"
    assert answer["model"] == "hashing"
    assert answer["index_version"] == 1
    names = {"encode_ms", "search_ms", "fetch_ms", "rerank_ms", "explain_ms"}
    assert set(answer["timings"]) == names
    first = answer["hits"][0]
    assert isinstance(first["raw_score"], float)
    assert first | {"score": 0, "raw_score": 0} == {
        "id": "bees.sw",
        "rank": 1,
        "score": 0,
        "raw_score": 0,
        "lang": "sw",
        "lang_source": "given",
        "lang_confidence": 1.0,
        "dir": "ltr",
        "title": "",
        "url": None,
        "snippets": [{"text": "Nyuki wachache, mavuno madogo ya matunda.", "spans": []}],
        "fields": {"pages": 3},
        "passage": {"start": 0, "end": 41},
        "adapter": "",
        "stages": {},
        "explanations": [],
        "text": None,
    }
    assert answer["total"] == {"value": 25, "relation": "eq"}
    assert (answer["facets"], answer["groups"]) == ({}, [])


def test_pages_follow_each_other_without_gap_or_repeat(client: httpx.Client) -> None:
    whole = ids(client.post(SEARCH, json={"query": "number", "limit": 12}))
    paged = []
    for offset in (0, 4, 8):
        paged += ids(client.post(SEARCH, json={"query": "number", "limit": 4, "offset": offset}))
    assert paged == whole
    second = client.post(SEARCH, json={"query": "number", "limit": 4, "offset": 4}).json()
    assert [hit["rank"] for hit in second["hits"]] == [5, 6, 7, 8]


def test_only_documents_in_the_languages_asked_for(client: httpx.Client) -> None:
    answer = client.get(SEARCH, params={"query": "x", "doc_lang": ["fr", "swahili"], "limit": 100})
    assert {hit["lang"] for hit in answer.json()["hits"]} == {"fr", "sw"}


def test_right_to_left_hits_say_so(client: httpx.Client) -> None:
    answer = client.post(SEARCH, json={"query": "الملح", "limit": 1}).json()
    assert (answer["hits"][0]["id"], answer["hits"][0]["dir"]) == ("salt.ar", "rtl")


def test_first_index_answers_when_none_is_named(client: httpx.Client) -> None:
    listed = [row["name"] for row in client.get("/v1/indexes").json()["indexes"]]
    assert listed == ["demo", "second"]
    assert client.get(SEARCH, params={"query": "x"}).json()["index"] == "demo"
    assert client.get(SEARCH, params={"query": "x", "index": "second"}).status_code == 200


def test_indexes_are_listed_with_their_languages(client: httpx.Client) -> None:
    assert client.get("/v1/indexes").json()["indexes"][0] == {
        "name": "demo",
        "documents": 25,
        "languages": {"en": 22, "ar": 1, "fr": 1, "sw": 1},
        "encoder": "hashing",
        "version": 1,
        "warnings": [],
    }


def test_request_id_is_the_clients_or_a_new_one(client: httpx.Client) -> None:
    given = client.get(SEARCH, params={"query": "x"}, headers={"X-Request-ID": "my.id-7"})
    assert given.headers["X-Request-ID"] == given.json()["request_id"] == "my.id-7"
    odd = client.get(SEARCH, params={"query": "x"}, headers={"X-Request-ID": "<script>"})
    assert odd.headers["X-Request-ID"] == odd.json()["request_id"] != "<script>"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/nothing", SEARCH])
def test_every_reply_has_the_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "server" not in headers


def test_openapi_describes_what_is_really_sent(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        *(SEARCH, "/v1/explain", "/healthz", "/livez", "/readyz"),
        *("/v1/indexes", "/v1/indexes/{name}", "/v1/indexes/{name}/documents"),
        *("/v1/indexes/{name}/documents/{doc_id}", "/v1/indexes/{name}/reload"),
        *("/v1/embeddings", "/v1/rerank", "/v2/rerank", "/embed", "/rerank"),
        *("/search", "/score", "/content", "/avail", "/ping"),
        *("/v1/{index}/search", "/v1/{index}/doc/{docid}"),
        *("/v1/search/batch", "/v1/languages", "/v1/models", "/v1/shards/{name}"),
        *("/metrics", "/docs", "/errors/{code}", "/v1/aliases", "/v1/aliases/{alias}"),
        *("/v1/indexes/{name}/deletions", "/v1/tasks", "/v1/tasks/{task_id}"),
    }
    pages = {"/metrics": "text/plain", "/docs": "text/html", "/errors/{code}": "text/html"}
    for path, operations in document["paths"].items():
        errors = "application/json" if error_shape(path) else "application/problem+json"
        for operation in operations.values():
            for status, reply in operation["responses"].items():
                kind = pages.get(path, "application/json") if status in ("200", "202") else errors
                assert list(reply["content"]) == [kind]
    hit = document["components"]["schemas"]["SearchHit"]["properties"]
    answer = client.get(SEARCH, params={"query": "x", "limit": 1}).json()
    assert set(hit) == set(answer["hits"][0])
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_lucene_is_no_mode_of_a_search(client: httpx.Client) -> None:
    answer = client.post(SEARCH, json={"query": "bees", "mode": "lucene"})
    assert answer.status_code in (400, 422)
    assert "dense" in answer.text


def test_scores_are_calibrated_unless_that_is_turned_off(client: httpx.Client) -> None:
    asked = {"query": "bees and fruit", "query_lang": "en", "limit": 5}
    usual = client.post(SEARCH, json=asked).json()["hits"]
    assert usual == client.get(SEARCH, params={**asked, "calibrate": "z"}).json()["hits"]
    off = client.post(SEARCH, json={**asked, "calibrate": "off"}).json()["hits"]
    assert [hit["raw_score"] for hit in off] == [None] * 5
    scores = {hit["id"]: hit["score"] for hit in off}
    same = [hit for hit in usual if hit["id"] in scores]
    assert same and all(hit["raw_score"] == scores[hit["id"]] for hit in same)
    assert client.post(SEARCH, json={**asked, "calibrate": "always"}).status_code == 422
