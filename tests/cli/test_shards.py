"""Shards on the command line: built one by one, searched as one, merged, one of them lost."""

import json
import shutil
from pathlib import Path

from command_line import Xret, write_corpus


def test_shards_are_built_searched_merged_and_missed(xret: Xret, tmp_path: Path) -> None:
    write_corpus(tmp_path / "docs.jsonl", n=30)
    for shard in ("1/2", "2/2"):
        done = xret("index", "--corpus", "docs.jsonl", "--output", "news", "--shard", shard)
        assert done.returncode == 0, done.stderr
    found = xret("search", "news", "river 7", "--lang", "en", "--json")
    assert found.returncode == 0, found.stderr
    merged = xret("merge", "one", "news")
    assert merged.returncode == 0, merged.stderr
    assert "30 documents" in merged.stdout
    assert len(json.loads(found.stdout)["hits"]) == 10
    joined = xret("shards", "both", "news/1-of-2", "news/2-of-2", "--partial")
    assert joined.returncode == 0, joined.stderr
    assert "30 documents in 2 shards" in joined.stdout
    shutil.rmtree(tmp_path / "news" / "2-of-2")
    lost = xret("search", "news", "river 7")
    assert lost.returncode == 2
    assert "shard 2-of-2 does not answer" in lost.stderr
    some = xret("search", "both", "river 7", "--json")
    assert some.returncode == 0, some.stderr
    assert json.loads(some.stdout)["warnings"][0].startswith("the answer is partial")
