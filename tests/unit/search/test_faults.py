"""A damaged index is found, named and never served."""

import dataclasses
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder

from xret.errors import DamagedIndexError, IndexNotFoundError, XretError
from xret.index.search.faults import find_faults
from xret.index.search.reader import IndexReader
from xret.index.storage.catalog import Catalog
from xret.index.storage.files import StoredFile, checksum
from xret.index.storage.segment import quantize, read_segment, write_segment
from xret.index.storage.stored import SegmentRecord
from xret.index.writing.writer import IndexWriter
from xret.retriever.searcher import Searcher
from xret.types import Document, Query


@pytest.fixture
def index(tmp_path: Path, encoder: HashingEncoder) -> Path:
    texts = ["gold river", "moon tide law", "bee"]
    build([Document(str(i), t, "en") for i, t in enumerate(texts)], tmp_path / "i", encoder)
    return tmp_path / "i"


def segment_files(index: Path) -> list[Path]:
    return sorted((index / "segments" / "000001").iterdir())


def test_every_flipped_byte_of_a_segment_is_found_and_its_file_named(index: Path) -> None:
    for path in segment_files(index):
        sound = path.read_bytes()
        for position in range(len(sound)):
            path.write_bytes(
                sound[:position] + bytes([sound[position] ^ 0x10]) + sound[position + 1 :]
            )
            with pytest.raises(DamagedIndexError, match=path.name):
                IndexReader.open(index)
        path.write_bytes(sound)
    IndexReader.open(index).close()


def test_every_truncation_of_a_segment_is_found(index: Path) -> None:
    for path in segment_files(index):
        sound = path.read_bytes()
        for length in range(len(sound)):
            path.write_bytes(sound[:length])
            assert any(path.name in fault for fault in find_faults(index))
        path.write_bytes(sound)
    assert find_faults(index) == []


@pytest.fixture
def coded(tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index with a trained codec and passages."""
    monkeypatch.setattr("xret.index.coding.recoding.CODEC_ROWS", 40)
    folder = tmp_path / "coded"
    words = ["gold river", "moon tide law", "bee reef sun", "sleep jazz"]
    corpus = [Document(str(i), words[i % 4] + f" {i}", "en") for i in range(20)]
    spans = [[(0, 3), (3, len(one.text))] for one in corpus]
    pieces = [
        dataclasses.replace(one, text=one.text[start:end])
        for one, of_one in zip(corpus, spans, strict=True)
        for start, end in of_one
    ]
    with IndexWriter.open(folder, encoder.spec, preset="compact") as writer:
        writer.add(corpus, encoder.encode_documents(pieces), spans=spans)
    return folder


def test_every_file_of_a_coded_index_is_watched(coded: Path) -> None:
    files = sorted(path for path in coded.glob("*/*/*") if path.is_file())
    assert {"codec.safetensors", "centroids.u16", "documents.i64", "spans.i32"} <= {
        path.name for path in files
    }
    for path in files:
        sound = path.read_bytes()
        step = max(1, len(sound) // 60)
        for position in range(0, len(sound), step):
            flipped = bytes([sound[position] ^ 0x10])
            path.write_bytes(sound[:position] + flipped + sound[position + 1 :])
            with pytest.raises(DamagedIndexError, match=path.name):
                IndexReader.open(coded)
            path.write_bytes(sound[:position])
            with pytest.raises(DamagedIndexError, match=path.name):
                IndexReader.open(coded)
            assert any(path.name in fault for fault in find_faults(coded))
        path.unlink()
        with pytest.raises(DamagedIndexError, match=path.name):
            IndexReader.open(coded)
        path.write_bytes(sound)
    assert find_faults(coded) == []


def test_a_large_index_opens_at_once_and_refuses_when_damage_is_found(
    coded: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.search.opening.EAGER_BYTES", 0)
    query = encoder.encode_queries([Query("q", "gold")])
    with closing(IndexReader.open(coded)) as reader:
        reader._files.wait()
        assert reader.search(query, 3)[0]
    path = coded / "segments" / "000001-000001" / "codes.u8"
    sound = path.read_bytes()
    path.write_bytes(bytes([sound[0] ^ 1]) + sound[1:])
    with closing(IndexReader.open(coded)) as reader:
        reader._files.wait()
        with pytest.raises(DamagedIndexError, match=r"codes\.u8 has changed"):
            reader.search(query, 3)
    path.write_bytes(sound[:-1])
    with pytest.raises(DamagedIndexError, match=r"codes\.u8 has"):
        IndexReader.open(coded)


def test_a_missing_and_a_swapped_file_are_found(index: Path) -> None:
    folder = index / "segments" / "000001"
    codes, scales = folder / "codes.u8", folder / "scales.bf16"
    kept = codes.read_bytes()
    codes.unlink()
    with pytest.raises(DamagedIndexError, match=r"codes\.u8 is missing"):
        IndexReader.open(index)
    shutil.copy(scales, codes)
    with pytest.raises(DamagedIndexError, match=r"codes\.u8"):
        IndexReader.open(index)
    codes.write_bytes(kept)
    IndexReader.open(index).close()


@pytest.mark.parametrize(
    "content", [b"", b"no database at all" * 300, b"SQLite format 3\0" + b"x" * 4080]
)
def test_a_catalog_that_is_none_is_said_to_be_damaged(index: Path, content: bytes) -> None:
    (index / "catalog.sqlite").write_bytes(content)
    with pytest.raises(DamagedIndexError, match=r"catalog\.sqlite"):
        IndexReader.open(index)
    assert find_faults(index)


def test_a_changed_document_text_is_found(index: Path) -> None:
    catalog = index / "catalog.sqlite"
    catalog.write_bytes(catalog.read_bytes().replace(b"moon tide law", b"moon tide raw"))
    assert any("'1'" in fault for fault in find_faults(index))


def test_a_changed_language_confidence_or_place_is_found_and_not_served(index: Path) -> None:
    catalog = index / "catalog.sqlite"
    sound = catalog.read_bytes()
    for change in (
        "documents SET lang_confidence = 0.5",
        "documents SET lang_source = 2",
        "documents SET lang = 'fr'",
        "documents SET meta = '{}x'",
        "documents SET date = '2001'",
        "documents SET moment = 7",
        "documents SET hash = x'00'",
        "documents SET document = document + 9",
        "texts SET title = 'x'",
        "texts SET url = 'x'",
        "texts SET document = document + 9",
    ):
        with closing(sqlite3.connect(catalog)) as connection:
            where = "(SELECT document FROM documents WHERE doc_id = '1')"
            connection.execute(f"UPDATE {change} WHERE document = {where}")
            connection.commit()
        assert any("'1'" in fault for fault in find_faults(index)), change
        with closing(Catalog.open(index)) as opened:
            assert opened.documents.of(["0", "2"])
            with pytest.raises(DamagedIndexError, match="document '1' has changed"):
                opened.documents.of(["1"])
        catalog.write_bytes(sound)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE settings SET value = 'other' WHERE name = 'encoder_fingerprint'",
        "DELETE FROM settings WHERE name = 'encoder_fingerprint'",
        "UPDATE settings SET value = '31' WHERE name = 'dim'",
        "UPDATE settings SET value = 'many' WHERE name = 'commits'",
        "UPDATE settings SET value = 'exact' WHERE name = 'preset'",
        "UPDATE files SET file = 'codes.u9' WHERE file = 'codes.u8'",
        "UPDATE files SET checksum = x''",
        "DELETE FROM files WHERE file = 'offsets.i64'",
        "UPDATE segments SET deleted = x'80'",
        "UPDATE segments SET codec = 1",
        "UPDATE segments SET vectors = 3",
        "INSERT INTO codecs VALUES (1, 9)",
        "DELETE FROM segments",
        "INSERT INTO routes VALUES ('gl', 'pt', 'relative', '')",
        "DELETE FROM seal",
        "UPDATE seal SET checksum = x''",
    ],
)
def test_changed_settings_segments_and_routes_are_found_at_open(index: Path, change: str) -> None:
    with closing(sqlite3.connect(index / "catalog.sqlite")) as connection:
        connection.execute(change)
        connection.commit()
    with pytest.raises(DamagedIndexError, match=r"catalog\.sqlite"):
        IndexReader.open(index)
    with pytest.raises(DamagedIndexError, match=r"catalog\.sqlite"):
        IndexWriter.open(index, HashingEncoder().spec)
    assert any("catalog.sqlite" in fault for fault in find_faults(index))


@pytest.mark.parametrize(
    "offsets", [b"", b"\0" * 4, b"\0" * 8, np.array([0, 5, 2, 6], "<i8").tobytes()]
)
def test_arrays_that_do_not_belong_together_are_damage(tmp_path: Path, offsets: bytes) -> None:
    record = SegmentRecord(1, 0, 3, 3, 6)
    (tmp_path / "segments").mkdir()
    arrays = {"offsets": np.array([0, 2, 5, 6])}
    files = write_segment(tmp_path, record, quantize(np.ones((6, 4), np.float32)), arrays)
    read_segment(tmp_path, record, files, code_bytes=4)
    path = tmp_path / record.folder / "offsets.i64"
    path.write_bytes(offsets)
    sound = [file for file in files if file.name != path.name]
    named = StoredFile(path.name, len(offsets), checksum(path))
    with pytest.raises(DamagedIndexError, match=r"belong together|whole number"):
        read_segment(tmp_path, record, [*sound, named], code_bytes=4)


def answered(index: Path) -> object:
    """Everything that a search and a look into the index show."""
    with closing(Searcher("i", IndexReader.open(index), HashingEncoder())) as searcher:
        hits = searcher.search("gold tide", lang="en", k=9)
        filtered = searcher.search("gold tide", lang="en", k=9, doc_langs=["en"])
        return hits, filtered, searcher.reader.info()


@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_a_flipped_byte_of_the_catalog_is_an_error_or_found_or_changes_nothing(
    index: Path, mask: int
) -> None:
    catalog = index / "catalog.sqlite"
    sound, right = catalog.read_bytes(), answered(index)
    written = [position for position, byte in enumerate(sound) if byte]
    unseen = []
    for position in written:
        flipped = bytes([sound[position] ^ mask])
        catalog.write_bytes(sound[:position] + flipped + sound[position + 1 :])
        try:
            same = answered(index) == right
        except XretError:
            same = False
        if not find_faults(index) and not same:
            unseen.append(position)
        for leftover in index.glob("catalog.sqlite-*"):
            leftover.unlink()
    assert unseen == []
    catalog.write_bytes(sound)
    assert find_faults(index) == []


def test_no_index_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="no index"):
        IndexReader.open(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(IndexNotFoundError, match="holds no index"):
        IndexReader.open(tmp_path / "empty")
