"""Explanations over HTTP: with a search, and of one document."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import build
from starlette.testclient import TestClient

from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.server.app import create_app
from xret.server.settings import ServerSettings
from xret.types import Document

DOCUMENTS = [
    Document("fr", "La lune fait monter la mer deux fois par jour.", "fr", "Marées"),
    Document("ar", "الملح يحفظ الطعام", "ar"),
]
ASKED: dict[str, Any] = {"id": "fr", "query": "moon and sea", "query_lang": "en"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("explained") / "demo"
    build(DOCUMENTS, made, load_encoder("xret-static"))
    return made


@pytest.fixture
def client(folder: Path) -> Any:
    with Searcher.open(folder) as searcher:
        app = create_app({"demo": searcher}, settings=ServerSettings())
        with TestClient(app, raise_server_exceptions=False) as opened:
            yield opened


def test_hits_say_which_words_carry_them_where_that_is_asked(client: httpx.Client) -> None:
    asked = {"query": "moon and sea", "query_lang": "en"}
    plain = client.post("/v1/search", json=asked).json()["hits"]
    by_body = client.post("/v1/search", json={**asked, "explain": True}).json()["hits"]
    by_link = client.get("/v1/search", params={**asked, "explain": "true"}).json()["hits"]
    assert by_body == by_link
    assert [hit["id"] for hit in by_body] == [hit["id"] for hit in plain]
    assert not plain[0]["explanations"] and not plain[0]["snippets"][0]["spans"]
    (explained,) = by_body[0]["explanations"]
    carried = {word["text"]: word["contribution"] for word in explained["document"]}
    assert sum(carried.values()) == pytest.approx(explained["score"], abs=1e-5)
    assert {"lune", "mer"} <= carried.keys()
    snippet = by_body[0]["snippets"][0]
    assert "lune" in [snippet["text"][start:end] for start, end, _ in snippet["spans"]]


def test_each_stage_is_told_with_the_servers_reranker_and_no_other(folder: Path) -> None:
    with Searcher.open(folder) as searcher:
        app = create_app({"demo": searcher}, settings=ServerSettings(rerank="xret-static@2"))
        with TestClient(app, raise_server_exceptions=False) as client:
            stages = client.post("/v1/explain", json=ASKED).json()["stages"]
            assert list(stages) == ["first", "rerank", "final"]
            assert stages["final"]["rank"] == 1
            off = client.post("/v1/explain", json={**ASKED, "rerank": "off"}).json()["stages"]
            assert off == {"first": stages["first"]}
            refused = client.post("/v1/explain", json={**ASKED, "rerank": "xret-modular"})
            assert refused.status_code == 422
            assert "no such reranker" in refused.text


def test_a_document_is_explained_with_its_similarities(client: httpx.Client) -> None:
    answer = client.post("/v1/explain", json=ASKED).json()
    (explained,) = answer["explanations"]
    assert (answer["id"], answer["lang"], answer["title"]) == ("fr", "fr", "Marées")
    assert [word["text"] for word in explained["query"]] == ["moon", "and", "sea"]
    words = [word["text"] for word in explained["document"]]
    moon = explained["similarities"][0]
    assert words[moon.index(max(moon))] == "lune"
    by_words = client.post("/v1/explain", json={**ASKED, "mode": "lexical"}).json()
    assert by_words["explanations"][0]["method"] == "bm25"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"id": "<nope>"}, 404, "unknown_document"),
        ({"id": ""}, 422, "invalid_request"),
        ({"index": "other"}, 404, "index_not_found"),
        ({"query": " "}, 422, "query"),
        ({"query": "x" * 9_000}, 422, "invalid_request"),
        ({"query_lang": "<nope>"}, 422, "language"),
        ({"mode": "none"}, 422, "invalid_request"),
        ({"limit": 3}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_explained_is_one_problem(
    client: httpx.Client, change: dict[str, Any], status: int, code: str
) -> None:
    answer = client.post("/v1/explain", json={**ASKED, **change})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "nope" not in answer.text
