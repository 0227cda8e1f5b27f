"""Which writing system a character belongs to, by Unicode block."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections import Counter
from functools import lru_cache

__all__ = ["script_counts", "script_of"]

# First and last code point of each block, with the ISO 15924 code of its script.
_BLOCKS = """
0041 024F Latn · 0250 02AF Latn · 0370 03FF Grek · 0400 052F Cyrl · 0530 058F Armn
0590 05FF Hebr · 0600 06FF Arab · 0700 074F Syrc · 0750 077F Arab · 0780 07BF Thaa
07C0 07FF Nkoo · 0860 086F Syrc · 0870 08FF Arab · 0900 097F Deva · 0980 09FF Beng
0A00 0A7F Guru · 0A80 0AFF Gujr · 0B00 0B7F Orya · 0B80 0BFF Taml · 0C00 0C7F Telu
0C80 0CFF Knda · 0D00 0D7F Mlym · 0D80 0DFF Sinh · 0E00 0E7F Thai · 0E80 0EFF Laoo
0F00 0FFF Tibt · 1000 109F Mymr · 10A0 10FF Geor · 1100 11FF Hang · 1200 139F Ethi
13A0 13FF Cher · 1400 167F Cans · 1780 17FF Khmr · 1800 18AF Mong · 18B0 18FF Cans
19E0 19FF Khmr · 1A00 1A1F Bugi · 1C50 1C7F Olck · 1C80 1C8F Cyrl · 1C90 1CBF Geor
1D00 1DBF Latn · 1E00 1EFF Latn · 1F00 1FFF Grek · 2C60 2C7F Latn · 2D00 2D2F Geor
2D30 2D7F Tfng · 2D80 2DDF Ethi · 2DE0 2DFF Cyrl · 3005 3007 Hani · 3040 309F Hira
30A0 30FF Kana · 3130 318F Hang · 31F0 31FF Kana · 3400 4DBF Hani · 4E00 9FFF Hani
A640 A69F Cyrl · A720 A7FF Latn · A8E0 A8FF Deva · A960 A97F Hang · A9E0 A9FF Mymr
AA60 AA7F Mymr · AB00 AB2F Ethi · AB30 AB6F Latn · AB70 ABBF Cher · ABC0 ABFF Mtei
AC00 D7FF Hang · F900 FAFF Hani · FB00 FB06 Latn · FB1D FB4F Hebr · FB50 FDFF Arab
FE70 FEFF Arab · FF21 FF5A Latn · FF66 FF9F Kana · 1E900 1E95F Adlm · 20000 323AF Hani
"""
_RANGES = sorted(
    (int(first, 16), int(last, 16), script)
    for first, last, script in (
        block.split() for block in _BLOCKS.replace("\n", "·").split("·") if block.strip()
    )
)
_FIRSTS = [first for first, _, _ in _RANGES]


@lru_cache(maxsize=8192)
def script_of(character: str) -> str:
    """The ISO 15924 code of a letter's or vowel sign's script; empty for anything else.

    >>> [script_of(c) for c in "aжあ漢7"]
    ['Latn', 'Cyrl', 'Hira', 'Hani', '']
    """
    if unicodedata.category(character)[0] not in "LM":
        return ""
    point = ord(character)
    place = bisect_right(_FIRSTS, point) - 1
    if place < 0 or point > _RANGES[place][1]:
        return ""
    return _RANGES[place][2]


def script_counts(text: str) -> Counter[str]:
    """How many letters and vowel signs of each script a text has."""
    counts = Counter(map(script_of, text))
    del counts[""]
    return counts
