"""What readers see while a writer commits: whole commits, one at a time."""

import os
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest
from conftest import build
from encoders import HashingEncoder
from indices import random_documents, ranking

from xret.errors import IndexLockedError
from xret.index.scoring.maxsim import score_passages
from xret.index.search import opening as opening_module
from xret.index.search import seen_queries as seen_queries_module
from xret.index.search.faults import find_faults
from xret.index.search.reader import IndexReader
from xret.index.storage.catalog import Catalog
from xret.index.storage.documents import DocumentTable
from xret.index.storage.stored import SegmentRecord
from xret.index.writing.writer import IndexWriter
from xret.retriever.searcher import Searcher
from xret.types import Document, FloatArray, Query

COMMITS = int(os.environ.get("XRET_COMMITS", "20"))
"""Of the test with eight readers; 100 at night."""


def test_an_open_reader_sees_a_later_commit_whole(tmp_path: Path, encoder: HashingEncoder) -> None:
    build([Document("a", "gold", "en")], tmp_path / "i", encoder)
    reader = IndexReader.open(tmp_path / "i")
    query = encoder.encode_queries([Query("q", "gold")])
    assert [hit.doc_id for hit in reader.search(query, 9)[0]] == ["a"]
    build([Document("b", "gold river", "en")], tmp_path / "i", encoder)
    assert [hit.doc_id for hit in reader.search(query, 9)[0]] == ["a", "b"]
    reader.close()


def test_a_search_during_a_replacement_answers_from_one_commit(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build([Document("a", "gold", "en"), Document("b", "river", "en")], tmp_path / "i", encoder)
    monkeypatch.setattr("xret.index.storage.database.BUSY_S", 0.05)
    fetch = DocumentTable.of

    def replaced_first(self: DocumentTable, doc_ids: list[str]) -> list[Document]:
        new = [Document("a", "or", "fr")]
        with suppress(IndexLockedError):
            build(new, tmp_path / "i", encoder, duplicates="replace")
        return fetch(self, doc_ids)

    with closing(Searcher("i", IndexReader.open(tmp_path / "i"), encoder)) as searcher:
        monkeypatch.setattr(DocumentTable, "of", replaced_first)
        answer = searcher.answer("gold", lang="en", doc_langs=["en"])
        assert [(hit.id, hit.lang, hit.snippets[0].text) for hit in answer.hits] == [
            ("a", "en", "gold"),
            ("b", "en", "river"),
        ]
        assert answer.index_version == 1


def test_a_commit_in_the_middle_of_a_search_is_in_its_answer_whole(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build([Document("a", "gold", "en"), Document("b", "river", "en")], tmp_path / "i", encoder)
    texts = iter(["or", "gold reef", "law"])

    def replacing(*arguments: object, **options: object) -> FloatArray:
        scores = score_passages(*arguments, **options)  # type: ignore[arg-type]
        if text := next(texts, None):
            build([Document("a", text, "en")], tmp_path / "i", encoder, duplicates="replace")
        return scores

    with closing(IndexReader.open(tmp_path / "i")) as reader:
        monkeypatch.setattr(seen_queries_module, "score_passages", replacing)
        found = reader.find(encoder.encode_queries([Query("q", "gold")]), 9)
        assert found.version == reader.version()
    monkeypatch.undo()
    assert found.documents["a"].text == "law"
    expected = ranking(tmp_path / "i", "gold")
    assert [(hit.doc_id, hit.score) for hit in found.rankings[0]] == expected


def test_two_searches_score_at_the_same_time(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(random_documents(1, 9), tmp_path / "i", encoder)
    both = threading.Barrier(2, timeout=10)

    def together(*arguments: object, **options: object) -> FloatArray:
        both.wait()
        return score_passages(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(seen_queries_module, "score_passages", together)
    query = encoder.encode_queries([Query("q", "gold law")])
    found: list[object] = []
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        threads = [
            threading.Thread(target=lambda: found.append(reader.search(query, 5))) for _ in "ab"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 2
    assert found[0] == found[1]


def test_a_commit_is_not_held_up_by_scoring_nor_by_opening_files(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each commit happens while the reader is busy; it waits for nothing at all."""
    build([Document("a", "gold", "en")], tmp_path / "i", encoder)
    monkeypatch.setattr("xret.index.storage.database.BUSY_S", 0.0)
    monkeypatch.setattr("xret.index.writing.joining.RATIO", 0)  # one segment a commit
    opened: list[int] = []
    read = opening_module.read_segment

    def committing(
        folder: Path, record: SegmentRecord, *arguments: object, **options: object
    ) -> object:
        opened.append(record.segment)
        if record.segment < 4:
            new = Document(f"new{record.segment}", "gold reef", "en")
            build([new], tmp_path / "i", encoder)
        return read(folder, record, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(opening_module, "read_segment", committing)
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        query = encoder.encode_queries([Query("q", "gold")])
        for _ in range(4):
            found = reader.search(query, 9)[0]
    assert [hit.doc_id for hit in found] == ["a", "new1", "new2", "new3"]
    assert opened == [1, 2, 3, 4]


def test_the_check_of_every_document_lets_a_writer_commit(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(random_documents(1, 9), tmp_path / "i", encoder)
    monkeypatch.setattr("xret.index.storage.documents.PAGE_DOCUMENTS", 2)
    monkeypatch.setattr("xret.index.storage.database.BUSY_S", 0.0)
    path = tmp_path / "i" / "catalog.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE texts SET title = 'changed' WHERE document % 2 = 0")
        connection.commit()
    catalog = Catalog.open(tmp_path / "i")
    damaged = []
    for doc_id in catalog.documents.damaged():
        build([Document(f"beside {doc_id}", "gold", "en")], tmp_path / "i", encoder)
        damaged.append(doc_id)
    catalog.close()
    assert damaged == ["d000", "d002", "d004", "d006", "d008"]


def test_a_commit_that_a_reader_holds_up_can_be_made_again(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build([Document("a", "gold", "en")], tmp_path / "i", encoder)
    monkeypatch.setattr("xret.index.storage.database.BUSY_S", 0.0)
    new = [Document("b", "gold river", "en")]
    with (
        closing(sqlite3.connect(tmp_path / "i" / "catalog.sqlite")) as other,
        IndexWriter.open(tmp_path / "i", encoder.spec) as writer,
    ):
        other.execute("BEGIN")
        other.execute("SELECT * FROM documents").fetchall()
        writer.add(new, encoder.encode_documents(new))
        with pytest.raises(IndexLockedError, match=r"reader or another process.*try again"):
            writer.commit()
        other.execute("ROLLBACK")
        writer.commit()
    assert [doc for doc, _ in ranking(tmp_path / "i", "gold")] == ["a", "b"]
    assert find_faults(tmp_path / "i") == []


def test_readers_beside_many_commits_see_whole_ones_only(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    """Every commit gives all three documents the same text and title."""
    names = ("a", "b", "c")

    def commit(n: int) -> None:
        made = [Document(name, f"gold {n}", "en", title=str(n)) for name in names]
        build(made, tmp_path / "i", encoder, duplicates="replace")

    commit(0)
    wrong: list[object] = []
    done = threading.Event()

    def search(reader: IndexReader) -> None:
        query = encoder.encode_queries([Query("q", "gold")])
        while not done.is_set():
            try:
                found = reader.find(query, 9)
            except Exception as error:
                wrong.append(error)
                return
            titles = {document.title for document in found.documents.values()}
            scores = {hit.score for hit in found.rankings[0]}
            if (len(titles), len(scores), len(found.rankings[0])) != (1, 1, 3):
                wrong.append(found)

    with closing(IndexReader.open(tmp_path / "i")) as reader:
        threads = [threading.Thread(target=search, args=(reader,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for n in range(1, COMMITS + 1):
            commit(n)
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []
