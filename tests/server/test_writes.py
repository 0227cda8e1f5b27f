"""Documents changed over HTTP: tasks, what they do, and that they survive the server."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from encoders import HashingEncoder

from tests.server.conftest import Served, build_index, serving
from tests.server.test_errors import check_problem
from xret.errors import ServerError
from xret.index.search.reader import IndexReader
from xret.index.writing.writer import IndexWriter
from xret.retriever.searcher import Searcher
from xret.server.border.keyring import Keyring, new_key
from xret.server.indexes.tasks import TaskStore
from xret.types import Document

DOCUMENTS = "/v1/indexes/demo/documents"


@dataclasses.dataclass
class Writable:
    served: Served
    folder: Path

    def change(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask for a change, and wait for its end."""
        reply = self.served.http.request(method, path, json=body)
        assert reply.status_code == 202, reply.text
        return self.ended(reply.headers["Location"])

    def ended(self, address: str) -> dict[str, Any]:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            task: dict[str, Any] = self.served.http.get(address).json()
            if task["status"] in ("done", "failed"):
                return task
            time.sleep(0.02)
        raise AssertionError(task)

    def ids(self) -> list[str]:
        page = self.served.http.get(DOCUMENTS, params={"limit": 100}).json()
        return [document["id"] for document in page["documents"]]


def settings_of(folder: Path, *scopes: str) -> tuple[dict[str, str], dict[str, str]]:
    keyring = Keyring(folder / "keys.json")
    secret, key = new_key(scopes)
    keyring.add(key)
    settings = {"keys": str(keyring.path), "tasks": str(folder / "tasks")}
    return settings, {"X-API-Key": secret}


@pytest.fixture
def writable(tmp_path: Path) -> Iterator[Writable]:
    folder = build_index(tmp_path / "demo", [Document("a", "bees", "en"), Document("b", "x", "fr")])
    settings, headers = settings_of(tmp_path, "search", "write")
    with (
        Searcher("demo", IndexReader.open(folder), HashingEncoder()) as searcher,
        serving({"demo": searcher}, **settings) as running,
    ):
        running.http.headers.update(headers)
        yield Writable(running, folder)


def test_documents_are_added_replaced_and_deleted(writable: Writable) -> None:
    new = {
        "id": "c/1",
        "text": "Nyuki wachache",
        "lang": "Swahili",
        "title": "Nyuki",
        "url": "https://c.example",
        "date": "2020-05",
        "fields": {"pages": 3, "tags": ["x"]},
    }
    task = writable.change("POST", DOCUMENTS, {"documents": [new, {"id": "a", "text": "honey"}]})
    assert (task["status"], task["documents"], task["changed"]) == ("done", 2, 2)
    assert (task["kind"], task["index"], task["code"]) == ("replace", "demo", None)
    read = writable.served.http.get(f"{DOCUMENTS}/c%2F1").json()
    assert read | new == read | {"lang": "Swahili"} and read["lang"] == "sw"
    assert writable.served.http.get(f"{DOCUMENTS}/a").json()["text"] == "honey"
    found = writable.served.http.get("/v1/search", params={"query": "nyuki", "query_lang": "sw"})
    assert found.json()["hits"][0]["id"] == "c/1" and found.json()["index_version"] > 1
    task = writable.change("POST", "/v1/indexes/demo/deletions", {"ids": ["b", "nowhere"]})
    assert (task["status"], task["documents"], task["changed"]) == ("done", 2, 1)
    task = writable.change("DELETE", f"{DOCUMENTS}/c/1")
    assert (task["kind"], task["changed"]) == ("delete", 1)
    assert writable.ids() == ["a"]
    listed = writable.served.http.get("/v1/tasks", params={"limit": 2}).json()["tasks"]
    assert [one["kind"] for one in listed] == ["delete", "delete"]


def test_a_change_that_fails_changes_nothing_and_says_why(writable: Writable) -> None:
    documents = [{"id": "n", "text": "new"}, {"id": "a", "text": "other"}]
    task = writable.change("POST", DOCUMENTS, {"documents": documents, "on_duplicate": "fail"})
    assert (task["status"], task["code"], task["changed"]) == ("failed", "duplicate_id", None)
    assert "'a'" in task["detail"]
    assert writable.ids() == ["a", "b"]
    same = [{"id": "n", "text": "new"}]
    for changed in (1, 0):
        task = writable.change("POST", DOCUMENTS, {"documents": same, "on_duplicate": "fail"})
        assert (task["status"], task["changed"]) == ("done", changed)


def test_a_change_waits_for_another_process_that_writes(writable: Writable) -> None:
    with IndexWriter.open(writable.folder, HashingEncoder().spec):
        asked = writable.served.http.request("DELETE", f"{DOCUMENTS}/b")
        time.sleep(0.3)
        address = asked.headers["Location"]
        assert writable.served.http.get(address).json()["status"] == "running"
    assert writable.ended(address)["status"] == "done"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"documents": []},
        {"documents": [{"id": "", "text": "x"}]},
        {"documents": [{"id": "x"}]},
        {"documents": [{"id": "x", "text": 7}]},
        {"documents": [{"id": "x", "text": "x", "zqxmark": 1}]},
        {"documents": [{"id": "x", "text": "x", "lang": "zqxmark"}]},
        {"documents": [{"id": "x", "text": "x", "fields": []}]},
        {"documents": [{"id": "x", "text": "x"}], "on_duplicate": "zqxmark"},
    ],
)
def test_what_is_no_document_is_refused_at_once(writable: Writable, body: Any) -> None:
    check_problem(writable.served.http.post(DOCUMENTS, json=body), 422)


def test_changes_need_an_index_that_is_served_and_a_key_that_writes(
    writable: Writable, client: httpx.Client
) -> None:
    http, body = writable.served.http, {"documents": [{"id": "x", "text": "x"}]}
    check_problem(http.post("/v1/indexes/nowhere/documents", json=body), 404)
    check_problem(http.get("/v1/tasks/" + "0" * 24), 404)
    keyring = Keyring(writable.folder.parent / "keys.json")
    secret, key = new_key(["search"])
    keyring.add(key)
    reading = {"X-API-Key": secret}
    check_problem(http.post(DOCUMENTS, json=body, headers=reading), 403)
    check_problem(http.request("DELETE", f"{DOCUMENTS}/a", headers=reading), 403)
    check_problem(http.get("/v1/tasks", headers=reading), 403)
    secret, key = new_key(["write"], indexes=["elsewhere"])
    keyring.add(key)
    elsewhere = {"X-API-Key": secret}
    check_problem(http.post(DOCUMENTS, json=body, headers=elsewhere), 404)
    address = http.request("DELETE", f"{DOCUMENTS}/b").headers["Location"]
    check_problem(http.get(address, headers=elsewhere), 404)
    assert http.get("/v1/tasks", headers=elsewhere).json()["tasks"] == []
    # A server without keys lets nobody write.
    check_problem(client.post(DOCUMENTS, json=body), 403)


def test_tasks_that_a_server_left_are_done_by_the_next(tmp_path: Path) -> None:
    folder = build_index(tmp_path / "demo", [Document("a", "bees", "en")])
    settings, headers = settings_of(tmp_path, "admin")
    store = TaskStore(tmp_path / "tasks")
    left = [
        store.add("demo", "replace", [dataclasses.asdict(Document("b", "salt", "en"))]),
        store.add("demo", "delete", ["a"]),
        store.add("elsewhere", "delete", ["a"]),
    ]
    store.begin(left[0])
    with pytest.raises(ServerError, match="another server has the tasks"):
        TaskStore(tmp_path / "tasks")
    store.close()
    (tmp_path / "tasks" / "zqx.json").write_text("{")
    with (
        Searcher("demo", IndexReader.open(folder), HashingEncoder()) as searcher,
        serving({"demo": searcher}, **settings) as running,
    ):
        running.http.headers.update(headers)
        writable = Writable(running, folder)
        for task in left[:2]:
            assert writable.ended(f"/v1/tasks/{task.id}")["status"] == "done"
        assert writable.ids() == ["b"]
        assert running.http.get(f"/v1/tasks/{left[2].id}").status_code == 404
    after = TaskStore(tmp_path / "tasks")
    assert [task.status for task in after.all()] == ["done", "done", "queued"]
    assert len(list((tmp_path / "tasks").glob("*.content"))) == 1
    after.close()


PROGRAM = """
import sys, time
sys.path.insert(0, sys.argv[1])
from encoders import HashingEncoder
from xret.retriever import index_encoder
from xret.server.serve import serve
from xret.server.settings import ServerSettings

class Slow(HashingEncoder):
    def encode_documents(self, documents):
        print("encoding", flush=True)
        time.sleep(float(sys.argv[3]))
        return super().encode_documents(documents)

index_encoder.load_encoder = lambda name, **options: Slow()
settings = ServerSettings(keys=sys.argv[4], tasks=sys.argv[5])
serve([sys.argv[2]], port=0, announce=lambda line: print(line, flush=True), settings=settings)
"""


def started(folder: Path, seconds: float, settings: dict[str, str]) -> tuple[Any, str]:
    tests = str(Path(__file__).parents[1])
    words = [tests, str(folder), str(seconds), settings["keys"], settings["tasks"]]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder.parent,
        env={**os.environ, "XRET_HOME": str(folder.parent)},
    )
    assert process.stdout
    line = process.stdout.readline()
    return process, line.rpartition(" ")[2].strip()


def test_a_change_of_a_killed_server_is_made_by_the_next_and_never_by_half(tmp_path: Path) -> None:
    folder = build_index(tmp_path / "demo", [Document("a", "bees", "en")])
    settings, headers = settings_of(tmp_path, "admin")
    documents = [{"id": f"n{i}", "text": f"number {i}", "lang": "en"} for i in range(40)]
    process, url = started(folder, 30, settings)
    asked = httpx.post(f"{url}{DOCUMENTS}", json={"documents": documents}, headers=headers)
    assert asked.status_code == 202 and process.stdout.readline() == "encoding\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    reader = IndexReader.open(folder)
    assert reader.info().documents == 1
    reader.close()
    process, url = started(folder, 0, settings)
    try:
        with httpx.Client(base_url=url, headers=headers) as http:
            until = time.monotonic() + 20
            while time.monotonic() < until:
                task = http.get(asked.headers["Location"]).json()
                if task.get("status") == "done":
                    break
                time.sleep(0.05)
            assert (task["status"], task["changed"]) == ("done", 40)
            assert http.get("/v1/indexes/demo").json()["documents"] == 41
    finally:
        process.kill()
        process.communicate()
