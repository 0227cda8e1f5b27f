"""Documents that do not fit, and a disk that fills up, leave an index sound."""

from pathlib import Path

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder

from xret.errors import ConfigError, CorpusError, XretError
from xret.index.coding import recoding
from xret.index.search.reader import IndexReader
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
