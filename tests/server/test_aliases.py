"""Second names of indices: set with an admin key while the index is asked, and kept."""

from __future__ import annotations

import copy
from pathlib import Path

import httpx
import pytest

from tests.server.conftest import serving
from tests.server.test_errors import check_problem
from xret.errors import ServerError
from xret.retriever.searcher import Searcher
from xret.server.border.keyring import Keyring, new_key
from xret.server.indexes.aliases import Aliases

SEARCH = "/v1/search"


def test_an_alias_means_another_index_at_once_and_after_a_restart(
    searcher: Searcher, tmp_path: Path
) -> None:
    keyring = Keyring(tmp_path / "keys.json")
    keys = {}
    for name, options in {
        "admin": {},
        "search": {},
        "one": {"indexes": ["demo"]},
        "alias": {"indexes": ["live"]},
        "other admin": {"indexes": ["demo"]},
    }.items():
        secret, key = new_key(["admin" if "admin" in name else "search"], **options)
        keyring.add(key)
        keys[name] = {"X-API-Key": secret}
    other = copy.copy(searcher)
    other.name = "other"
    indices = {"demo": searcher, "other": other}
    limits = {"keys": str(keyring.path), "tasks": str(tmp_path / "tasks")}

    with serving(indices, **limits) as running:
        http = running.http

        def asked(who: str, index: str = "live") -> httpx.Response:
            body = {"query": "tides", "index": index}
            return http.post(SEARCH, json=body, headers=keys[who])

        def put(index: str, alias: str = "live", who: str = "admin") -> httpx.Response:
            return http.put(f"/v1/aliases/{alias}", json={"index": index}, headers=keys[who])

        assert asked("search").status_code == 404
        assert put("demo").json() == {"alias": "live", "index": "demo"}
        assert asked("search").json()["index"] == "demo"
        assert put("other").status_code == 200
        assert asked("search").json()["index"] == "other"
        assert asked("alias").json()["index"] == "other"
        assert asked("one").status_code == 404
        listed = {"aliases": [{"alias": "live", "index": "other"}]}
        assert http.get("/v1/aliases", headers=keys["search"]).json() == listed
        assert http.get("/v1/aliases", headers=keys["one"]).json() == {"aliases": []}
        check_problem(put("demo", who="search"), 403)
        check_problem(put("demo", who="other admin"), 403)
        check_problem(http.delete("/v1/aliases/live", headers=keys["other admin"]), 403)
        assert asked("search").json()["index"] == "other"
        check_problem(put("zqxmark"), 404)
        check_problem(put("demo", alias="other"), 409)
        check_problem(put("demo", alias="Live"), 422)
        page = http.get("/v1/indexes/live/documents/salt.ar", headers=keys["search"])
        assert page.json()["id"] == "salt.ar"
        kept = put("demo", alias="kept").json()["alias"]

    with serving(indices, **limits) as running:
        body = {"query": "tides", "index": kept}
        assert running.http.post(SEARCH, json=body, headers=keys["search"]).status_code == 200
        gone = running.http.delete("/v1/aliases/live", headers=keys["admin"])
        assert gone.json() == {"aliases": [{"alias": "kept", "index": "demo"}]}
        check_problem(running.http.delete("/v1/aliases/live", headers=keys["admin"]), 404)


def test_without_keys_nobody_sets_an_alias(client: httpx.Client) -> None:
    assert client.get("/v1/aliases").json() == {"aliases": []}
    check_problem(client.put("/v1/aliases/live", json={"index": "demo"}), 403)
    check_problem(client.delete("/v1/aliases/live"), 403)


def test_an_alias_of_an_index_that_is_not_served_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "aliases"
    Aliases(["a", "b"], path).set("live", "b")
    assert dict(Aliases(["a"], path).current) == {}
    assert dict(Aliases(["a", "b"], path).current) == {"live": "b"}
    assert dict(Aliases(["a", "b", "live"], path).current) == {}


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"a": 1}'])
def test_what_holds_no_aliases_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "aliases"
    path.write_bytes(content)
    with pytest.raises(ServerError, match="holds no aliases"):
        Aliases(["a"], path)
