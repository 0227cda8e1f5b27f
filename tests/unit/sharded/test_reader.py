"""An index in parts finds what one index finds: the same documents, the same scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from encoders import HashingEncoder, MeanEncoder
from indices import random_documents
from sharded_indices import N_SHARDS, build_index, make_parts

from xret.errors import ShardError, UnusableIndexError
from xret.index.search.commit import Found
from xret.index.search.filters import parse_filter
from xret.index.search.lexical_ranking import Words
from xret.index.search.reader import IndexReader
from xret.index.sharded import reader as sharded_reader
from xret.index.sharded.local_shard import LocalShard
from xret.index.sharded.reader import ShardedReader
from xret.retriever.encoder import Encoder
from xret.retriever.fusion import fuse_within
from xret.types import Document, Query, SearchParams, SearchRequest

TEXTS = ("sun moon", "tide reef bee", "gold vaccine", "law law jazz sleep", "river")


@pytest.fixture(scope="module", params=[HashingEncoder, MeanEncoder])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    made: Encoder = request.param()
    return made


@pytest.fixture(scope="module")
def folder(encoder: Encoder, hashed_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if type(encoder) is HashingEncoder:
        return hashed_parts
    return make_parts(tmp_path_factory.mktemp("parts"), encoder)


@pytest.fixture(scope="module")
def pair(folder: Path) -> Iterator[tuple[IndexReader, ShardedReader]]:
    """One index, and the same documents in four."""
    shards = [
        LocalShard(f"shard{n}", partial(IndexReader.open, folder / f"shard{n}"))
        for n in range(N_SHARDS)
    ]
    reader, sharded = IndexReader.open(folder / "whole"), ShardedReader(folder, shards)
    yield reader, sharded
    reader.close()
    sharded.close()


def answers(
    readers: Sequence[IndexReader],
    encoder: Encoder,
    *,
    request: SearchRequest,
    by: str = "dense",
    langs: Sequence[str] = ("en", "fr", "sw", "de", "fi"),
    calibrated: bool = False,
    filter: str | None = None,
) -> list[Found]:
    """What each reader answers; calibrated: of words, as of those that a table translated."""
    queries = [Query("", text, lang) for text, lang in zip(TEXTS, langs, strict=True)]
    words = None
    if by != "dense":
        terms = [text.split() for text in TEXTS]
        join = fuse_within if by == "hybrid" else None
        of_queries = [("en", "sw"), ("fr",), (), ("sw",), ("en",)] if join else ()
        words = Words(terms, join, of_queries, calibrated)
    return [
        reader.answer(
            request,
            None if by == "lexical" else encoder.encode_queries(queries),
            filter=None if filter is None else parse_filter(filter),
            words=words,
            query_langs=langs,
        )
        for reader in readers
    ]


def check_same(one: Found, other: Found) -> None:
    assert one.rankings == other.rankings  # bit for bit, scores too
    assert one.raw == other.raw
    assert one.spans == other.spans
    assert one.documents == other.documents
    assert one.matches == other.matches
    assert not other.missing


@pytest.mark.parametrize("calibrate", ["off", "z", "fixed"])
@pytest.mark.parametrize(
    ("by", "calibrated"),
    [
        ("dense", False),
        ("lexical", False),
        ("lexical", True),
        ("hybrid", False),
        ("hybrid", True),
    ],
)
def test_shards_find_what_one_index_finds(
    pair: tuple[IndexReader, ShardedReader],
    encoder: Encoder,
    calibrate: str,
    by: str,
    calibrated: bool,
) -> None:
    for k, offset, counted in ((10, 0, False), (7, 20, True)):
        request = SearchRequest(
            "",
            k=k,
            offset=offset,
            calibrate=calibrate,  # type: ignore[arg-type]
            facets=("lang",) if counted else (),
        )
        for wanted in (None, "lang:sw,fi", "lang:zu"):
            given = {"request": request, "by": by, "calibrated": calibrated, "filter": wanted}
            check_same(*answers(pair, encoder, **given))  # type: ignore[arg-type]


def test_one_query_is_answered_as_many_are(
    pair: tuple[IndexReader, ShardedReader], encoder: Encoder
) -> None:
    request = SearchRequest("", k=800, calibrate="z", params=SearchParams(exact=True, threads=1))
    whole, sharded = pair
    for lang in ("fi", "ja", "sw"):
        queries = encoder.encode_queries([Query("", "reef sun", lang)])
        found = [r.answer(request, queries, query_langs=[lang]) for r in (whole, sharded)]
        check_same(*found)


def test_a_shard_that_was_written_to_is_searched_as_it_is_now(tmp_path: Path) -> None:
    encoder = HashingEncoder()
    documents = random_documents(3, 40)
    for name, part in (("whole", documents), ("a", documents[:20]), ("b", documents[20:])):
        build_index(tmp_path / name, part, encoder)
    shards = [LocalShard(n, partial(IndexReader.open, tmp_path / n)) for n in ("a", "b")]
    whole, sharded = IndexReader.open(tmp_path / "whole"), ShardedReader(tmp_path, shards)
    request = SearchRequest("", calibrate="z")
    check_same(*answers((whole, sharded), encoder, request=request, by="hybrid"))
    new = [Document("new", "tide reef bee", "de")]
    for name in ("whole", "b"):
        build_index(tmp_path / name, new, encoder)
    found = answers((whole, sharded), encoder, request=request, by="hybrid")
    check_same(*found)
    assert "new" in {hit.doc_id for hit in found[1].rankings[1]}
    assert found[1].version == 3  # two commits and one
    for reader in (whole, sharded):
        reader.close()


def test_what_an_index_says_of_itself_is_said_of_all_shards(
    pair: tuple[IndexReader, ShardedReader],
) -> None:
    whole, sharded = pair
    assert sharded.languages() == whole.languages()
    assert sharded.doc_ids(parse_filter("lang:fi")) == whole.doc_ids(parse_filter("lang:fi"))
    assert sharded.metadata_fields() == whole.metadata_fields()
    page, after = [reader.document_page(25, after="d1") for reader in pair], "d1"
    assert page[0] == page[1]
    assert len(page[1]) == 25
    assert after < page[1][0].doc_id
    ids = [document.doc_id for document in page[0]]
    assert sharded.documents([*ids, "nobody"]) == whole.documents(ids)
    for name in ("documents", "deleted", "passages", "vectors", "languages"):
        assert getattr(sharded.info(), name) == getattr(whole.info(), name)


def test_a_document_in_two_shards_is_told(hashed_parts: Path) -> None:
    shards = [LocalShard(name, partial(IndexReader.open, hashed_parts / "shard1")) for name in "ab"]
    sharded = ShardedReader(hashed_parts, shards)
    queries = HashingEncoder().encode_queries([Query("", "reef", "en")])
    with pytest.raises(UnusableIndexError, match="is in two shards"):
        sharded.answer(SearchRequest(""), queries)
    sharded.close()


def lost(folder: Path) -> IndexReader:
    raise UnusableIndexError(f"{folder} is gone")


def test_a_shard_that_is_lost_is_an_error_or_a_partial_answer_that_says_so(
    hashed_parts: Path,
) -> None:
    def shards(names: str) -> list[LocalShard]:
        folders = {name: hashed_parts / f"shard{name}" for name in names}
        opened = [LocalShard(n, partial(IndexReader.open, own)) for n, own in folders.items()]
        return [*opened, LocalShard("far", partial(lost, hashed_parts))]

    queries = HashingEncoder().encode_queries([Query("", "reef sun", "en")])
    with pytest.raises(ShardError, match=r"shard far does not answer: .* is gone"):
        ShardedReader(hashed_parts, shards("123"))
    some = ShardedReader(hashed_parts, shards("123"), partial=True)
    rest = ShardedReader(hashed_parts, shards("123")[:-1])
    request = SearchRequest("", calibrate="z")
    found = some.answer(request, queries, query_langs=["en"])
    expected = rest.answer(request, queries, query_langs=["en"])
    assert found.rankings == expected.rankings
    assert found.missing == [f"far ({hashed_parts} is gone)"]
    assert not expected.missing
    for reader in (some, rest):
        reader.close()


class ReturningShard(LocalShard):
    """Down at first, then back, built by another encoder."""

    up = False

    def settings(self) -> dict[str, str]:
        if not self.up:
            raise ShardError("down")
        return LocalShard.settings(self) | {"encoder_fingerprint": "0", "encoder": "other"}


def test_a_shard_that_comes_back_by_another_encoder_is_left_out(
    hashed_parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharded_reader, "REST_S", 0.0)
    first = LocalShard("1", partial(IndexReader.open, hashed_parts / "shard1"))
    back, far = (
        kind(name, partial(opened, hashed_parts / "shard2"))
        for kind, name, opened in (
            (ReturningShard, "back", IndexReader.open),
            (LocalShard, "far", lost),
        )
    )
    sharded = ShardedReader(hashed_parts, [first, back, far], partial=True)
    back.up = True  # type: ignore[attr-defined]
    queries = HashingEncoder().encode_queries([Query("", "reef sun", "en")])
    found = sharded.answer(SearchRequest(""), queries)
    assert any("built by encoder other" in one for one in found.missing)
    assert sharded.settings == first.settings()
    sharded.close()
