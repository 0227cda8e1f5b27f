"""Texts in a script that the encoder's vocabulary cannot write, indexed and asked."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_encoders import tiny_bi_encoder

from xret.index.coding import recoding
from xret.index.search.faults import find_faults
from xret.retriever.build import IndexBuild
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.types import Document, Query

AMHARIC = "\u12e8\u12a2\u1275\u12ee\u1335\u12eb \u1218\u1295\u130d\u1235\u1275"
DOCUMENTS = [
    Document("am", AMHARIC, "am"),
    Document("en", "the reefs are warming", "en"),
    Document("sw", "samaki wanaondoka", "sw"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bi_encoder(tmp_path_factory.mktemp("unread") / "model")


def built(model: Path, folder: Path, *, lexical: bool) -> IndexBuild:
    build = IndexBuild(DOCUMENTS, folder, load_encoder(str(model)), lexical=lexical)
    list(build.run())
    return build


@pytest.fixture
def searcher(model: Path, tmp_path: Path) -> Iterator[Searcher]:
    built(model, tmp_path / "i", lexical=True)
    with Searcher.open(tmp_path / "i") as searcher:
        yield searcher


NUSHU = "\U0001b170\U0001b171 \U0001b172"
"""Of a script that no vocabulary here has."""


def nushu_documents(n: int = 0) -> list[Document]:
    """One text that no encoder reads, one of two passages of which one is read, others."""
    long = " ".join(["the reefs are warming"] * 300) + " " + NUSHU
    more = [Document(f"d{i}", f"coral number {i} of the sea", "en") for i in range(n)]
    return [Document("nu", NUSHU, "und"), Document("long", long, "en"), *DOCUMENTS[1:], *more]


@pytest.fixture(scope="module", params=["xret-static", "transformer"])
def nushu_index(
    request: pytest.FixtureRequest, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    name = "xret-static" if request.param == "xret-static" else str(model)
    folder = tmp_path_factory.mktemp("nushu") / "i"
    list(IndexBuild(nushu_documents(), folder, load_encoder(name), lexical=True).run())
    return folder


def test_a_text_without_a_known_word_has_no_vector(nushu_index: Path) -> None:
    with Searcher.open(nushu_index) as searcher:
        assert find_faults(nushu_index) == []
        dense = searcher.answer("coral reefs", lang="en", mode="dense", k=10)
        assert {hit.doc_id for hit in dense.hits} == {"long", "en", "sw"}
        assert dense.total.value == 3
        hybrid = searcher.answer("the reefs", lang="en", mode="hybrid", k=10)
        assert "nu" not in {hit.doc_id for hit in hybrid.hits}


@pytest.mark.parametrize("text", [NUSHU, "\U0001b175 \U0001b172"])
def test_a_question_without_a_known_word_finds_nothing_by_vectors(
    nushu_index: Path, text: str
) -> None:
    with Searcher.open(nushu_index) as searcher:
        answer = searcher.answer(text, mode="dense")
        assert (answer.hits, answer.total.value) == ([], 0)
        assert "no vectors" in answer.warnings[0]
        for mode in (None, "hybrid", "lexical"):
            found = searcher.answer(text, mode=mode)
            assert [hit.doc_id for hit in found.hits[:1]] == ["nu"]
            assert (not found.warnings) == (mode == "lexical")
        queries = [Query("1", text), Query("2", "the reefs", "en")]
        nothing, some = searcher.rank(queries, 10, mode="dense")
        assert nothing == [] and len(some) == 3
        joined, alone = searcher.rank(queries, 10, mode="hybrid")
        assert [hit.doc_id for hit in joined[:1]] == ["nu"] and alone
        assert np.isfinite([hit.score for hit in joined + alone]).all()


def test_what_says_nothing_stays_so_in_the_codes_of_a_codec(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(recoding, "CODEC_ROWS", 200)
    encoder = load_encoder("xret-static")
    list(IndexBuild(nushu_documents(60), tmp_path / "i", encoder, preset="compact").run())
    with Searcher.open(tmp_path / "i") as searcher:
        assert searcher.reader._current().codecs
        found = {hit.doc_id for hit in searcher.answer("coral", lang="en", k=100).hits}
        assert "nu" not in found and len(found) == 63


def test_a_build_counts_passages_that_are_not_read(model: Path, tmp_path: Path) -> None:
    assert built(model, tmp_path / "i", lexical=False).summary.unread == {"am": 1}


def test_a_question_that_is_not_read_is_answered_by_words(searcher: Searcher) -> None:
    answer = searcher.answer(AMHARIC, lang="am")
    assert [hit.doc_id for hit in answer.hits] == ["am"]
    (warning,) = answer.warnings
    assert "11 of 11 letters (Ethi)" in warning and "by words alone" in warning
    mixed = searcher.answer(f"the {AMHARIC}", lang="am", mode="dense")
    assert len(mixed.hits) == 2 and "say little" in mixed.warnings[0]
    assert not searcher.answer("the reefs", lang="en").warnings


def test_without_words_the_question_finds_nothing(model: Path, tmp_path: Path) -> None:
    built(model, tmp_path / "i", lexical=False)
    with Searcher.open(tmp_path / "i") as searcher:
        answer = searcher.answer(AMHARIC, lang="am")
        assert not answer.hits and "11 of 11 letters (Ethi)" in answer.warnings[0]
        assert len(searcher.answer("12!?", lang="am").hits) == 2
