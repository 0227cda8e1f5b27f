"""The language of a text that nobody labelled.

Most scripts are written by one language that people search in: those decide without any
model, and so do the characters that tell simplified, traditional and Cantonese Chinese
from each other and from Japanese. The rest is left to py3langid (naive Bayes over byte
n-grams), chosen by measurement on fragments of 3 to 8 words in 56 languages: 94.9 % right,
in this module 96.1 %, against 89 for gcld3, 86 for lingua (with 1.2 GB of memory) and 81
for fastText's compressed model (`benchmarks/identification.py`). Its model takes most of a
second to load, on first need or in the background.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from xret.retriever.languages.chinese import chinese_or_japanese
from xret.retriever.languages.codes import language_code
from xret.retriever.languages.relatives import facts
from xret.retriever.languages.scripts import script_counts
from xret.types import UNDETERMINED

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

__all__ = ["identify_language", "in_script", "load_identifier", "main_script", "probabilities"]

MIN_CONFIDENCE = 0.1
"""Below it a quarter of the guesses at 3 to 8 words are right; at 0.2 half of them."""

READ_CHARACTERS = 800

# A text is of another script than Latin from this share of its letters on: names and
# abbreviations in Latin letters stand in texts of every language, the reverse is rare.
OTHER_SCRIPT = 0.3

_IDEOGRAPHIC = ("Hani", "Hira", "Kana", "Hang", "Jpan")  # a character is most of a word
_SYLLABIC = 2.5

SOLE = {
    "Adlm": "ff",
    "Armn": "hy",
    "Bugi": "bug",
    "Cans": "iu",
    "Cher": "chr",
    "Geor": "ka",
    "Grek": "el",
    "Gujr": "gu",
    "Guru": "pa",
    "Hang": "ko",
    "Jpan": "ja",
    "Khmr": "km",
    "Knda": "kn",
    "Laoo": "lo",
    "Mlym": "ml",
    "Mong": "mn-Mong",
    "Mtei": "mni",
    "Nkoo": "nqo",
    "Olck": "sat",
    "Orya": "or",
    "Sinh": "si",
    "Syrc": "arc",
    "Taml": "ta",
    "Telu": "te",
    "Tfng": "zgh",
    "Thaa": "dv",
    "Thai": "th",
}
"""The language that a script means where no candidates are given."""

MARKED = {
    "Ethi": ("am", "ti", re.compile(r"[ኣቐ-ቝኽ]|\b(?:ናይ|እቲ|እታ|እቶም|ነቲ|ካብ|ምስ|እዩ|ኢዩ|ከምዚ)")),
    "Hebr": ("he", "yi", re.compile(r"[ײױװ]|א[ַָ]|\b(?:און|איז|דער|דאס|וואס|פון|האט|אויף|ווערן)\b")),
    "Mymr": ("my", "shn", re.compile("[\u1075-\u108a]")),
    "Tibt": ("bo", "dz", re.compile("ཨིན|ཚུ་|སྦེ་|འབད|དགོཔ|མི་ཚུ|དེ་ལས")),
}
"""Scripts of two languages: the usual one, the other, and what hardly but the other writes,
at least once in so many characters."""

MARKED_EVERY = 100

_SMALL = "an ary arz bik ext gcf gcr gom grc guw hbo ltg pcm sdh uzs vo wuu"
UNASKED = frozenset(_SMALL.split(" "))
"""Labels of the model that are given only where they are candidates.

They are seldom what a text is, and take short texts from a large relative: one in six
Chinese and one in fourteen Spanish fragments of 3 to 8 words.
"""

_loading = threading.Lock()


def identify_language(text: str, *, candidates: Collection[str] | None = None) -> tuple[str, float]:
    """(BCP 47 code, confidence in 0..1); `UNDETERMINED` where the text does not tell.

    Only the first 800 characters are read. candidates: the languages that the text can be
    in (an index's, an encoder's); nothing else is answered then. One that the model does
    not know is found only where its script tells. Confidence is the identifier's own
    probability among the candidates, tempered by length; below 0.1 nothing is claimed.
    Raises LanguageError for a candidate that is no language.
    """
    sample = text[:READ_CHARACTERS].strip()
    script = main_script(sample)
    if not script:
        return UNDETERMINED, 0.0
    pool = None if candidates is None else in_script(candidates, script)
    if pool is not None and len(pool) < 2:
        return (pool[0], 1.0) if pool else (UNDETERMINED, 0.0)
    decided = _by_script(sample, script, pool)
    found, confidence = decided or _by_model(sample, script, pool)
    if confidence < MIN_CONFIDENCE:
        return UNDETERMINED, confidence
    return found, confidence


def load_identifier() -> None:
    """Start loading the model in the background, so that the first text need not wait."""
    threading.Thread(target=_identifier, name="xret-identifier", daemon=True).start()


def main_script(text: str) -> str:
    """The ISO 15924 code of the script a text is written in, empty where it has no letters.

    Latin words in a text of another script do not count against it; Han and kana together
    are `Jpan`.

    >>> [main_script(text) for text in ("2026", "der Mond", "iPhone 15 ราคา", "月の石")]
    ['', 'Latn', 'Thai', 'Jpan']
    """
    counts: dict[str, float] = {}
    for script, n in script_counts(text).items():
        counts[script] = n * (_SYLLABIC if script in _IDEOGRAPHIC else 1.0)
    if not counts:
        return ""
    kana = counts.pop("Hira", 0.0) + counts.pop("Kana", 0.0)
    if kana:
        han = counts.pop("Hani", 0.0)
        counts["Jpan" if kana > 0.1 * han else "Hani"] = kana + han
    others = {script: n for script, n in counts.items() if script != "Latn"}
    best = max(others, key=lambda script: others[script], default="Latn")
    return best if others.get(best, 0.0) >= OTHER_SCRIPT * sum(counts.values()) else "Latn"


def _writes(code: str, script: str) -> bool:
    scripts = facts(code).scripts
    if script == "Hani":
        return not {"Hans", "Hant", "Jpan"}.isdisjoint(scripts)
    return ("Kore" if script == "Hang" else script) in scripts


def in_script(candidates: Iterable[str], script: str) -> list[str]:
    """The candidates that are written in a script, sorted.

    A code that names the script takes the place of the same language's plain code: of `sr`
    and `sr-Latn`, both of which may be in Latin letters, a Latin text is the latter.
    """
    codes = sorted({language_code(code) for code in candidates} - {UNDETERMINED})
    found = [code for code in codes if _writes(code, script)]
    exact = {code.partition("-")[0] for code in found if code.endswith(f"-{script}")}
    return [code for code in found if code not in exact]


def _by_script(text: str, script: str, pool: list[str] | None) -> tuple[str, float] | None:
    """A decision by script or characters alone, None where it takes the model."""
    if script == "Hani":
        return chinese_or_japanese(text, pool)
    if script in MARKED:
        usual, other, mark = MARKED[script]
        often = len(mark.findall(text)) * MARKED_EVERY >= len(text)
        found = other if often else usual
    else:
        found = SOLE.get(script, "")
    if not found or (pool is not None and found not in pool):
        return None
    return found, 1.0


def probabilities(text: str, script: str, pool: Sequence[str] | None = None) -> dict[str, float]:
    """The model's distribution over the languages that write a script, best first.

    pool: only these. Sums to 1; empty where the model knows none of them.
    """
    codes = _answers(script, None if pool is None else tuple(pool))
    # Spaces at both ends let the model see where the first and the last word end, as it
    # does in running text: an eighth fewer errors on fragments.
    shares: dict[str, float] = {}
    for label, share in _identifier().rank(f" {text} "):
        if label in codes:
            shares[codes[label]] = shares.get(codes[label], 0.0) + share
    total = sum(shares.values()) or 1.0
    ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return {code: min(share / total, 1.0) for code, share in ranked}


def _by_model(text: str, script: str, pool: list[str] | None) -> tuple[str, float]:
    ranked = probabilities(text, script, pool)
    return next(iter(ranked.items()), (UNDETERMINED, 0.0))


@lru_cache(maxsize=256)
def _answers(script: str, pool: tuple[str, ...] | None) -> dict[str, str]:
    """Label of the model to the code it is answered as, for those that can be right."""
    found = {}
    for label in _identifier().labels:
        code = language_code(label)
        if code == UNDETERMINED or not _writes(code, script):
            continue
        if pool is None:
            if code not in UNASKED:
                found[label] = _with_script(code, script)
        else:
            fitting = [c for c in pool if c.partition("-")[0] in _bases(code)]
            if fitting:
                found[label] = fitting[0]
    return found


def _bases(code: str) -> tuple[str, ...]:
    return ("no", "nb") if code == "no" else (code,)


def _with_script(code: str, script: str) -> str:
    """`sr` for Serbian in Cyrillic letters, `sr-Latn` in Latin ones."""
    return code if facts(code).scripts[0] == script else language_code(f"{code}-{script}")


def _identifier() -> LanguageIdentifier:
    with _loading:
        return _load()


@cache
def _load() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
