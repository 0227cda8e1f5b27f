"""Language codes of every spelling."""

import re

import pytest

from xret.errors import LanguageError
from xret.retriever.languages.codes import autonym, direction, language_code, language_name

SPELLINGS = {
    "fr": ["fr", "fra", "fre", "fr_XX", "fra_Latn", "fr-CA", "French", "FR"],
    "zh": ["zh", "zho", "cmn", "zho_Hans", "zh-CN", "zh_CN", "Chinese"],
    "zh-Hant": ["zh-Hant", "zho_Hant", "zh-TW", "zh_HK"],
    "ar": ["ar", "arb", "arb_Arab", "ara", " ar", "ar_AR"],
    "sw": ["sw", "swh", "swh_Latn", "Swahili"],
    "fa": ["fa", "fas", "pes_Arab", "Persian"],
    "sr": ["sr", "srp_Cyrl"],
    "sr-Latn": ["sr-Latn", "srp_Latn"],
    "ko": ["ko", "kor_Hang", "ko_KR"],
    "ja": ["ja", "jpn_Jpan", "ja_XX"],
    "eo": ["eo", "eo_EO"],
    "he": ["he", "iw", "heb_Hebr"],
    "und": ["", "und", "unknown"],
    "tlh": ["tlh", "Klingon", "Klingon language"],
    "kr": ["kr", "kau", "Kanuri"],
    "lad": ["ladino"],
    "ace-Arab": ["ace_Arab", "Acehnese (Arabic script)"],
    "pt": ["Brazilian Portuguese", "Portuguese (Brazil)", "português"],
}


@pytest.mark.parametrize(
    ("spelling", "code"), [(s, code) for code, spellings in SPELLINGS.items() for s in spellings]
)
def test_every_spelling_of_a_language_is_one_code(spelling: str, code: str) -> None:
    assert language_code(spelling) == code
    assert language_code(code) == code


@pytest.mark.parametrize(
    "spelling", ["xx", "no such language", "12", "fr fr fr", "q", "f\0r", "\x01"]
)
def test_what_is_no_language_is_refused(spelling: str) -> None:
    with pytest.raises(LanguageError, match=r"no language code or name|control characters"):
        language_code(spelling)


@pytest.mark.parametrize(
    ("spelling", "meant"),
    [
        ("ua", "uk (Ukrainian)"),
        ("UA", "uk (Ukrainian)"),
        ("ua_UA", "uk (Ukrainian)"),
        ("jp", "ja (Japanese)"),
        ("cz", "cs (Czech)"),
        ("gr", "el (Greek)"),
        ("dk", "da (Danish)"),
        ("cn", "zh (Chinese)"),
        ("us", "en (English)"),
        ("ir", "fa (Persian)"),
        ("sp", "es (Spanish)"),
        ("frenc", "fr (French)"),
        ("klingonish", "tlh (Klingon)"),
        ("swahilii", "sw (Swahili)"),
    ],
)
def test_a_country_or_a_misspelling_is_no_other_language(spelling: str, meant: str) -> None:
    with pytest.raises(LanguageError, match=re.escape(f"did you mean {meant}?")):
        language_code(spelling)


def test_names_and_direction() -> None:
    assert language_name("sw") == "Swahili"
    assert autonym("de") == "Deutsch"
    assert [direction(code) for code in ("ar", "he", "ur", "fa", "hi", "en", "und")] == [
        "rtl",
        "rtl",
        "rtl",
        "rtl",
        "ltr",
        "ltr",
        "ltr",
    ]
