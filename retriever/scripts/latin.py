"""Latin letters as people type other scripts with: words plain, and keys by which they are found.

A key is what romanisations of one word agree on: its consonants in broad classes, without
vowels, h, w and y, and without repetitions. Keys join: that of a word is made of its parts'.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["LATIN_WORD", "has_own_letters", "join_keys", "latin_key", "plain"]

LATIN_WORD = re.compile(
    "(?:[^\\W\\d_]|['`\u2018\u2019\u02b9-\u02bf@])+(?:[^\\W_]|['`\u2018\u2019\u02b9-\u02bf@]|[0-9](?=[^\\W\\d_]))*"
)
"""A word of a romanised text: letters, the marks that stand for letters, digits between letters."""

_APOSTROPHES = dict.fromkeys(
    map(ord, "`\u2018\u2019\u02b9\u02ba\u02bb\u02bc\u02bd\u02be\u02bf"), "'"
)
_SPELT = {
    "\u00e6": "ae",
    "\u0153": "oe",
    "\u00df": "ss",
    "\u0131": "i",
    "\u0259": "e",
    "\u00f8": "o",
    "\u0111": "d",
    "\u014b": "ng",
    "\u00f0": "d",
    "\u00fe": "th",
    "\u0142": "l",
}
_CLASSES = {
    **dict.fromkeys("kgqx", "K"),
    **dict.fromkeys("td", "T"),
    **dict.fromkeys("pbf", "P"),
    **dict.fromkeys("szcj", "S"),
    **dict.fromkeys("mn", "N"),
    "l": "L",
    "r": "R",
    "6": "T",
    "5": "K",
    "9": "K",
    "8": "K",
    "$": "S",
}
_REPEATED = re.compile(r"(.)\1+")
_OWN = re.compile(
    "[\u00df\u00e6\u00f8\u0111\u0142\u014b\u0153\u0131\u00f0\u00fe\u0199\u01b4\u0253\u0254\u0257\u025b\u0263"
    "\u0309\u030a\u030b\u031b\u0328]|[aeiou]\u0323|[aeiou][\u0302\u0306][\u0300\u0301\u0303]"
)
"""What Vietnamese, Yoruba, Polish and others write and no usual romanisation does: letters, the
hook, ring, double acute, horn and ogonek, a vowel with a dot below, or with two marks."""


@lru_cache(maxsize=1 << 14)
def plain(word: str) -> str:
    """Lower case, without accents; one apostrophe for all marks.

    >>> plain("\u1e62\u0101\u1e25ib"), plain("Gor\u02bdkiy")
    ('sahib', "gor'kiy")
    """
    spelt = "".join(_SPELT.get(letter, letter) for letter in word.lower())
    parts = unicodedata.normalize("NFD", spelt.translate(_APOSTROPHES))
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def has_own_letters(text: str) -> bool:
    """Whether a text has letters of a language that Latin letters write.

    >>> has_own_letters("ch\u1ea1y ra"), has_own_letters("w\u01d2 m\u00e9n s\u0101\u1e25ib")
    (True, False)
    """
    return not text.isascii() and bool(_OWN.search(unicodedata.normalize("NFD", text.lower())))


def latin_key(word: str) -> str:
    """The key of a plain word.

    >>> latin_key("namaste"), latin_key("nmastay")
    ('NST', 'NST')
    """
    return join_keys("".join(_CLASSES.get(letter, "") for letter in word))


def join_keys(key: str) -> str:
    """Parts of a key, set one behind the other, as one key."""
    return _REPEATED.sub(r"\1", key)
