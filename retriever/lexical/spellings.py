"""Characters that are written for one another, by language, for lexical search.

`CHARACTERS` are replaced before a word is stemmed, `ENDINGS` after; "" is any language.
Sources: the Unicode standard's chapters on the scripts, and what the languages' own readers
leave out or mix up when they type.
"""

from __future__ import annotations

__all__ = ["CHARACTERS", "ENDINGS", "TONES", "ZWNJ"]

ZWNJ = "\u200c"


def _dropped(*ranges: tuple[int, int]) -> dict[str, str | None]:
    return {chr(point): None for first, last in ranges for point in range(first, last + 1)}


def _each(pairs: str) -> dict[str, str | None]:
    """'ab cd' → a becomes b, c becomes d."""
    return {pair[0]: pair[1:] for pair in pairs.split()}


def _series(*firsts: tuple[int, int]) -> dict[str, str | None]:
    """Whole Ethiopic series (eight syllables of one consonant) for others."""
    return {chr(a + order): chr(b + order) for a, b in firsts for order in range(8)}


_ARABIC_MARKS = _dropped((0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06ED))

_ANY: dict[str, str | None] = {
    **dict.fromkeys("'’‘‛ʼʻʽʾʿ`´′׳՚ꞌ", "'"),
    **dict.fromkeys("״՛՜՞ـ", None),  # written inside a word
    **_ARABIC_MARKS,
    **_each("كک يی ىی ۀه"),
    **_dropped((0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2), (0x05C4, 0x05C5)),
    **_dropped((0x05C7, 0x05C7), (0x093C, 0x093C)),
    **_each("ँं ऩन ऱर ऴळ ৎত্ ൺണ് ൻന് ർര് ൽല് ൾള് ൿക്"),
    "ё": "е",
    "ѝ": "и",
}

CHARACTERS: dict[str, dict[str, str | None]] = {
    "": _ANY,
    "ar": _each("کك یي كك يي ىى"),
    "fa": {**_each("ةه أا إا ٱا"), ZWNJ: ZWNJ},  # the stemmer reads it
    "ur": _each("هہ ۀہ ةہ ۃہ أا إا ٱا"),
    "ca": {"·": None},  # l·l
    "ro": _each("şș ţț"),
    "am": _series(
        (0x1210, 0x1200),
        (0x1280, 0x1200),
        (0x12B8, 0x1200),
        (0x1220, 0x1230),
        (0x12D0, 0x12A0),
        (0x1340, 0x1338),
    ),
}

ENDINGS: dict[str, dict[str, str | None]] = {
    "ar": _each("أا إا آا ٱا ىي ةه"),
}

TONES = {
    f"{first}{second}": f"{marked}{plain}"
    for plain, first, seconds, marks in (
        ("a", "o", "àáảãạ", "òóỏõọ"),
        ("e", "o", "èéẻẽẹ", "òóỏõọ"),
        ("y", "u", "ỳýỷỹỵ", "ùúủũụ"),
    )
    for second, marked in zip(seconds, marks, strict=True)
}
"""Of Vietnamese, old and new places of the tone on an open final oa, oe and uy."""
