"""Parts of a text by language: one language stays whole, two are told apart."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.retriever.languages.code_switching import LanguageSpan, language_spans, token_langs

ONE_LANGUAGE = [
    "where can I see the northern lights in winter",
    "où peut-on voir les aurores boréales en hiver",
    "wo kann man im Winter Polarlichter sehen",
    "waar kan ik het noorderlicht zien",
    "naweza kuona wapi mwanga wa kaskazini",
    "iPhone 15 ราคาเท่าไหร่",
    "Wie alt ist der Papst Franziskus",
    "restaurante New York Times Square",
    "где находится река Миссисипи",
    "東京オリンピック 2020 チケット",
    "что такое machine learning",
    "quem foi o ministro Wong Kan Seng",
    "aurora",
]


@pytest.mark.parametrize("text", ONE_LANGUAGE)
def test_a_text_in_one_language_stays_whole(text: str) -> None:
    assert len(language_spans(text)) == 1


@pytest.mark.parametrize(
    ("text", "langs"),
    [
        ("what is the best way to wo kann man im Winter Polarlichter sehen", ["en", "de"]),
        ("naweza kuona wapi mwanga wa kaskazini where can I see the northern lights", ["sw", "en"]),
        ("где увидеть северное сияние tickets and opening hours", ["ru", "en"]),
        ("history of the city of Αθήνα", ["en", "el"]),
        ("how do I say 谢谢 in French", ["en", "zh", "en"]),
    ],
)
def test_two_languages_are_told_apart(text: str, langs: list[str]) -> None:
    spans = language_spans(text)
    assert [span.lang for span in spans] == langs
    assert "".join(text[span.start : span.end] for span in spans) == text


def test_parts_are_candidates_only() -> None:
    text = "where can I see the northern lights wo kann man im Winter Polarlichter sehen"
    assert {span.lang for span in language_spans(text, candidates=["en", "fr"])} <= {"en", "fr"}


def test_close_relatives_are_not_told_apart_inside_a_text() -> None:
    text = "dia boleh membeli kereta baru kerana syarikat ia bisa membeli mobil baru karena"
    assert len(language_spans(text)) == 1


@given(st.text(max_size=60) | st.lists(st.sampled_from(ONE_LANGUAGE)).map(" ".join))
@settings(deadline=None, max_examples=60)
def test_parts_cover_any_text_without_gap_or_overlap(text: str) -> None:
    spans = language_spans(text)
    assert spans[0].start == 0 and spans[-1].end == len(text)
    assert all(a.end == b.start for a, b in pairwise(spans))
    assert all(a.lang != b.lang for a, b in pairwise(spans))


def test_each_token_gets_the_language_of_its_first_letter() -> None:
    text = "hola amigos мир"
    spans = [LanguageSpan(0, 12, "es"), LanguageSpan(12, 15, "ru")]
    offsets = [(0, 0), (0, 4), (4, 9), (9, 11), (11, 15), (15, 15)]
    assert token_langs(text, offsets, spans) == ["es", "es", "es", "es", "ru", "es"]


def test_tokens_of_an_empty_text_have_its_language() -> None:
    assert token_langs("", [(0, 0), (0, 0)], language_spans("")) == ["und", "und"]
