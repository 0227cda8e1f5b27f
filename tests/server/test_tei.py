"""`/embed` and `/rerank`, asked as clients of Text Embeddings Inference do."""

from typing import Any

import httpx
import numpy as np
import pytest
from encoders import HashingEncoder, MeanEncoder

from tests.server.conftest import Served, serving
from xret.index.search.reader import IndexReader
from xret.retriever.pair_scores import score_pairs
from xret.retriever.rerankers.endpoint import Endpoint
from xret.retriever.rerankers.remote import RemoteReranker
from xret.retriever.rerankers.second_encoder import SecondEncoder
from xret.retriever.searcher import Searcher
from xret.types import Document, Query

QUERY = "high water of the moon"
TEXTS = ["bees make honey", "The moon makes high water", "water"]


@pytest.fixture(scope="module")
def single(index: Any) -> Any:
    """A server whose first index has one vector a text: TEI's clients name no model."""
    opened = Searcher("single", IndexReader.open(index), MeanEncoder())
    with serving({"single": opened}) as running:
        yield running
    opened.close()


def test_vectors_come_as_a_plain_list(single: Served) -> None:
    made = single.http.post("/embed", json={"inputs": TEXTS}).json()
    expected = MeanEncoder().encode_documents([Document("", text) for text in TEXTS]).values
    assert np.array(made) == pytest.approx(expected, abs=1e-6)
    asked = single.http.post("/embed", json={"inputs": QUERY, "prompt_name": "query"}).json()
    expected = MeanEncoder().encode_queries([Query("", QUERY)]).values
    assert np.array(asked) == pytest.approx(expected, abs=1e-6)


def test_scores_are_raw_or_between_0_and_1(clients: Served) -> None:
    body = {"query": QUERY, "texts": TEXTS, "return_text": True}
    shares = clients.http.post("/rerank", json=body).json()
    raw = clients.http.post("/rerank", json={**body, "raw_scores": True}).json()
    expected = score_pairs(SecondEncoder(HashingEncoder()), QUERY, TEXTS)
    assert [row["index"] for row in shares] == [row["index"] for row in raw] == expected.order()
    assert [row["score"] for row in raw] == pytest.approx(
        [float(expected.scores[n]) for n in expected.order()]
    )
    assert all(0 <= row["score"] <= 1 for row in shares)
    assert [row["text"] for row in shares] == [TEXTS[row["index"]] for row in shares]


def test_one_xret_reranks_by_another(clients: Served) -> None:
    """The client for TEI that we have ourselves reads what the server answers."""
    passages = [Document(str(n), text, "en") for n, text in enumerate(TEXTS)]
    expected = score_pairs(SecondEncoder(HashingEncoder()), QUERY, TEXTS).scores
    for address, shape in (("/rerank", "tei"), ("/v1/rerank", "cohere")):
        remote: Any = RemoteReranker(Endpoint.parse(clients.url + address), shape)  # type: ignore[arg-type]
        scores = remote.scores(Query("", QUERY, "en"), passages)
        assert np.argsort(-scores).tolist() == np.argsort(-expected).tolist()


@pytest.mark.parametrize(
    ("address", "body", "status", "kind"),
    [
        ("/rerank", {"texts": []}, 422, "Validation"),
        ("/rerank", {"texts": "moon"}, 422, "Validation"),
        ("/rerank", {"texts": ["moon", 3]}, 422, "Validation"),
        ("/rerank", {"texts": ["moon"] * 10_000}, 413, "Validation"),
        ("/rerank", {"texts": ["moon " * 1_700]}, 413, "Validation"),
        ("/rerank", {"texts": ["moon " * 400_000]}, 413, "Validation"),
        ("/rerank", {"texts": ["moon"], "query": ""}, 422, "Validation"),
        ("/embed", {"inputs": []}, 422, "Validation"),
        ("/embed", {"inputs": 7}, 422, "Validation"),
        ("/embed", {"inputs": "moon"}, 422, "Validation"),  # the first index makes many vectors
        ("/embed", {"inputs": ["moon"] * 10_000}, 413, "Validation"),
    ],
)
def test_bad_input_is_one_error_of_teis_shape(
    clients: Served, address: str, body: dict[str, Any], status: int, kind: str
) -> None:
    refused = clients.http.post(address, json={"query": QUERY, **body})
    error = refused.json()
    assert (refused.status_code, error["error_type"]) == (status, kind), error
    assert error["error"]


def test_longer_texts_are_cut_where_that_is_said(clients: Served) -> None:
    body = {"query": QUERY, "texts": ["moon " * 1_700], "truncate": True}
    assert clients.http.post("/rerank", json=body).status_code == 200


def test_of_many_texts_that_are_none_only_the_first_is_told(client: httpx.Client) -> None:
    for path, name in (("/rerank", "texts"), ("/score", "passages")):
        body = {"service": "demo", "query": "x", name: ["y", *[1] * 200_000]}
        answer = client.post(path, json=body)
        assert answer.status_code in (400, 422) and len(answer.content) < 1_000
        assert "number 1 is no text" in answer.text
