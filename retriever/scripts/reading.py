"""A romanised question, read as its language writes it.

`namaste dosto` is नमस्ते दोस्तों, `privet mir` is привет мир, `wo men xian zai` is 我们现在. What is
read so is told, and other readings of a word are kept for the search by words. A question that
looks as Latin languages do is left alone, whatever language is said to be its own: people ask for
iPhones in all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from xret.retriever.languages.scripts import script_of
from xret.retriever.scripts.latin import LATIN_WORD, has_own_letters, plain
from xret.retriever.scripts.lattice import pinyin_letters, romaji_letters
from xret.retriever.scripts.tables import LATTICES, READ_LANGUAGES, lattice, native_words
from xret.retriever.scripts.telling import AS_WRITTEN, is_english, margins

__all__ = ["Reading", "read_romanised"]

GIVEN = ((-6.0, 0.5), (-1.0, 0.0))
TOLD = ((0.3, 0.8), (2.0, 0.45), (6.0, 0.0))
"""How much a text has to look romanised, and then how many of its words the vocabulary has to have
close by: where its language is given, and where it is not."""
UNPLAIN = 20
"""Letters of a single word below which it is read only where its language is given."""
ENGLISH_MARGIN = 2.0
"""How much a text has to look romanised whose words are English ones too."""
LETTER_COST = 1.9
"""What a letter costs, at most, of a word that is close by, beside `WORD_COST` for the word."""
WORD_COST = 6.0
OTHER_MARGIN = 1.5
"""How much dearer another reading of a word may be that is kept."""
READ_CHARACTERS = 2000
MAX_WORD = 40
"""Letters of a word above which it is none, and stays as it is."""
LATIN = "Latn"

_ABBREVIATION = re.compile(r"(?<!\w)([A-Z]{2,6})(?!\w)")
_RUN = re.compile("[a-z](?:[a-z ']*[a-z])?")
_LETTERS: dict[str, Callable[[str], str]] = {"zh": pinyin_letters, "ja": romaji_letters}


@dataclass(frozen=True, slots=True)
class Reading:
    """text: in the script of `lang`. others: words that it may have meant instead."""

    text: str
    lang: str
    others: tuple[str, ...] = ()


def read_romanised(text: str, lang: str | None) -> Reading | None:
    """What a romanised text says; None where it is none, or in a language that is not read.

    lang: the language that it is said to be in, as a BCP 47 code, None where nobody said.
    """
    base, _, subtags = (lang or "").partition("-")
    if (lang and base not in READ_LANGUAGES) or not _is_latin(text):
        return None
    letters = plain(text[:READ_CHARACTERS])
    unplain = len(letters) < UNPLAIN and len(letters.split()) < 2
    if not base and (unplain or has_own_letters(text)):
        return None
    looks = margins(letters)
    told = base or max(looks, key=lambda one: looks[one], default=AS_WRITTEN)
    asked = subtags == LATIN
    rules = GIVEN if base else TOLD
    if told == AS_WRITTEN or not (asked or looks.get(told, -math.inf) >= rules[0][0]):
        return None
    if not asked and looks[told] < ENGLISH_MARGIN and is_english(letters):
        return None
    read, explained = (_by_lattice if told in LATTICES else _by_words)(text, told)
    if not (asked or any(looks[told] >= least and explained >= share for least, share in rules)):
        return None
    return Reading(read.text, lang if base and lang and not asked else told, read.others)


def _is_latin(text: str) -> bool:
    """Whether there are letters, and all of them Latin ones."""
    if text.isascii():
        return not text.isspace() and any(map(str.isalpha, text))
    scripts = {script_of(character) for character in text} - {""}
    return scripts == {LATIN}


def _by_words(text: str, lang: str) -> tuple[Reading, float]:
    """Word by word; and how many of the words are close to words of the vocabulary."""
    words = native_words(lang)
    others: list[str] = []
    counts = [0, 0]
    mixed = not text.isupper()

    def read(match: re.Match[str]) -> str:
        latin = match.group()
        if len(latin) > MAX_WORD or (mixed and _ABBREVIATION.fullmatch(latin)):
            return latin  # an abbreviation is written so in every script
        found = words.readings(plain(latin).replace("-", ""))
        if not found:
            return latin
        best = found[0]
        counts[0] += 1
        counts[1] += best.known and best.cost <= LETTER_COST * len(latin) + WORD_COST
        others.extend(o.word for o in found[1:3] if o.known and o.cost < best.cost + OTHER_MARGIN)
        return best.word

    native = LATIN_WORD.sub(read, text)
    return Reading(native, lang, tuple(dict.fromkeys(others))), counts[1] / max(counts[0], 1)


def _by_lattice(text: str, lang: str) -> tuple[Reading, float]:
    """Run by run; and how much of the letters words take."""
    ways, spelt = lattice(lang), _LETTERS[lang]
    left = whole = 0

    def read(match: re.Match[str]) -> str:
        nonlocal left
        native, _ = ways.read(match.group())
        left += sum(map(str.isascii, native))
        return native

    native: list[str] = []
    # Of what is split every other part is an abbreviation, where not all letters are capitals.
    parts = [text] if text.isupper() else _ABBREVIATION.split(text)
    for number, part in enumerate(parts):
        letters = part if number % 2 else spelt(plain(part))
        whole += 0 if number % 2 else sum(map(str.isalpha, letters))
        native.append(letters if number % 2 else _RUN.sub(read, letters))
    return Reading("".join(native), lang), 1 - left / max(whole, 1)
