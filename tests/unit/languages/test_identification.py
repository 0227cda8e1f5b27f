"""Identification by script, by character and by model, among all languages or some."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.retriever.languages import identification as identify
from xret.retriever.languages.identification import identify_language, main_script
from xret.retriever.languages.scripts import script_counts, script_of

SENTENCES = {
    "en": "where can I see the northern lights",
    "fr": "où peut-on voir les aurores boréales",
    "de": "wo kann man Polarlichter sehen",
    "pl": "gdzie można zobaczyć zorzę polarną",
    "ru": "где можно увидеть северное сияние",
    "uk": "де можна побачити північне сяйво",
    "ar": "أين يمكنني رؤية الشفق القطبي",
    "fa": "کجا می‌توان شفق قطبی را دید",
    "hi": "उत्तरी रोशनी कहाँ देख सकते हैं",
    "sw": "naweza kuona wapi mwanga wa kaskazini",
}


@pytest.mark.parametrize(("lang", "text"), SENTENCES.items())
def test_a_short_question_is_identified(lang: str, text: str) -> None:
    assert identify_language(text)[0] == lang
    assert identify_language(text, candidates=list(SENTENCES))[0] == lang


@given(
    st.sampled_from(sorted(SENTENCES.values())) | st.text(max_size=40),
    st.lists(st.sampled_from(["en", "pt", "gl", "zh-Hant", "nb", "sr-Latn", "wo", "yi", "ja"])),
)
@settings(deadline=None)
def test_nothing_but_a_candidate_is_answered(text: str, candidates: list[str]) -> None:
    found, confidence = identify_language(text, candidates=candidates)
    assert found in {*candidates, "und"}
    assert 0 <= confidence <= 1


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("พระจันทร์", "th"),
        ("달의 바다", "ko"),
        ("φεγγάρι", "el"),
        ("הירח", "he"),
        ("די לבנה איז שיין", "yi"),
        ("ጨረቃ", "am"),
        ("ኣብ ሰማይ", "ti"),
        ("月の海", "ja"),
        ("月球与地球", "zh"),
        ("月球與地球", "zh-Hant"),
        ("你哋喺邊度", "yue"),
        ("関西空港駅", "ja"),
        ("iPhone 15 ราคา", "th"),
    ],
)
def test_script_and_characters_decide_alone(text: str, lang: str) -> None:
    assert identify_language(text)[0] == lang


def test_a_script_of_one_candidate_decides() -> None:
    assert identify_language("луна", candidates=["en", "bg"]) == ("bg", 1.0)
    assert identify_language("luna", candidates=["bg", "ja"]) == ("und", 0.0)
    assert identify_language("月亮", candidates=["ja", "en"]) == ("ja", 1.0)
    assert identify_language("mba ngeen jàmm", candidates=["wo", "ar"]) == ("wo", 1.0)


def test_candidates_are_spelled_as_people_spell_them() -> None:
    assert identify_language(SENTENCES["fr"], candidates=["fra_Latn", "English"])[0] == "fr"
    norwegian = "hvor kan jeg se nordlyset i Norge"
    assert identify_language(norwegian, candidates=["nb", "en"])[0] == "nb"
    assert identify_language(norwegian, candidates=["no", "en"])[0] == "no"


def test_serbian_is_told_by_its_letters() -> None:
    assert identify_language("где могу да видим поларну светлост")[0] == "sr"
    latin = "gde mogu da vidim polarnu svetlost"
    assert identify_language(latin, candidates=["sr", "sr-Latn", "en"])[0] == "sr-Latn"


def test_candidates_make_a_doubtful_text_sure() -> None:
    text = "a origem do universo"
    free = identify_language(text)[1]
    assert identify_language(text, candidates=["pt", "de", "en"]) > ("pt", free)


def test_small_relatives_are_answered_only_where_they_are_asked_for() -> None:
    text = "antigua relación de su familia"
    found, confidence = identify_language(text)
    assert found == "es" and confidence > 0.5
    among = identify_language(text, candidates=["es", "an", "ext"])[1]
    assert among < identify_language(text, candidates=["es", "fr", "de"])[1]


def test_scripts_are_read_from_letters_only() -> None:
    assert main_script("2026 — 15 %") == ""
    assert main_script("a2ж") == "Cyrl"
    assert [script_of(c) for c in "×÷٣"] == ["", "", ""]
    assert script_counts("ab あ漢")["Latn"] == 2


def test_many_threads_with_other_candidates_do_not_disturb_each_other() -> None:
    pools = [["pt", "en"], ["gl", "en"], ["es", "en"], None] * 25

    def ask(pool: list[str] | None) -> tuple[str, float]:
        return identify_language("a luz do norte no ceo", candidates=pool)

    alone = [ask(pool) for pool in pools]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, pools)) == alone


def test_the_model_is_loaded_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    from py3langid.langid import LanguageIdentifier

    loads = []
    model = identify._identifier()

    def slow(*_: object, **__: object) -> object:
        loads.append(1)
        time.sleep(0.05)
        return model

    monkeypatch.setattr(LanguageIdentifier, "from_model_file", slow)
    identify._load.cache_clear()
    identify.load_identifier()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: identify_language(SENTENCES["fr"]), range(8)))
    assert {lang for lang, _ in found} == {"fr"}
    assert len(loads) == 1


def test_a_script_that_decides_loads_no_model() -> None:
    program = (
        "import sys\n"
        "from xret.retriever.languages.identification import identify_language\n"
        "assert identify_language('พระจันทร์')[0] == 'th'\n"
        "assert identify_language('月球与地球')[0] == 'zh'\n"
        "assert identify_language('луна', candidates=['ru', 'en'])[0] == 'ru'\n"
        "print('py3langid' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("The tide rises twice a day because of the Moon.", "en"),
        ("La marea sube dos veces al día por la atracción de la Luna.", "es"),
        ("Maji ya bahari hupanda mara mbili kwa siku kwa sababu ya mwezi.", "sw"),
        ("यह नदी हिमालय से निकलती है।", "hi"),
        ("潮汐每天涨落两次。", "zh"),
    ],
)
def test_a_sentence_is_identified(text: str, lang: str) -> None:
    found, confidence = identify_language(text)
    assert found == lang
    assert 0.3 <= confidence <= 1


@pytest.mark.parametrize("text", ["", "   ", "12345 + 67", "!?"])
def test_a_text_without_letters_tells_no_language(text: str) -> None:
    assert identify_language(text) == ("und", 0.0)
