"""Segments joined after a commit: few of them, the same answers, whatever happens meanwhile."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder
from indices import random_documents, ranking

from xret.errors import DamagedIndexError
from xret.index.search.faults import find_faults
from xret.index.search.reader import IndexReader
from xret.index.storage.stored import SegmentRecord
from xret.index.writing import joining
from xret.index.writing.compaction import Compaction
from xret.index.writing.joining import RATIO, to_join
from xret.index.writing.writer import SEGMENT_ROWS, IndexWriter
from xret.retriever.build import IndexBuild
from xret.retriever.indexing import DocumentIndexer
from xret.retriever.searcher import Searcher
from xret.types import Document, Query

FULL = SEGMENT_ROWS
N_COMMITS = 24


def records(sizes: list[int]) -> list[SegmentRecord]:
    return [SegmentRecord(n, 0, 1, 1, size) for n, size in enumerate(sizes, 1)]


def add_each(documents: list[Document], folder: Path, encoder: HashingEncoder) -> Iterator[int]:
    """One commit a document; yields how many segments there are after each."""
    with closing(IndexWriter.open(folder, encoder.spec, lexical="")) as writer:
        indexer = DocumentIndexer(writer, encoder)
        for document in documents:
            indexer.add([document])
            writer.commit()
            yield len(writer.catalog.segments())


def content(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.fixture
def corpus() -> list[Document]:
    return random_documents(3, N_COMMITS)


def test_a_thousand_commits_of_any_size_leave_few_segments_and_amortised_work() -> None:
    draw = random.Random(1)
    for largest in (1, 50):
        sizes: list[int] = []
        written = total = 0
        for _ in range(1000):
            sizes.append(draw.randint(1, largest))
            total += sizes[-1]
            if group := to_join(records(sizes), FULL):
                joined = sum(record.vectors for record in group)
                written += joined
                sizes = [*sizes[: -len(group)], joined]
            assert not to_join(records(sizes), FULL)
            assert len(sizes) <= 12
            later = [*accumulate(reversed(sizes))][-2::-1]
            assert all(own >= RATIO * rest for own, rest in zip(sizes, later, strict=False))
        assert written <= 10 * total


def test_large_segments_and_those_of_another_codec_stay() -> None:
    assert to_join(records([FULL // 2, 3, 3]), FULL) == records([FULL // 2, 3, 3])[1:]
    assert not to_join(records([FULL // 2 - 1, FULL // 2 - 1, FULL // 2]), FULL)
    fitting = records([FULL // 2 - 1, FULL // 3, FULL // 3])
    assert to_join(fitting, FULL) == fitting[1:]
    old, *new = records([3, 3, 3])
    assert to_join([replace(old, codec=1), *new], FULL) == new
    assert not to_join([old, replace(new[0], codec=1)], FULL)
    assert not to_join([replace(one, deleted=b"\x80") for one in (old, *new)], FULL)


def test_joined_segments_give_the_hits_and_scores_of_one(
    tmp_path: Path, encoder: HashingEncoder, corpus: list[Document]
) -> None:
    counts = [*add_each(corpus, tmp_path / "joined", encoder)]
    assert max(counts) <= 6
    build(corpus, tmp_path / "once", encoder, lexical=False)
    for query in ("gold law", "jazz", "sleep tide reef"):
        assert ranking(tmp_path / "joined", query) == ranking(tmp_path / "once", query)
    assert find_faults(tmp_path / "joined") == []
    assert build(corpus, tmp_path / "joined", encoder).summary.unchanged == N_COMMITS


def test_words_and_calibrated_lists_are_the_same_too(
    tmp_path: Path, encoder: HashingEncoder, corpus: list[Document]
) -> None:
    build(corpus, tmp_path / "once", encoder)
    for first in range(0, N_COMMITS, 5):
        build(corpus[first : first + 5], tmp_path / "joined", encoder)
    assert len(list((tmp_path / "joined" / "segments").iterdir())) < 4
    answers = []
    for name in ("once", "joined"):
        reader = IndexReader.open(tmp_path / name)
        with closing(Searcher(name, reader, encoder)) as searcher:
            answers.append([])
            for mode in ("dense", "lexical", "hybrid"):
                hits = searcher.search("gold tide", lang="fr", mode=mode)
                answers[-1].append([(hit.doc_id, hit.score) for hit in hits])
    assert answers[0] == answers[1]
    assert all(answers[0])


def test_deleted_and_replaced_documents_stay_away(
    tmp_path: Path, encoder: HashingEncoder, corpus: list[Document]
) -> None:
    build(corpus, tmp_path / "i", encoder)
    for version in range(6):
        changed = [replace(one, text=f"jazz {version}") for one in corpus[:3]]
        build(changed, tmp_path / "i", encoder, duplicates="replace")
        with IndexWriter.open_existing(tmp_path / "i") as writer:
            assert writer.delete([corpus[10 + version].doc_id]) == 1
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        info = reader.info()
        texts = {one.text for one in reader.documents([one.doc_id for one in corpus[:3]])}
    assert (info.documents, info.segments <= 4) == (N_COMMITS - 6, True)
    assert info.deleted < 20
    assert texts == {"jazz 5"}
    assert len(ranking(tmp_path / "i", "jazz")) == N_COMMITS - 6
    assert find_faults(tmp_path / "i") == []


@pytest.mark.parametrize("moment", ["before", "written", "after"])
def test_a_build_killed_while_it_joins_ends_byte_for_byte_like_an_unbroken_one(
    moment: str,
    tmp_path: Path,
    encoder: HashingEncoder,
    corpus: list[Document],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for folder in ("whole", "broken"):
        build(corpus[:14], tmp_path / folder, encoder)
    build(corpus, tmp_path / "whole", encoder)
    assert len(list((tmp_path / "whole" / "segments").iterdir())) == 1
    merge = joining.merge_segments

    def killed(*arguments: object, **options: object) -> None:
        if moment == "before":
            raise Killed
        with monkeypatch.context() as patch:
            if moment == "written":
                patch.setattr("xret.index.storage.catalog.Catalog.remove_segment", fail)
            merge(*arguments, **options)  # type: ignore[arg-type]
        raise Killed

    def fail(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(joining, "merge_segments", killed)
        with pytest.raises(Killed):
            list(IndexBuild(corpus, tmp_path / "broken", encoder).run())
    assert len(ranking(tmp_path / "broken", "gold")) == N_COMMITS
    again = build(corpus, tmp_path / "broken", encoder)
    assert again.summary.unchanged == N_COMMITS
    assert content(tmp_path / "broken") == content(tmp_path / "whole")


@pytest.mark.parametrize("error", [OSError(28, "No space left"), DamagedIndexError("cut")])
def test_what_refuses_to_be_joined_takes_no_commit_back(
    error: Exception,
    tmp_path: Path,
    encoder: HashingEncoder,
    corpus: list[Document],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise error

    with closing(IndexWriter.open(tmp_path / "i", encoder.spec)) as writer:
        for n, document in enumerate(corpus[:4], 1):
            with monkeypatch.context() as patch:
                patch.setattr(joining, "merge_segments", refused)
                writer.add([document], encoder.encode_documents([document]))
                writer.commit()
            assert len(writer.catalog.segments()) == n
        writer.add([corpus[4]], encoder.encode_documents([corpus[4]]))
        writer.commit()
        assert len(writer.catalog.segments()) == 1
    assert len(ranking(tmp_path / "i", "gold")) == 5
    assert find_faults(tmp_path / "i") == []


def test_an_open_reader_goes_on_and_sees_the_joined_commit_next(
    tmp_path: Path, encoder: HashingEncoder, corpus: list[Document]
) -> None:
    query = encoder.encode_queries([Query("q", "gold tide")])
    commits = add_each(corpus, tmp_path / "i", encoder)
    next(commits)
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        for n, _ in enumerate(commits, 2):
            old = reader._commit
            assert sum(len(segment.packed[0]) for segment in old.segments)
            assert [np.array(s.coded.codes, copy=True).size for s in old.segments]
            assert len(reader.search(query, 100)[0]) == n


def test_old_indices_of_many_segments_need_few_files(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = random_documents(5, 30)
    with monkeypatch.context() as patch:
        patch.setattr(joining, "RATIO", 0)
        patch.setattr("xret.index.storage.mapped.READ_BYTES", 8)
        assert max(add_each(documents, tmp_path / "i", encoder)) == 30
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc").is_dir() else 64
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 16, hard))
        try:
            before = ranking(tmp_path / "i", "gold law")
            assert find_faults(tmp_path / "i") == []
            for _ in Compaction(tmp_path / "i").run():
                pass
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(before) == 30
    assert ranking(tmp_path / "i", "gold law") == before
