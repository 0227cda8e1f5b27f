"""A corpus in shards: every document in one of them, resumed and searched as one index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import xret
from xret.errors import ConfigError, CorpusError, ShardError

TEXTS = [
    {"_id": f"d{n}", "text": f"river {n} flows to the {'sea' if n % 3 else 'lake'}", "lang": "en"}
    for n in range(40)
]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "docs.jsonl"
    path.write_text("\n".join(map(json.dumps, TEXTS)) + "\n", encoding="utf-8")
    return path


def test_shards_of_a_corpus_are_one_index(corpus: Path, tmp_path: Path) -> None:
    whole = xret.build(corpus, tmp_path / "whole")
    reports = [xret.build(corpus, tmp_path / "news", shard="1/3")]
    with pytest.raises(ShardError, match="shard 2-of-3 does not answer: no index at"):
        xret.open(tmp_path / "news")
    reports += [xret.build(corpus, tmp_path / "news", shard=f"{n}/3") for n in (2, 3)]
    assert sum(report.documents for report in reports) == whole.documents == 40
    assert min(report.documents for report in reports) > 3
    assert reports[1].folder == str(tmp_path / "news" / "2-of-3")
    with xret.open(tmp_path / "whole") as one, xret.open(tmp_path / "news") as shards:
        assert one.search("lake", lang="en") == shards.search("lake", lang="en")
    again = xret.build(corpus, tmp_path / "news", shard="2/3")
    assert (again.added, again.unchanged) == (0, reports[1].documents)


def test_a_shard_without_documents_is_an_index(tmp_path: Path) -> None:
    corpus = tmp_path / "few.jsonl"
    corpus.write_text(json.dumps(TEXTS[0]) + "\n")
    counts = [xret.build(corpus, tmp_path / "few", shard=f"{n}/3").documents for n in (1, 2, 3)]
    assert sorted(counts) == [0, 0, 1]
    with xret.open(tmp_path / "few") as shards:
        assert [hit.id for hit in shards.search("river", lang="en")] == ["d0"]
    corpus.write_text("")
    with pytest.raises(CorpusError):
        xret.build(corpus, tmp_path / "none", shard="1/3")


@pytest.mark.parametrize("shard", ["0/4", "5/4", "1", "1/0", "a/b", "1/4/2", "1/9999"])
def test_a_shard_that_is_none_is_told(corpus: Path, tmp_path: Path, shard: str) -> None:
    with pytest.raises(ConfigError, match="shard"):
        xret.build(corpus, tmp_path / "news", shard=shard)
    assert not (tmp_path / "news").exists()


def test_other_shards_and_whole_indices_are_not_mixed(corpus: Path, tmp_path: Path) -> None:
    xret.build(corpus, tmp_path / "news", shard="1/3")
    with pytest.raises(ConfigError, match="has the shards 1-of-3, 2-of-3, 3-of-3"):
        xret.build(corpus, tmp_path / "news", shard="1/4")
    xret.build(corpus, tmp_path / "whole")
    with pytest.raises(ConfigError, match="is an index in one part"):
        xret.build(corpus, tmp_path / "whole", shard="1/4")
