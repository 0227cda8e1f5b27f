"""Whatever is sent, the reply is a small problem+json that repeats nothing of it."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.conftest import Served

SEARCH = "/v1/search"
MARK = "zqxmark"
JSON = {"Content-Type": "application/json"}


def check_problem(reply: httpx.Response, status: int | None = None) -> dict[str, Any]:
    problem: dict[str, Any] = reply.json()
    assert status in (None, reply.status_code), reply.text
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert len(reply.content) <= 8192
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
    assert problem["status"] == reply.status_code
    assert problem["request_id"] == reply.headers["X-Request-ID"]
    assert MARK not in reply.text
    return problem


NASTY = {
    "not JSON": (b"zqxmark", 400),
    "empty": (b"", 422),
    "cut": (b'{"query": "zqxmark', 400),
    "lone surrogate": (rb'{"query": "zqxmark \ud800"}', 400),
    "lone surrogate as key": (rb'{"query": "x", "zqxmark\udfff": 1}', 400),
    "surrogate in UTF-8": (b'{"query": "\xed\xa0\x80"}', 400),
    "invalid UTF-8": (b'{"query": "\xff\xfe"}', 400),
    "UTF-16": ('{"query": "x"}'.encode("utf-16"), 400),
    "byte order mark": (b'\xef\xbb\xbf{"query": "x"}', 400),
    "NaN": (b'{"query": "x", "limit": NaN}', 400),
    "Infinity": (b'{"query": "x", "limit": -Infinity}', 400),
    "1e999": (b'{"query": "x", "limit": 1e999}', 400),
    "10^5000": (b'{"query": "x", "limit": 1' + b"0" * 5000 + b"}", 400),
    "10^30": (b'{"query": "x", "limit": 1' + b"0" * 30 + b"}", 422),
    "deep lists": (b'{"query": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    "deep, allowed": (b'{"query": ' + b"[" * 1_000 + b"]" * 1_000 + b"}", 422),
    "null": (b"null", 422),
    "a list": (b"[]", 422),
    "a text": (b'"zqxmark"', 422),
    "no query": (b"{}", 422),
    "null query": (b'{"query": null}', 422),
    "number query": (b'{"query": 7}', 422),
    "empty query": (b'{"query": ""}', 422),
    "blank query": (b'{"query": " \\t\\u3000"}', 422),
    "controls only": (b'{"query": "\\u0000\\u0007\\u202e"}', 422),
    "long query": (b'{"query": "' + b"zqxmark " * 2_000 + b'"}', 422),
    "unknown field": (b'{"query": "x", "zqxmark": 1}', 422),
    "huge unknown field": (b'{"query": "x", "' + b"zqxmark" * 100_000 + b'": 1}', 422),
    "many unknown fields": (
        json.dumps({"query": "x", **{f"{MARK}{i}": i for i in range(9_000)}}).encode(),
        422,
    ),
    "limit as text": (b'{"query": "x", "limit": "5"}', 422),
    "limit as bool": (b'{"query": "x", "limit": true}', 422),
    "limit as float": (b'{"query": "x", "limit": 1.5}', 422),
    "limit 0": (b'{"query": "x", "limit": 0}', 422),
    "limit 101": (b'{"query": "x", "limit": 101}', 422),
    "offset -1": (b'{"query": "x", "offset": -1}', 422),
    "offset too far": (b'{"query": "x", "offset": 10000}', 422),
    "no such language": (b'{"query": "x", "query_lang": "zqxmark"}', 422),
    "language of NULs": (b'{"query": "x", "query_lang": "\\u0000\\u0000"}', 422),
    "language too long": (b'{"query": "x", "query_lang": "' + b"f" * 65 + b'"}', 422),
    "no document languages": (b'{"query": "x", "doc_lang": []}', 422),
    "document language as text": (b'{"query": "x", "doc_lang": "fr"}', 422),
    "bad document language": (b'{"query": "x", "doc_lang": ["fr", "zqxmark"]}', 422),
    "unknown index": (b'{"query": "x", "index": "zqxmark"}', 404),
    "path as index": (b'{"query": "x", "index": "../zqxmark"}', 422),
    "index with a line end": (b'{"query": "x", "index": "demo\\n"}', 422),
    "index in capitals": (b'{"query": "x", "index": "DEMO"}', 422),
}


@pytest.mark.parametrize(("body", "status"), NASTY.values(), ids=NASTY.keys())
def test_nasty_body_gets_its_problem(client: httpx.Client, body: bytes, status: int) -> None:
    check_problem(client.post(SEARCH, content=body, headers=JSON), status)


@pytest.mark.parametrize(
    "body",
    [
        '{"query": "nul \\u0000 inside"}',
        '{"query": "\\u202e right to left \\u202c"}',
        '{"query": "' + "é" * 8192 + '"}',
        '{"query": "👩‍👩‍👧‍👦"}',
        '{"query": "x", "query": "y"}',
        '{"query": "x", "query_lang": null, "index": null, "doc_lang": null}',
    ],
)
def test_odd_but_valid_body_is_searched(client: httpx.Client, body: str) -> None:
    assert client.post(SEARCH, content=body.encode(), headers=JSON).status_code == 200


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("?query=", 422),
        ("", 422),
        ("?query=x&limit=zqxmark", 422),
        ("?query=x&limit=1e999", 422),
        ("?query=x&limit=" + "9" * 5_000, 422),
        ("?query=x&index=..%2f..%2fzqxmark", 422),
        ("?query=x&doc_lang=zqxmark", 422),
        ("?query=%00%07", 422),
        ("/?query=x", 404),
        ("/..%2f..%2fetc%2fpasswd", 404),
        ("%00", 404),
    ],
)
def test_nasty_address_gets_its_problem(client: httpx.Client, address: str, status: int) -> None:
    check_problem(client.get(SEARCH + address), status)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "é", ""])
def test_body_that_is_not_called_json_is_refused(client: httpx.Client, kind: str | None) -> None:
    headers = httpx.Headers({} if kind is None else {"Content-Type": kind}, encoding="utf-8")
    check_problem(client.post(SEARCH, content=b'{"query": "x"}', headers=headers), 415)


def test_json_with_a_charset_is_taken(client: httpx.Client) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post(SEARCH, content=b'{"query": "x"}', headers=headers).status_code == 200


def test_compressed_body_is_refused(client: httpx.Client) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    check_problem(client.post(SEARCH, content=b"\x1f\x8b", headers=headers), 415)


def test_wrong_method_is_told_the_right_ones(client: httpx.Client) -> None:
    reply = client.request("PURGE", "/healthz")
    check_problem(reply, 405)
    assert reply.headers["Allow"] == "GET, HEAD"


def test_unknown_address_is_a_problem(client: httpx.Client) -> None:
    assert check_problem(client.get("/zqxmark"), 404)["code"] == "not_found"


def test_invalid_field_is_named_with_its_bound(client: httpx.Client) -> None:
    detail = check_problem(client.post(SEARCH, json={"query": "x", "limit": 999}))["detail"]
    assert detail == "limit: Input should be less than or equal to 100"


def test_unknown_field_is_answered_with_the_known_ones(client: httpx.Client) -> None:
    detail = check_problem(client.post(SEARCH, json={"query": "x", MARK: 1}))["detail"]
    assert "doc_lang, explain, facets, fields, filter, group_by, highlight, index, limit" in detail


def test_known_fields_are_told_at_addresses_with_names_in_them(client: httpx.Client) -> None:
    body = {"documents": [{"id": "x", "text": "y", MARK: 1}]}
    for path, sent, known in [
        ("documents", body, "date, documents, fields, id, lang, on_duplicate, text, title, url"),
        ("deletions", {"ids": ["x"], MARK: 1}, "ids"),
    ]:
        reply = client.post(f"/v1/indexes/demo/{path}", json=sent)
        assert check_problem(reply, 422)["detail"].endswith(f"known: {known}")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["query", "query_lang", "index", "limit", "offset", "doc_lang", "filter", "mode"]
)


@settings(max_examples=150, deadline=None)
@given(body=JSON_VALUES | st.dictionaries(FIELDS, JSON_VALUES | st.just("en"), max_size=6))
def test_any_json_is_answered_or_refused_never_a_failure(served: Served, body: Any) -> None:
    reply = served.http.post(SEARCH, content=json.dumps(body).encode(), headers=JSON)
    if reply.status_code != 200:
        check_problem(reply)
        assert reply.status_code in (400, 404, 422)


@settings(max_examples=100, deadline=None)
@given(lang=st.text(min_size=1, max_size=64) | st.from_regex(r"[a-zA-Z]{2,8}(-[a-zA-Z0-9]{1,8})*"))
def test_any_language_is_known_or_refused(served: Served, lang: str) -> None:
    reply = served.http.post(SEARCH, json={"query": "x", "query_lang": lang})
    assert reply.status_code in (200, 422), reply.text


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200))
def test_any_bytes_are_refused(served: Served, body: bytes) -> None:
    check_problem(served.http.post(SEARCH, content=body, headers=JSON))
