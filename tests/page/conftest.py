"""A small index in six languages and three scripts, and a page over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from conftest import build, no_reject
from starlette.testclient import TestClient

from xret.retriever.corpora.registry import open_corpus
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.server.app import create_app
from xret.server.settings import ServerSettings
from xret.types import Document

TOPICS = ("coral-reefs", "tides", "calligraphy", "sleep", "volcanoes")
LANGS = ("en", "fr", "sw", "ar", "zh", "hi")
HOSTILE = Document(
    "../<b>&\"'/x",
    "</p><script>alert(1)</script> coral {{ 7 * 7 }} \u202e\x00 end",
    "en",
    '<img src=x onerror="alert(1)">',
    url="javascript:alert(1)",
    date="1999-05-01",
    meta={"topic": "<i>odd</i>", "size": 3, "rare:name": "x"},
)


@pytest.fixture(scope="session")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    documents = [
        document
        for document in open_corpus("demo").documents(on_reject=no_reject)
        if document.lang in LANGS and document.meta["topic"] in TOPICS
    ]
    folder = tmp_path_factory.mktemp("page") / "reefs"
    build([*documents, HOSTILE], folder, load_encoder("xret-static"))
    return folder


@pytest.fixture(scope="session")
def page_searcher(page_folder: Path) -> Iterator[Searcher]:
    with Searcher.open(page_folder) as searcher:
        yield searcher


@pytest.fixture
def client(page_searcher: Searcher) -> Iterator[httpx.Client]:
    searchers = {"reefs": page_searcher, "other": page_searcher}
    app = create_app(searchers, settings=ServerSettings(probe_every_s=3600))
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened
