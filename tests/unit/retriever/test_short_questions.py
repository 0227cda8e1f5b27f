"""Questions of a word or two, whose language nobody gave and nothing tells."""

from pathlib import Path

import pytest

from xret.retriever.build import IndexBuild
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.types import Document

DOCUMENTS = [
    Document("de", "Die Vulkane spucken Asche.", "de", title="Vulkane"),
    Document("en", "Volcanoes spit ash.", "en", title="Volcanoes"),
    Document("fr", "Les volcans crachent des cendres.", "fr", title="Volcans"),
    Document("zh", "火山喷出火山灰。", "zh", title="火山"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("short") / "i"
    list(IndexBuild(DOCUMENTS, path, load_encoder("xret-static"), lexical=True).run())
    return path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.lang)
def test_a_title_finds_its_document_without_a_language(folder: Path, document: Document) -> None:
    with Searcher.open(folder) as searcher:
        for mode in ("lexical", "hybrid"):
            answer = searcher.answer(document.title, mode=mode)
            given = searcher.answer(document.title, lang=document.lang, mode=mode)
            assert answer.hits[0].id == given.hits[0].id == document.lang
            assert not given.query.word_langs and not given.warnings
        if document.lang != "zh":
            assert {*answer.query.word_langs} == {"de", "en", "fr"}


def test_a_question_that_words_do_not_find_asks_for_its_language(folder: Path) -> None:
    with Searcher.open(folder) as searcher:
        answer = searcher.answer("qwertz", mode="lexical")
        assert not answer.hits and "--lang" in answer.warnings[-1]
        assert not searcher.answer("qwertz", lang="de", mode="lexical").warnings


def test_a_plain_question_is_read_in_its_own_language_alone(folder: Path) -> None:
    with Searcher.open(folder) as searcher:
        answer = searcher.answer("what do the volcanoes spit out in the morning", mode="hybrid")
        assert (answer.query.lang, [*answer.query.word_langs]) == ("en", [])
