"""A name that the server was not given is refused, whatever address it was resolved to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.conftest import Served, serving
from xret.retriever.searcher import Searcher
from xret.server.serve import serve
from xret.server.settings import ServerSettings


@pytest.fixture(scope="module")
def named(searcher: Searcher) -> Iterator[Served]:
    names = ("search.example.org", "*.inner.example")
    with serving({"demo": searcher}, allow_hosts=names) as running:
        yield running


KNOWN = ["localhost", "LOCALHOST:99", "127.0.0.1", "[::1]:8080", "192.0.2.7:80", "localhost."]
KNOWN += ["search.example.org", "Search.Example.org:443", "a.inner.example", "b.a.inner.example"]
UNKNOWN = ["attacker.example", "localhost.attacker.example", "example.org", "inner.example", "x"]
UNKNOWN += ["127.0.0.1.attacker.example", "search.example.org.attacker.example", "a:b:c", ""]


@pytest.mark.parametrize("host", KNOWN)
def test_own_names_and_addresses_are_answered(named: Served, host: str) -> None:
    assert named.http.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", UNKNOWN)
@pytest.mark.parametrize("path", ["/v1/indexes", "/v1/search?query=x", "/livez"])
def test_other_names_are_refused(named: Served, host: str, path: str) -> None:
    reply = named.http.get(path, headers={"Host": host})
    assert (reply.status_code, reply.json()["code"]) == (421, "unknown_host")
    assert not host or host not in reply.text


def test_a_server_can_answer_to_any_name(searcher: Searcher) -> None:
    with serving({"demo": searcher}, allow_hosts=("*",)) as running:
        assert running.http.get("/livez", headers={"Host": "x.example"}).status_code == 200


def test_serve_knows_no_other_name_by_itself(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: list[ServerSettings] = []
    monkeypatch.setattr("xret.server.serve.open_searchers", lambda *_, **__: {})
    monkeypatch.setattr(
        "xret.server.serve.serve_on", lambda *_, **named: settings.append(named["settings"])
    )
    serve([str(index)], port=0)
    assert settings[0].allow_hosts == ()
