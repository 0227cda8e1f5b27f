"""Words that people write, for terms that no document of their language has."""

from xret.retriever.training.synthesis.surface_words import SurfaceWords


def test_a_term_is_the_word_that_people_write() -> None:
    words = SurfaceWords({})
    terms = ("alreadi", "presid", "revolut")
    assert [words.word(term, "en") for term in terms] == ["already", "president", "revolution"]
