"""The training text: words of each language with how often they come, and its lines."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

RANGES = {
    "Arab": "\u0620-\u065f\u066e-\u06d3\u06d5-\u06ff\u0750-\u077f\u200c",
    "Hebr": "\u0590-\u05ff",
    "Cyrl": "\u0400-\u04ff\u0300\u0301",
    "Grek": "\u0370-\u03ff\u1f00-\u1fff",
    "Deva": "\u0900-\u0963\u0971-\u097f\u200c\u200d",
    "Beng": "\u0980-\u09ff\u200c\u200d",
    "Guru": "\u0a00-\u0a7f",
    "Gujr": "\u0a80-\u0aff",
    "Taml": "\u0b80-\u0bff",
    "Telu": "\u0c00-\u0c7f\u200c\u200d",
    "Knda": "\u0c80-\u0cff\u200c\u200d",
    "Mlym": "\u0d00-\u0d7f\u200c\u200d",
    "Sinh": "\u0d80-\u0dff\u200c\u200d",
    "Armn": "\u0530-\u058f",
    "Geor": "\u10a0-\u10ff",
    "Ethi": "\u1200-\u137f",
    "Hang": "\uac00-\ud7ff",
    "Hani": "\u4e00-\u9fff",
    "Jpan": "\u3040-\u30ff\u4e00-\u9fff\u3005",
}
SCRIPTS = {
    **dict.fromkeys(("ar", "fa", "ur"), "Arab"),
    **dict.fromkeys(("be", "bg", "mk", "ru", "uk"), "Cyrl"),
    **dict.fromkeys(("hi", "mr", "ne"), "Deva"),
    **{"he": "Hebr", "el": "Grek", "bn": "Beng", "pa": "Guru", "gu": "Gujr", "ta": "Taml"},
    **{"te": "Telu", "kn": "Knda", "ml": "Mlym", "si": "Sinh", "hy": "Armn", "ka": "Geor"},
    **{"am": "Ethi", "ko": "Hang", "zh": "Hani", "ja": "Jpan"},
}
OTHERS = frozenset(["th", "lo", "km", "my", "sr", "kk", "mn", "zh-hant"])
"""Languages that are neither read nor in Latin letters."""

JOINERS = "\u200c\u200d"


def rows(folder: Path, columns: int) -> Iterator[list[str]]:
    """The rows of every file of a folder, in the order of their names."""
    for path in sorted(folder.glob("*.tsv.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                row = line.rstrip("\n").split("\t")
                if len(row) == columns:
                    yield row


@cache
def lines(train: Path) -> dict[str, list[str]]:
    """The different texts of each language, sorted."""
    found: dict[str, set[str]] = {}
    for first, second, one, other in rows(train, 4):
        for lang, text in ((first, one), (second, other)):
            found.setdefault(lang, set()).add(text)
    return {lang: sorted(texts) for lang, texts in found.items()}


@cache
def lexicon(folder: Path) -> dict[str, Counter[str]]:
    """How many entries of the lexicons each word of a language is in."""
    found: dict[str, Counter[str]] = {lang: Counter() for lang in SCRIPTS}
    for lang, _, text in rows(folder, 3):
        if lang in found:
            found[lang].update(words(text, lang))
    return found


def words(text: str, lang: str) -> list[str]:
    """The runs of a language's own letters in a text."""
    runs = re.findall(f"[{RANGES[SCRIPTS[lang]]}]+", text.lower())
    return [word for run in runs if (word := run.strip(JOINERS))]


def vocabulary(data: Path, lang: str, n: int) -> list[tuple[str, float]]:
    """The n commonest words, with their counts: those of the lexicons count a third more."""
    used: Counter[str] = Counter()
    for text in lines(data / "train").get(lang, []):
        used.update(words(text, lang))
    known = lexicon(data / "lexicon")[lang]
    counts: Counter[str] = Counter()
    for word, times in used.items():
        if times > 1 or word in known:
            counts[word] += times
    for word in known:
        if 1 < len(word) <= 16:
            counts[word] += 0.3  # type: ignore[assignment]
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:n]
