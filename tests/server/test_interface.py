"""The addresses beside search: batches, models, languages, metrics, pages about them and errors."""

import ast
import gzip
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.test_errors import MARK, check_problem
from xret import errors
from xret.server.error_guide import ERROR_GUIDE

SERVER = Path(__file__).resolve().parents[2] / "server"


def test_a_batch_answers_each_search_as_alone_and_says_which_failed(client: httpx.Client) -> None:
    searches: list[dict[str, Any]] = [
        {"query": "bees", "query_lang": "en", "limit": 3},
        {"query": "bees", "query_lang": "zqxmark"},
        {"query": "lune", "query_lang": "fr", "facets": ["lang"], "index": "second"},
        {"query": "lune", "index": "nowhere"},
    ]
    reply = client.post("/v1/search/batch", json={"searches": searches})
    answers = reply.json()["answers"]
    assert reply.status_code == 200 and len(answers) == 4
    for at in (0, 2):
        alone = client.post("/v1/search", json=searches[at]).json()
        varying = {"took_ms", "timings", "request_id"}
        assert {k: v for k, v in answers[at].items() if k not in varying} == {
            k: v for k, v in alone.items() if k not in varying
        }
    assert [(answers[at]["status"], answers[at]["code"]) for at in (1, 3)] == [
        (422, "language"),
        (404, "index_not_found"),
    ]
    assert MARK not in reply.text


@pytest.mark.parametrize("body", [{}, {"searches": []}, {"searches": [{}]}, {"searches": [7]}])
def test_what_is_no_batch_is_refused(client: httpx.Client, body: Any) -> None:
    check_problem(client.post("/v1/search/batch", json=body), 422)
    many = {"searches": [{"query": "x"}] * 101}
    check_problem(client.post("/v1/search/batch", json=many), 422)


def test_languages_are_those_of_the_documents(client: httpx.Client) -> None:
    languages = client.get("/v1/languages").json()["languages"]
    assert languages[0] == {
        "lang": "en",
        "name": "English",
        "autonym": "English",
        "dir": "ltr",
        "documents": 44,
        "indexes": {"demo": 22, "second": 22},
    }
    assert {one["lang"]: one["dir"] for one in languages}["ar"] == "rtl"


def test_models_are_listed_as_openais_clients_read_it(client: httpx.Client) -> None:
    models = client.get("/v1/models").json()
    assert models["object"] == "list"
    (model,) = models["data"]
    assert (model["id"], model["object"], model["kind"]) == ("hashing", "model", "encoder")
    assert (model["dim"], model["indexes"]) == (32, ["demo", "second"])


def test_metrics_are_prometheus_text_without_what_was_asked(client: httpx.Client) -> None:
    client.get("/v1/search", params={"query": f"{MARK} bees", "query_lang": "sw"})
    client.get("/v1/search", params={"query": "x", "limit": 999})
    client.request(MARK.upper(), f"/{MARK}")
    reply = client.get("/metrics")
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert MARK not in reply.text.lower()
    samples: dict[str, float] = {}
    for line in reply.text.splitlines():
        if not line.startswith("#"):
            assert re.fullmatch(r'[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? [0-9.e+-]+', line), line
            name, _, value = line.rpartition(" ")
            samples[name] = float(value)
    route = 'route="/v1/search"'
    assert samples[f'xret_requests_total{{{route},method="GET",status="422"}}'] >= 1
    count = samples[f"xret_request_seconds_count{{{route}}}"]
    buckets = [
        v for k, v in samples.items() if k.startswith(f"xret_request_seconds_bucket{{{route}")
    ]
    assert buckets == sorted(buckets) and buckets[-1] == count >= 2
    assert samples['xret_query_languages_total{index="demo",lang="sw"}'] >= 1
    assert samples['xret_stage_seconds_count{index="demo",stage="search"}'] >= 1
    assert samples['xret_index_version{index="demo"}'] == 1
    assert samples["xret_ready"] == 1 and samples["xret_searches_in_hand"] == 0


def test_the_page_of_addresses_names_each_and_loads_nothing(client: httpx.Client) -> None:
    reply = client.get("/docs")
    assert "script" not in reply.headers["Content-Security-Policy"]
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha")
    for path in client.get("/openapi.json").json()["paths"]:
        assert f"{path}</code>" in reply.text
    assert "query_lang" in reply.text and "<script" not in reply.text
    assert not re.search(r'(?:src|href)="(?!/openapi)', reply.text)


def test_every_error_points_at_a_page_that_is_there(client: httpx.Client) -> None:
    problem = client.get("/zqxmark").json()
    assert problem["type"] == "/errors/not_found"
    assert "Nothing is served" in client.get(problem["type"]).text
    check_problem(client.get("/errors/zqxmark"), 404)
    codes = {kind.code for kind in vars(errors).values() if hasattr(kind, "code")}
    for path in SERVER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            refuses = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "HttpError"
            if refuses and isinstance(node.args[1], ast.Constant):
                codes.add(node.args[1].value)
    assert not codes - ERROR_GUIDE.keys()


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/v1/indexes", "/nothing"])
def test_head_is_get_without_the_body(client: httpx.Client, path: str) -> None:
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["Content-Length"] == got.headers["Content-Length"]
    assert head.headers["Content-Type"] == got.headers["Content-Type"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/search", "GET, HEAD, POST"),
        ("/v1/search/batch", "POST"),
        ("/v1/indexes", "GET, HEAD"),
    ],
)
def test_allow_names_all_methods_of_an_address(
    client: httpx.Client, path: str, allowed: str
) -> None:
    reply = client.patch(path)
    check_problem(reply, 405)
    assert reply.headers["Allow"] == allowed


def test_long_replies_are_compressed_for_clients_that_read_it(served: Any) -> None:
    with httpx.Client(base_url=served.url) as client:
        asked = {"query": "x", "limit": 25}
        plain = client.get("/v1/search", params=asked, headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers and plain.headers["Vary"]
        with client.stream("GET", "/v1/search", params=asked) as reply:
            raw = b"".join(reply.iter_raw())
        assert reply.headers["Content-Encoding"] == "gzip"
        assert len(raw) < len(plain.content) / 3 and b'"hits"' in gzip.decompress(raw)
        assert "Content-Encoding" not in client.get("/healthz").headers
