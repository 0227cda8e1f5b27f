"""Romanised questions, and those that must not be taken for them."""

import lzma

import pytest

from xret.errors import ModelError
from xret.retriever.languages.scripts import script_counts
from xret.retriever.scripts import tables
from xret.retriever.scripts.reading import read_romanised
from xret.retriever.scripts.tables import LATTICES, LETTERS, READ_LANGUAGES, telling
from xret.retriever.scripts.telling import is_english, letter_runs, margins

LATIN = {
    "en": "what are the best ways to protect coral reefs from warming seas",
    "fr": "quelles sont les causes de la chute de l'empire romain",
    "de": "wie funktioniert ein Solarkraftwerk in der Wüste",
    "sw": "jinsi ya kuhifadhi maji wakati wa kiangazi",
    "id": "bagaimana cara kerja pembangkit listrik tenaga surya",
    "so": "sidee loo daaweeyaa cudurka duumada ee carruurta",
    "hr": "kako zaštititi koraljne grebene od zagrijavanja mora",
    "pl": "jak chronić rafy koralowe przed ocieplaniem mórz",
    "fi": "miten koralliriuttoja suojellaan merien lämpenemiseltä",
    "tr": "mercan resifleri denizlerin ısınmasından nasıl korunur",
    "vi": "làm thế nào để bảo vệ các rạn san hô",
    "tl": "paano mapoprotektahan ang mga bahura ng korales",
}


@pytest.mark.parametrize("lang", LATIN)
def test_a_question_in_a_latin_language_is_left_alone(lang: str) -> None:
    for said in (None, lang, "hi", "ru", "zh"):
        assert read_romanised(LATIN[lang], said) is None


@pytest.mark.parametrize(
    ("text", "lang", "native"),
    [
        ("kak zashchitit' korallovye rify", "ru", "как защитить"),
        ("kak zaschitit korallovye rify", "ru", "как защитить"),
        ("mera naam kya hai", "hi", "मेरा नाम क्या है"),
        ("Wo Men Xian Zai You", "zh", "我们现在有"),
        ("wo3men5 xian4zai4 you3", "zh", "我们现在有"),
        ("wǒmen xiànzài yǒu", "zh", "我们现在有"),
    ],
)
def test_a_romanised_question_is_read(text: str, lang: str, native: str) -> None:
    for said in (lang, f"{lang}-Latn", None):
        if said is None and "'" not in text and lang != "hi":
            continue
        reading = read_romanised(text, said)
        assert reading is not None and reading.lang == lang
        assert reading.text.startswith(native)


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("iPhone 15 price", "zh"),
        ("coral reefs", "ru"),
        ("как дела", "ru"),
        ("12 !?", "ru"),
        ("", "ru"),
    ],
)
def test_what_is_not_romanised_is_left_alone(text: str, lang: str) -> None:
    assert read_romanised(text, lang) is None


def test_a_single_word_is_read_only_where_its_language_is_given() -> None:
    assert read_romanised("vulkane", None) is None
    reading = read_romanised("namaste", "hi")
    assert reading is not None and reading.text == "नमस्ते"


def test_abbreviations_stay_and_other_words_are_kept() -> None:
    reading = read_romanised("kogda poyavilsya telekanal QVC i mir", "ru")
    assert reading is not None and "QVC" in reading.text
    assert not {"QVC", *reading.text.split()} & {*reading.others}


def test_margins_do_not_depend_on_the_machine() -> None:
    assert letter_runs("abc").tolist() == letter_runs("abc 12").tolist()
    assert letter_runs("ab")[:2].tolist() == [10120, 9460]
    assert not margins("12 !?") and is_english("the weather") and not is_english("privet mir")


def test_every_table_opens_and_all_together_are_small() -> None:
    files = {path.name.removesuffix(".json.xz") for path in tables.FOLDER.glob("*.json.xz")}
    assert files == {*READ_LANGUAGES, "telling"}
    assert sum(path.stat().st_size for path in tables.FOLDER.iterdir()) < 3 << 20
    assert {*telling().classes[1:]} == READ_LANGUAGES
    for lang in LETTERS | LATTICES:
        content = tables._content(lang)
        words = content["words"].split("\n")
        assert len(words) == len(content["costs"]) > 9000
        assert "Latn" not in script_counts("".join(words))


def test_a_damaged_table_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(tables, "FOLDER", tmp_path)
    (tmp_path / "xx.json.xz").write_bytes(lzma.compress(b"{"))  # type: ignore[operator]
    with pytest.raises(ModelError, match="install xret again"):
        tables._content("xx")


@pytest.mark.parametrize("lang", [None, "zh"])
def test_an_abbreviation_stays_in_what_is_read_whole(lang: str | None) -> None:
    reading = read_romanised("wo men zai NASA gong zuo", lang)
    assert reading is not None and reading.lang == "zh"
    assert "NASA" in reading.text and "我们" in reading.text


def test_text_that_is_all_capitals_has_no_abbreviations() -> None:
    reading = read_romanised("WO MEN XIAN ZAI", "zh")
    assert reading is not None and reading.text == "我们现在"


@pytest.mark.parametrize(
    "text",
    [
        "chạy ra từ phía xảy ra",
        "chạy và thua 7",
        "kò lè ṣe tó bí ọjọ́",
        "phản hồi ở đây",
    ],
)
def test_letters_that_no_romanisation_has_are_left_alone(text: str) -> None:
    assert read_romanised(text, None) is None


def test_marks_of_romanisations_are_read_as_such() -> None:
    for text in ("wǒ men xiàn zài", "mērā nām kyā hai"):
        assert read_romanised(text, None) is not None


@pytest.mark.parametrize("lang", ["hi-Latn", "ko-Latn"])
def test_what_is_too_long_for_a_word_stays_as_it_is(lang: str) -> None:
    reading = read_romanised("ka" * 400, lang)
    assert reading is not None and reading.text == "ka" * 400
