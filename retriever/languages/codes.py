"""Language codes: whatever people and corpora write, mapped to one BCP 47 spelling.

Every other module holds codes that have been through `language_code`. The facts (macro-
languages, likely scripts, names) are CLDR's, read through langcodes.
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import Any

import langcodes
from langcodes.data_dicts import LIKELY_SUBTAGS
from langcodes.tag_parser import LanguageTagError

from xret.errors import LanguageError
from xret.types import UNDETERMINED

__all__ = ["ENGLISH", "autonym", "direction", "language_code", "language_name"]

ENGLISH = "en"

RIGHT_TO_LEFT = frozenset({"Adlm", "Arab", "Hebr", "Mand", "Nkoo", "Rohg", "Syrc", "Thaa"})
PART_OF = {"Hang": "Kore", "Hira": "Jpan", "Kana": "Jpan", "Hrkt": "Jpan"}
"""Scripts that FLORES and others name for a writing system of several."""

COMMON = "ar bn cs da de el en es fa fi fr he hi hu id it ja ko nl pl pt ro ru sv sw ta te th tr uk"
COMMON += " ur vi zh yo ha so am"
"""Languages that a misspelling is compared with."""

SHORTEST_CODE, LONGEST_CODE = 2, 3

_WITH_ADDITION = re.compile(r"(?P<name>[^()]+?)\s*\((?P<addition>[^()]+)\)")
_COUNTRY = re.compile(r"([a-z]{2})(?:[-_]|$)")
_SPOKEN_IN = {"us": "en", "gb": "en"} | {
    tag[-2:].lower(): likely
    for tag, likely in LIKELY_SUBTAGS.items()
    if re.fullmatch("und-[A-Z]{2}", tag)
}
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
def language_name(code: str, *, within: str = ENGLISH) -> str:
    """The name of a code for people, in the language `within`."""
    return "unknown" if code == UNDETERMINED else langcodes.Language.get(code).display_name(within)


@lru_cache(maxsize=4096)
def autonym(code: str) -> str:
    """A language's own name for itself."""
    return "" if code == UNDETERMINED else langcodes.Language.get(code).autonym()


def _by_name(spelling: str) -> langcodes.Language:
    """The language of a name, written whole; a name that only begins like one is none."""
    language = _named(spelling)
    match = _WITH_ADDITION.fullmatch(spelling)
    if language is None and match is not None:
        language, part = _named(match["name"]), _part(match["addition"])
        language = None if language is None or part is None else language.update(part)
    if language is None:
        close = _close_names(spelling)
        advice = f"did you mean {' or '.join(close)}?" if close else "use a code such as fr or sw"
        raise LanguageError(f"{spelling!r} is no language code or name; {advice}")
    return language


def _named(spelling: str) -> langcodes.Language | None:
    """By its name in any language; one of three ASCII letters is English, of fewer a code.

    Short names belong to languages that hardly anyone means, and are codes misspelt. What is
    a name of several languages is that which it means in English.
    """
    name = _normalized(spelling)
    short = name.isascii() and len(name) <= LONGEST_CODE
    if short and len(name) < LONGEST_CODE:
        return None
    for written in (name, name.removesuffix(" language")):
        for lang in ("en",) if short else (UNDETERMINED, "en"):
            if codes := _names(lang).get(written):
                return _tagged("language", codes[0].decode())
    return None


def _normalized(name: str) -> str:
    from language_data.names import normalize_name

    return str(normalize_name(name))


def _tagged(category: str, code: str) -> langcodes.Language:
    """A name's code, which may be of several parts: Brazilian Portuguese is pt-BR."""
    if "-" in code:
        return langcodes.Language.get(code)
    return langcodes.Language.make(**{category: code})


def _part(addition: str) -> langcodes.Language | None:
    """The script or country named in brackets after a language."""
    name = _normalized(addition).removesuffix(" script")
    for category in ("script", "territory"):
        if codes := _names("en", category).get(name):
            return _tagged(category, codes[0].decode())
    return None


@lru_cache(maxsize=8)
def _names(lang: str, category: str = "language") -> Any:
    """Names in a language as CLDR has them, normalised, with their codes.

    langcodes' own search takes what merely begins with a name for it: klingonish is Klingon.
    """
    from language_data.names import load_trie
    from language_data.util import data_filename

    return load_trie(data_filename(f"trie/{lang}/name_to_{category}.marisa"))


def _close_names(spelling: str) -> list[str]:
    """What may have been meant: a country's language, a name of few letters more or less."""
    lowered = spelling.lower()
    country = _COUNTRY.match(lowered)
    if country is not None and (likely := _SPOKEN_IN.get(country[1])):
        return [_described(str(langcodes.Language.get(likely).language))]
    if len(lowered) < SHORTEST_CODE:
        return []
    longest = max(_names("en").prefixes(lowered), key=len, default="")
    begun = [_names("en")[longest][0].decode()] if len(longest) >= 0.7 * len(lowered) else []
    names = {language_name(code).lower(): code for code in COMMON.split()}
    close = difflib.get_close_matches(lowered, [*names, *names.values()], n=2, cutoff=0.6)
    close += [name for name in names if name.startswith(lowered)]
    codes = dict.fromkeys([*begun, *(names.get(name, name) for name in close)])
    return [_described(code) for code in codes][: 1 if begun else 2]


def _described(code: str) -> str:
    return f"{code} ({language_name(code)})"
