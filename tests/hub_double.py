"""A Hugging Face hub on 127.0.0.1 with one model: the paths that the real client asks for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["COMMIT", "hub"]

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub(repo: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder as that repository; yields the address and the paths asked for so far."""
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            asked.append(path)
            resolve = f"/{repo}/resolve/{COMMIT}/"
            if path.startswith(resolve) and path.removeprefix(resolve) in files:
                content = files[path.removeprefix(resolve)].read_bytes()
                self._send(content, etag=sha1(content).hexdigest())
            elif path.startswith(f"/api/models/{repo}/tree/{COMMIT}"):
                rows = [
                    {"type": "file", "path": name, "size": file.stat().st_size,
                     "oid": sha1(file.read_bytes()).hexdigest()}
                    for name, file in files.items()
                ]  # fmt: skip
                self._send(json.dumps(rows).encode())
            elif path in (f"/api/models/{repo}", f"/api/models/{repo}/revision/main",
                          f"/api/models/{repo}/revision/{COMMIT}"):  # fmt: skip
                siblings = [{"rfilename": name} for name in files]
                self._send(json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings}).encode())
            else:
                self._send(b'{"error": "not found"}', status=404)

        def _send(self, content: bytes, *, status: int = 200, etag: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if etag:
                self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
