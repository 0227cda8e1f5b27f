"""Text → terms for lexical search, the same for documents and queries.

A text is cut at white space; what is between goes through the same steps in every language:

1. NFKC, case folding (Turkish and Azeri with their two i), NFKC again. Soft hyphens,
   direction marks and other invisible characters go; apostrophes become one; digits of any
   script become ASCII's; thousands separators go (`1,000` and `1.000` are `1000`).
2. Words are runs of letters, digits and marks. Scripts without spaces between words give
   overlapping pairs (Han, kana and Hangul of characters, Thai, Lao, Khmer and Burmese of
   written syllables), in any language: so a Latin word in a Chinese sentence is a word. Of
   Han characters each is a term as well, so that a query of one character finds something.
   Korean is spaced, but its particles are not: pairs of syllables do what stemming would.
3. Elided articles go (French, Italian, Catalan, Occitan, Irish), and what follows an
   apostrophe in Turkish and Azeri; other apostrophes join (ng'ombe, oʻzbek, м'ята).
4. Snowball stemming where there is an algorithm for the language (see `SNOWBALL`).
5. Accents are dropped, after stemming, in the languages whose readers leave them out when
   they type (see `FOLDED`; ñ stays). Elsewhere they tell letters or words apart and are kept:
   å ä ö in the north, the tones of Yoruba and Vietnamese, háčky, ogoneks, ı and ş.

Spellings of one letter are one: harakat, tatweel and the forms of alef, yeh, kaf and teh
marbuta of Arabic, Persian and Urdu; Hebrew and Yiddish points; nukta and candrabindu of
Devanagari, chillu of Malayalam; homophones of Amharic; stress marks and ё of Cyrillic;
traditional and simplified Han; where Vietnamese puts the tone of oa, oe and uy.

An unknown language (`und`), or one without rules, is analysed by its scripts alone. Of
documents every word is a term, so that "the who" can be found; queries leave out what only
asks (`xret.retriever.lexical.stopwords`) where something else remains.
Symbols are no terms: C++ is `c`. Terms have at most 64 characters.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise

import Stemmer

from xret.retriever.languages.chinese import TO_SIMPLIFIED
from xret.retriever.lexical.spellings import CHARACTERS, ENDINGS, TONES, ZWNJ
from xret.retriever.lexical.stopwords import STOP_WORDS

__all__ = [
    "FOLDED",
    "SNOWBALL",
    "analyse",
    "analyse_query",
    "analysis_version",
    "query_stop_terms",
]

MAX_CHARACTERS = 64
"""Of a term; more is noise, cut off."""
MEMO_CHUNKS = 1 << 15
"""Pieces of text whose terms a language keeps at hand."""

SNOWBALL = {
    "ar": "arabic",
    "bs": "serbian",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "eo": "esperanto",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hr": "serbian",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sh": "serbian",
    "sr": "serbian",
    "st": "sesotho",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
"""The algorithm of a language; Serbian's writes Cyrillic in Latin letters."""

FOLDED = frozenset(
    {
        "af",
        "ast",
        "ca",
        "de",
        "el",
        "en",
        "es",
        "eu",
        "fr",
        "ga",
        "gl",
        "it",
        "nl",
        "oc",
        "pt",
        "ro",
    }
)
"""Languages whose accents are dropped after stemming."""

_ELISIONS = {
    "fr": "l m t qu n s j d c jusqu quoiqu lorsqu puisqu presqu quelqu",
    "it": "c l all dall dell nell sull coll pell gl agl dagl degl negl sugl un m t s v d",
    "ca": "d l m n s t",
    "oc": "d l m n s t qu c j",
    "ga": "d m b",
}
_SUFFIXED = frozenset({"az", "tr"})
"""Languages that set suffixes off from names by an apostrophe."""

_ASCII_WORDS = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")
_WORDS = re.compile(r"[^\s']+(?:'[^\s']+)*")
_THOUSANDS = re.compile(r"(?<!\d)\d{1,3}(?:[.,'’٬]\d{3})+(?!\d)")
_HEBREW_QUOTE = re.compile('(?<=[א-ת])"(?=[א-ת])')

_STRESS = re.compile("(?<=[\u0400-\u052f])[\u0300\u0301]")

_CJK = "々-〇〡-〩㐀-䶿一-鿿\uf900-\ufaff\U00020000-\U000323af"
_PAIRED = f"{_CJK}ぁ-ゟァ-ヺー-ヿㇰ-ㇿ"
_HANGUL = "가-힣ᄀ-ᇿꥠ-ꥼힰ-ퟻ"
_UNSPACED = f"{_PAIRED}{_HANGUL}ก-ฺเ-๎ກ-໎ໜ-ໟក-៓ៗៜ៝က-ဿၐ-႟ꧠ-꧿ꩠ-ꩿ"
_RUNS = re.compile(
    f"(?P<han>[{_PAIRED}]+)|(?P<hangul>[{_HANGUL}]+)|(?P<syllables>[ก-ฺเ-๎]+|[ກ-໎ໜ-ໟ]+|[ក-៓ៗៜ៝]+|"
    f"[က-ဿၐ-႟ꧠ-꧿ꩠ-ꩿ]+)|(?P<word>[^{_UNSPACED}]+)"
)
_HAN = re.compile(f"[{_CJK}]")
_HAS_UNSPACED = re.compile(f"[{_UNSPACED}]")
# A vowel written before its consonant, the consonant, its marks, the vowels written after.
_SYLLABLES = re.compile(
    "[เ-ไ]?[ก-ฮ][ัิ-ฺ็-๎]*[ะาๅ]?[็-๎]*|[ເ-ໄ]?[ກ-ຮໜ-ໟ][ັິ-ຼ່-ໍ]*[ະາຽ]?|"
    "[ក-ឳ](?:្[ក-ឳ]|[ា-៑៓៝])*|[က-ဪဿၐ-ၕၚ-ၝၡၥၦၮ-ၰၵ-ႁႎ](?:္[က-အ]|[ါ-ံ့းျ-ှၖ-ၙၞ-ၠၢ-ၤၧ-ၭၱ-ၴႂ-ႍ]|[က-အ]့?်)*|."
)


def analysis_version() -> str:
    """What an index records: terms of another version do not match, and are refused.

    >>> analysis_version().split("+")[0]
    '1'
    """
    return f"1+snowball-{Stemmer.version()}"


def analyse(text: str, lang: str) -> list[str]:
    """The terms of a text in the order of the text, repeated ones repeated.

    lang: a BCP 47 code, `und` where it is unknown. Canonically equivalent texts have the
    same terms. Never raises on a string, and takes time linear in its length.

    >>> analyse("L’été, les œuvres d'art: 1.000 €", "fr")
    ['ete', 'le', 'œuvr', 'art', '1000']
    >>> analyse("東京 Tower", "ja")
    ['东京', '东', '京', 'tower']
    """
    return _analyser(lang.partition("-")[0].lower()).terms(text)


def analyse_query(text: str, lang: str) -> list[str]:
    """The terms of a query: as of a document, without stop words unless there is nothing else.

    >>> analyse_query("Which of the rivers is the longest?", "en")
    ['river', 'longest']
    >>> analyse_query("What is that?", "en")
    ['what', 'is', 'that']
    """
    terms = analyse(text, lang)
    stop = query_stop_terms(lang.partition("-")[0].lower())
    return [term for term in terms if term not in stop] or terms


@lru_cache(maxsize=64)
def query_stop_terms(lang: str) -> frozenset[str]:
    """The terms that queries of a language leave out. lang: without script or region."""
    words = STOP_WORDS.get(lang, "").split()
    return frozenset(term for word in words for term in analyse(word, lang))


class _Analyser:
    """The steps of one language; shared by threads."""

    def __init__(self, lang: str) -> None:
        self._turkish = lang in ("az", "tr")
        self._suffixed = lang in _SUFFIXED
        self._elisions = frozenset(_ELISIONS.get(lang, "").split())
        self._folded = lang in FOLDED
        self._vietnamese = lang == "vi"
        self._possessive = lang == "en"
        self._characters = _Characters(CHARACTERS.get(lang, {}))
        self._endings = str.maketrans(ENDINGS.get(lang, {}))
        algorithm = SNOWBALL.get(lang)
        self._stemmer = Stemmer.Stemmer(algorithm, 0) if algorithm else None
        self._turn = threading.Lock()  # a Snowball stemmer serves one thread at a time
        self._memo: dict[str, tuple[str, ...]] = {}

    def terms(self, text: str) -> list[str]:
        found: list[str] = []
        memo = self._memo
        for chunk in text.split():
            terms = memo.get(chunk)
            if terms is None:
                terms = tuple(self._chunk_terms(chunk))
                if len(chunk) <= MAX_CHARACTERS:
                    if len(memo) >= MEMO_CHUNKS:
                        memo.clear()
                    memo[chunk] = terms
            found += terms
        return found

    def _chunk_terms(self, chunk: str) -> Iterator[str]:
        """Terms of a text without white space."""
        plain = self._plain(chunk)
        if plain.isascii():
            for word in _ASCII_WORDS.findall(plain):
                yield self._term(word)
            return
        for word in _WORDS.findall(plain):
            if not _HAS_UNSPACED.search(word):
                yield from self._spaced(word)
                continue
            for run in _RUNS.finditer(word):
                kind, part = run.lastgroup, run.group()
                if kind == "word":
                    yield from self._spaced(part.strip("'"))
                else:
                    yield from _pairs(_SYLLABLES.findall(part) if kind == "syllables" else part)
                    if kind == "han" and len(part) > 1:
                        yield from _HAN.findall(part)

    def _spaced(self, word: str) -> Iterator[str]:
        if any(map(str.isalnum, word)):
            yield self._term(word)

    def _plain(self, chunk: str) -> str:
        """Normal form, one case; anything but letters, digits, marks and ' as spaces."""
        if chunk.isascii() and not self._turkish:
            folded = chunk.lower()
            return _THOUSANDS.sub(_digits, folded) if any(map(str.isdigit, folded)) else folded
        if len(chunk) > MAX_CHARACTERS:
            chunk = "".join(_stream_safe(chunk))
        folded = unicodedata.normalize("NFKC", chunk)
        if self._turkish:
            folded = folded.replace("I", "ı").replace("İ", "i")
        folded = unicodedata.normalize("NFKC", folded.casefold())
        for pattern in (_HEBREW_QUOTE, _STRESS):
            folded = pattern.sub("", folded)
        folded = _THOUSANDS.sub(_digits, folded)
        return folded.translate(self._characters)

    def _term(self, word: str) -> str:
        """One word as the term that it is found by."""
        if "'" in word:
            word = self._without_apostrophes(word)
        word = word[:MAX_CHARACTERS]
        if word.isdigit():
            return word
        stem = word
        if self._stemmer is not None:
            with self._turn:
                stem = self._stemmer.stemWord(word)
        if not stem.isascii():
            stem = stem.translate(self._endings)
            if self._folded:
                stem = "".join(map(_without_accents, stem))
            elif self._vietnamese:
                stem = _tone_in_place(stem)
        stem = stem.replace("'", "").replace(ZWNJ, "")
        return stem or word

    def _without_apostrophes(self, word: str) -> str:
        head, _, tail = word.partition("'")
        if head in self._elisions:
            word = tail
        elif self._suffixed:
            word = head
        elif self._possessive:  # the English stemmer knows 's
            return word
        return word.replace("'", "")


class _Characters(dict[int, str | int | None]):
    """For `str.translate`: what becomes of each character, found out when it is first met."""

    def __init__(self, own: dict[str, str | None]) -> None:
        super().__init__({ord(character): mapped for character, mapped in own.items()})

    def __missing__(self, point: int) -> str | None:
        self[point] = mapped = _mapped(chr(point))
        return mapped


def _mapped(character: str) -> str | None:
    """Of every language: None drops a character, a space ends the word."""
    if character in TO_SIMPLIFIED:
        return TO_SIMPLIFIED[character]
    if character in CHARACTERS[""]:
        return CHARACTERS[""][character]
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Cf" or "\ufe00" <= character <= "\ufe0f":
        return None
    return character if category[0] in "LMN" else " "


@lru_cache(maxsize=64)
def _analyser(lang: str) -> _Analyser:
    known = SNOWBALL.keys() | FOLDED | CHARACTERS.keys() | ENDINGS.keys() | _SUFFIXED | {"vi"}
    # Languages without rules of their own share what is at hand.
    return _Analyser(lang) if lang in known or lang == "und" else _analyser("und")


def _pairs(units: str | list[str]) -> Iterable[str]:
    """Overlapping pairs; a single unit stands for itself."""
    if len(units) == 1:
        return [units[0][:MAX_CHARACTERS]]
    return [(a + b)[:MAX_CHARACTERS] for a, b in pairwise(units)]


def _stream_safe(text: str) -> Iterator[str]:
    """A text without the marks after the 30th on one letter (UAX 15, stream-safe).

    Putting n marks into canonical order takes time quadratic in n.
    """
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= 30:
            yield character


def _digits(match: re.Match[str]) -> str:
    return "".join(filter(str.isdigit, match.group()))


@lru_cache(maxsize=4096)
def _without_accents(character: str) -> str:
    if character == "ñ":
        return character
    parts = unicodedata.normalize("NFD", character)
    return "".join(part for part in parts if not unicodedata.combining(part)) or character


def _tone_in_place(syllable: str) -> str:
    ending = TONES.get(syllable[-2:])
    if ending is None or syllable[-3:-2] == "q":
        return syllable
    return syllable[:-2] + ending
