"""Words and texts in Latin letters: by libraries, and as people write them.

pip install anyascii uroman indic-transliteration cyrtranslit iuliia hangul-romanize koroman
pypinyin cutlet unidic-lite jaconv jieba. Unidecode and pykakasi are left out: the tables are
measured by them (`benchmarks/romanised.py`).
"""

from __future__ import annotations

import logging
import random
import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any

Romanise = Callable[[str], str]

INDIC = {
    **dict.fromkeys(("hi", "mr", "ne"), "devanagari"),
    **{"bn": "bengali", "pa": "gurmukhi", "gu": "gujarati", "ta": "tamil", "te": "telugu"},
    **{"kn": "kannada", "ml": "malayalam", "si": "sinhala"},
}
ABJADS = ("ar", "fa", "ur", "he")

_CYRILLIC = {"ru": "ru", "uk": "ua", "bg": "bg", "be": "by", "mk": "mk"}
_RUSSIAN = ("WIKIPEDIA", "BGN_PCGN", "GOST_779", "MVD_310", "YANDEX_MAPS", "ALA_LC")
_SOUNDS = "a v g d e z i th i k l m n x o p r s s t y f ch ps o"
_GREEK = dict(zip("αβγδεζηθικλμνξοπρσςτυφχψω", _SOUNDS.split(" "), strict=True))
_GREEKLISH = (
    _GREEK,
    {**_GREEK, "η": "h", "θ": "8", "ξ": "3", "υ": "u", "χ": "x", "ω": "w", "β": "b"},
    {**_GREEK, "η": "i", "χ": "h", "ξ": "ks", "υ": "i"},
)
_HEARD = {
    "ου": "ou",
    "αυ": "av",
    "ευ": "ev",
    "μπ": "b",
    "ντ": "d",
    "γκ": "g",
    "ει": "i",
    "οι": "i",
    "αι": "e",
}
_ARABIC = """ا a a e - · أ a 2a e · إ i e 2i · آ a aa · ى a y · ب b · ت t · ث th t s · ج j g dj
ح 7 h · خ kh 5 7' · د d · ذ th z dh d · ر r · ز z · س s · ش sh ch · ص s 9 · ض d dh · ط t 6
ظ z dh · ع 3 a - ' · غ gh 8 g · ف f · ق q 9 k g · ك k · ل l · م m · ن n · ه h · ة a ah eh e
و w o u ou · ي y i ee · ء 2 - ' · ئ 2 e ' · ؤ 2 o ' · پ p · چ ch · ژ zh j · گ g · ک k · ی i y ee
ے e ay · ں n · ٹ t · ڈ d · ڑ r · ھ h · ہ h a · ۂ a"""
_HEBREW = """א a - e · ב b v · ג g · ד d · ה h a - · ו v o u · ז z · ח ch h kh · ט t · י y i
כ k ch kh · ך ch kh · ל l · מ m · ם m · נ n · ן n · ס s · ע a - ' · פ p f · ף f · צ ts tz
ץ ts tz · ק k q · ר r · ש sh s · ת t th"""
_VARIED = """aa a .7 · ii i .4 · ii ee .4 · uu u .4 · uu oo .4 · ee i .3 · oo u .3 · v w .3 · w v .2
ph f .5 · q k .3 · zh j .2 · iy i .3 · iy y .3 · yy y .5 · ' - .8 · kh h .2 · ts c .2 · x ks .3
y i .15 · j y .1 · c k .05 · sh s .1"""


def _spelt(table: str) -> dict[str, list[str]]:
    entries = [entry.split() for entry in table.replace("\n", " · ").split("·") if entry.strip()]
    return {first: [part.replace("-", "") for part in parts] for first, *parts in entries}


_PEOPLE = {"he": _spelt(_HEBREW), **dict.fromkeys(("ar", "fa", "ur"), _spelt(_ARABIC))}
_NOISE = [
    (parts[0], parts[1].replace("-", ""), float(parts[2]))
    for parts in (entry.split() for entry in _VARIED.replace("\n", " · ").split("·"))
    if parts
]


@cache
def romanisers(lang: str) -> list[Romanise]:
    """The libraries' ways of writing a language."""
    logging.disable(logging.CRITICAL)
    import uroman
    from anyascii import anyascii

    return [anyascii, uroman.Uroman().romanize_string, *_own(lang)]


def _own(lang: str) -> list[Romanise]:
    if lang in INDIC:
        from indic_transliteration import sanscript

        schemes = (sanscript.IAST, sanscript.ITRANS, sanscript.OPTITRANS)
        return [lambda w, s=s: sanscript.transliterate(w, INDIC[lang], s) for s in schemes]
    if lang == "el":
        return [lambda w, n=n: greeklish(w, n) for n in range(3)]
    if lang == "ko":
        import koroman
        from hangul_romanize import Transliter
        from hangul_romanize.rule import academic

        return [Transliter(academic).translit, koroman.romanize]
    if lang not in _CYRILLIC:
        return []
    import cyrtranslit
    import iuliia

    found: list[Any] = [lambda w: cyrtranslit.to_latin(w, _CYRILLIC[lang])]
    schemas = [getattr(iuliia, name, None) for name in _RUSSIAN] if lang == "ru" else []
    return found + [lambda w, s=s: iuliia.translate(w, s) for s in schemas if s is not None]


def greeklish(word: str, way: int) -> str:
    """Greek by sound, by looks, or between."""
    parts = unicodedata.normalize("NFD", word)
    bare = "".join(letter for letter in parts if not unicodedata.combining(letter))
    heard = _HEARD if way == 0 else {"ου": "ou"} if way == 2 else {}
    for letters, sound in heard.items():
        bare = bare.replace(letters, sound)
    return "".join(_GREEKLISH[way].get(letter, letter) for letter in bare)


def by_people(word: str, lang: str, rng: random.Random) -> str:
    """A word of a script without vowels as people write it: some vowels, digits for letters."""
    written, consonant = "", False
    if lang == "ar" and word.startswith("ال") and len(word) > 3:
        written, word = rng.choice(["al", "el", "il", "al-", "l"]), word[2:]
    for letter in word:
        spelt = rng.choice(_PEOPLE[lang].get(letter, [""]))
        is_consonant = bool(spelt) and spelt[0] not in "aeiou'"
        if is_consonant and consonant and rng.random() < 0.75:
            written += rng.choice("aaaieuo" if lang != "he" else "aeio")
        written, consonant = written + spelt, is_consonant
    return written


def varied(latin: str, rng: random.Random) -> str:
    """A romanised word as somebody else would write it."""
    for old, new, chance in _NOISE:
        if old in latin and rng.random() < chance:
            latin = latin.replace(old, new)
    if rng.random() < 0.25:
        latin = re.sub(r"([bcdfgjklmnpqrstvz])\1", r"\1", latin)
    if rng.random() < 0.15 and len(latin) > 3:
        at = rng.randrange(1, len(latin))
        if latin[at] in "bdfgklmnprstz":
            latin = latin[:at] + latin[at] + latin[at:]
    vowels = [at for at in range(1, len(latin)) if latin[at] in "aeiou"]
    if rng.random() < 0.12 and len(latin) > 4 and vowels:
        at = rng.choice(vowels)
        latin = latin[:at] + latin[at + 1 :]
    return latin


def without_last_vowel(latin: str) -> str:
    """An Indic word whose last consonant's own vowel is not said."""
    return re.sub(r"([bcdghjklmnprstvyz])a\b", r"\1", latin)
