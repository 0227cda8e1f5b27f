"""Translators that fail in every way, and translations that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from rerank_double import double
from tiny_translation import write_tiny_table

from xret.errors import ConfigError, ModelError, TranslationError
from xret.retriever.translation import translator as translators
from xret.retriever.translation.chat import TRANSLATE_KEY, ChatTranslator
from xret.retriever.translation.opened import open_translator
from xret.retriever.translation.prepared import PreparedTranslations
from xret.retriever.translation.translator import CachedTranslator
from xret.retriever.translation.word_by_word import WordByWord
from xret.types import finished

TEXTS = [f"text {i}" for i in range(10)]


class Upper:
    """Translates to capitals; fails as told. asked: every text that it was ever given."""

    name = "upper"
    fingerprint = "upper-1"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.short = self.stops = 0
        self.empty = ""

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        if self.stops and len(self.asked) >= self.stops:
            raise TranslationError("upper stopped half way")
        self.asked += texts
        made = ["" if text == self.empty else f"{source}-{target} {text.upper()}" for text in texts]
        return made[: len(made) - self.short]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translators, "BATCH", 4)


def translated(upper: Upper, folder: Path, texts: Sequence[str] = TEXTS) -> dict[str, str]:
    return finished(CachedTranslator(upper, folder).translate_steps)(texts, "en", "fr")


def test_nothing_is_translated_twice(tmp_path: Path) -> None:
    upper = Upper()
    first = translated(upper, tmp_path, [*TEXTS, *TEXTS, " "])
    assert first == {**{text: f"en-fr {text.upper()}" for text in TEXTS}, " ": " "}
    assert upper.asked == TEXTS
    assert translated(upper, tmp_path, [*reversed(TEXTS), "new"])["new"] == "en-fr NEW"
    assert upper.asked == [*TEXTS, "new"]
    other = Upper()
    other.fingerprint = "upper-2"
    assert translated(other, tmp_path)[TEXTS[0]] and other.asked == TEXTS


def test_languages_are_kept_apart(tmp_path: Path) -> None:
    upper = Upper()
    translated(upper, tmp_path)
    steps = CachedTranslator(upper, tmp_path).translate_steps(TEXTS[:1], "en", "de")
    assert finished(lambda: steps)() == {TEXTS[0]: "en-de TEXT 0"}


@pytest.mark.parametrize("fault", ["short", "stops"])
def test_a_translator_that_stops_half_way_goes_on_there(tmp_path: Path, fault: str) -> None:
    upper = Upper()
    upper.stops = 8 if fault == "stops" else 0
    if fault == "short":
        translated(upper, tmp_path, TEXTS[:8])
        upper.short = 1
    with pytest.raises(TranslationError, match=r"returned 1 translations for 2|stopped half way"):
        translated(upper, tmp_path)
    upper.stops = upper.short = 0
    upper.asked.clear()
    assert len(translated(upper, tmp_path)) == len(TEXTS)
    assert upper.asked == TEXTS[8:]


def test_an_empty_line_is_told_and_the_others_of_its_batch_are_kept(tmp_path: Path) -> None:
    upper = Upper()
    upper.empty = "text 5"
    with pytest.raises(TranslationError, match="empty translation from en to fr for 'text 5'"):
        translated(upper, tmp_path)
    upper.empty = ""
    upper.asked.clear()
    assert translated(upper, tmp_path)["text 5"] == "en-fr TEXT 5"
    assert upper.asked == ["text 5", "text 8", "text 9"]


def test_a_file_of_kept_translations_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "upper-1.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(TranslationError, match="remove the file"):
        translated(Upper(), tmp_path)


def test_word_by_word_goes_both_ways_and_keeps_what_it_does_not_know(tmp_path: Path) -> None:
    words = WordByWord(write_tiny_table(tmp_path / "table"))
    assert words.translate(["die Bank am Fluss 1945"], "de", "en") == ["bank river 1945"]
    assert words.translate(["the river in Obama"], "en", "ru") == ["рек Obama"]
    with pytest.raises(TranslationError, match="does not translate from de to ru"):
        words.translate(["Bank"], "de", "ru")


def test_prepared_texts_are_found_in_both_directions(tmp_path: Path) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text("en\tfr\tthe sea\tla mer\n", encoding="utf-8")
    prepared = PreparedTranslations(path)
    assert prepared.translate(["the sea"], "en", "fr") == ["la mer"]
    assert prepared.translate(["la mer"], "fr", "en") == ["the sea"]
    with pytest.raises(TranslationError, match="of 1 of 2 texts, such as 'the land'"):
        prepared.translate(["the sea", "the land"], "en", "fr")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('["la mer", "la terre"]', ["la mer", "la terre"]),
        ('```json\n["la mer", "la terre"]\n```', ["la mer", "la terre"]),
        ("la mer", "no JSON list"),
        ('["la mer", 1]', "no text"),
        ("[}]", "no JSON list"),
    ],
)
def test_a_chat_model_answers_a_list(
    said: str, expected: list[str] | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRANSLATE_KEY, "secret")
    with double() as server:
        chat = ChatTranslator(f"{server.url}/v1/chat/completions#translates")
        server.mangle = lambda _: said
        if isinstance(expected, str):
            with pytest.raises(TranslationError, match=expected):
                chat.translate(["the sea", "the land"], "en", "fr")
        else:
            assert chat.translate(["the sea", "the land"], "en", "fr") == expected
    assert server.keys == ["Bearer secret"]
    assert "from English to French" in server.asked[0]["messages"][0]["content"]


def test_a_chat_model_that_is_away_is_told() -> None:
    with double() as server:
        url = server.url
    with pytest.raises(TranslationError, match="what was translated before is kept"):
        open_translator(f"{url}/v1/chat/completions").translator.translate(["sea"], "en", "fr")


def test_what_is_no_translator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no translator 'nowhere'"):
        open_translator("nowhere")
    with pytest.raises(ModelError, match="holds no model"):
        open_translator(str(tmp_path))
