"""Keys over HTTP: who may ask what, and what there is for them."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.conftest import Served, serving
from tests.server.test_errors import check_problem
from xret.errors import ConfigError, QueryError, ServerError
from xret.retriever.searcher import Searcher
from xret.server.border.keyring import Keyring, new_key
from xret.server.border.keys import KeyGate, needed_scope
from xret.server.errors import HttpError
from xret.server.serve import serve

SEARCH = "/v1/search"
QUESTION = {"query": "bees", "limit": 100}


@dataclasses.dataclass
class Locked:
    served: Served
    keyring: Keyring

    def key(self, *scopes: str, **options: Any) -> dict[str, str]:
        """Headers with a new key."""
        secret, key = new_key(scopes, **options)
        self.keyring.add(key)
        return {"Authorization": f"Bearer {secret}"}

    def get(self, path: str, headers: dict[str, str], **params: Any) -> httpx.Response:
        return self.served.http.get(path, headers=headers, params=params)


@pytest.fixture(scope="module")
def locked(searcher: Searcher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    keyring = Keyring(path)
    keyring.add(new_key(["admin"])[1])
    second = copy.copy(searcher)
    second.name = "second"
    indices = {"demo": searcher, "second": second}
    origins = ("https://page.example",)
    with serving(indices, keys=str(path), cors_origins=origins) as running:
        yield Locked(running, keyring)


def test_probes_are_open_and_everything_else_needs_a_key(locked: Locked) -> None:
    http = locked.served.http
    for path in ("/healthz", "/livez", "/readyz", "/openapi.json"):
        assert http.get(path).status_code == 200
    routes = http.get("/openapi.json").json()["paths"]
    paths = [path.replace("{name}", "demo").replace("{doc_id}", "x") for path in routes]
    for path in [*paths, "/", "/mcp", "/metrics", "/zqxmark", "/v1/indexes/demo/reload"]:
        if path in ("/healthz", "/livez", "/readyz", "/docs", "/errors/{code}"):
            continue
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            reply = http.request(method, path)
            assert reply.status_code == 401, (method, path)
            assert reply.headers["WWW-Authenticate"] == 'Bearer realm="xret"'
    check_problem(http.get(SEARCH, params=QUESTION), 401)


def test_a_key_is_taken_as_bearer_as_header_and_as_password(locked: Locked) -> None:
    bearer = locked.key("search")
    secret = bearer["Authorization"].removeprefix("Bearer ")
    basic = base64.b64encode(f"anybody:{secret}".encode()).decode()
    for headers in (bearer, {"X-API-Key": secret}, {"Authorization": f"Basic {basic}"}):
        assert locked.get(SEARCH, headers, **QUESTION).status_code == 200
    for wrong in ("Bearer", "Bearer x", f"Bearer {secret}x", "Basic %%", "Basic eA==", "Negotiate"):
        check_problem(locked.get(SEARCH, {"Authorization": wrong}, **QUESTION), 401)
    check_problem(locked.get(SEARCH, {"X-API-Key": "x" * 999, "Accept": "text/html"}), 401)
    asked = locked.served.http.get("/", headers={"Accept": "text/html"})
    assert asked.headers["WWW-Authenticate"] == 'Basic realm="xret"'


def test_a_key_does_what_its_scopes_say(locked: Locked) -> None:
    search, embed, admin = locked.key("search"), locked.key("embed"), locked.key("admin")
    assert locked.get(SEARCH, search, **QUESTION).status_code == 200
    refused = check_problem(locked.get(SEARCH, embed, **QUESTION), 403)
    assert refused["detail"] == "this key may not do that; it needs the scope search"
    assert locked.get(SEARCH, admin, **QUESTION).status_code == 200
    post = locked.served.http.post
    assert post("/rerank", json={"query": "x", "texts": ["y"]}, headers=search).status_code == 403
    assert post("/rerank", json={"query": "x", "texts": ["y"]}, headers=embed).status_code == 200
    assert post("/v1/indexes/demo/documents", json={}, headers=search).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/healthz", None),
        ("POST", "/healthz", "search"),
        ("GET", "/errors/not_found", None),
        ("GET", "/metrics", "admin"),
        ("POST", "/v1/indexes/a/reload", "admin"),
        ("POST", "/v1/indexes", "admin"),
        ("DELETE", "/v1/indexes/a", "admin"),
        ("GET", "/v1/indexes/a", "search"),
        ("GET", "/v1/aliases", "search"),
        ("PUT", "/v1/aliases/a", "admin"),
        ("DELETE", "/v1/aliases/a", "admin"),
        ("GET", "/v1/indexes/a/documents/b\n", "search"),
        ("DELETE", "/v1/indexes/a/documents/b\n", "write"),
        ("POST", "/v1/indexes/a/documents", "write"),
        ("POST", "/v1/indexes/a/deletions", "write"),
        ("GET", "/v1/tasks/7", "write"),
        ("POST", "/v2/rerank", "embed"),
        ("GET", "/healthz/", "search"),
        ("GET", "/what/comes/later", "search"),
    ],
)
def test_every_address_has_a_scope(method: str, path: str, scope: str | None) -> None:
    assert needed_scope(method, path) == scope


@pytest.mark.parametrize("path", ["/metrics", "/v1/tasks", "/v1/indexes/demo", "/healthz"])
def test_a_line_break_leads_past_no_scope(locked: Locked, path: str) -> None:
    assert locked.get(path + "%0A", locked.key("search", "write", "admin")).status_code == 404


def test_for_a_key_with_an_index_there_is_no_other(locked: Locked) -> None:
    key = locked.key("search", "embed", indexes=["second"])
    listed = locked.get("/v1/indexes", key).json()["indexes"]
    assert [row["name"] for row in listed] == ["second"]
    assert locked.get(SEARCH, key, **QUESTION).json()["index"] == "second"
    for path in ("/v1/indexes/demo", "/v1/indexes/demo/documents", "/v1/indexes/demo/documents/x"):
        check_problem(locked.get(path, key), 404)
    check_problem(locked.get(SEARCH, key, **QUESTION, index="demo"), 404)
    nowhere = locked.key("search", indexes=["elsewhere"])
    check_problem(locked.get(SEARCH, nowhere, **QUESTION), 404)
    assert locked.get("/v1/indexes", nowhere).json()["indexes"] == []


def test_for_a_key_with_a_filter_there_are_no_other_documents(locked: Locked) -> None:
    key = locked.key("search", "embed", filter="lang:sw,fr")
    answer = locked.get(SEARCH, key, **QUESTION, facets="lang", group_by="lang").json()
    assert answer["total"]["value"] == 2
    assert {group["lang"] for group in answer["groups"]} == {"sw", "fr"}
    assert {value["value"] for value in answer["facets"]["lang"]["values"]} == {"sw", "fr"}
    for more in ({"doc_lang": "en"}, {"filter": "lang:en"}, {"filter": 'id:"bees.en"'}):
        beyond = locked.get(SEARCH, key, **QUESTION, **more).json()
        assert (beyond["hits"], beyond["total"]["value"]) == ([], 0)
    detail = locked.get("/v1/indexes/demo", key).json()
    assert (detail["documents"], detail["languages"]) == (2, {"fr": 1, "sw": 1})
    assert detail["passages"] is None
    (row, _) = locked.get("/v1/indexes", key).json()["indexes"]
    assert (row["documents"], row["languages"]) == (2, {"fr": 1, "sw": 1})
    page = locked.get("/v1/indexes/demo/documents", key, filter="lang:en,fr").json()
    assert [document["id"] for document in page["documents"]] == ["tides.fr"]
    assert locked.get("/v1/indexes/demo/documents/bees.sw", key).status_code == 200
    check_problem(locked.get("/v1/indexes/demo/documents/bees.en", key), 404)
    asked = {"id": "bees.en", "query": "bees", "mode": "lexical"}
    explained = locked.served.http.post("/v1/explain", json=asked, headers=key)
    check_problem(explained, 404)
    warned = locked.get(SEARCH, locked.key("search", filter="lang:en"), **QUESTION, fields="pages")
    assert warned.json()["warnings"] == ["no document has the metadata field 'pages'; known: none"]


def test_a_key_has_so_many_requests_a_minute(locked: Locked) -> None:
    key, other = locked.key("search", per_minute=3), locked.key("search", per_minute=3)
    statuses = [locked.get("/v1/indexes", key).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = locked.get("/v1/indexes", key)
    check_problem(refused, 429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 20
    assert locked.get("/v1/indexes", other).status_code == 200


def test_requests_come_back_with_time(tmp_path: Path) -> None:
    now = [0.0]
    gate = KeyGate(None, keyring=Keyring(tmp_path / "k"), clock=lambda: now[0])  # type: ignore[arg-type]
    key = new_key(["search"], per_minute=2)[1]
    gate._count(key), gate._count(key)
    with pytest.raises(HttpError, match="try again in 30 s"):
        gate._count(key)
    now[0] = 30.5
    gate._count(key)
    now[0] = 3_600
    gate._count(key), gate._count(key)
    with pytest.raises(HttpError):
        gate._count(key)


def test_a_key_is_refused_once_it_is_removed_or_has_expired(locked: Locked) -> None:
    headers = locked.key("search", note="for a moment")
    assert locked.get("/v1/indexes", headers).status_code == 200
    (key,) = [key for key in locked.keyring.current() if key.note == "for a moment"]
    locked.keyring.remove(key.id)
    assert locked.get("/v1/indexes", headers).status_code == 401
    secret, short = new_key(["search"], days=1)
    assert short.expires is not None
    late = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    locked.keyring.add(dataclasses.replace(short, expires=late))
    assert locked.get("/v1/indexes", {"X-API-Key": secret}).status_code == 401


def test_a_page_elsewhere_asks_only_from_the_origins_of_the_settings(locked: Locked) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    own = {"Origin": "https://page.example"}
    allowed = locked.served.http.options(SEARCH, headers={**own, **asked})
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == own["Origin"]
    refused = locked.served.http.get(SEARCH, headers=own)
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == own["Origin"]
    other = locked.served.http.get("/healthz", headers={"Origin": "https://other.example"})
    assert "Access-Control-Allow-Origin" not in other.headers


def test_without_origins_no_page_elsewhere_is_answered(client: httpx.Client) -> None:
    reply = client.get("/healthz", headers={"Origin": "https://page.example"})
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_only_the_hash_is_kept_and_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "deep" / "keys.json")
    secret, key = new_key(["write", "search"], indexes=["demo"], days=2, note="ours")
    keyring.add(key)
    content = keyring.path.read_text()
    assert secret not in content and secret.removeprefix("xret_") not in content
    assert keyring.path.stat().st_mode & 0o777 == 0o600
    again = Keyring(keyring.path)
    assert again.find(secret) == key and again.find(secret + "x") is None
    assert again.current()[0].scopes == ("search", "write")
    with pytest.raises(ConfigError, match="no key 'zqx'"):
        keyring.remove("zqx")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 2, "keys": []}', '{"format": 1, "keys": [{"id": 1}]}']
)
def test_what_holds_no_keys_is_said_and_nobody_gets_in(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="no file of keys"):
        Keyring(path).find("x")


def test_keys_that_cannot_be_are_refused() -> None:
    for scopes in ([], ["read"], ["search", "zqx"]):
        with pytest.raises(ConfigError, match="scopes"):
            new_key(scopes)
    for scope in ("write", "admin"):
        with pytest.raises(ConfigError, match="filter"):
            new_key([scope], filter="lang:sw")
    with pytest.raises(QueryError):
        new_key(["search"], filter="zqx")


def test_a_file_of_keys_that_is_gone_lets_nobody_in(searcher: Searcher, tmp_path: Path) -> None:
    secret, key = new_key(["admin"])
    keyring = Keyring(tmp_path / "keys.json")
    keyring.add(key)
    with serving({"demo": searcher}, keys=str(keyring.path)) as running:
        assert running.http.get("/v1/indexes", headers={"X-API-Key": secret}).status_code == 200
        keyring.path.unlink()
        assert running.http.get("/v1/indexes", headers={"X-API-Key": secret}).status_code == 401
        keyring.path.write_text(json.dumps([]))
        refused = running.http.get("/v1/indexes", headers={"X-API-Key": secret})
        assert check_problem(refused, 503)["code"] == "keys_unreadable"


def test_readiness_falls_while_the_keys_cannot_be_read(searcher: Searcher, tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "keys.json")
    keyring.add(new_key(["admin"])[1])
    whole = keyring.path.read_bytes()
    with serving({"demo": searcher}, keys=str(keyring.path), watch_every_s=0.05) as running:

        def wait_for(status: int) -> str:
            until = time.monotonic() + 10
            while (reply := running.http.get("/readyz")).status_code != status:
                assert time.monotonic() < until
            return str(reply.json().get("detail", ""))

        wait_for(200)
        keyring.path.write_bytes(whole[:-3])
        assert wait_for(503).startswith("keys: their file cannot be read")
        assert str(tmp_path) not in running.http.get("/readyz").text
        keyring.path.write_bytes(whole)
        wait_for(200)
        keyring.path.unlink()
        assert wait_for(503).startswith("keys: there are none")


def test_who_may_read_the_keys_stays_so_when_they_change(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "keys.json")
    keyring.add(new_key(["search"])[1])
    assert keyring.path.stat().st_mode & 0o777 == 0o600
    keyring.path.chmod(0o640)
    if os.geteuid() == 0:  # as who makes keys for a server that runs as another user
        os.chown(keyring.path, 0, 10001)
    before = keyring.path.stat()
    keyring.add(new_key(["search"])[1])
    after = keyring.path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert after.st_ino != before.st_ino
    assert len(keyring.current()) == 2


def test_a_batch_counts_as_many_requests_as_it_has_searches(locked: Locked) -> None:
    key = locked.key("search", per_minute=5)

    def batch(n: int) -> httpx.Response:
        body = {"searches": [QUESTION] * n}
        return locked.served.http.post(f"{SEARCH}/batch", json=body, headers=key)

    assert batch(3).status_code == 200
    refused = batch(3)
    assert check_problem(refused, 429)["code"] == "too_many_requests"
    assert int(refused.headers["Retry-After"]) >= 12
    assert locked.get(SEARCH, key, **QUESTION).status_code == 200
    assert locked.get(SEARCH, key, **QUESTION).status_code == 429
    other = locked.key("search", per_minute=2)
    body = {"searches": [QUESTION] * 3}
    refused = locked.served.http.post(f"{SEARCH}/batch", json=body, headers=other)
    assert "never 3 at once" in check_problem(refused, 429)["detail"]


def test_files_that_are_not_there_are_said_before_anything_is_served(tmp_path: Path) -> None:
    from xret.server.settings import ServerSettings

    for settings in ({"keys": "none"}, {"tls_cert": "none", "tls_key": "none"}):
        wanted = ServerSettings(**{name: str(tmp_path / v) for name, v in settings.items()})
        with pytest.raises(ServerError, match="there is no file"):
            serve([str(tmp_path)], port=0, settings=wanted)
    (tmp_path / "cert").write_text("")
    with pytest.raises(ServerError, match="both files"):
        serve([str(tmp_path)], port=0, settings=ServerSettings(tls_cert=str(tmp_path / "cert")))


def test_clients_of_other_programs_are_refused_in_their_own_shapes(locked: Locked) -> None:
    http = locked.served.http
    openai = http.post("/v1/embeddings", json={"input": "x"})
    assert (openai.status_code, openai.json()["error"]["code"]) == (401, "unauthorized")
    assert http.post("/v2/rerank", json={}).json()["message"].startswith("send a key")
    assert http.post("/embed", json={}).json()["error_type"] == "Validation"
    assert http.get("/v1/demo/search", params=QUESTION).json()["error"].startswith("send a key")
    search = locked.key("search")
    passages = {"service": "demo", "query": "x", "passages": ["y"]}
    assert http.post("/score", json=passages, headers=search).status_code == 403


def test_for_clients_of_other_programs_there_is_what_their_key_sees(locked: Locked) -> None:
    key = locked.key("search", "embed", indexes=["second"], filter="lang = sw")
    http = locked.served.http
    found = locked.get("/v1/second/search", key, query="bees").json()["candidates"]
    assert [row["docid"] for row in found] == ["bees.sw"]
    assert locked.get("/v1/second/doc/bees.en", key).status_code == 404
    assert locked.get("/v1/demo/search", key, query="bees").status_code == 400
    assert locked.get("/avail", key).json()["search"] == ["second"]
    asked = {"service": "second", "query": "bees"}
    assert list(http.post("/search", json=asked, headers=key).json()["scores"]) == ["bees.sw"]
    ranked = {"query": "bees", "documents": ["bees", "salt"], "model": "demo"}
    assert http.post("/v2/rerank", json=ranked, headers=key).status_code == 404
    ranked["model"] = "second"
    assert http.post("/v2/rerank", json=ranked, headers=key).status_code == 200


def test_a_language_model_sees_what_its_key_sees(locked: Locked) -> None:
    pytest.importorskip("mcp")
    key = locked.key("search", filter="lang = sw")
    headers = {**key, "Accept": "application/json, text/event-stream"}

    def called(name: str, **arguments: Any) -> Any:
        body = {
            **{"jsonrpc": "2.0", "id": 1, "method": "tools/call"},
            "params": {"name": name, "arguments": arguments},
        }
        return locked.served.http.post("/mcp", json=body, headers=headers).json()["result"]

    found = called("search", query="bees")["structuredContent"]["results"]
    assert [row["id"] for row in found] == ["bees.sw"]
    assert called("fetch", id="bees.sw")["isError"] is False
    assert called("fetch", id="bees.en")["isError"] is True
    counted = called("languages")["structuredContent"]["languages"]
    assert {row["lang"] for row in counted} == {"sw"}
    assert locked.served.http.post("/mcp", json={}).status_code == 401
