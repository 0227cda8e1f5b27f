"""A Hugging Face hub on 127.0.0.1 with one repository: the paths that the real client asks for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

__all__ = ["COMMIT", "hub", "hub_of_datasets"]

COMMIT = "0123456789abcdef0123456789abcdef01234567"

Answer = Callable[["Handler", str], bool]


class Handler(BaseHTTPRequestHandler):
    """Answers from what the server was given; a path that nothing answers is 404."""

    protocol_version = "HTTP/1.1"
    answers: tuple[Answer, ...] = ()
    asked: list[str]
    cut_once: dict[str, int]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.asked.append(" ".join(filter(None, (path, self.headers.get("Range")))))
        if not any(answer(self, path) for answer in self.answers):
            self.send(b'{"error": "not found"}', status=404)

    def send(
        self, content: bytes, *, status: int = 200, etag: str = "", commit: str = COMMIT
    ) -> None:
        """All of it, the rest of it where a range is asked, or the start and then nothing."""
        begins = self.headers.get("Range", "")
        start = int(begins.removeprefix("bytes=").partition("-")[0]) if begins else 0
        self.send_response(206 if begins and status == 200 else status)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Accept-Ranges", "bytes")
        if begins:
            total = len(content)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if etag:
            self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", commit)
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        if self.command != "GET":
            return
        cut = self.cut_once.pop(unquote(urlsplit(self.path).path), None)
        self.wfile.write(content[start:cut] if cut is not None else content[start:])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True


@contextmanager
def _serving(
    answers: tuple[Answer, ...], cut_once: dict[str, int]
) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    own = type("OneHub", (Handler,), {"answers": answers, "asked": asked, "cut_once": cut_once})
    server = ThreadingHTTPServer(("127.0.0.1", 0), own)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _repository(
    repo: str, folder: Path, *, kind: Literal["models", "datasets"], commit: str
) -> Answer:
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    prefix = "" if kind == "models" else f"/{kind}"
    api = f"/api/{kind}/{repo}"

    def answer(handler: Handler, path: str) -> bool:
        resolve = f"{prefix}/{repo}/resolve/{commit}/"
        if path.startswith(resolve) and path.removeprefix(resolve) in files:
            content = files[path.removeprefix(resolve)].read_bytes()
            handler.send(content, etag=_etag(path, content), commit=commit)
        elif path.startswith(f"{api}/tree/{commit}"):
            rows = [
                {
                    "type": "file",
                    "path": name,
                    "size": file.stat().st_size,
                    "oid": sha1(file.read_bytes()).hexdigest(),
                }
                for name, file in files.items()
            ]
            handler.send(json.dumps(rows).encode(), commit=commit)
        elif path in (api, f"{api}/revision/main", f"{api}/revision/{commit}"):
            siblings = [{"rfilename": name} for name in files]
            said = {"id": repo, "sha": commit, "siblings": siblings}
            handler.send(json.dumps(said).encode(), commit=commit)
        else:
            return False
        return True

    return answer


def _etag(path: str, content: bytes) -> str:
    """The hub's names of contents: git's own of small texts, sha256 of large files."""
    if path.endswith((".parquet", ".jsonl", ".gz")):
        return sha256(content).hexdigest()
    return sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@contextmanager
def hub(repo: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder as that model; yields the address and the paths asked for so far."""
    with _serving((_repository(repo, folder, kind="models", commit=COMMIT),), {}) as served:
        yield served


@contextmanager
def hub_of_datasets(
    folders: Mapping[str, Path],
    *,
    commits: Mapping[str, str] | None = None,
    cut_once: dict[str, int] | None = None,
) -> Iterator[tuple[str, list[str]]]:
    """Serve folders as dataset repositories by name, and any other folder file by file.

    commits: of a repository, else COMMIT. cut_once: after how many bytes the connection is
    closed the first time a path is got. A name that begins with a slash is no repository: its
    files are served below that path.
    """
    answers = [
        _repository(repo, folder, kind="datasets", commit=(commits or {}).get(repo, COMMIT))
        for repo, folder in folders.items()
        if not repo.startswith("/")
    ]
    answers += [_plain(start, at) for start, at in folders.items() if start.startswith("/")]
    with _serving(tuple(answers), cut_once if cut_once is not None else {}) as served:
        yield served


def _plain(start: str, folder: Path) -> Answer:
    def answer(handler: Handler, path: str) -> bool:
        file = folder / path.removeprefix(start).strip("/")
        if not path.startswith(start) or not file.is_file():
            return False
        handler.send(file.read_bytes())
        return True

    return answer
