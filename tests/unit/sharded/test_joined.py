"""Indices copied into one: the same answers, without encoding anything again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from encoders import HashingEncoder
from indices import random_documents
from sharded_indices import build_index

import xret
from xret.errors import (
    ConfigError,
    DamagedIndexError,
    DuplicateIdError,
    ShardError,
    UnusableIndexError,
)
from xret.index.coding import recoding
from xret.index.search.reader import IndexReader
from xret.index.sharded.opening import open_reader
from xret.index.sharded.shards_file import ShardsFile
from xret.index.writing.writer import IndexWriter
from xret.retriever.build import IndexBuild
from xret.types import Document, Hit, Query, SearchParams, finish


def rankings(reader: IndexReader, *, exact: bool = False) -> list[list[Hit]]:
    texts = ("sun moon", "tide reef bee", "law law jazz", "gold")
    queries = HashingEncoder().encode_queries([Query("", text, "en") for text in texts])
    params = SearchParams(exact=exact)
    return reader.search(queries, 40, calibrate="z", query_langs=["en"] * 4, params=params)


def test_a_merged_index_answers_as_its_parts_do(hashed_parts: Path, tmp_path: Path) -> None:
    parts = [hashed_parts / f"shard{n}" for n in range(4)]
    held = xret.merge(tmp_path / "one", parts)
    whole = IndexReader.open(hashed_parts / "whole")
    merged = IndexReader.open(tmp_path / "one")
    assert rankings(merged) == rankings(whole)
    assert (held.documents, held.deleted) == (whole.info().documents, whole.info().deleted)
    assert merged.document_page(1000) == whole.document_page(1000)
    assert xret.verify(tmp_path / "one") == []
    assert not (tmp_path / "one.joining").exists()
    expected = rankings(whole)
    for reader in (whole, merged):
        reader.close()
    xret.compact(tmp_path / "one")
    build_index(tmp_path / "one", [Document("new", "tide reef bee", "de")], HashingEncoder())
    with IndexWriter.open_existing(tmp_path / "one") as writer:
        assert writer.delete(["new"]) == 1
    again = IndexReader.open(tmp_path / "one")
    assert rankings(again) == expected
    again.close()


def test_parts_that_cannot_be_one_leave_nothing(hashed_parts: Path, tmp_path: Path) -> None:
    one = hashed_parts / "shard1"
    shutil.copytree(one, tmp_path / "copy")
    with pytest.raises(DuplicateIdError, match="is in two of the indices"):
        xret.merge(tmp_path / "out", [one, tmp_path / "copy"])
    with pytest.raises(ConfigError, match="name each of the indices to merge once"):
        xret.merge(tmp_path / "out", [one, one])
    with pytest.raises(ConfigError, match="is not empty"):
        xret.merge(tmp_path / "copy", [one])
    codes = next((tmp_path / "copy" / "segments").rglob("codes*"))
    codes.write_bytes(codes.read_bytes()[::-1])
    with pytest.raises(DamagedIndexError, match="codes"):
        xret.merge(tmp_path / "out", [tmp_path / "copy"])
    mine = tmp_path / "out.joining" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine", encoding="utf-8")
    with pytest.raises(UnusableIndexError, match="holds no index"):
        xret.merge(tmp_path / "out", [one])
    assert mine.read_text(encoding="utf-8") == "mine"
    shutil.rmtree(mine.parent)
    plain = tmp_path / "plain"
    finish(IndexBuild(random_documents(9, 3), plain, HashingEncoder(), lexical=False).run())
    with pytest.raises(ShardError, match="were made otherwise"):
        xret.merge(tmp_path / "out", [one, plain])
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("*.joining"))


@pytest.fixture
def small_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recoding, "CODEC_ROWS", 600)


@pytest.mark.usefixtures("small_codecs")
def test_shards_that_share_a_codec_have_the_scores_of_one_index_by_it(tmp_path: Path) -> None:
    documents, encoder = random_documents(4, 600), HashingEncoder()
    finish(IndexBuild(documents[:200], tmp_path / "first", encoder).run())
    parts = [documents[n::3] for n in range(3)]
    for name, own in (("whole", documents), *((f"part{n}", part) for n, part in enumerate(parts))):
        build = IndexBuild(own, tmp_path / name, encoder, codec_of=tmp_path / "first")
        finish(build.run())
        finish(build.run())  # again: what is there stays
    file = ShardsFile.of([f"part{n}" for n in range(3)])
    whole, shards = IndexReader.open(tmp_path / "whole"), open_reader(tmp_path, shards=file)
    assert whole.info().codecs == shards.info().codecs == (1,)
    assert rankings(shards, exact=True) == rankings(whole, exact=True)
    xret.merge(tmp_path / "one", [tmp_path / f"part{n}" for n in range(3)])
    one = IndexReader.open(tmp_path / "one")
    assert one.info().codecs == (1,)
    assert rankings(one, exact=True) == rankings(whole, exact=True)
    for reader in (whole, shards, one):
        reader.close()


@pytest.mark.usefixtures("small_codecs")
def test_a_codec_of_an_index_that_has_none_or_another_encoder_is_refused(tmp_path: Path) -> None:
    few, many = random_documents(4, 20), random_documents(4, 300)
    finish(IndexBuild(few, tmp_path / "few", HashingEncoder()).run())
    finish(IndexBuild(many, tmp_path / "many", HashingEncoder()).run())
    with pytest.raises(ConfigError, match="has no codec"):
        finish(IndexBuild(few, tmp_path / "a", HashingEncoder(), codec_of=tmp_path / "few").run())
    with pytest.raises(ConfigError, match="another encoder or preset"):
        finish(
            IndexBuild(
                few,
                tmp_path / "b",
                HashingEncoder(),
                preset="compact",
                codec_of=tmp_path / "many",
            ).run()
        )
    with pytest.raises(ConfigError, match="has vectors already"):
        finish(
            IndexBuild(few, tmp_path / "few", HashingEncoder(), codec_of=tmp_path / "many").run()
        )
