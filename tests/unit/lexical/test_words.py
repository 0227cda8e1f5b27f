"""Searching an index by words: with vectors, with words alone, and by both together."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import build
from encoders import HashingEncoder

from xret.errors import EncoderMismatchError, QueryError, UnusableIndexError
from xret.index.writing.compaction import Compaction
from xret.retriever import indexing
from xret.retriever.encoders.words_only import WordsOnly
from xret.retriever.lexical import analysis, words
from xret.retriever.lexical.words import langs_sharing_words
from xret.retriever.searcher import Searcher
from xret.retriever.translation.query_words import query_words
from xret.types import Document, Hit, Query

TEXTS = {
    "en": [
        "The river floods the valley",
        "Rivers and lakes",
        "A mountain and its valley",
        "Cats sleep all day",
        "The longest river of Africa is the Nile",
    ],
    "fr": ["La rivière inonde la vallée", "Oslo a une rivière", "Les chats dorment"],
    "zh": ["尼罗河是非洲最长的河流", "猫整天睡觉"],
}
DOCUMENTS = [
    Document(f"{lang}{i}", text, lang)
    for lang, texts in TEXTS.items()
    for i, text in enumerate(texts)
]
QUERIES = [
    Query("1", "longest rivers", "en"),
    Query("2", "Quelle rivière ?", "fr"),
    Query("3", "非洲的河", "zh"),
    Query("4", "zebra", "en"),
]


@pytest.fixture(params=["vectors and words", "words alone"])
def encoder(request: pytest.FixtureRequest) -> HashingEncoder | WordsOnly:
    return HashingEncoder() if request.param == "vectors and words" else WordsOnly()


def searcher(folder: Path, encoder: object) -> Searcher:
    from xret.index.search.reader import IndexReader

    return Searcher(folder.name, IndexReader.open(folder), encoder)  # type: ignore[arg-type]


def ranked(folder: Path, encoder: object, **options: object) -> list[list[Hit]]:
    opened = searcher(folder, encoder)
    try:
        return opened.rank(QUERIES, 10, **options)  # type: ignore[arg-type]
    finally:
        opened.close()


def test_words_find_by_stem_and_in_the_language_of_the_query(
    tmp_path: Path, encoder: object
) -> None:
    build(DOCUMENTS, tmp_path / "i", encoder)
    found = ranked(tmp_path / "i", encoder, mode="lexical")
    assert [hit.doc_id for hit in found[0]] == ["en4", "en1", "en0"]
    assert [hit.doc_id for hit in found[1]] == ["fr1", "fr0"]
    assert found[2][0].doc_id == "zh0"
    assert found[3] == []


def test_any_history_scores_as_an_index_built_at_once(tmp_path: Path, encoder: object) -> None:
    old = [
        Document(d.doc_id, f"an old text {i} about rivers", "en") for i, d in enumerate(DOCUMENTS)
    ]
    build(DOCUMENTS, tmp_path / "once", encoder)
    expected = ranked(tmp_path / "once", encoder, mode="lexical")

    folder = tmp_path / "i"
    build(old[:6], folder, encoder)
    opened = searcher(folder, encoder)
    for first in range(0, len(DOCUMENTS), 3):
        with opened.writer() as writer:
            writer.replace(DOCUMENTS[first : first + 3])
    with opened.writer() as writer:
        writer.add([Document("gone", "the longest river", "en")])
    with opened.writer() as writer:
        writer.delete(["gone"])
    assert opened.rank(QUERIES, 10, mode="lexical") == expected
    for _ in Compaction(folder).run():
        pass
    assert opened.rank(QUERIES, 10, mode="lexical") == expected
    opened.close()
    one = sorted((tmp_path / "once" / "segments").rglob("lexical_*"))
    other = sorted(folder.joinpath("segments").rglob("lexical_*"))
    assert [file.stat().st_size for file in one] == [file.stat().st_size for file in other]


def test_filters_leave_documents_out_and_keep_the_scores(tmp_path: Path, encoder: object) -> None:
    build(DOCUMENTS, tmp_path / "i", encoder)
    opened = searcher(tmp_path / "i", encoder)
    every = opened.answer("river Oslo", lang="en", mode="lexical").hits
    french = opened.answer("river Oslo", lang="en", mode="lexical", doc_langs=["fr"]).hits
    scores = {hit.id: hit.score for hit in every}
    assert len(scores) > 1
    assert [(hit.id, hit.score) for hit in french] == [("fr1", scores["fr1"])]
    assert opened.answer("river", lang="en", mode="lexical", k=1, offset=1).hits[0].rank == 2
    opened.close()


def test_hybrid_orders_the_query_s_language_and_moves_no_other(tmp_path: Path) -> None:
    encoder = HashingEncoder()
    build(DOCUMENTS, tmp_path / "i", encoder)
    dense, lexical, hybrid = (
        ranked(tmp_path / "i", encoder, mode=mode) for mode in ("dense", "lexical", "hybrid")
    )
    assert [hit.doc_id for hit in hybrid[0]][:1] == [lexical[0][0].doc_id]
    for query, before, after in zip(QUERIES, dense, hybrid, strict=True):
        assert [h.doc_id[:2] for h in before] == [h.doc_id[:2] for h in after]
        assert {h.doc_id for h in before} == {h.doc_id for h in after}
        others = [h for h in before if not h.doc_id.startswith(query.lang)]
        assert others == [h for h in after if not h.doc_id.startswith(query.lang)]
    assert hybrid[3] == dense[3]


def test_hybrid_pages_are_parts_of_one_ranking(tmp_path: Path) -> None:
    encoder = HashingEncoder()
    build(DOCUMENTS, tmp_path / "i", encoder)
    opened = searcher(tmp_path / "i", encoder)
    whole = [hit.id for hit in opened.answer("river valley", lang="en", mode="hybrid").hits]
    parts = [
        opened.answer("river valley", lang="en", mode="hybrid", k=2, offset=offset).hits
        for offset in range(0, len(whole), 2)
    ]
    assert [hit.id for hits in parts for hit in hits] == whole
    opened.close()


class Splitting(HashingEncoder):
    """Cuts every document in two."""

    def passages(self, document: Document) -> list[tuple[int, int]]:
        return [(0, 7), (7, len(document.text))]


def test_hybrid_says_the_best_passage_of_dense_hits(tmp_path: Path) -> None:
    build(DOCUMENTS, tmp_path / "i", Splitting())
    opened = searcher(tmp_path / "i", Splitting())
    query = Query("q", "sleep all day", "en")
    found = opened.reader.find(
        opened.encoder.encode_queries([query]),
        1,
        words=query_words([query], "hybrid", opened.reader.settings, share=0.3),
    )
    assert [hit.doc_id for hit in found.rankings[0]] == ["en3"]
    assert found.spans == [[(7, len("Cats sleep all day"))]]
    opened.close()


def test_mode_that_the_index_cannot_serve_is_told(tmp_path: Path) -> None:
    build(DOCUMENTS, tmp_path / "vectors", HashingEncoder(), lexical=False)
    opened = searcher(tmp_path / "vectors", HashingEncoder())
    for mode in ("lexical", "hybrid"):
        with pytest.raises(QueryError, match="--mode dense"):
            opened.rank(QUERIES, 10, mode=mode)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="no search mode is called 'fast'"):
        opened.rank(QUERIES, 10, mode="fast")  # type: ignore[arg-type]
    opened.close()
    build(DOCUMENTS, tmp_path / "words", WordsOnly())
    opened = searcher(tmp_path / "words", WordsOnly())
    assert opened.rank(QUERIES, 10) == opened.rank(QUERIES, 10, mode="lexical")
    for mode in ("dense", "hybrid"):
        with pytest.raises(QueryError, match="--mode lexical"):
            opened.rank(QUERIES, 10, mode=mode)  # type: ignore[arg-type]
    opened.close()


def test_words_of_another_analysis_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(DOCUMENTS[:5], tmp_path / "i", HashingEncoder())
    build(DOCUMENTS[:5], tmp_path / "words", WordsOnly())
    for module in (analysis, indexing, words):
        monkeypatch.setattr(module, "analysis_version", lambda: "2")
    with pytest.raises(UnusableIndexError, match="build a new index"):
        build(DOCUMENTS[5:], tmp_path / "i", HashingEncoder())
    opened = searcher(tmp_path / "i", HashingEncoder())
    assert opened.rank(QUERIES, 10, mode="dense")[0]
    with pytest.raises(UnusableIndexError, match="text analysis"):
        opened.rank(QUERIES, 10, mode="lexical")
    opened.close()
    monkeypatch.setattr("xret.retriever.encoders.words_only.analysis_version", lambda: "2")
    with pytest.raises(EncoderMismatchError):
        build(DOCUMENTS[5:], tmp_path / "words", WordsOnly())


def test_words_alone_need_no_model_and_open_by_name(tmp_path: Path) -> None:
    build(DOCUMENTS, tmp_path / "i", WordsOnly())
    opened = Searcher.open(tmp_path / "i")
    assert opened.search("rivers", lang="en", k=1)[0].id in ("en0", "en1")
    opened.close()


def test_codes_of_one_written_language_go_together() -> None:
    assert {"zh", "zh-Hant", "yue"} <= set(langs_sharing_words("zh-Hant"))
    assert {"sr-Latn", "hr"} <= set(langs_sharing_words("sr"))
    assert "de" not in langs_sharing_words("en")
