"""`--mode lucene` as typed: what it needs, and where it is not offered."""

import importlib.util
from pathlib import Path

import pytest
from command_line import Xret

INSTALLED = all(importlib.util.find_spec(name) for name in ("pyserini", "jnius_config"))


@pytest.mark.skipif(INSTALLED, reason="the extra [lucene] is installed")
def test_missing_extra_is_told_before_anything_is_indexed(xret: Xret, tmp_path: Path) -> None:
    done = xret("eval", "demo", "--mode", "lexical", "--mode", "lucene")
    assert done.returncode != 0
    assert 'pip install "xret[lucene]"' in done.stderr
    assert "indexing" not in done.stderr
    assert not list(tmp_path.rglob("catalog*"))


def test_lucene_is_not_offered_to_a_search(xret: Xret) -> None:
    done = xret("search", "demo", "bees", "--mode", "lucene")
    assert done.returncode != 0
    assert "'lucene' is not one of 'dense', 'lexical', 'hybrid'" in done.stderr


def test_lucene_without_a_corpus_or_with_an_index_alone_is_refused(xret: Xret) -> None:
    done = xret("eval", "demo", "--index", "demo", "--mode", "lucene")
    assert done.returncode != 0
    assert "uses no index or encoder" in done.stderr
