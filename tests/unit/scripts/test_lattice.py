"""Pinyin and romaji through a lattice of words."""

import pytest

from xret.retriever.scripts.lattice import Lattice, pinyin_letters, romaji_letters

WORDS = ["\u4e00", "\u8d77", "\u4e00\u8d77", "\u9f50"]
SPELLINGS = [["yi"], ["qi"], ["yiqi"], ["qi"]]
COSTS = [2.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize(
    ("typed", "expected"), [("lv4 xing2", "lu xing"), ("xi'an", "xian"), ("nu:3", "nu3")]
)
def test_tones_are_left_out(typed: str, expected: str) -> None:
    assert pinyin_letters(typed) in (expected, expected.rstrip("3"))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("toukyou", "tokyo"),
        ("sinbun", "shinbun"),
        ("shimbun", "shinbun"),
        ("tugi", "tsugi"),
        ("hujisan", "fujisan"),
        ("tyotto", "chotto"),
    ],
)
def test_spellings_of_one_sound_are_one(typed: str, expected: str) -> None:
    assert romaji_letters(typed) == expected


@pytest.mark.parametrize("typed", ["yiqi", "yi qi"])
def test_the_cheapest_path_is_read_whatever_the_spaces(typed: str) -> None:
    assert Lattice(WORDS, SPELLINGS, COSTS, {}).read(typed)[0] == "\u4e00\u8d77"


def test_a_pair_that_is_seen_together_is_preferred() -> None:
    behind = Lattice(WORDS, SPELLINGS, COSTS, {(-1, 3): 0.5})
    assert behind.read("qi")[0] == "\u9f50"


def test_what_no_word_takes_stays_as_it_is() -> None:
    assert Lattice(WORDS, SPELLINGS, COSTS, {}).read("yi gg")[0] == "\u4e00gg"
    assert Lattice(WORDS, SPELLINGS, COSTS, {}).read("") == ("", 0.0)
