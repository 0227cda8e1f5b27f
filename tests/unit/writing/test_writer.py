"""Mistakes and mishaps that must leave an index sound."""

from pathlib import Path

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder

from xret.errors import ConfigError, CorpusError, UnusableIndexError, XretError
from xret.index.coding import recoding
from xret.index.search.reader import IndexReader
from xret.index.writing import writer as writer_module
from xret.index.writing.compaction import Compaction
from xret.index.writing.writer import IndexWriter
from xret.retriever.searcher import Searcher
from xret.types import Document, Embeddings, EncoderSpec, FloatArray

SPEC = EncoderSpec(name="t", fingerprint="f" * 32, dim=32, languages=("en",))


def documents(first: int, last: int) -> list[Document]:
    return [Document(f"d{i}", f"text {i}", "en") for i in range(first, last)]


def vectors(n: int, dim: int = 32) -> FloatArray:
    return np.random.default_rng(n).standard_normal((n, dim)).astype(np.float32)


def embeddings(n: int, each: int) -> Embeddings:
    return Embeddings(vectors(n * each), np.arange(n + 1) * each)


@pytest.mark.parametrize(
    ("values", "offsets"),
    [(vectors(4, 16), [0, 2, 4]), (vectors(4), [0, 4, 4]), (vectors(6), [0, 2, 4])],
)
def test_vectors_that_do_not_fit_are_refused_and_the_index_stays(
    tmp_path: Path, values: FloatArray, offsets: list[int]
) -> None:
    with IndexWriter.open(tmp_path / "i", SPEC) as writer:
        writer.add(documents(10, 15), embeddings(5, 2))
    writer = IndexWriter.open(tmp_path / "i", SPEC)
    with pytest.raises((XretError, ValueError)):
        writer.add(documents(0, 2), Embeddings(values, np.array(offsets)))
    writer.commit()
    writer.close()
    reader = IndexReader.open(tmp_path / "i")
    assert reader.info().documents == 5
    reader.close()


@pytest.mark.parametrize(
    "document",
    [
        Document(7, "zebra", "en"),  # type: ignore[arg-type]
        Document("a", "zebra", "en", url=5),  # type: ignore[arg-type]
        Document("a", "zebra", "en", meta={1: "a"}),  # type: ignore[dict-item]
        Document("a", "zebra", "en", meta={"x": float("nan")}),
    ],
)
def test_a_document_with_a_field_of_another_type_is_refused(
    tmp_path: Path, encoder: HashingEncoder, document: Document
) -> None:
    build(documents(0, 3), tmp_path / "i", encoder)
    with Searcher("i", IndexReader.open(tmp_path / "i"), encoder) as searcher:
        with pytest.raises(CorpusError), searcher.writer() as writer:
            writer.add([document])
        with pytest.raises(ConfigError, match="in a list"), searcher.writer() as writer:
            writer.delete("d1 d2")
        assert len(searcher.search("text", lang="en")) == 3


def test_a_closed_searcher_says_so(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(documents(0, 3), tmp_path / "i", encoder)
    searcher = Searcher("i", IndexReader.open(tmp_path / "i"), encoder)
    searcher.close()
    with pytest.raises(UnusableIndexError, match="closed"):
        searcher.search("text", lang="en")


def test_a_thousand_values_are_a_filter(tmp_path: Path, encoder: HashingEncoder) -> None:
    made = [Document(f"d{i}", "text", "en", meta={"n": i}) for i in range(9)]
    build(made, tmp_path / "i", encoder)
    wanted = ",".join(str(i) for i in range(5, 1500))
    with Searcher("i", IndexReader.open(tmp_path / "i"), encoder) as searcher:
        hits = searcher.search("text", lang="en", filter=f"n:{wanted}")
    assert sorted(hit.id for hit in hits) == ["d5", "d6", "d7", "d8"]


def test_a_segment_without_living_documents_does_not_stop_a_retraining(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recoding, "CODEC_ROWS", 400)
    monkeypatch.setattr(writer_module, "SEGMENT_ROWS", 200)
    monkeypatch.setattr("xret.index.writing.compaction.OUTGROWN", 2)
    with IndexWriter.open(tmp_path / "i", SPEC) as writer:
        writer.add(documents(0, 60), embeddings(60, 10))
    with IndexWriter.open(tmp_path / "i", SPEC) as writer:
        writer.delete([f"d{i}" for i in range(20)])
        writer.add(documents(60, 200), embeddings(140, 10))
    compaction = Compaction(tmp_path / "i")
    assert [*compaction.run()]
    assert compaction.summary.retrained
    reader = IndexReader.open(tmp_path / "i")
    assert reader.info().documents == 180
    assert len(reader.search(embeddings(1, 4), 500)[0]) == 180
    reader.close()


def test_a_disk_that_is_full_while_the_codec_is_made_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recoding, "CODEC_ROWS", 400)
    sound = recoding.recode_segment

    def full(*_: object, **__: object) -> object:
        raise OSError(28, "No space left on device")

    with IndexWriter.open(tmp_path / "i", SPEC) as writer:
        writer.add(documents(0, 30), embeddings(30, 10))
    with IndexWriter.open(tmp_path / "i", SPEC) as writer:
        monkeypatch.setattr(recoding, "recode_segment", full)
        writer.add(documents(30, 60), embeddings(30, 10))
        with pytest.raises(OSError, match="space"):
            writer.commit()
        monkeypatch.setattr(recoding, "recode_segment", sound)
        writer.commit()
    reader = IndexReader.open(tmp_path / "i")
    assert reader.info().documents == 60
    reader.close()
