"""Questions in Latin letters for languages that have others, from the question to the hits."""

import pytest

from xret.retriever.question import asked_question, read_query
from xret.retriever.searcher import Searcher
from xret.types import Query


def test_a_romanised_question_is_answered_as_its_reading(demo: Searcher) -> None:
    text = "kak lyudi pogruzhalis na luna i solntse"
    answer = demo.answer(text, lang="ru")
    assert answer.query.text == text and answer.query.lang == "ru"
    assert answer.query.reading.startswith("как люди") and "луна и солнце" in answer.query.reading
    assert answer.query.reading in answer.warnings[0] and "--as-written" in answer.warnings[0]
    native = demo.answer(answer.query.reading, lang="ru", mode="dense")
    read = demo.answer(text, lang="ru", mode="dense")
    assert [(hit.id, hit.score) for hit in read.hits] == [
        (hit.id, hit.score) for hit in native.hits
    ]
    assert not native.query.reading and not native.warnings


def test_letters_stay_as_written_where_that_is_asked_for(demo: Searcher) -> None:
    answer = demo.answer("mera naam kya hai", lang="hi", as_written=True)
    assert answer.query.reading == "" and answer.query.text == "mera naam kya hai"
    assert not any("was read as" in warning for warning in answer.warnings)


def test_the_language_of_a_romanised_question_is_found(demo: Searcher) -> None:
    answer = demo.answer("mera naam kya hai aur aap kaise hain")
    assert (answer.query.lang, answer.query.lang_source) == ("hi", "identified")
    assert answer.query.reading.startswith("मेरा नाम क्या है")


@pytest.mark.parametrize("lang", [None, "en"])
def test_a_question_in_latin_letters_of_its_own_is_asked_as_it_is(
    demo: Searcher, lang: str | None
) -> None:
    answer = demo.answer("how do coral reefs live", lang=lang)
    assert answer.query.reading == "" and not answer.warnings


def test_many_queries_at_once_are_read_alike(demo: Searcher) -> None:
    text = "kak lyudi pogruzhalis na luna i solntse"
    queries = [Query("1", text, "ru"), Query("2", "coral reefs", "en")]
    first, _ = demo.rank(queries, 5, mode="dense")
    alone = demo.answer(text, lang="ru", mode="dense", k=5)
    assert [hit.doc_id for hit in first] == [hit.id for hit in alone.hits]
    assert demo.encoded(queries).queries[1] == queries[1]
    assert read_query(Query("3", "12", "ru")).reading is None


def test_words_are_asked_for_other_readings_too() -> None:
    question = asked_question("voda i mir na lune", "ru", identify=True)
    assert question.reading is not None
    assert question.by_words.text.split()[:5] == question.query.text.split()
    assert set(question.reading.others) <= set(question.by_words.text.split())


def test_explanations_are_of_the_reading(demo: Searcher) -> None:
    text = "kak lyudi pogruzhalis na luna i solntse"
    best = demo.answer(text, lang="ru", mode="dense").hits[0]
    explained = demo.explain(best.id, text, lang="ru", mode="dense")
    assert explained.query.reading and "was read as" in explained.warnings[0]
    left = demo.explain(best.id, text, lang="ru", mode="dense", as_written=True)
    assert not left.query.reading and not any("was read as" in said for said in left.warnings)
