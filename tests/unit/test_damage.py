"""A damaged index is found, named and never served."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder

from xret.errors import DamagedIndexError, IndexNotFoundError, XretError
from xret.index.catalog import Catalog
from xret.index.files import checksum
from xret.index.reader import IndexReader, find_faults
from xret.index.segment import SegmentFile, quantize, read_segment, write_segment
from xret.index.writer import IndexWriter
from xret.retriever.searcher import Searcher
from xret.types import Document


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


def test_a_missing_and_a_swapped_file_are_found(index: Path) -> None:
    codes, _, scales = segment_files(index)
    kept = codes.read_bytes()
    codes.unlink()
    with pytest.raises(DamagedIndexError, match=r"codes\.i8 is missing"):
        IndexReader.open(index)
    shutil.copy(scales, codes)
    with pytest.raises(DamagedIndexError, match=r"codes\.i8"):
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
    for change in ("lang_confidence = 0.5", "lang_source = 'unknown'", "lang = 'fr'",
                   "position = 9", "title = 'x'", "meta = '{}x'", "date = '2001'"):  # fmt: skip
        with closing(sqlite3.connect(catalog)) as connection:
            connection.execute(f"UPDATE documents SET {change} WHERE doc_id = '1'")
            connection.commit()
        assert any("'1'" in fault for fault in find_faults(index)), change
        with closing(Catalog.open(index)) as opened:
            assert opened.documents(["0", "2"])
            with pytest.raises(DamagedIndexError, match="document '1' has changed"):
                opened.documents(["1"])
        catalog.write_bytes(sound)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE settings SET value = 'other' WHERE name = 'encoder_fingerprint'",
        "DELETE FROM settings WHERE name = 'encoder_fingerprint'",
        "UPDATE settings SET value = '31' WHERE name = 'dim'",
        "UPDATE settings SET value = 'many' WHERE name = 'commits'",
        "UPDATE segments SET file = 'codes.i9' WHERE file = 'codes.i8'",
        "UPDATE segments SET checksum = ''",
        "DELETE FROM segments WHERE file = 'offsets.i64'",
        "DELETE FROM segments",
        "INSERT INTO routes VALUES ('gl', 'pt', 'relative', '')",
        "DELETE FROM seal",
        "UPDATE seal SET checksum = ''",
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
    codes, scales = quantize(np.ones((6, 4), np.float32))
    files = write_segment(tmp_path / "1", codes, scales, np.array([0, 2, 5, 6]))
    read_segment(tmp_path / "1", 1, files, dim=4)
    path = tmp_path / "1" / "offsets.i64"
    path.write_bytes(offsets)
    sound = [file for file in files if file.name != path.name]
    named = SegmentFile(path.name, len(offsets), checksum(path))
    with pytest.raises(DamagedIndexError, match=r"belong together|whole number"):
        read_segment(tmp_path / "1", 1, [*sound, named], dim=4)


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
