"""Terms of texts: one case a rule, and what must hold for every text in every language."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.retriever.lexical.analysis import (
    FOLDED,
    SNOWBALL,
    analyse,
    analyse_query,
    analysis_version,
)
from xret.retriever.lexical.spellings import CHARACTERS, ENDINGS
from xret.retriever.lexical.stopwords import STOP_WORDS

LANGUAGES = sorted(
    {*SNOWBALL, *FOLDED, *CHARACTERS, *ENDINGS, "und", "zh", "vi", "th", "az"} - {""}
)

# What the generator of texts draws from, beside any character: what the rules act on.
PIECES = st.sampled_from(
    [
        "'",
        "’",
        "\u0301",
        "\u0308",
        "\u093c",
        "\u200c",
        "\u200d",
        "İ",
        "ı",
        "ß",
        "ǆ",
        "ﬁ",
        "ﷺ",
        "Å",
        "क़",
        "เ",
        "ำ",
        "្",
        "ြ",
        "한",
        "ᄒ",
        "ﾊﾟ",
        "漢",
        "\U0002f80a",
        "1,000",
        "٣",
        "l'",
        "·",
        "\u00a8",
    ]
)
TEXTS = st.lists(
    st.one_of(PIECES, st.characters(exclude_categories=["Cs"]), st.just(" ")), max_size=40
).map("".join)


@pytest.mark.parametrize(
    ("lang", "text", "terms"),
    [
        ("en", "Running runners' dogs, O'Brien's don't", "run runner dog obrien dont"),
        ("fr", "L’été, qu'aujourd'hui d’œuvres", "ete aujourdhui œuvr"),
        ("it", "dell'acqua all’università", "acqua univers"),
        ("ca", "l'home col·legi", "hom colleg"),
        ("de", "Straße Häuser", "strass haus"),
        ("es", "Niños años", "niñ años"),
        ("sv", "sjö gå", "sjö gå"),
        ("tr", "İstanbul'da IRMAK", "istanbul ırmak"),
        ("vi", "hoà bình hòa quý", "hòa bình hòa quý"),
        ("yo", "Ọjọ́ àìkú", "ọjọ́ àìkú"),
        ("uk", "м'ята м’ята за\u0301мок", "мята мята замок"),
        ("ru", "Ёлка ёлки", "елк елк"),
        ("sr", "књиге knjiga", "knjig knjig"),
        ("uz", "oʻzbek o'zbek o‘zbek", "ozbek ozbek ozbek"),
        ("sw", "ng'ombe", "ngombe"),
        ("el", "ΟΔΌΣ οδός", "οδ οδ"),
        ("ar", "الْمَدْرَسَةُ مدرسة کتاب كتاب", "مدرس مدرس كتاب كتاب"),
        ("fa", "كتاب‌ها کتابها ي", "کتاب کتاب ی"),
        ("ur", "هے ہے", "ہے ہے"),
        ("he", 'שָׁלוֹם שלום צה"ל', "שלום שלום צהל"),
        ("hy", "Ինչպե՞ս", "ինչ"),
        ("am", "ሐገር ኃይል", "ሀገር ሃይል"),
        ("ml", "ഞാൻ ഞാന്\u200d", "ഞാന് ഞാന്"),
        ("mr", "हिन\u094dदी हिन्दी", "हिन्दी हिन्दी"),
        ("zh", "學習 学习", "学习 学 习 学习 学 习"),
        ("zh", "我用Python 3写", "我用 我 用 python 3 写"),
        ("ja", "ﾊﾟﾝを食う", "パン ンを を食 食う 食"),
        ("ko", "학교에서 책", "학교 교에 에서 책"),
        ("th", "ภาษาไทย กิน", "ภาษา ษาไท ไทย กิน"),
        ("km", "ភាសា", "ភាសា"),
        ("lo", "ພາສາລາວ", "ພາສາ ສາລາ ລາວ"),
        ("my", "မြန်မာဘာ", "မြန်မာ မာဘာ"),
        ("und", "ᾷ ᾶι", "ᾶι ᾶι"),
        ("und", "Hello WORLD straße", "hello world strasse"),
        ("en", "1,000 1.000.000 ١٢٣ 3.14 COVID-19", "1000 1000000 123 3 14 covid 19"),
        ("en", "co\u00adoperate wi\u200bth\ufeff", "cooper with"),
        ("en", "!?… 😀 ⸙", ""),
        ("xx", "", ""),
    ],
)
def test_text_gives_these_terms(lang: str, text: str, terms: str) -> None:
    assert analyse(text, lang) == terms.split()


def test_script_subtag_changes_nothing() -> None:
    for lang, code in (("zh", "zh-Hant"), ("sr", "sr-Latn"), ("en", "EN-gb")):
        assert analyse("學習 књига runners", code) == analyse("學習 књига runners", lang)


@pytest.mark.parametrize(
    ("lang", "query", "terms"),
    [
        ("en", "Which of the rivers is the longest?", "river longest"),
        ("en", "What is that?", "what is that"),
        ("en", "WHO in the US", "who us"),
        ("de", "Welcher Fluss ist der längste?", "fluss lang"),
        ("fr", "Quelle est la capitale de l'Italie ?", "capital ital"),
        ("ru", "Какая река самая длинная?", "рек сам длин"),
        ("sw", "ni nini", "ni nini"),
    ],
)
def test_query_loses_what_only_asks_unless_nothing_else_is_there(
    lang: str, query: str, terms: str
) -> None:
    assert analyse_query(query, lang) == terms.split()
    assert set(terms.split()) <= set(analyse(query, lang))


@pytest.mark.parametrize("lang", STOP_WORDS)
def test_stop_words_are_words_of_that_language_s_analysis(lang: str) -> None:
    words = STOP_WORDS[lang].split()
    assert all(len(analyse(word, lang)) == 1 for word in words)
    assert analyse_query(" ".join([*words, "Kigali"]), lang) == analyse("Kigali", lang)


def test_single_han_character_finds_text_that_has_it_within_a_run() -> None:
    assert set(analyse("猫", "zh")) <= set(analyse("我的猫很大", "zh"))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_any_text_has_the_same_sound_terms_in_every_normal_form(lang: str) -> None:
    @settings(deadline=None, max_examples=30)
    @given(TEXTS)
    def check(text: str) -> None:
        terms = analyse(text, lang)
        for term in terms:
            assert term and not any(map(str.isspace, term)) and len(term) <= 64
            term.encode()
        for form in ("NFC", "NFD"):
            assert analyse(unicodedata.normalize(form, text), lang) == terms
        assert analyse(text, lang) == terms  # from what is kept at hand

    check()


def test_terms_do_not_hang_on_the_white_space_between_words() -> None:
    assert analyse("one\u3000two\u00a0three\n\tfour", "en") == analyse("one two three four", "en")


def test_lone_surrogate_ends_a_word_and_raises_nothing() -> None:
    assert analyse("a\ud800b", "en") == ["a", "b"]


def test_hostile_texts_end() -> None:
    """Work that grew with the square of their length would take hours."""
    texts = [
        "e" + "\u0301\u0323" * 50_000,
        "a" * 200_000,
        "'" * 200_000,
        "1,000" * 20_000,
        "漢" * 100_000,
        "ก็" * 50_000,
        "\u0e40" * 100_000,
    ]
    program = (
        "import json, sys\n"
        "from xret.retriever.lexical.analysis import analyse\n"
        "for text in json.load(sys.stdin):\n"
        "    for lang in ('fr', 'th', 'und'):\n"
        "        analyse(text, lang)\n"
    )
    command = [sys.executable, "-c", program]
    subprocess.run(command, input=json.dumps(texts).encode(), timeout=300, check=True)


def test_threads_share_a_stemmer_and_agree() -> None:
    texts = [f"running{i} dogs{i} national{i}ization houses" for i in range(2000)]
    expected = [analyse(text, "en") for text in texts]
    found: list[list[list[str]]] = []

    def work() -> None:
        found.append([analyse(text, "en-x-other") for text in texts])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_version_names_the_rules_and_snowball() -> None:
    assert analysis_version().startswith("1+snowball-3")
