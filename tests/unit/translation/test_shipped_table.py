"""The table that comes with the package."""

import pytest

from xret.retriever.lexical.analysis import analyse
from xret.retriever.translation.named import SHIPPED_TABLE, open_table


@pytest.mark.parametrize(
    ("lang", "word", "english"),
    [
        ("de", "Fluss", "river"),
        ("ru", "река", "river"),
        ("ar", "سمكة", "fish"),
        ("hi", "नदी", "river"),
    ],
)
def test_common_words_are_translated(lang: str, word: str, english: str) -> None:
    table = open_table(SHIPPED_TABLE)
    of_lang = table.language(lang)
    assert of_lang is not None
    (term,) = analyse(word, lang)
    assert english in [name for name, _ in of_lang.translations(term) or ()]


def test_the_card_names_the_languages_and_the_licence() -> None:
    table = open_table(SHIPPED_TABLE)
    card = (table.path.parent / "README.md").read_text(encoding="utf-8")
    assert len(table.languages) >= 20
    assert all(f"\n| {lang} | " in card for lang in table.languages)
    assert "CC BY-SA 4.0, the strictest term" in card and "not recorded" not in card
    assert table.path.stat().st_size < 15_000_000
