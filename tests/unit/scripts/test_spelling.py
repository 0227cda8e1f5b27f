"""The noisy channel between a language's letters and Latin ones."""

import pytest

from xret.retriever.scripts.native_words import NativeWords
from xret.retriever.scripts.spelling import Spelling, contexts

EVERYWHERE = ("sm", "se", "im", "ie")
LETTERS = {
    "\u043c": {"m": 0.1},
    "\u0438": {"i": 0.2, "y": 2.0},
    "\u0440": {"r": 0.1},
    "\u0445": {"kh": 0.5, "h": 1.0, "x": 2.0},
    "\u043e": {"o": 0.1, "a": 2.5},
    "\u0448": {"sh": 0.2},
    "\u0443": {"u": 0.1},
}
WORDS = ["\u043c\u0438\u0440", "\u0445\u043e\u0440\u043e\u0448\u043e", "\u043c\u0443\u0445\u0430"]
COSTS = [2.0, 3.0, 5.0]


@pytest.fixture
def spelling() -> Spelling:
    return Spelling(
        {(letter, place): own for letter, own in LETTERS.items() for place in EVERYWHERE}
    )


def test_a_letter_is_told_by_where_it_stands() -> None:
    assert contexts("\u0915\u093f\u0924\u093e\u092c") == ["sv", "im", "iv", "im", "ie"]


def test_the_cost_is_that_of_the_cheapest_way(spelling: Spelling) -> None:
    assert spelling.cost(WORDS[0], "mir") == pytest.approx(0.4)
    assert spelling.cost(WORDS[0], "myr") == pytest.approx(2.2)
    assert spelling.cost(WORDS[0], "mirh") == pytest.approx(4.4)
    assert spelling.cost(WORDS[0], "mir", most=0.3) >= 0.3
    assert spelling.cost(WORDS[0], "mr") == pytest.approx(5.2)


def test_a_word_is_found_however_it_is_spelt(spelling: Spelling) -> None:
    words = NativeWords(WORDS, COSTS, spelling)
    for latin in ("khorosho", "horosho", "xorosho", "xarasho"):
        best = words.readings(latin)[0]
        assert (best.word, best.known) == (WORDS[1], True)
    assert words.readings("mir")[0].cost == pytest.approx(2.4)


def test_a_word_that_no_vocabulary_has_is_spelt_by_its_letters(spelling: Spelling) -> None:
    best = NativeWords(WORDS, COSTS, spelling).readings("mukho")[0]
    assert (best.word, best.known) == ("\u043c\u0443\u0445\u043e", False)


def test_hangul_is_read_as_its_letters() -> None:
    jamo = {"\u1112": {"h": 0.1}, "\u1161": {"a": 0.1}, "\u11ab": {"n": 0.1}}
    costs = {(letter, place): own for letter, own in jamo.items() for place in EVERYWHERE}
    words = NativeWords(["\ud55c"], [1.0], Spelling(costs), decomposed=True)
    assert words.readings("han")[0].word == "\ud55c"
