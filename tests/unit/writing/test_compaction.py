"""Compacting: nothing is lost, whatever happens in the middle."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder
from indices import random_documents, ranking

from xret.errors import (
    IndexLockedError,
    IndexNotFoundError,
)
from xret.index.coding import recoding
from xret.index.search import opening as opening_module
from xret.index.search.faults import find_faults
from xret.index.search.ranking import best_documents
from xret.index.search.reader import IndexReader
from xret.index.writing import joining
from xret.index.writing import writer as writer_module
from xret.index.writing.compaction import Compaction
from xret.index.writing.writer import IndexWriter
from xret.retriever.lexical.words import document_terms
from xret.types import Document, Embeddings, Query, SearchParams


def compact(folder: Path) -> Compaction:
    made = Compaction(folder)
    for _ in made.run():
        pass
    return made


def delete(folder: Path, doc_ids: list[str]) -> int:
    with IndexWriter.open_existing(folder) as writer:
        return writer.delete(doc_ids)


def segments(folder: Path) -> set[str]:
    return {path.name for path in (folder / "segments").iterdir()}


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 40)


def test_all_documents_can_be_deleted_and_added_again(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    documents = random_documents(1, 9)
    build(documents, tmp_path / "i", encoder)
    before = ranking(tmp_path / "i", "gold")
    delete(tmp_path / "i", [document.doc_id for document in documents])
    assert ranking(tmp_path / "i", "gold") == []
    compact(tmp_path / "i")
    assert segments(tmp_path / "i") == set()
    assert ranking(tmp_path / "i", "gold") == []
    build(documents, tmp_path / "i", encoder)
    assert ranking(tmp_path / "i", "gold") == before


@pytest.mark.usefixtures("small_segments")
def test_compacting_changes_no_answer_and_leaves_no_dead_vectors(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    documents = random_documents(1, 100)
    build(documents, tmp_path / "i", encoder)
    delete(tmp_path / "i", [document.doc_id for document in documents[::3]])
    queries = ("gold law", "jazz", "sleep tide reef")
    before = [ranking(tmp_path / "i", query) for query in queries]
    done = compact(tmp_path / "i")
    assert done.summary.removed == 34
    assert [ranking(tmp_path / "i", query) for query in queries] == before
    assert find_faults(tmp_path / "i") == []
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        info = reader.info()
        assert info.deleted == 0
        vectors = encoder.encode_documents([d for i, d in enumerate(documents) if i % 3])
        assert info.vectors == len(vectors.values)
    kept = segments(tmp_path / "i")
    assert compact(tmp_path / "i").summary.rewritten == 0
    assert segments(tmp_path / "i") == kept


def test_small_segments_become_one(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = random_documents(2, 12)
    monkeypatch.setattr(joining, "RATIO", 0)  # an index from before the writer joined any
    for document in documents:
        build([document], tmp_path / "i", encoder)
    before = ranking(tmp_path / "i", "gold law")
    compact(tmp_path / "i")
    assert segments(tmp_path / "i") == {"000013"}
    assert ranking(tmp_path / "i", "gold law") == before
    again = build(documents, tmp_path / "i", encoder)
    assert (again.summary.added, again.summary.unchanged) == (0, 12)


@pytest.mark.usefixtures("small_segments")
def test_a_reader_searches_on_while_its_files_are_compacted_away(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    documents = random_documents(1, 60)
    build(documents, tmp_path / "i", encoder)
    delete(tmp_path / "i", [document.doc_id for document in documents[::2]])
    query = encoder.encode_queries([Query("q", "gold tide")])
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        before = reader.search(query, 40)
        old = reader._commit
        for _ in Compaction(tmp_path / "i").run():
            reader._commit = old  # as if the search had begun before the commit
            (best,) = best_documents(
                query, old.segments, old.alive, 40, codecs=old.codecs, params=SearchParams()
            )
            assert sorted(best.scores.tolist()) == sorted(hit.score for hit in before[0])
            assert reader.search(query, 40) == before
    assert find_faults(tmp_path / "i") == []


@pytest.mark.usefixtures("small_segments")
def test_a_reader_that_comes_too_late_for_the_files_takes_the_next_commit(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = random_documents(1, 60)
    build(documents, tmp_path / "i", encoder)
    delete(tmp_path / "i", [document.doc_id for document in documents[::2]])
    before = ranking(tmp_path / "i", "gold")
    read, late = opening_module.read_segment, [True]

    def compacted_first(*arguments: object, **options: object) -> object:
        if late:
            late.clear()
            compact(tmp_path / "i")
        return read(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(opening_module, "read_segment", compacted_first)
    assert ranking(tmp_path / "i", "gold") == before


def test_compacting_what_is_no_index_is_told(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        compact(tmp_path / "nothing")


def test_compacting_waits_for_no_other_writer(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(random_documents(1, 3), tmp_path / "i", encoder)
    with (
        IndexWriter.open(tmp_path / "i", encoder.spec),
        pytest.raises(IndexLockedError, match="another process"),
    ):
        compact(tmp_path / "i")


@pytest.mark.skipif(os.name == "nt", reason="no file size limit")
@pytest.mark.usefixtures("small_segments")
def test_a_disk_that_refuses_leaves_the_last_commit(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    documents = random_documents(1, 60)
    build(documents, tmp_path / "i", encoder)
    delete(tmp_path / "i", [document.doc_id for document in documents[::2]])
    before = ranking(tmp_path / "i", "gold")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for limit in (0, 100, 1000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            with pytest.raises(OSError, match="what was committed before stays"):
                compact(tmp_path / "i")
            with pytest.raises(OSError, match="what was committed before stays"):
                build([Document("new", "gold " * 90, "en")], tmp_path / "i", encoder)
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert find_faults(tmp_path / "i") == []
            assert ranking(tmp_path / "i", "gold") == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    compact(tmp_path / "i")
    assert ranking(tmp_path / "i", "gold") == before


COMPACT = """
import sys
from pathlib import Path
from xret.index.writing import writer
from xret.index.writing.compaction import Compaction
writer.SEGMENT_ROWS = 60
print("start", flush=True)
for _ in Compaction(Path(sys.argv[1])).run():
    pass
"""


def test_a_compaction_killed_at_any_moment_has_lost_nothing(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 30)
    documents = random_documents(3, 150)
    build(documents, tmp_path / "i", encoder)
    delete(tmp_path / "i", [document.doc_id for document in documents[::3]])
    before = ranking(tmp_path / "i", "gold law")
    for seed in range(6):
        command = [sys.executable, "-c", COMPACT, str(tmp_path / "i")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(random.Random(seed).uniform(0, 0.15))
            process.kill()
        assert ranking(tmp_path / "i", "gold law") == before
        assert find_faults(tmp_path / "i") == []
    compact(tmp_path / "i")
    assert ranking(tmp_path / "i", "gold law") == before
    assert find_faults(tmp_path / "i") == []


@pytest.mark.parametrize("preset", ["balanced", "compact"])
def test_the_codec_comes_where_the_index_is_large_enough_and_stays(
    preset: str, tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 100)
    monkeypatch.setattr("xret.index.coding.recoding.CODEC_ROWS", 350)
    documents = random_documents(5, 160)
    for first in range(0, 160, 40):
        build(documents[first : first + 40], tmp_path / "i", encoder, preset=preset)
        with closing(IndexReader.open(tmp_path / "i")) as reader:
            info = reader.info()
        assert info.codecs == ((1,) if info.vectors >= 350 else (0,))
        assert find_faults(tmp_path / "i") == []
    assert info.codecs == (1,)
    names = segments(tmp_path / "i")
    assert all(name.endswith("-000001") for name in names)
    build(documents, tmp_path / "exact", encoder, preset="exact")
    exact = ranking(tmp_path / "exact", "gold law", 10)
    coded = dict(ranking(tmp_path / "i", "gold law", 30))
    assert sum(doc in coded for doc, _ in exact) >= 8
    delete(tmp_path / "i", [document.doc_id for document in documents[::2]])
    before = ranking(tmp_path / "i", "gold law")
    compact(tmp_path / "i")
    assert ranking(tmp_path / "i", "gold law") == before
    assert find_faults(tmp_path / "i") == []


def test_an_outgrown_codec_is_trained_anew(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 100)
    monkeypatch.setattr("xret.index.coding.recoding.CODEC_ROWS", 100)
    monkeypatch.setattr("xret.index.writing.compaction.OUTGROWN", 4)
    build(random_documents(5, 200), tmp_path / "i", encoder)
    assert compact(tmp_path / "i").summary.retrained
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        assert reader.info().codecs == (2,)
    assert [path.name for path in (tmp_path / "i" / "codec").iterdir()] == ["000002"]
    assert find_faults(tmp_path / "i") == []
    assert not compact(tmp_path / "i").summary.retrained


def test_terms_are_kept_through_compaction(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 40)
    documents = random_documents(1, 40)
    build(documents, tmp_path / "i", encoder)
    delete(tmp_path / "i", [document.doc_id for document in documents[::2]])
    compact(tmp_path / "i")
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        lengths = [n for s in reader._commit.segments for n in s.arrays["lexical_lengths"].tolist()]
    assert sorted(lengths) == sorted(len(document_terms(one)) for one in documents[1::2])
    assert find_faults(tmp_path / "i") == []


def test_a_segment_without_living_documents_does_not_stop_a_retraining(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recoding, "CODEC_ROWS", 400)
    monkeypatch.setattr(writer_module, "SEGMENT_ROWS", 200)
    monkeypatch.setattr("xret.index.writing.compaction.OUTGROWN", 2)
    documents = [Document(f"d{i}", f"text {i}", "en") for i in range(200)]
    values = np.random.default_rng(0).standard_normal((2_000, 32)).astype(np.float32)
    first, later = (Embeddings(values[: n * 10], np.arange(n + 1) * 10) for n in (60, 140))
    with IndexWriter.open(tmp_path / "i", encoder.spec) as writer:
        writer.add(documents[:60], first)
    with IndexWriter.open(tmp_path / "i", encoder.spec) as writer:
        writer.delete([f"d{i}" for i in range(20)])
        writer.add(documents[60:], later)
    compaction = Compaction(tmp_path / "i")
    assert [*compaction.run()]
    assert compaction.summary.retrained
    query = Embeddings(values[:4], np.array([0, 4]))
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        assert reader.info().documents == 180
        assert len(reader.search(query, 500)[0]) == 180
