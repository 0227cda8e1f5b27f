"""The interface's languages: complete, alike, and chosen by who reads."""

import re

import pytest

from xret.server.page.interface import INTERFACES, interface_for, interface_in

GAP = re.compile(r"\{(\w+)\}")


@pytest.mark.parametrize("lang", INTERFACES)
def test_every_language_says_the_same_things_with_the_same_gaps(lang: str) -> None:
    english, own = interface_in("en").texts, interface_in(lang).texts
    assert own.keys() == english.keys()
    assert {key: {*GAP.findall(text)} for key, text in own.items()} == {
        key: {*GAP.findall(text)} for key, text in english.items()
    }
    assert all(text.strip() or key == "thousands" for key, text in own.items())


def test_no_language_is_left_in_english() -> None:
    """Words that are spelt alike are a few; whole sentences are none."""
    english = interface_in("en").texts
    for lang in INTERFACES[1:]:
        own = interface_in(lang).texts
        assert not [k for k, text in own.items() if text == english[k] and text.count(" ") > 1]


@pytest.mark.parametrize(
    ("chosen", "accepted", "lang"),
    [
        ("", "", "en"),
        ("fr", "de", "fr"),
        ("xx", "de-AT,de;q=0.9", "de"),
        ("", "pt, ar;q=0.5, zh;q=0.7", "zh"),
        ("", "zh-Hant-TW", "zh"),
        ("", "sw;q=0, fr;q=0.1", "fr"),
        ("", "sw;q=0", "en"),
        ("", "fr;q=nonsense, es", "es"),
        ("", ";;;,,," + "x" * 5_000, "en"),
    ],
)
def test_a_reader_gets_what_was_chosen_or_what_the_browser_likes_best(
    chosen: str, accepted: str, lang: str
) -> None:
    assert interface_for(chosen, accepted).lang == lang


def test_numbers_and_names_are_those_of_the_language() -> None:
    assert interface_in("de").number(-1234.5, 1) == "−1.234,5"
    assert interface_in("fr").number(1234567) == "1\u202f234\u202f567"
    assert interface_in("en").say("holds", documents=1234, languages=2) == (
        "1,234 documents in 2 languages"
    )
    assert interface_in("fr").name("sw") == "swahili"
    assert interface_in("fr").own_name("sw") == "Kiswahili"
    assert interface_in("en").own_name("und") == "unknown language"
    assert (interface_in("ar").dir, interface_in("zh").dir) == ("rtl", "ltr")
