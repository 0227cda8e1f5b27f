"""The tools of `/mcp` and `xret mcp`, called by the official client of the protocol."""

import importlib.util
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.server.conftest import DOCUMENTS, Served, serving
from xret.errors import MissingLibraryError
from xret.retriever.searcher import Searcher
from xret.server.indexes.service import SearchService
from xret.server.mcp.sdk import create_mcp_server
from xret.server.mcp.tools import SearchTools
from xret.server.settings import ServerSettings

needs_library = pytest.mark.skipif(
    importlib.util.find_spec("mcp") is None, reason="mcp is not installed"
)
TIDES = "the moon makes high water"


def calling(served: Served, work: Callable[[Any], Awaitable[Any]]) -> Any:
    """What that does with a client connected over streamable HTTP."""
    from mcp.client import Client

    async def run() -> Any:
        async with Client(f"{served.url}/mcp") as client:
            return await work(client)

    return anyio.run(run)


def called(served: Served, name: str, **arguments: Any) -> Any:
    return calling(served, lambda client: client.call_tool(name, arguments))


@needs_library
def test_the_tools_say_what_they_take_and_give(served: Served) -> None:
    tools = calling(served, lambda client: client.list_tools()).tools
    by_name = {tool.name: tool for tool in tools}
    assert sorted(by_name) == ["fetch", "languages", "search"]
    assert by_name["search"].input_schema["required"] == ["query"]
    assert by_name["fetch"].input_schema["required"] == ["id"]
    assert all(tool.output_schema and tool.annotations.read_only_hint for tool in tools)


@needs_library
def test_a_search_answers_as_http_does_and_as_connectors_expect(served: Served) -> None:
    result = called(served, "search", query=TIDES, lang="en", limit=3)
    found = result.structured_content
    assert len(result.content) == 1
    assert json.loads(result.content[0].text) == found
    asked = {"query": TIDES, "query_lang": "en", "limit": 3}
    hits = served.http.post("/v1/search", json=asked).json()["hits"]
    assert [(row["id"], row["score"]) for row in found["results"]] == [
        (hit["id"], hit["score"]) for hit in hits
    ]
    first = found["results"][0]
    assert (first["id"], first["title"], first["lang"]) == ("tides.en", "Tides", "en")
    assert first["url"] == "xret://demo/tides.en"
    assert found["query_lang"] == "en"


@needs_library
def test_documents_in_some_languages_only(served: Served) -> None:
    found = called(served, "search", query=TIDES, doc_lang=["fr", "sw"]).structured_content
    assert {row["lang"] for row in found["results"]} == {"fr", "sw"}
    untitled = called(served, "search", query=TIDES, doc_lang=["sw"]).structured_content
    assert untitled["results"][0]["title"] == "Nyuki wachache, mavuno madogo ya matunda."


@needs_library
def test_a_document_is_fetched_whole(served: Served) -> None:
    fetched = called(served, "fetch", id="bees.sw", index="second").structured_content
    assert fetched == {
        "id": "bees.sw",
        "title": "Nyuki wachache, mavuno madogo ya matunda.",
        "text": "Nyuki wachache, mavuno madogo ya matunda.",
        "url": "xret://demo/bees.sw",
        "metadata": {"pages": 3, "lang": "sw"},
    }
    dated = called(served, "fetch", id="tides.en").structured_content
    assert dated["metadata"] == {"lang": "en", "date": "1999"}
    assert called(served, "fetch", id="bees.en").structured_content["url"] == "https://b.example"


@needs_library
def test_languages_are_counted_by_index(served: Served) -> None:
    served_languages = called(served, "languages").structured_content
    assert served_languages["indexes"] == ["demo", "second"]
    counts = {
        row["lang"]: row["documents"]
        for row in served_languages["languages"]
        if row["index"] == "demo"
    }
    assert counts["en"] == sum(document.lang == "en" for document in DOCUMENTS)
    swahili = next(row for row in served_languages["languages"] if row["lang"] == "sw")
    assert (swahili["name"], swahili["autonym"]) == ("Swahili", "Kiswahili")


@needs_library
@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("search", {}, "query"),
        ("search", {"query": ""}, "query"),
        ("search", {"query": "  "}, "the query is empty"),
        ("search", {"query": "moon " * 2_000}, "query"),
        ("search", {"query": 7}, "query"),
        ("search", {"query": "moon", "limit": 10_000}, "limit"),
        ("search", {"query": "moon", "index": "other"}, "no such index"),
        ("search", {"query": "moon", "lang": "klingonese"}, "is no language"),
        ("search", {"query": "moon", "doc_lang": ["fr"] * 65}, "doc_lang"),
        ("fetch", {"id": "nothing"}, "no document of that id"),
        ("fetch", {"id": "x" * 5_000}, "id"),
        ("fetch", {"id": "tides.en", "index": "../demo"}, "no such index"),
        ("delete", {"id": "tides.en"}, "delete"),
    ],
)
def test_bad_arguments_are_an_error_that_the_model_can_read(
    served: Served, name: str, arguments: dict[str, Any], told: str
) -> None:
    async def call(client: Any) -> str:
        try:
            result = await client.call_tool(name, arguments)
        except Exception as error:
            return str(error)
        assert result.is_error
        return str(result.content[0].text)

    assert told in calling(served, call)
    assert served.http.get("/readyz").status_code == 200


@needs_library
def test_the_protocol_is_spoken_within_the_servers_limits(served: Served) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {"Accept": "application/json, text/event-stream"}
    assert served.http.post("/mcp", json=body, headers=headers).status_code == 200
    large = served.http.post("/mcp", content=b" " * (2 << 20), headers=headers)
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    stream = served.http.get("/mcp", headers={"Accept": "text/event-stream"})
    assert (stream.status_code, stream.headers["allow"]) == (405, "POST")
    for broken in (b"{", b"[]", b'{"jsonrpc":"2.0"}', b"\xff", b'{"method":7}'):
        headers["Content-Type"] = "application/json"
        refused = served.http.post("/mcp", content=broken, headers=headers)
        assert refused.status_code == 400
        assert "error" in refused.json()


@needs_library
def test_xret_mcp_speaks_over_standard_input_and_output(demo_folder: Path) -> None:
    from mcp.client import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    async def run() -> tuple[Any, Any]:
        program = ["-c", "from xret.cli import main; main()", "mcp", str(demo_folder)]
        async with Client(
            stdio_client(StdioServerParameters(command=sys.executable, args=program))
        ) as client:
            found = await client.call_tool("search", {"query": "coral reefs", "limit": 2})
            first = found.structured_content["results"][0]
            return first, await client.call_tool("fetch", {"id": first["id"]})

    first, fetched = anyio.run(run)
    assert fetched.structured_content["title"] == first["title"]
    assert first["text"].removesuffix("…")[:40] in fetched.structured_content["text"]


def test_without_the_library_one_line_says_how_to_get_it(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    with serving({"demo": searcher}) as running:
        refused = running.http.post("/mcp", json={})
        assert (refused.status_code, refused.json()["code"]) == (501, "mcp_not_installed")
        assert "pip install 'xret[mcp]'" in refused.json()["detail"]
        assert running.http.get("/readyz").status_code == 200
    service = SearchService({"demo": searcher}, ServerSettings())
    with pytest.raises(MissingLibraryError, match=r"pip install 'xret\[mcp\]'"):
        create_mcp_server(SearchTools(service))


def test_its_requests_and_those_for_heads_are_counted_by_their_address(served: Served) -> None:
    served.http.post("/mcp", json={})
    served.http.head("/livez")
    metrics = served.http.get("/metrics").text
    assert 'xret_requests_total{route="/mcp",method="POST"' in metrics
    assert 'xret_requests_total{route="/livez",method="HEAD",status="200"}' in metrics
