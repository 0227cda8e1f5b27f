"""A damaged index is found, named and never served."""

import shutil
from pathlib import Path

import pytest
from conftest import build
from encoders import HashingEncoder

from xret.errors import DamagedIndexError, IndexNotFoundError, XretError
from xret.index.reader import IndexReader, find_faults
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


def test_no_flipped_byte_of_the_catalog_brings_a_foreign_error(index: Path) -> None:
    catalog = index / "catalog.sqlite"
    sound = catalog.read_bytes()
    for position in range(0, len(sound), 37):
        catalog.write_bytes(
            sound[:position] + bytes([sound[position] ^ 0xFF]) + sound[position + 1 :]
        )
        try:
            reader = IndexReader.open(index)
            reader.documents(["0", "1", "2"])
            reader.close()
        except XretError:
            pass
        find_faults(index)
    catalog.write_bytes(sound)
    assert find_faults(index) == []


def test_no_index_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="no index"):
        IndexReader.open(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(IndexNotFoundError, match="holds no index"):
        IndexReader.open(tmp_path / "empty")
