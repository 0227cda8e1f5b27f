"""The files that a warm search goes through, so that they stay few enough to be read in one go."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

import xret
from xret.retriever.searcher import Searcher
from xret.server.app import create_app
from xret.server.settings import ServerSettings

ROOT = Path(__file__).resolve().parents[3]

SEARCH = {
    "xret/types.py",
    "xret/deadline.py",
    "retriever/searcher.py",
    "retriever/question.py",
    "retriever/translation/query_words.py",
    "index/words/expected.py",
    "retriever/encoders/static.py",
    "retriever/encoders/wordpieces.py",
    "retriever/encoders/unread_letters.py",
    "index/search/reader.py",
    "index/search/commit.py",
    "index/search/allowed.py",
    "index/storage/catalog.py",
    "index/storage/database.py",
    "index/search/calibrating.py",
    "index/search/languages.py",
    "index/search/ranking.py",
    "index/search/choice.py",
    "index/search/seen_queries.py",
    "index/search/calibration.py",
    "index/storage/segment.py",
    "index/scoring/query_codes.py",
    "index/scoring/maxsim.py",
    "index/scoring/coded_passages.py",
    "index/scoring/kernel_path.py",
    "index/search/placed_hits.py",
    "index/search/matches.py",
    "index/storage/documents.py",
    "index/storage/packed_text.py",
    "index/storage/stored.py",
    "retriever/answer_page.py",
    "retriever/answer.py",
}
"""From the question to the answer, in Python. docs/architecture.md says what each does."""

SERVED = {
    "server/routes/json_body.py",
    "server/border/limits.py",
    "server/border/leaving.py",
    "server/routes/search.py",
    "server/indexes/service.py",
    "server/indexes/metrics.py",
    "server/border/heads.py",
    "server/indexes/queue.py",
    "server/indexes/served.py",
    "server/indexes/readiness.py",
}
"""What an HTTP request goes through beside."""


def files_entered(work: Callable[[], object]) -> set[str]:
    """The project's files in which a function is called, in this thread or in new ones."""
    names: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            names.add(frame.f_code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    paths = {Path(name).resolve() for name in names if Path(name).is_absolute()}
    own = {str(path.relative_to(ROOT)) for path in paths if path.is_relative_to(ROOT)}
    # Where the kernels were not compiled, NumPy does their work.
    own.discard("index/scoring/maxsim_numpy.py")
    return {name for name in own if name.split("/")[0] in ("xret", "retriever", "index", "server")}


def test_a_warm_search_enters_few_files(demo: Searcher) -> None:
    def search() -> list[xret.SearchHit]:
        return demo.search("coral reefs and fish", lang="en")

    assert search()
    entered = files_entered(search)
    assert entered == SEARCH
    assert len(entered) <= 32


def test_a_warm_search_over_http_enters_few_files(demo: Searcher) -> None:
    app = create_app({"demo": demo}, settings=ServerSettings())

    async def ask() -> dict[str, Any]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            body = {"query": "coral reefs and fish", "query_lang": "en"}
            reply = await client.post("/v1/search", json=body)
            answer: dict[str, Any] = reply.json()
            return answer

    assert asyncio.run(ask())["hits"]
    # A loop of its own starts its threads anew, and new threads are watched.
    entered = files_entered(lambda: asyncio.run(ask()))
    assert entered == SEARCH | SERVED
    assert len(entered) <= 42
