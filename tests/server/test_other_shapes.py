"""Whatever is sent to other programs' addresses, the answer is theirs, and never a failure."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.conftest import Served
from xret.server.error_shapes import error_shape
from xret.server.errors import HttpError

TEXT = st.text(max_size=12)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = {
    "/v1/embeddings": ("input", "model", "encoding_format", "dimensions", "input_type", "task"),
    "/v1/rerank": ("query", "documents", "model", "top_n", "return_documents", "rank_fields"),
    "/v2/rerank": ("query", "documents", "model", "top_n", "query_lang"),
    "/embed": ("inputs", "normalize", "truncate", "prompt_name", "dimensions"),
    "/rerank": ("query", "texts", "truncate", "raw_scores", "return_text"),
    "/search": ("service", "query", "limit", "subset"),
    "/score": ("service", "query", "passages"),
    "/content": ("collection", "id"),
}
RIGHT: dict[str, Any] = {
    **{"input": "moon", "inputs": ["moon"], "query": "moon", "documents": ["moon", "salt"]},
    **{"texts": ["moon"], "passages": ["moon"], "service": "demo", "collection": "demo"},
    **{"id": "tides.en", "model": "single"},
}
"""Values that are taken; each case changes some of them."""


@pytest.mark.parametrize("address", NAMES)
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_body_makes_the_server_fail(clients: Served, address: str, data: st.DataObject) -> None:
    names = NAMES[address]
    body: Any = {name: RIGHT[name] for name in names if name in RIGHT}
    changed = data.draw(st.dictionaries(st.sampled_from(names), VALUES, min_size=1, max_size=3))
    body = data.draw(st.just({**body, **changed}) | VALUES)
    reply = clients.http.post(address, json=body)
    assert reply.status_code < 500, (body, reply.text)
    if reply.status_code != 200:
        assert told(reply.json(), address)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_link_makes_the_server_fail(clients: Served, data: st.DataObject) -> None:
    names = ("query", "hits", "parse", "max_doc_length", "query_lang", "doc_lang", "k1")
    value = TEXT | st.integers().map(str) | st.sampled_from(["true", "moon", "sw"])
    params = data.draw(st.dictionaries(st.sampled_from(names), value, max_size=4))
    for path in ("/v1/demo/search", "/v1/demo/doc/tides.en"):
        reply = clients.http.get(path, params=params)
        assert reply.status_code < 500, (params, reply.text)
        if reply.status_code != 200:
            assert told(reply.json(), path)


@pytest.mark.parametrize("address", [*NAMES, "/v1/demo/search", "/v1/demo/doc/x/y"])
@pytest.mark.parametrize("status", [401, 403, 404, 413, 422, 424, 429, 500, 503, 504])
def test_every_error_has_the_shape_of_its_address(address: str, status: int) -> None:
    sent = HttpError(status, "code", "what is wrong", {"Retry-After": "1"}).response("id", address)
    assert told(json.loads(bytes(sent.body)), address) == "what is wrong"
    assert sent.status_code == (400 if status == 422 and address not in TEI else status)
    assert sent.headers["retry-after"] == "1"


TEI = ("/embed", "/rerank")


def told(content: dict[str, Any], address: str) -> str:
    """What an error says, where a client of that address looks for it."""
    assert error_shape(address) is not None
    if address == "/v1/embeddings":
        return str(content["error"]["message"])
    if address.endswith("rerank") and address not in TEI:
        return str(content["message"])
    return str(content["error"])
