"""Builds: languages, duplicates, adding to an index, and going on after a break."""

import dataclasses
import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import build
from encoders import HashingEncoder

from xret.errors import (
    CorpusError,
    DuplicateIdError,
    EncoderMismatchError,
    IndexLockedError,
    UnusableIndexError,
)
from xret.index.reader import IndexReader, find_faults
from xret.index.writer import IndexWriter
from xret.retriever.build import IndexBuild
from xret.types import Document, EncoderSpec


def documents(n: int) -> list[Document]:
    return [Document(f"d{i}", f"word{i} word{i % 7} river", "en") for i in range(n)]


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "write.lock"
    }


class OtherEncoder(HashingEncoder):
    """The same name and dimension, other content."""

    @property
    def spec(self) -> EncoderSpec:
        return dataclasses.replace(super().spec, fingerprint="other")


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


def until(documents: list[Document], n: int) -> Iterator[Document]:
    yield from documents[:n]
    raise Killed


@pytest.mark.parametrize("cut", [0, 1, 255, 256, 700, 999])
def test_an_interrupted_build_ends_byte_for_byte_like_an_unbroken_one(
    cut: int, tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.writer.SEGMENT_ROWS", 300)
    build(documents(1000), tmp_path / "whole", encoder)
    broken = IndexBuild(until(documents(1000), cut), tmp_path / "broken", encoder)
    with pytest.raises(Killed):
        list(broken.run())
    again = build(documents(1000), tmp_path / "broken", encoder)
    assert again.summary.added + again.summary.unchanged == 1000
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "whole")


def test_a_second_run_finds_nothing_to_do(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(documents(30), tmp_path / "i", encoder)
    before = files_of(tmp_path / "i")
    again = build(documents(30), tmp_path / "i", encoder)
    assert (again.summary.added, again.summary.unchanged) == (0, 30)
    assert files_of(tmp_path / "i") == before


def test_new_documents_are_added_to_an_index(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(documents(10), tmp_path / "i", encoder)
    more = build(documents(15), tmp_path / "i", encoder)
    assert (more.summary.added, more.summary.unchanged) == (5, 10)


def test_stopping_commits_what_was_read(tmp_path: Path, encoder: HashingEncoder) -> None:
    stopped = IndexBuild(documents(1000), tmp_path / "i", encoder)
    for _ in stopped.run():
        stopped.stop()
    reader = IndexReader.open(tmp_path / "i")
    assert reader.info().documents == stopped.summary.added == 256
    reader.close()


@pytest.mark.parametrize("second", ["word1", "other text"])
def test_an_id_met_twice_is_an_error(second: str, tmp_path: Path, encoder: HashingEncoder) -> None:
    twice = [Document("a", "word1", "en"), Document("a", second, "en")]
    with pytest.raises(DuplicateIdError, match="'a' appears twice"):
        build(twice, tmp_path / "i", encoder)


def test_an_id_met_twice_far_apart_is_an_error(tmp_path: Path, encoder: HashingEncoder) -> None:
    with pytest.raises(DuplicateIdError, match="'d3' appears twice"):
        build([*documents(600), documents(600)[3]], tmp_path / "i", encoder)


def test_changed_content_is_an_error_unless_told(tmp_path: Path, encoder: HashingEncoder) -> None:
    build([Document("a", "old", "en")], tmp_path / "i", encoder)
    changed = [Document("a", "new", "en")]
    with pytest.raises(DuplicateIdError, match=r"other content.*--duplicates"):
        build(changed, tmp_path / "i", encoder)
    assert build(changed, tmp_path / "i", encoder, duplicates="skip").summary.skipped == 1
    assert build(changed, tmp_path / "i", encoder, duplicates="replace").summary.replaced == 1
    reader = IndexReader.open(tmp_path / "i")
    assert [d.text for d in reader.documents(["a"])] == ["new"]
    reader.close()


def test_the_last_of_several_replacements_stays(tmp_path: Path, encoder: HashingEncoder) -> None:
    texts = ["one", "two", "three"]
    build([Document("a", t, "en") for t in texts], tmp_path / "i", encoder, duplicates="replace")
    reader = IndexReader.open(tmp_path / "i")
    assert reader.info().documents == 1
    assert [d.text for d in reader.documents(["a"])] == ["three"]
    reader.close()
    assert find_faults(tmp_path / "i") == []


def test_a_missing_language_is_identified_and_said_so(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    texts = {"given": "La marée monte.", "guessed": "Die Flut steigt zweimal am Tag.", "none": "42"}
    made = [Document("given", texts["given"], "fr")]
    made += [Document(name, texts[name], lang_source="unknown") for name in ("guessed", "none")]
    build(made, tmp_path / "i", encoder)
    reader = IndexReader.open(tmp_path / "i")
    found = {d.doc_id: (d.lang, d.lang_source) for d in reader.documents(list(texts))}
    reader.close()
    assert found == {
        "given": ("fr", "given"),
        "guessed": ("de", "identified"),
        "none": ("und", "unknown"),
    }


@pytest.mark.parametrize("document", [Document("", "x"), Document("a", "x\ud800")])
def test_a_document_that_cannot_be_stored_is_refused(
    document: Document, tmp_path: Path, encoder: HashingEncoder
) -> None:
    with pytest.raises(CorpusError, match=r"empty id|lone surrogate"):
        build([document], tmp_path / "i", encoder)


def test_metadata_of_any_type_is_kept(tmp_path: Path, encoder: HashingEncoder) -> None:
    meta = {"when": datetime.date(2020, 1, 2), "odd": "\ud800", "n": [1, {"a": None}]}
    build([Document("a", "gold", "en", meta=meta)], tmp_path / "i", encoder)
    reader = IndexReader.open(tmp_path / "i")
    assert reader.documents(["a"])[0].meta == {**meta, "when": "2020-01-02"}
    reader.close()
    assert find_faults(tmp_path / "i") == []


def test_two_writers_are_refused(tmp_path: Path, encoder: HashingEncoder) -> None:
    with (
        IndexWriter.open(tmp_path / "i", encoder.spec),
        pytest.raises(IndexLockedError, match="another process"),
    ):
        build(documents(1), tmp_path / "i", encoder)


def test_another_encoder_is_refused_by_content(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(documents(3), tmp_path / "i", encoder)
    with pytest.raises(EncoderMismatchError, match="built by encoder"):
        build(documents(3), tmp_path / "i", OtherEncoder())


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, encoder: HashingEncoder) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(UnusableIndexError, match="not empty"):
        build(documents(1), tmp_path, encoder)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_segments_that_no_commit_names_are_swept(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(documents(3), tmp_path / "i", encoder)
    (tmp_path / "i" / "segments" / "000002").mkdir()
    (tmp_path / "i" / "segments" / "000002" / "codes.i8").write_bytes(b"torn")
    build(documents(5), tmp_path / "i", encoder)
    assert find_faults(tmp_path / "i") == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.0])
def test_a_vector_that_is_zero_or_not_finite_is_refused(
    bad: float, tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = HashingEncoder.encode_documents

    def spoiled(self: HashingEncoder, given: list[Document]) -> object:
        embeddings = real(self, given)
        embeddings.values[0] = bad
        return embeddings

    monkeypatch.setattr(HashingEncoder, "encode_documents", spoiled)
    with pytest.raises(ValueError, match="zero or not finite"):
        build(documents(2), tmp_path / "i", encoder)
