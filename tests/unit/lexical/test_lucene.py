"""Lucene through Anserini's jar, where the extra is installed; the refusals everywhere."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from xret.errors import (
    ConfigError,
    CorpusError,
    IndexNotFoundError,
    MissingLibraryError,
    QueryError,
    UnusableIndexError,
)
from xret.index.words.bm25 import Bm25
from xret.index.words.lexical import LexicalSegment, segment_arrays
from xret.retriever.lexical import lucene
from xret.retriever.lexical.analysis import analyse
from xret.retriever.lexical.lucene import LuceneIndex
from xret.types import Document, Query

INSTALLED = all(importlib.util.find_spec(name) for name in ("pyserini", "jnius_config"))
needs_lucene = pytest.mark.skipif(not INSTALLED, reason="the extra [lucene] is not installed")

TEXTS = [
    "the quick brown fox",
    "lazy dogs sleep",
    "foxes are quick and quick",
    "",
    "a dog and a fox",
]


def _documents(texts: list[str], lang: str = "en") -> list[Document]:
    return [Document(f"d{i}", text, lang) for i, text in enumerate(texts)]


def test_missing_extra_is_told_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lucene._machine.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingLibraryError, match=r'pip install "xret\[lucene\]"'):
        LuceneIndex.build(_documents(TEXTS), tmp_path / "index", lang="en")
    assert not (tmp_path / "index").exists()


def test_language_without_an_analyzer_names_those_that_have_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="analysis='xret'"):
        LuceneIndex.build(_documents(TEXTS), tmp_path / "index", lang="sw")


def test_folder_without_an_index_is_told(tmp_path: Path) -> None:
    (tmp_path / "xret.json").write_text('{"lang": 1}')
    with pytest.raises(IndexNotFoundError):
        LuceneIndex.open(tmp_path)


@needs_lucene
def test_lucene_stems_and_ranks_and_is_silent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    index = LuceneIndex.build(_documents(TEXTS), tmp_path / "index", lang="en")
    assert {hit.doc_id for hit in index.search("Foxes")} == {"d0", "d2", "d4"}
    assert [hit.doc_id for hit in index.search("quick")] == ["d2", "d0"]
    assert len(index.search("dog fox", 2)) == 2
    assert index.search('???(:"~^ ') == index.search("zebra") == []
    again = LuceneIndex.open(tmp_path / "index")
    assert again.rank([Query("q", "quick dogs", "en")], 3) == [index.search("quick dogs", 3)]
    assert "".join(capfd.readouterr()) == ""


@needs_lucene
def test_with_our_terms_the_scores_are_ours_for_short_documents(tmp_path: Path) -> None:
    texts = ["猫在北京", "北京大学", "大学 Python", "一只猫 猫", "狗"]
    index = LuceneIndex.build(
        _documents(texts, "zh"), tmp_path / "index", lang="zh", analysis="xret"
    )
    arrays = segment_arrays([analyse(text, "zh") for text in texts])
    bm25 = Bm25([LexicalSegment.from_arrays(arrays, len(texts))], [None])
    for query in ("猫", "北京大學", "python 猫"):
        scores = bm25.scores(analyse(query, "zh"))
        found = {hit.doc_id: hit.score for hit in index.search(query)}
        expected = {f"d{i}": s for i, s in enumerate(scores.tolist()) if s > 0}
        assert found == pytest.approx(expected, abs=2e-4)  # Anserini rounds for its ties


@needs_lucene
def test_what_cannot_be_built_or_asked_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="comes twice"):
        LuceneIndex.build([Document("d", "x"), Document("d", "y")], tmp_path / "a", lang="en")
    with pytest.raises(CorpusError, match="no document"):
        LuceneIndex.build([Document("d", " ")], tmp_path / "b", lang="en")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "file").touch()
    with pytest.raises(UnusableIndexError, match="not an empty folder"):
        LuceneIndex.build(_documents(TEXTS), tmp_path / "c", lang="en")
    index = LuceneIndex.build(_documents(TEXTS), tmp_path / "d", lang="sw", analysis="xret")
    with pytest.raises(QueryError):
        index.search("fox", 0)
    settings = tmp_path / "d" / "xret.json"
    settings.write_text(settings.read_text().replace("snowball", "other"))
    with pytest.raises(UnusableIndexError, match="another text analysis"):
        LuceneIndex.open(tmp_path / "d")
