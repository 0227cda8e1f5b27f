"""The nearest language: facts that are whole, choices that a linguist would make."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.errors import LanguageError
from xret.retriever.languages.codes import language_code
from xret.retriever.languages.relatives import (
    distance,
    facts,
    known_languages,
    nearest_language,
    same_language,
)

_LANGUAGES = (
    "en id vi ru fa sv ja fr de ro ko hu es fi uk da pt no th pl bg nl zh he el it sk hr tr ar cs"
    " lt hi zh-Hant ca ms sl lv ta bn et az sq sr kk ka fil ur is hy ml mk be la te eu gl mn kn ne"
    " sw si mr af gu cy eo km ky uz ps pa ga ha am lo ku so my or sa"
)
XMOD = _LANGUAGES.split(" ")

# What X-MOD's 81 adapters do for languages that it lacks.
NEAREST_ADAPTER = {
    "ast": "es",
    "an": "es",
    "oc": "ca",
    "scn": "it",
    "vec": "it",
    "lmo": "it",
    "ht": "fr",
    "lb": "de",
    "gsw": "de",
    "yi": "de",
    "fy": "nl",
    "sco": "en",
    "fo": "is",
    "nn": "no",
    "hsb": "cs",
    "szl": "pl",
    "bs": "hr",
    "sr-Latn": "hr",
    "rue": "ru",
    "ltg": "lv",
    "br": "cy",
    "gd": "ga",
    "tg": "fa",
    "ckb": "fa",
    "mai": "hi",
    "bho": "hi",
    "awa": "hi",
    "mag": "hi",
    "as": "bn",
    "sd": "ur",
    "lah": "ur",
    "gom": "mr",
    "tt": "kk",
    "ba": "kk",
    "tk": "tr",
    "ug": "uz",
    "crh-Latn": "tr",
    "yue": "zh-Hant",
    "wuu": "zh",
    "bo": "my",
    "shn": "th",
    "jv": "id",
    "su": "id",
    "ceb": "fil",
    "mi": "fil",
    "arz": "ar",
    "ary": "ar",
    "ti": "am",
    "om": "so",
    "kab": "ha",
    "yo": "sw",
    "ig": "sw",
    "zu": "sw",
    "rw": "sw",
    "wo": "sw",
    "luo": "sw",
    "qu": "es",
    "gn": "es",
    "kl": "da",
    "os": "ru",
    "nb": "no",
    "ko-Hang": "ko",
    # Maltese is Arabic by descent, but in Latin letters and with half its words Italian:
    # an adapter that has never seen its script is the lesser help.
    "mt": "it",
}


@pytest.mark.parametrize(("lang", "adapter"), NEAREST_ADAPTER.items())
def test_a_language_without_adapter_goes_to_its_nearest_relative(lang: str, adapter: str) -> None:
    assert nearest_language(lang, XMOD)[0] == adapter


@pytest.mark.parametrize(
    ("lang", "candidates", "chosen"),
    [
        ("gl", ["es", "fr", "pt"], "pt"),
        ("be", ["pl", "ru", "en"], "ru"),
        ("yo", ["en", "fr", "sw", "ar"], "sw"),
        ("tt", ["ba", "kk", "ru"], "ba"),
        ("ckb", ["ku", "hi"], "ku"),
        ("zh-Hant", ["ja", "zh", "en"], "zh"),
        ("ja", ["zh", "en", "tr"], "zh"),
        ("uk", ["bg", "pl"], "bg"),
    ],
)
def test_of_few_candidates_the_nearest_is_taken(
    lang: str, candidates: list[str], chosen: str
) -> None:
    assert nearest_language(lang, candidates)[0] == chosen


def test_the_reason_says_what_the_two_share() -> None:
    assert nearest_language("gl", ["es", "pt"]) == ("pt", "both Galician-Portuguese, Latin script")
    assert nearest_language("tg", ["fa"])[1] == "both Southwestern Iranian, in Arabic script"
    assert nearest_language("nb", ["no"])[1] == "the same language"
    assert "no relative" in nearest_language("qu", ["es"])[1]


def test_every_row_is_whole() -> None:
    assert len(known_languages()) > 300
    orders = {"SVO", "SOV", "VSO", "VOS", "free"}
    forms = {"fusional", "agglutinative", "isolating", "analytic", "templatic", "polysynthetic"}
    for code in known_languages():
        row = facts(code)
        assert language_code(code) == code
        assert all(row.family) and row.scripts and row.areas
        assert row.word_order in orders and row.morphology in forms
        assert all(len(script) == 4 and script.istitle() for script in row.scripts)
        assert all(area.count(".") == 1 for area in row.areas)
        assert 0 <= row.resources <= 6
    assert set(XMOD) <= set(known_languages())


@given(
    st.sampled_from([*known_languages(), "und", "tlh", "uz-Cyrl", "rhg"]),
    st.lists(st.sampled_from(known_languages()), min_size=1, max_size=12, unique=True),
    st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_every_language_has_a_nearest_whatever_the_order(lang, candidates, random) -> None:  # type: ignore[no-untyped-def]
    chosen = nearest_language(lang, candidates)
    assert chosen[0] in candidates and chosen[1]
    random.shuffle(candidates)
    assert nearest_language(lang, candidates) == chosen
    assert lang not in candidates or chosen[0] == lang


@given(st.sampled_from(known_languages()), st.sampled_from(known_languages()))
@settings(deadline=None)
def test_distance_is_symmetric_and_zero_to_itself(one: str, other: str) -> None:
    assert distance(one, other) == distance(other, one)
    assert 0 <= distance(one, other) <= 1
    assert distance(one, one) == 0


def test_spellings_of_one_language_are_the_same() -> None:
    assert same_language("nb", "no") and same_language("ko-Hang", "ko")
    assert same_language("acm-Arab", "acm")
    assert not same_language("sr", "sr-Latn") and not same_language("zh", "zh-Hant")


def test_a_code_with_a_script_is_compared_in_that_script() -> None:
    assert facts("uz-Cyrl").scripts == ("Cyrl",)
    assert nearest_language("ks-Deva", ["ur", "hi"])[0] == "hi"
    assert nearest_language("ks", ["ur", "hi"])[0] == "ur"


def test_without_candidates_there_is_no_nearest() -> None:
    with pytest.raises(LanguageError, match="no language to choose from"):
        nearest_language("gl", [])
