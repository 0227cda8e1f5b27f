"""Texts are packed in the catalog, read back as they were, and damage is found."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xret.errors import DamagedIndexError
from xret.index.storage import catalog as catalogs
from xret.index.storage.catalog import Catalog
from xret.index.storage.packed_text import packed_text, unpacked_text
from xret.index.storage.stored import SCHEMA, place
from xret.types import Document

LONG = "The reef was mapped by divers, and the law of tides was known to them. " * 30
TEXTS = ["", "short", LONG, "珊瑚礁" * 200, "no repeats: " + "".join(map(chr, range(300, 600)))]
DOCUMENTS = [Document(f"d{i}", text, "en", title="Reef") for i, text in enumerate(TEXTS)]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(1, 400))
def test_a_text_is_unpacked_as_it_was(text: str, times: int) -> None:
    stored = packed_text(text * times)
    assert unpacked_text(stored) == text * times
    assert len(stored) <= len((text * times).encode())


def test_long_texts_are_packed_and_short_ones_stay_text() -> None:
    assert packed_text("short " * 10) == "short " * 10
    assert len(packed_text(LONG)) < len(LONG) // 8


def test_a_changed_or_cut_blob_gives_no_other_text_than_it_says() -> None:
    blob = packed_text(LONG)
    assert isinstance(blob, bytes)
    for at in range(0, len(blob), 3):
        with pytest.raises(ValueError, match="packed text"):
            unpacked_text(blob[:at])
        changed = bytearray(blob)
        changed[at] ^= 0x10
        with suppress(ValueError):
            text = unpacked_text(bytes(changed))
            assert len(text.encode()) == int.from_bytes(changed[:4], "little")
    with pytest.raises(ValueError, match="another length"):
        unpacked_text((10).to_bytes(4, "little") + blob[4:])


def filled(folder: Path, segment: int, documents: list[Document]) -> Catalog:
    folder.mkdir(exist_ok=True)
    catalog = Catalog.open_or_create(folder, {"dim": "0", "preset": "balanced"})
    with catalog.transaction():
        catalog.documents.add(segment, enumerate(documents))
        catalog.count_commit()
    return catalog


def filled_before(folder: Path, documents: list[Document]) -> Catalog:
    """A catalog of format 2."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogs, "FORMAT", 2)
        patch.setattr(catalogs, "SCHEMA", SCHEMA.replace("text ANY", "text TEXT"))
        return filled(folder, 1, documents)


def packed(catalog: Catalog) -> int:
    with closing(sqlite3.connect(catalog.path)) as connection:
        ((count,),) = connection.execute("SELECT SUM(typeof(text) = 'blob') FROM texts")
    return int(count)


def test_documents_are_read_back_from_packed_rows(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "new", 1, DOCUMENTS)) as catalog:
        assert packed(catalog) == 3
        assert catalog.setting("format") == "3"
        assert catalog.documents.of([one.doc_id for one in DOCUMENTS]) == DOCUMENTS
        assert catalog.documents.page(9, "") == DOCUMENTS
        assert [*catalog.documents.damaged()] == []


def test_a_catalog_of_format_2_is_read_and_goes_on_without_packing(tmp_path: Path) -> None:
    filled_before(tmp_path / "old", DOCUMENTS).close()
    more = [Document("more", LONG, "en")]
    with closing(filled(tmp_path / "old", 2, more)) as catalog:
        assert packed(catalog) == 0
        assert catalog.setting("format") == "2"
        assert catalog.documents.of(["d2", "more"]) == [DOCUMENTS[2], *more]


def test_documents_go_from_one_format_to_the_other_and_back(tmp_path: Path) -> None:
    with (
        closing(filled(tmp_path / "new", 1, DOCUMENTS)) as new,
        closing(filled_before(tmp_path / "old", [Document("o", LONG, "en")])) as old,
    ):
        with new.transaction():
            assert new.documents.take(old.documents, 1, 2) == 1
        with old.transaction():
            old.documents.remove([place(1, 0)])
            assert old.documents.take(new.documents, 1, 3) == len(DOCUMENTS)
        assert (packed(new), packed(old)) == (4, 0)
        assert old.documents.of([one.doc_id for one in DOCUMENTS]) == DOCUMENTS
        assert new.documents.of(["o"]) == [Document("o", LONG, "en")]
        assert [*new.documents.damaged(), *old.documents.damaged()] == []


@pytest.mark.parametrize("change", ["substr(text, 1, 40)", "X'00'", "zeroblob(300)", "'plain'"])
def test_a_damaged_packed_text_is_named(tmp_path: Path, change: str) -> None:
    with closing(filled(tmp_path / "i", 1, DOCUMENTS)) as catalog:
        with closing(sqlite3.connect(catalog.path)) as connection:
            connection.execute(f"UPDATE texts SET text = {change} WHERE document = {place(1, 2)}")
            connection.commit()
        assert [*catalog.documents.damaged()] == ["d2"]
        with pytest.raises(DamagedIndexError, match="'d2' has changed"):
            catalog.documents.of(["d2"])


def test_a_first_commit_that_was_never_made_is_begun_again_in_the_newest_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogs, "FORMAT", 2)
    monkeypatch.setattr(catalogs, "SCHEMA", SCHEMA.replace("text ANY", "text TEXT"))
    Catalog.open_or_create(tmp_path, {"dim": "8", "preset": "exact"}).close()
    monkeypatch.undo()
    with closing(filled(tmp_path, 1, DOCUMENTS)) as catalog:
        assert (catalog.setting("format"), packed(catalog)) == ("3", 3)
