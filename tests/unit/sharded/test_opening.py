"""A folder of shards is an index to everything that opens one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sharded_indices import build_index

import xret
from xret.errors import (
    ConfigError,
    DuplicateIdError,
    IndexNotFoundError,
    ShardError,
    UnusableIndexError,
)
from xret.index.storage.catalog import Catalog
from xret.retriever.corpora.registry import open_corpus
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.sharding import ShardNumber
from xret.retriever.translation.named import SHIPPED_TABLE

QUESTION = "how do coral reefs protect the coast"


@pytest.fixture(scope="module")
def news(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`whole`, and `parts` of three indices of the same documents, words translated."""
    folder = tmp_path_factory.mktemp("news")
    documents = list(open_corpus("demo").documents(on_reject=print))[::5]
    encoder = load_encoder("xret-static")
    build_index(folder / "whole", documents, encoder, psq=SHIPPED_TABLE)
    for n in range(3):
        build_index(folder / f"part{n}", documents[n::3], encoder, psq=SHIPPED_TABLE)
    xret.join_shards(folder / "parts", [folder / f"part{n}" for n in range(3)])
    return folder


@pytest.mark.parametrize("mode", [None, "dense", "lexical"])
def test_a_question_has_the_answer_of_one_index(news: Path, mode: str | None) -> None:
    with xret.open(news / "whole") as whole, xret.open(news / "parts") as parts:
        for asked in ({}, {"doc_langs": ["sw", "fr"]}, {"offset": 7}, {"facets": ["lang"]}):
            for lang in ("en", "fr"):
                one = whole.answer(QUESTION, lang=lang, mode=mode, **asked)  # type: ignore[arg-type]
                other = parts.answer(QUESTION, lang=lang, mode=mode, **asked)  # type: ignore[arg-type]
                assert one.hits == other.hits
                assert one.hits
                assert one.total == other.total
                assert one.facets == other.facets
                assert not other.warnings


def test_rankings_for_an_evaluation_are_those_of_one_index(news: Path) -> None:
    queries = [xret.Query(str(n), f"{QUESTION} {n}", lang) for n, lang in enumerate(("en", "sw"))]
    with xret.open(news / "whole") as whole, xret.open(news / "parts") as parts:
        ready = whole.encoded(queries), parts.encoded(queries)
        assert whole.rank(ready[0], 20) == parts.rank(ready[1], 20)
        assert whole.rank(ready[0], 5, doc_langs=["fr"]) == parts.rank(
            ready[1], 5, doc_langs=["fr"]
        )


def test_explanations_and_single_documents_are_those_of_one_index(news: Path) -> None:
    with xret.open(news / "whole") as whole, xret.open(news / "parts") as parts:
        one, other = (index.search(QUESTION, lang="en", explain=True) for index in (whole, parts))
        assert one == other
        best = one[0].id
        explained = [index.explain(best, QUESTION, lang="en") for index in (whole, parts)]
        assert explained[0].stages == explained[1].stages


def test_upkeep_is_of_all_parts(news: Path, tmp_path: Path) -> None:
    folder = tmp_path / "news"
    shutil.copytree(news, folder)
    whole, parts = (xret.info(folder / name) for name in ("whole", "parts"))
    for name in ("documents", "languages", "vectors", "encoder", "fingerprint", "dim"):
        assert whole[name] == parts[name]
    assert xret.verify(folder / "parts") == []
    gone = [f"{topic}.en" for topic in ("tides", "nobody")]
    deleted = [xret.delete(folder / name, gone) for name in ("whole", "parts")]
    assert deleted[0] == deleted[1]
    with pytest.raises(ConfigError, match="compact each"):
        xret.compact(folder / "parts")
    with (
        xret.open(folder / "parts") as parts_now,
        pytest.raises(ConfigError, match="each by itself"),
    ):
        parts_now.add([])
    next((folder / "part1" / "segments").rglob("codes*")).unlink()
    assert any("part1" in fault for fault in xret.verify(folder / "parts"))


def test_a_part_that_is_gone_is_an_error_unless_answers_may_be_partial(
    news: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "news"
    shutil.copytree(news, folder)
    shutil.rmtree(folder / "part1")
    with pytest.raises(ShardError, match=r"shard \.\./part1 does not answer: no index at"):
        xret.open(folder / "parts")
    with xret.open(folder / "parts", partial=True) as some:
        answer = some.answer(QUESTION, lang="en")
        assert answer.warnings[0].startswith("the answer is partial: a shard of the index did not")
        assert answer.hits
        with pytest.raises(ShardError, match="partial"):
            some.rank([xret.Query("", QUESTION, "en")], 10)
    file = folder / "parts" / "shards.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"partial": True}))
    with xret.open(folder / "parts") as some:
        assert some.answer(QUESTION, lang="en").warnings
    held = xret.info(folder / "parts")
    assert 0 < held["documents"] < xret.info(news / "whole")["documents"]
    assert held["warnings"][0].startswith("this is partial: a shard of the index did not")
    with pytest.raises(ShardError):
        xret.open(folder / "parts", partial=False)


def test_parts_that_are_no_index_in_one_part_are_told(news: Path, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="several parts itself; name its parts in its place"):
        xret.join_shards(tmp_path / "nested", [news / "parts", news / "part0"])
    with pytest.raises(UnusableIndexError, match="several parts, which are written to one by one"):
        build_index(news / "parts", [], load_encoder("xret-static"))
    with pytest.raises(IndexNotFoundError, match="several parts; name one of them"):
        Catalog.open(news / "parts")
    half = tmp_path / "half"
    ShardNumber.parse("1/2").folder(half)
    shutil.copytree(news / "part0", half / "1-of-2")
    with pytest.raises(ShardError, match=r"it is not built yet; run .* with --shard 2/2"):
        xret.open(half)
    with xret.open(half, partial=True) as built:
        assert built.search(QUESTION, lang="en")


def test_a_document_in_two_parts_is_told(news: Path, tmp_path: Path) -> None:
    documents = list(open_corpus("demo").documents(on_reject=print))[:1]
    build_index(tmp_path / "again", documents, load_encoder("xret-static"), psq=SHIPPED_TABLE)
    with pytest.raises(DuplicateIdError, match=rf"{documents[0].doc_id}.* is in .*part0 and in"):
        xret.join_shards(tmp_path / "twice", [news / "part0", news / "part1", tmp_path / "again"])
    assert not (tmp_path / "twice").exists()


def test_parts_that_do_not_belong_together_are_refused(news: Path, tmp_path: Path) -> None:
    documents = list(open_corpus("demo").documents(on_reject=print))[:5]
    build_index(tmp_path / "plain", documents, load_encoder("xret-static"))
    parts = [news / "part0", tmp_path / "plain"]
    with pytest.raises(ShardError, match=r"words of shard .*plain were made otherwise"):
        xret.join_shards(tmp_path / "mixed", parts)
    with pytest.raises(ConfigError, match="named twice"):
        xret.join_shards(tmp_path / "mixed", [news / "part0", news / "part0"])
    with pytest.raises(ConfigError, match="is an index itself"):
        xret.join_shards(news / "part1", [news / "part0"])
    with pytest.raises(ConfigError, match="1 to 256 shards"):
        xret.join_shards(tmp_path / "mixed", [])
    with pytest.raises(IndexNotFoundError):
        xret.open(tmp_path / "mixed")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"parts": "a"}',
        '{"parts": []}',
        '{"parts": ["a"], "timeout_s": 0}',
        '{"x": 1}',
    ],
)
def test_a_file_of_shards_that_is_none_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "shards.json").write_text(content)
    with pytest.raises(UnusableIndexError, match=r"shards\.json"):
        xret.open(tmp_path)
