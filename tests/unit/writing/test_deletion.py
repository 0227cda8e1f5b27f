"""Documents deleted and replaced, by a program and by commands."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from command_line import run_xret
from conftest import build
from encoders import HashingEncoder
from indices import random_documents, ranking

from xret.errors import DuplicateIdError, IndexLockedError
from xret.index.search.faults import find_faults
from xret.index.search.reader import IndexReader
from xret.index.writing.writer import IndexWriter
from xret.retriever.searcher import Searcher
from xret.types import Document


def delete(folder: Path, doc_ids: list[str]) -> int:
    with IndexWriter.open_existing(folder) as writer:
        return writer.delete(doc_ids)


def test_a_deleted_document_is_found_no_more(tmp_path: Path, encoder: HashingEncoder) -> None:
    documents = random_documents(1, 30)
    build(documents, tmp_path / "i", encoder)
    whole = ranking(tmp_path / "i", "gold tide")
    gone = {document.doc_id for document in documents[::3]}
    assert delete(tmp_path / "i", [*gone, *gone, "no such"]) == 10
    assert ranking(tmp_path / "i", "gold tide") == [hit for hit in whole if hit[0] not in gone]
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        info = reader.info()
        assert (info.documents, info.deleted) == (20, 10)
        assert reader.documents(sorted(gone)) == []
    assert find_faults(tmp_path / "i") == []
    assert delete(tmp_path / "i", sorted(gone)) == 0


def test_a_document_writer_commits_all_or_nothing(tmp_path: Path, encoder: HashingEncoder) -> None:
    build([Document("a", "gold", "en"), Document("b", "river", "en")], tmp_path / "i", encoder)
    with closing(Searcher("i", IndexReader.open(tmp_path / "i"), encoder)) as index:
        with pytest.raises(RuntimeError), index.writer() as writer:
            writer.delete(["a"])
            writer.add([Document("c", "tide", "en")])
            raise RuntimeError
        assert {hit.id for hit in index.search("gold", lang="en")} == {"a", "b"}
        with index.writer() as writer:
            assert writer.delete(["a", "x"]) == 1
            assert (
                writer.add([Document("a", "gold again", "en"), Document("b", "river", "en")]) == 1
            )
            assert writer.replace([Document("b", "tide", "en")]) == 1
            with pytest.raises(IndexLockedError, match="another process"):
                index.writer()
            with pytest.raises(DuplicateIdError, match="'a' is there with other content"):
                writer.add([Document("a", "gold", "en")])
        texts = {hit.id: hit.snippets[0].text for hit in index.search("gold", lang="en")}
    assert texts == {"a": "gold again", "b": "tide"}
    assert find_faults(tmp_path / "i") == []


def test_the_commands_delete_and_compact(tmp_path: Path, home: Path) -> None:
    corpus = tmp_path / "docs.jsonl"
    records = [{"_id": f"d{i}", "text": f"word{i} river", "lang": "en"} for i in range(9)]
    corpus.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")

    def run(*words: str) -> str:
        done = run_xret(*words, folder=tmp_path, home=home)
        assert done.returncode == 0, done.stderr
        return done.stdout

    folder = str(tmp_path / "i")
    run("index", "--corpus", str(corpus), "--output", folder)
    assert json.loads(run("delete", folder, "d1", "none", "--json")) == {"deleted": 1, "missing": 1}
    (tmp_path / "ids").write_text("d2\n\nd3\n", encoding="utf-8")
    run("delete", folder, "--from", str(tmp_path / "ids"))
    info = json.loads(run("info", folder, "--json"))
    assert (info["documents"], info["deleted"], info["preset"]) == (6, 3, "balanced")
    assert json.loads(run("compact", folder, "--json"))["removed"] == 3
    assert "sound" in run("verify", folder)
    found = json.loads(run("search", folder, "river", "--filter", "-id:d0", "--json", "-k", "20"))
    assert {hit["id"] for hit in found["hits"]} == {"d4", "d5", "d6", "d7", "d8"}
