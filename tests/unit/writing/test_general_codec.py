"""A codec that came with an encoder: taken when it saves bytes, left when the index has its own."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import xret
from xret.errors import DamagedIndexError
from xret.index.coding import recoding
from xret.index.coding.clustering import train_codec
from xret.index.coding.general import GENERAL_SETTING, GeneralCodec
from xret.index.search.faults import find_faults
from xret.index.search.reader import IndexReader
from xret.index.sharded.codec import adopt_codec
from xret.index.storage.catalog import Catalog
from xret.index.storage.files import folder_bytes
from xret.index.writing.compaction import Compaction
from xret.index.writing.writer import IndexWriter
from xret.retriever.models.general_codec import CODECS
from xret.retriever.upkeep import info
from xret.types import Document, Embeddings, EncoderSpec, SearchParams

SPEC = EncoderSpec(name="t", fingerprint="f" * 32, dim=32, languages=("en",))
EACH = 6
"""Vectors of a document."""


def vectors(first: int, n: int) -> np.ndarray:
    rows = [np.random.default_rng(i).standard_normal((EACH, 32)) for i in range(first, first + n)]
    values = np.concatenate(rows).astype(np.float32)
    unit: np.ndarray = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    offsets = np.arange(0, 50 * EACH + 1, EACH)
    trained = train_codec(vectors(1000, 50), bits=2, offsets=offsets, n_centroids=8)
    path = tmp_path_factory.mktemp("codec") / "general.safetensors"
    save_file({name: np.ascontiguousarray(a) for name, a in trained.arrays().items()}, path)
    return path


def add(folder: Path, first: int, n: int, codec: Path | None, preset: str = "compact") -> None:
    documents = [Document(f"d{i:03d}", f"text {i}", "en") for i in range(first, first + n)]
    offsets = np.arange(0, n * EACH + 1, EACH)
    with IndexWriter.open(folder, SPEC, preset=preset, codec=codec) as writer:
        writer.add(documents, Embeddings(vectors(first, n), offsets))


def codecs(folder: Path) -> tuple[dict[int, int], set[int]]:
    """Known codecs with their vectors, and those that segments are coded by."""
    with closing(Catalog.open(folder)) as catalog:
        return catalog.codecs(), {one.codec for one in catalog.segments().values()}


def hits(folder: Path, document: int) -> list[tuple[str, float]]:
    query = Embeddings(vectors(document, 1), np.array([0, EACH]))
    with closing(IndexReader.open(folder)) as reader:
        found = reader.search(query, 5, params=SearchParams(threads=1))[0]
    return [(hit.doc_id, hit.score) for hit in found]


def test_an_index_takes_it_once_it_is_smaller_by_it(tmp_path: Path, codec: Path) -> None:
    general = GeneralCodec.read(codec)
    least = next(n for n in range(1, 999) if general.saves(vectors=n * EACH, passages=n))
    add(tmp_path / "i", 0, least - 1, codec)
    assert codecs(tmp_path / "i") == ({}, {0})
    add(tmp_path / "i", least - 1, 1, codec)
    assert codecs(tmp_path / "i") == ({1: 0}, {1})
    add(tmp_path / "i", least, 30, codec)
    add(tmp_path / "once", 0, least + 30, codec)
    add(tmp_path / "without", 0, least + 30, None)
    assert codecs(tmp_path / "without") == ({}, {0})
    for document in (0, least, least + 29):
        assert hits(tmp_path / "i", document) == hits(tmp_path / "once", document)
        assert hits(tmp_path / "i", document)[0][0] == hits(tmp_path / "without", document)[0][0]
    sizes = [folder_bytes(tmp_path / name / "segments") for name in ("once", "without")]
    assert sizes[0] + folder_bytes(tmp_path / "once" / "codec") < sizes[1]
    assert find_faults(tmp_path / "i") == []


def test_an_index_reads_what_it_holds_whatever_becomes_of_the_file(
    tmp_path: Path, codec: Path
) -> None:
    add(tmp_path / "i", 0, 60, codec)
    before = hits(tmp_path / "i", 7)
    other = tmp_path / "other.safetensors"
    trained = train_codec(vectors(0, 30), bits=2, offsets=np.arange(0, 30 * EACH + 1, EACH))
    save_file({name: np.ascontiguousarray(a) for name, a in trained.arrays().items()}, other)
    for later in (other, None):
        add(tmp_path / "i", 60, 5, later)
        assert hits(tmp_path / "i", 7) == before
    assert codecs(tmp_path / "i") == ({1: 0}, {1})
    assert find_faults(tmp_path / "i") == []


def test_an_index_that_was_made_without_goes_on_without(tmp_path: Path, codec: Path) -> None:
    add(tmp_path / "i", 0, 60, None)
    add(tmp_path / "i", 60, 60, codec)
    assert codecs(tmp_path / "i") == ({}, {0})
    add(tmp_path / "exact", 0, 60, codec, preset="exact")
    assert codecs(tmp_path / "exact") == ({}, {0})
    with closing(Catalog.open(tmp_path / "exact")) as catalog:
        assert GENERAL_SETTING not in catalog.settings()


def test_vectors_of_their_own_passages_keep_8_bits(tmp_path: Path, codec: Path) -> None:
    documents = [Document(f"d{i:03d}", "text", "en") for i in range(300)]
    with IndexWriter.open(tmp_path / "i", SPEC, preset="compact", codec=codec) as writer:
        writer.add(documents, Embeddings(vectors(0, 50), np.arange(301)))
    assert codecs(tmp_path / "i") == ({}, {0})


def test_a_grown_index_trains_its_own_and_compaction_codes_all_by_it(
    tmp_path: Path, codec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recoding, "CODEC_ROWS", 100 * EACH)
    add(tmp_path / "i", 0, 60, codec)
    add(tmp_path / "i", 60, 60, codec)
    assert codecs(tmp_path / "i") == ({1: 0, 2: 120 * EACH}, {1, 2})
    for document in (3, 70, 119):
        assert hits(tmp_path / "i", document)[0][0] == f"d{document:03d}"
    assert find_faults(tmp_path / "i") == []
    add(tmp_path / "i", 120, 10, codec)
    for _ in Compaction(tmp_path / "i").run():
        pass
    assert codecs(tmp_path / "i") == ({2: 120 * EACH}, {2})
    for document in (3, 70, 129):
        assert hits(tmp_path / "i", document)[0][0] == f"d{document:03d}"


def test_compaction_trains_one_where_only_the_general_one_is_there(
    tmp_path: Path, codec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path / "i", 0, 120, codec)
    monkeypatch.setattr(recoding, "CODEC_ROWS", 100 * EACH)
    for _ in Compaction(tmp_path / "i").run():
        pass
    assert codecs(tmp_path / "i") == ({2: 120 * EACH}, {2})
    assert hits(tmp_path / "i", 50)[0][0] == "d050"


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_merged_index_goes_on_with_the_codec_that_was_trained(
    tmp_path: Path, codec: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(recoding, "CODEC_ROWS", 100 * EACH)
    add(tmp_path / "a", 0, 120, codec)
    add(tmp_path / "b", 200, 60, codec)
    xret.merge(tmp_path / "one", [tmp_path / name for name in order])
    assert codecs(tmp_path / "one") == ({1: 0, 2: 120 * EACH}, {1, 2})
    add(tmp_path / "one", 400, 10, codec)
    assert codecs(tmp_path / "one") == ({1: 0, 2: 120 * EACH}, {1, 2})
    for document in (3, 210, 405):
        assert hits(tmp_path / "one", document)[0][0] == f"d{document:03d}"
    assert find_faults(tmp_path / "one") == []


def test_a_merged_index_of_two_general_ones_trains_a_third(
    tmp_path: Path, codec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.safetensors"
    trained = train_codec(vectors(0, 30), bits=2, offsets=np.arange(0, 30 * EACH + 1, EACH))
    save_file({name: np.ascontiguousarray(a) for name, a in trained.arrays().items()}, other)
    add(tmp_path / "a", 0, 60, codec)
    add(tmp_path / "b", 200, 60, other)
    xret.merge(tmp_path / "one", [tmp_path / "a", tmp_path / "b"])
    monkeypatch.setattr(recoding, "CODEC_ROWS", 100 * EACH)
    add(tmp_path / "one", 400, 10, codec)
    assert codecs(tmp_path / "one") == ({1: 0, 2: 0, 3: 130 * EACH}, {1, 2, 3})
    assert hits(tmp_path / "one", 405)[0][0] == "d405"


def test_an_index_keeps_the_general_codec_of_another(
    tmp_path: Path, codec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path / "i", 0, 60, codec)
    with IndexWriter.open(tmp_path / "shard", SPEC, preset="compact") as writer:
        writer.commit()
        adopt_codec(tmp_path / "shard", writer.catalog, tmp_path / "i")
    monkeypatch.setattr(recoding, "CODEC_ROWS", 100 * EACH)
    add(tmp_path / "shard", 0, 120, None)
    assert codecs(tmp_path / "shard") == ({1: 60 * EACH}, {1})


def test_a_file_that_is_no_codec_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no codec")
    with pytest.raises(DamagedIndexError, match=r"x\.safetensors is no codec"):
        add(tmp_path / "i", 0, 3, tmp_path / "x.safetensors")


def test_the_shipped_codecs_are_read_and_small() -> None:
    for path in CODECS.values():
        general = GeneralCodec.read(path)
        assert general.fits(384, 1)
        assert general.codec.with_means
        assert general.size_bytes < 410_000
        assert general.saves(vectors=1600, passages=8)
        assert not general.saves(vectors=1200, passages=6)


def test_info_tells_the_bits_that_vectors_have(tmp_path: Path, codec: Path) -> None:
    add(tmp_path / "i", 0, 60, codec)  # by the general codec of 2 bits, where the preset has 1
    assert codecs(tmp_path / "i")[1] == {1}
    assert info(tmp_path / "i")["codec"] == "2 bits"
