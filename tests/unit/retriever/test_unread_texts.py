"""Texts in a script that the encoder's vocabulary cannot write, indexed and asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_encoders import tiny_bi_encoder

from xret.errors import QueryError
from xret.retriever.build import IndexBuild
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.types import Document

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


def test_a_build_counts_passages_that_are_not_read(model: Path, tmp_path: Path) -> None:
    assert built(model, tmp_path / "i", lexical=False).summary.unread == {"am": 1}


def test_a_question_that_is_not_read_is_answered_by_words(searcher: Searcher) -> None:
    answer = searcher.answer(AMHARIC, lang="am")
    assert [hit.doc_id for hit in answer.hits] == ["am"]
    (warning,) = answer.warnings
    assert "11 of 11 letters (Ethi)" in warning and "by words alone" in warning
    mixed = searcher.answer(f"the {AMHARIC}", lang="am", mode="dense")
    assert len(mixed.hits) == 3 and "say little" in mixed.warnings[0]
    assert not searcher.answer("the reefs", lang="en").warnings


def test_without_words_the_question_is_refused(model: Path, tmp_path: Path) -> None:
    built(model, tmp_path / "i", lexical=False)
    with Searcher.open(tmp_path / "i") as searcher:
        with pytest.raises(QueryError, match=r"11 of 11 letters \(Ethi\).*no words"):
            searcher.answer(AMHARIC, lang="am")
        assert len(searcher.answer("12!?", lang="am").hits) == 3
