"""`/v1/embeddings`, asked as OpenAI's clients do, and by OpenAI's own client where it is there."""

import base64
from typing import Any

import numpy as np
import pytest
from encoders import HashingEncoder, MeanEncoder

from tests.server.conftest import Served
from xret.types import Document, Query

TEXTS = ["The moon makes high water.", "Nyuki wachache"]
DOCUMENTS = [Document("", text) for text in TEXTS]


def asked(served: Served, **body: Any) -> Any:
    return served.http.post("/v1/embeddings", json={"model": "mean", **body})


def test_vectors_are_the_encoders_own_in_order(clients: Served) -> None:
    answer = asked(clients, input=TEXTS).json()
    expected = MeanEncoder().encode_documents(DOCUMENTS).values
    assert [row["index"] for row in answer["data"]] == [0, 1]
    assert (
        np.array([row["embedding"] for row in answer["data"]], "f4").tolist() == expected.tolist()
    )
    assert (answer["object"], answer["model"]) == ("list", "mean")
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}


def test_base64_holds_the_same_numbers(clients: Served) -> None:
    plain = asked(clients, input=TEXTS[0]).json()["data"][0]["embedding"]
    packed = asked(clients, input=TEXTS[0], encoding_format="base64").json()["data"][0]["embedding"]
    assert np.frombuffer(base64.b64decode(packed), "<f4").tolist() == np.float32(plain).tolist()


def test_fewer_dimensions_are_the_first_at_unit_length(clients: Served) -> None:
    whole = np.array(asked(clients, input=TEXTS[0]).json()["data"][0]["embedding"])
    short = np.array(asked(clients, input=TEXTS[0], dimensions=8).json()["data"][0]["embedding"])
    assert short == pytest.approx(whole[:8] / np.linalg.norm(whole[:8]), abs=1e-6)


@pytest.mark.parametrize("said", [{"input_type": "query"}, {"task": "retrieval.query"}])
def test_a_question_is_read_as_one(clients: Served, said: dict[str, str]) -> None:
    answer = asked(clients, input=TEXTS[0], **said).json()
    expected = MeanEncoder().encode_queries([Query("", TEXTS[0])]).values[0]
    assert np.float32(answer["data"][0]["embedding"]).tolist() == expected.tolist()


def test_a_model_is_named_by_its_index_too(clients: Served) -> None:
    assert asked(clients, input="moon", model="single").json()["model"] == "mean"


@pytest.mark.parametrize("model", ["hashing", "demo", None])
def test_late_interaction_has_no_vector_of_a_text(clients: Served, model: str | None) -> None:
    refused = asked(clients, input="moon", model=model)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (400, "no_single_vector")
    assert "late interaction" in error["message"]
    assert HashingEncoder().spec.name in error["message"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"input": []}, 400, "invalid_request"),
        ({"input": ""}, 400, "invalid_request"),
        ({"input": ["moon", "  "]}, 400, "invalid_request"),
        ({"input": {"text": "moon"}}, 400, "invalid_request"),
        ({"input": ["moon", 7]}, 400, "invalid_request"),
        ({"input": [1, 2, 3]}, 400, "invalid_request"),
        ({"input": [[1, 2], [3]]}, 400, "invalid_request"),
        ({}, 400, "invalid_request"),
        ({"input": "moon", "encoding_format": "hex"}, 400, "invalid_request"),
        ({"input": "moon", "dimensions": "8"}, 400, "invalid_request"),
        ({"input": "moon", "dimensions": 33}, 400, "query"),
        ({"input": "moon", "model": "text-embedding-3-small"}, 404, "model_not_found"),
        ({"input": "moon", "model": 3}, 400, "invalid_request"),
        ({"input": ["moon"] * 10_000}, 400, "too_many_texts"),
        ({"input": "moon " * 2_000}, 400, "text_too_long"),
        ({"input": "moon " * 400_000}, 413, "body_too_large"),
    ],
)
def test_bad_input_is_one_error_of_openais_shape(
    clients: Served, body: dict[str, Any], status: int, code: str
) -> None:
    refused = asked(clients, **body)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (status, code), error
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    assert "text-embedding" not in refused.text


def test_what_is_no_json_is_refused_in_the_same_shape(clients: Served) -> None:
    broken = clients.http.post(
        "/v1/embeddings", content=b"{", headers={"Content-Type": "application/json"}
    )
    form = clients.http.post("/v1/embeddings", data={"input": "moon"})
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "invalid_json")
    assert (form.status_code, form.json()["error"]["code"]) == (415, "unsupported_media_type")
    other = clients.http.get("/v1/embeddings")
    assert (other.status_code, other.json()["error"]["code"]) == (405, "method_not_allowed")


def test_openais_own_client(clients: Served) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{clients.url}/v1", api_key="any", max_retries=0) as client:
        made = client.embeddings.create(model="mean", input=TEXTS)  # asks for base64 by itself
        expected = MeanEncoder().encode_documents(DOCUMENTS).values
        assert np.float32([row.embedding for row in made.data]).tolist() == expected.tolist()
        assert [model.id for model in client.models.list()] == ["hashing", "mean"]
        with pytest.raises(openai.NotFoundError) as unknown:
            client.embeddings.create(model="ada", input="moon")
        assert unknown.value.code == "model_not_found"
        assert unknown.value.param == "model"
        with pytest.raises(openai.BadRequestError, match="late interaction"):
            client.embeddings.create(model="hashing", input="moon")
