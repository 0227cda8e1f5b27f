"""A server on 127.0.0.1 that scores or orders passages, well or in every way that is wrong."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["BAD_ORDERS", "BAD_SCORES", "Double", "double"]

Mangle = Callable[[Any], Any]
"""What becomes of a reply's rows, or of the order that a message says."""

BAD_SCORES: dict[str, Mangle] = {
    "repeats": lambda rows: [*rows[:-1], rows[0]],
    "invents": lambda rows: [{**row, "index": row["index"] + 1} for row in rows],
    "negative": lambda rows: [{**row, "index": -1} for row in rows],
    "half": lambda rows: rows[: len(rows) // 2],
    "words": lambda rows: [{**row, "score": "high", "relevance_score": "high"} for row in rows],
    "nan": lambda rows: [
        {**row, "score": float("nan"), "relevance_score": float("nan")} for row in rows
    ],
    "true": lambda rows: [{**row, "index": True} for row in rows],
    "nothing": lambda _: None,
    "list": lambda _: ["a", "b"],
}
BAD_ORDERS: dict[str, Mangle] = {
    "repeats": lambda order: f"{order} > [1]",
    "invents": lambda order: order.replace("[1]", "[99]"),
    "half": lambda _: "[1]",
    "chats": lambda order: f"Here is the order: {order}",
    "refuses": lambda _: "I cannot do that.",
    "empty": lambda _: "",
    "nothing": lambda _: None,
}


@dataclass
class Double:
    """asked: the bodies of all requests; paths and keys: of each. fault: status, hang, drip,
    text, redirect, huge or "" for none. mangle: see `Mangle`."""

    url: str = ""
    fault: str = ""
    mangle: Mangle = lambda rows: rows
    asked: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)


def value(text: str) -> float:
    """What the double thinks of a passage: the number in it."""
    number = re.search(r"\d+", text)
    return float(number[0]) if number else -1.0


@contextmanager
def double() -> Iterator[Double]:
    """Serve until the block ends."""
    state = Double()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            state.paths.append(f"GET {self.path}")
            self.send_error(404)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.asked.append(body)
            state.paths.append(self.path)
            state.keys.append(self.headers.get("Authorization"))
            _answer(self, state, body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield state
    finally:
        state.ending.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, state: Double, body: dict[str, Any]) -> None:
    content = json.dumps(_reply(state, body)).encode()
    status = 200
    if state.fault == "hang":
        state.ending.wait(20)
        return
    if state.fault.isdecimal():
        status = int(state.fault)
    if state.fault == "text":
        content = b"<html>busy</html>"
    if state.fault == "huge":
        content = b" " * (9 << 20)
    handler.send_response(302 if state.fault == "redirect" else status)
    if state.fault == "redirect":
        handler.send_header("Location", "/elsewhere")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    if state.fault == "drip":
        for byte in content:
            if state.ending.is_set():
                return
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.05)
        return
    handler.wfile.write(content)


def _reply(state: Double, body: dict[str, Any]) -> Any:
    if "messages" in body:
        listed = re.findall(r"^\[(\d+)\] (.*)$", body["messages"][1]["content"], re.MULTILINE)
        order = sorted(listed, key=lambda row: -value(row[1]))
        if "Which one passage" in body["messages"][1]["content"]:
            order = order[:1]
        said = state.mangle(" > ".join(f"[{n}]" for n, _ in order))
        return {"choices": [{"message": {"role": "assistant", "content": said}}]}
    texts = body.get("texts") or body["documents"]
    name = "score" if "texts" in body else "relevance_score"
    rows = [{"index": n, name: value(text)} for n, text in enumerate(texts)]
    rows = state.mangle(sorted(rows, key=lambda row: -float(row[name])))
    return rows if "texts" in body else {"id": "1", "results": rows}
