"""Latin letters as people type other scripts with."""

import pytest

from xret.retriever.scripts.latin import LATIN_WORD, join_keys, latin_key, plain


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("Ṣāḥib", "sahib"), ("Gorʹkiy", "gor'kiy"), ("Straße", "strasse"), ("NǏ HǍO", "ni hao")],
)
def test_a_plain_word_is_lower_case_without_accents(typed: str, expected: str) -> None:
    assert plain(typed) == expected


def test_spellings_of_one_word_have_one_key() -> None:
    assert len({*map(latin_key, ("khorosho", "horosho", "xorosho"))}) == 2  # h may be silent
    assert latin_key("namaste") == latin_key("nmstay") == "NST"
    assert join_keys("N" + "N" + "T") == latin_key("annata")


def test_marks_that_stand_for_letters_are_of_words() -> None:
    assert LATIN_WORD.findall("'ala al-kitab, 3 marhaba2u 7") == [
        "'ala",
        "al",
        "kitab",
        "marhaba2u",
    ]
