"""Indices that are damaged, taken away, moved or replaced while they are served."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from encoders import HashingEncoder

from tests.server.conftest import DOCUMENTS, Served, build_index, serving
from xret.retriever import index_encoder
from xret.server.indexes.served import ServedIndex
from xret.types import Document

OTHERS = [Document(f"other.{i:02}", f"tides of another index {i}", "en") for i in range(25)]


@pytest.fixture
def home_of(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the index that may be harmed."""
    monkeypatch.setattr(index_encoder, "load_encoder", lambda _, **_options: HashingEncoder())
    shutil.copytree(index, tmp_path / "demo")
    return tmp_path / "demo"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return build_index(tmp_path / "other", OTHERS)


@pytest.fixture
def watched(home_of: Path) -> Iterator[Served]:
    served = ServedIndex.open("demo", str(home_of))
    with serving({"demo": served}, watch_every_s=0.05, probe_every_s=0.2) as running:
        yield running
    served.close()


def first(served: Served) -> str:
    """The best hit's id, or the code that the search is refused with."""
    reply = served.http.post("/v1/search", json={"query": "tides", "query_lang": "en"})
    body = reply.json()
    return str(body["hits"][0]["id"] if reply.status_code == 200 else body["code"])


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def ready(served: Served) -> bool:
    return served.http.get("/readyz").status_code == 200


def files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "segments").rglob("*") if path.is_file())


@pytest.mark.parametrize("cut", [True, False], ids=["truncated", "written over"])
def test_a_harmed_file_is_named_until_it_is_whole_again(
    watched: Served, home_of: Path, cut: bool
) -> None:
    assert first(watched) == "tides.en"
    path = next(path for path in files(home_of) if path.name == "codes.u8")
    whole = path.read_bytes()
    path.write_bytes(b"" if cut else b"\x07" * len(whole))
    assert first(watched) in ("tides.en", "index_damaged")
    wait_for(lambda: first(watched) == "index_damaged")
    reply = watched.http.post("/v1/search", json={"query": "tides"})
    assert reply.status_code == 503
    assert f"{path.relative_to(home_of)} has" in reply.json()["detail"]
    assert str(home_of) not in reply.text
    assert "codes.u8" in watched.http.get("/readyz").json()["detail"]
    assert watched.http.get("/livez").status_code == 200
    path.write_bytes(whole)
    wait_for(lambda: first(watched) == "tides.en")
    wait_for(lambda: ready(watched))


def test_an_index_that_is_gone_is_told_of_and_comes_back(watched: Served, home_of: Path) -> None:
    home_of.rename(home_of.with_name("away"))
    wait_for(lambda: first(watched) == "index_not_found")
    assert not ready(watched)
    home_of.with_name("away").rename(home_of)
    wait_for(lambda: first(watched) == "tides.en")
    shutil.rmtree(home_of)
    wait_for(lambda: first(watched) == "index_not_found")
    build_index(home_of)
    wait_for(lambda: first(watched) == "tides.en")
    wait_for(lambda: ready(watched))


def test_another_index_copied_over_it_is_opened(
    watched: Served, home_of: Path, other: Path
) -> None:
    assert first(watched) == "tides.en"
    shutil.copytree(other, home_of, dirs_exist_ok=True)
    for _ in range(20):
        assert first(watched) in ("tides.en", "other.00", "index_damaged")
    wait_for(lambda: first(watched) == "other.00")
    hits = watched.http.post("/v1/search", json={"query": "tides", "limit": 100}).json()["hits"]
    assert {hit["id"] for hit in hits} == {document.doc_id for document in OTHERS}
    assert watched.http.get("/v1/indexes").json()["indexes"][0]["languages"] == {"en": 25}


def test_a_link_swaps_indices_without_a_failed_search(
    tmp_path: Path, home_of: Path, other: Path
) -> None:
    link = tmp_path / "current"
    link.symlink_to(home_of)
    served = ServedIndex.open("live", str(link))
    with serving({"live": served}, watch_every_s=0.05) as running:
        answers = {first(running)}
        for target in (other, home_of, other):
            fresh = tmp_path / "fresh"
            fresh.symlink_to(target)
            fresh.replace(link)
            expected = "other.00" if target is other else "tides.en"
            until = time.monotonic() + 5
            while (found := first(running)) != expected:
                answers.add(found)
                assert time.monotonic() < until
        assert answers <= {"tides.en", "other.00"}
    served.close()


def test_an_index_is_opened_again_when_asked_to(watched: Served, home_of: Path) -> None:
    before = watched.server.service._served["demo"].searcher
    headers = {"Content-Type": "application/json"}
    reply = watched.http.post("/v1/indexes/demo/reload", headers=headers)
    assert reply.json()["documents"] == len(DOCUMENTS)
    assert watched.server.service._served["demo"].searcher is not before
    assert watched.http.post("/v1/indexes/none/reload", headers=headers).status_code == 404
    assert watched.http.post("/v1/indexes/demo/reload").status_code == 415
    shutil.rmtree(home_of / "segments")
    reply = watched.http.post("/v1/indexes/demo/reload", headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (503, "index_damaged")


def test_a_commit_by_a_writer_is_no_change_of_index(watched: Served, home_of: Path) -> None:
    before = watched.server.service._served["demo"].searcher
    build_index(home_of, [*DOCUMENTS, Document("new", "tides tides tides", "en")])
    wait_for(lambda: first(watched) == "new")
    time.sleep(0.2)
    assert watched.server.service._served["demo"].searcher is before
    assert ready(watched)


def test_an_index_that_is_gone_is_told_in_words_for_clients(watched: Served, home_of: Path) -> None:
    home_of.rename(home_of.with_name("away"))
    wait_for(lambda: first(watched) == "index_not_found")
    reply = watched.http.post("/v1/search", json={"query": "tides"})
    assert reply.status_code == 503
    assert reply.json()["detail"] == (
        "the index demo is no longer where it was; it is opened once it is back"
    )
    assert "xret index" not in watched.http.get("/readyz").text
    home_of.with_name("away").rename(home_of)
    wait_for(lambda: first(watched) == "tides.en")
