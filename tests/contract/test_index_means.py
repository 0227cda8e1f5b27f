"""An index whose codec keeps passages' means, from its first commit to a new codec."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from xret.errors import DamagedIndexError
from xret.index.search.faults import find_faults
from xret.index.search.reader import IndexReader
from xret.index.writing.compaction import Compaction
from xret.index.writing.writer import IndexWriter
from xret.types import Document, Embeddings, EncoderSpec, SearchParams

SPEC = EncoderSpec("themes", "0" * 64, 24, ("en",))
EXACT = SearchParams(exact=True, threads=1)


def passage_vectors(seed: int, n: int = 60) -> Embeddings:
    """Vectors of n passages, each leaning towards its own theme."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 12, n)
    theme = np.repeat(rng.standard_normal((n, SPEC.dim)), lengths, axis=0)
    values = theme + rng.standard_normal(theme.shape)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return Embeddings(values.astype(np.float32), np.cumsum([0, *lengths]))


def add(folder: Path, seed: int, n: int = 60) -> None:
    documents = [Document(f"{seed}-{i}", f"text {i}") for i in range(n)]
    with IndexWriter.open(folder, SPEC) as writer:
        writer.add(documents, passage_vectors(seed, n))


def hits(folder: Path, params: SearchParams = EXACT) -> list[list[tuple[str, float]]]:
    asked = passage_vectors(7, 5)
    with closing(IndexReader.open(folder)) as reader:
        return [
            [(hit.doc_id, hit.score) for hit in found]
            for found in reader.search(asked, 20, params=params)
        ]


def mean_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("means.u8"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xret.index.coding.recoding.CODEC_ROWS", 500)
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 200)


@pytest.fixture
def folder(tmp_path: Path, small: None) -> Path:  # noqa: ARG001
    made = tmp_path / "i"
    add(made, 1)
    assert mean_files(made) == []
    add(made, 2)
    add(made, 3)
    return made


def test_every_segment_of_the_codec_has_means(folder: Path) -> None:
    assert len(mean_files(folder)) == len([*(folder / "segments").iterdir()]) >= 4
    assert find_faults(folder) == []


def test_scores_stay_near_those_of_8_bits(folder: Path, tmp_path: Path) -> None:
    with IndexWriter.open(tmp_path / "exact", SPEC, preset="exact") as writer:
        for seed in (1, 2, 3):
            documents = [Document(f"{seed}-{i}", f"text {i}") for i in range(60)]
            writer.add(documents, passage_vectors(seed))
    for wanted, found in zip(hits(tmp_path / "exact"), hits(folder), strict=True):
        exact = dict(wanted)
        shared = [(score, exact[doc_id]) for doc_id, score in found if doc_id in exact]
        assert len(shared) >= 12
        assert np.abs(np.diff(shared, axis=1)).max() < 0.15 * max(exact.values())


def test_batches_and_threads_change_no_score(folder: Path) -> None:
    asked = passage_vectors(7, 5)
    with closing(IndexReader.open(folder)) as reader:
        for params in (SearchParams(threads=1), SearchParams(threads=2, n_candidates=30)):
            together = reader.search(asked, 5, params=params)
            alone = [
                reader.search(Embeddings(values, np.array([0, len(values)])), 5, params=params)[0]
                for values in asked
            ]
            assert together == alone


def test_compacting_keeps_the_means_and_the_scores(folder: Path) -> None:
    before = hits(folder)
    gone = {found[0][0] for found in before} | {f"{seed}-0" for seed in (1, 2, 3)}
    with IndexWriter.open_existing(folder) as writer:
        writer.delete(gone)
    wanted = hits(folder)
    assert not gone & {doc_id for found in wanted for doc_id, _ in found}
    assert list(Compaction(folder).run())
    assert hits(folder) == wanted
    assert find_faults(folder) == []


def test_a_new_codec_codes_the_means_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xret.index.writing.compaction.OUTGROWN", 1)
    before = hits(folder)
    compaction = Compaction(folder)
    assert list(compaction.run()) and compaction.summary.retrained
    assert mean_files(folder) and find_faults(folder) == []
    for wanted, found in zip(before, hits(folder), strict=True):
        assert len(dict(wanted).keys() & dict(found).keys()) >= 12


def test_the_same_additions_write_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    for seed in (1, 2, 3):
        add(again, seed)
    names = sorted(p.relative_to(folder) for p in folder.rglob("*.*") if p.suffix != ".sqlite")
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in names)


def test_changed_and_missing_means_are_found(folder: Path) -> None:
    path = mean_files(folder)[0]
    content = bytearray(path.read_bytes())
    content[3] ^= 16
    path.write_bytes(content)
    assert [str(path) in fault for fault in find_faults(folder)] == [True]
    path.unlink()
    assert [str(path) in fault for fault in find_faults(folder)] == [True]
    with pytest.raises(DamagedIndexError, match="means"):
        IndexReader.open(folder)
