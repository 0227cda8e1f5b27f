"""Language codes: whatever people and corpora write, mapped to one BCP 47 spelling.

Every other module holds codes that have been through `language_code`. The facts (macro-
languages, likely scripts, names) are CLDR's, read through langcodes.
"""

from __future__ import annotations

import difflib
from functools import lru_cache

import langcodes
from langcodes.tag_parser import LanguageTagError

from xret.errors import LanguageError
from xret.types import UNDETERMINED

__all__ = ["autonym", "direction", "language_code", "language_name"]

RIGHT_TO_LEFT = frozenset({"Adlm", "Arab", "Hebr", "Mand", "Nkoo", "Rohg", "Syrc", "Thaa"})
PART_OF = {"Hang": "Kore", "Hira": "Jpan", "Kana": "Jpan", "Hrkt": "Jpan"}
"""Scripts that FLORES and others name for a writing system of several."""

_UNKNOWN = frozenset({"", UNDETERMINED, "unknown", "mul", "zxx", "none", "null"})


@lru_cache(maxsize=4096)
def language_code(spelling: str) -> str:
    """The shortest BCP 47 code of a language: a script only where it is not the usual one.

    Takes ISO 639-1 and 639-3, FLORES and mBART codes, locales and English names; regions
    are dropped except for the script that they imply.
    Raises LanguageError for a spelling that means no language, with the nearest names.

    >>> [language_code(s) for s in ("fra", "fr_XX", "fra_Latn", "French", "zh-TW", "swh")]
    ['fr', 'fr', 'fr', 'fr', 'zh-Hant', 'sw']
    """
    cleaned = spelling.strip()
    if not cleaned.isprintable():
        raise LanguageError("a language code holds control characters; use a code such as fr or sw")
    if cleaned.lower() in _UNKNOWN:
        return UNDETERMINED
    tag = cleaned.replace("_", "-").removesuffix("-XX").removesuffix("-xx")
    try:
        found = langcodes.Language.get(tag)
        # A region that does not exist (eo_EO) says nothing, and must not hide the language.
        language = found if found.is_valid() else found.update_dict({"territory": None})
    except LanguageTagError:
        language = _by_name(cleaned)
    if not language.is_valid() or language.language is None:
        language = _by_name(cleaned)
    full = language.prefer_macrolanguage().maximize()
    base = str(full.language)
    script = PART_OF.get(str(full.script), full.script)
    likely = langcodes.Language.get(base).maximize().script
    usual = PART_OF.get(str(likely), likely)
    return base if script in (None, usual) else f"{base}-{script}"


@lru_cache(maxsize=4096)
def direction(code: str) -> str:
    """'rtl' or 'ltr', from the script the language is usually written in."""
    return "rtl" if langcodes.Language.get(code).maximize().script in RIGHT_TO_LEFT else "ltr"


@lru_cache(maxsize=4096)
def language_name(code: str) -> str:
    """The English name of a code, for people."""
    return "unknown" if code == UNDETERMINED else langcodes.Language.get(code).display_name()


@lru_cache(maxsize=4096)
def autonym(code: str) -> str:
    """A language's own name for itself."""
    return "" if code == UNDETERMINED else langcodes.Language.get(code).autonym()


def _by_name(spelling: str) -> langcodes.Language:
    try:
        return langcodes.find(spelling)
    except LookupError:
        close = _close_names(spelling)
        advice = f"did you mean {' or '.join(close)}?" if close else "use a code such as fr or sw"
        raise LanguageError(f"{spelling!r} is no language code or name; {advice}") from None


def _close_names(spelling: str) -> list[str]:
    common = "ar bn cs da de el en es fa fi fr he hi hu id it ja ko nl pl pt ro ru sv sw ta te th "
    common += "tr uk ur vi zh yo ha so am"
    names = {
        language_name(code).lower(): f"{code} ({language_name(code)})" for code in common.split()
    }
    close = difflib.get_close_matches(spelling.lower(), [*names, *common.split()], n=2, cutoff=0.6)
    return [names.get(name, name) for name in close]
