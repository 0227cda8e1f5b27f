"""Weights that tell romanised text of each language from text in Latin letters of its own."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from script_tables.romanisers import (
    ABJADS,
    INDIC,
    by_people,
    romanisers,
    varied,
    without_last_vowel,
)
from script_tables.texts import OTHERS, SCRIPTS, lines, rows
from xret.retriever.scripts.latin import plain
from xret.retriever.scripts.telling import AS_WRITTEN, BUCKET_BITS, letter_runs

LINES, LINES_ENGLISH, LINES_LEXICON = 3500, 12_000, 1500
ENGLISH_WORDS = 6000
ROUNDS, BATCH, RATE = 6, 512, 0.5

Example = tuple[str, str]
"""A class, and a plain text."""

_OTHER_LETTERS = re.compile("[\u0370-\u1dff\u2e80-\uffdc]")


def examples(data: Path) -> list[Example]:
    """Fragments of romanised text, of text in Latin languages, and of their lexicons' words."""
    rng = random.Random(5)
    found = [one for lang in sorted(SCRIPTS) for one in _romanised(data, lang, rng)]
    texts = lines(data / "train")
    latin = [lang for lang in sorted(texts) if lang not in SCRIPTS and lang not in OTHERS]
    for lang in latin:
        own = [t for t in texts[lang] if 10 < len(t) < 260 and not _OTHER_LETTERS.search(t)]
        rng.shuffle(own)
        wanted = LINES_ENGLISH if lang == "en" else LINES
        found += [(AS_WRITTEN, plain(fragment(text, rng))) for text in own[:wanted]]
    listed: dict[str, set[str]] = {}
    for lang, _, word in rows(data / "lexicon", 3):
        if lang not in {*SCRIPTS, *OTHERS, *latin} and not _OTHER_LETTERS.search(word):
            listed.setdefault(lang, set()).add(word)
    for lang in sorted(listed):
        words = sorted(listed[lang])
        if len(words) >= 300:
            for _ in range(min(LINES_LEXICON, len(words) // 3)):
                found.append((AS_WRITTEN, plain(" ".join(rng.choices(words, k=rng.randint(2, 5))))))
    return [(name, text) for name, text in found if len(re.findall("[a-z]", text)) > 5]


def _romanised(data: Path, lang: str, rng: random.Random) -> list[Example]:
    texts = [text for text in lines(data / "train")[lang] if 12 < len(text) < 260]
    texts = [text for text in texts if len(re.findall("[A-Za-z]", text)) < 0.15 * len(text)]
    rng.shuffle(texts)
    found = []
    for text in texts[:LINES]:
        part = text[: rng.randint(6, 60)] if lang in ("zh", "ja") else fragment(text, rng)
        try:
            latin = plain(_written(part, lang, rng))
        except (KeyError, ValueError, IndexError):
            continue
        if lang in INDIC and rng.random() < 0.5:
            latin = without_last_vowel(latin)
        if rng.random() < 0.5:
            latin = " ".join(varied(word, rng) for word in latin.split())
        found.append((lang, latin))
    return found


def _written(text: str, lang: str, rng: random.Random) -> str:
    if lang == "zh":
        return _pinyin(text, rng)
    if lang == "ja":
        return str(_cutlet().romaji(text))
    if lang in ABJADS and rng.random() < 0.5:
        return " ".join(by_people(word, lang, rng) for word in text.split())
    return rng.choice(romanisers(lang))(text)


def _pinyin(text: str, rng: random.Random) -> str:
    """With and without tones; by syllables, by words, or all together."""
    from pypinyin import Style, lazy_pinyin

    style = rng.choice([Style.NORMAL] * 4 + [Style.TONE, Style.TONE3])
    syllables = lazy_pinyin(text, style=style, errors=list)
    chance = rng.choice([1.0, 1.0, 1.0, 0.5, 0.0])
    return "".join(one + (" " if rng.random() < chance else "") for one in syllables)


_made: dict[str, Any] = {}


def _cutlet() -> Any:
    if "ja" not in _made:
        import cutlet

        _made["ja"] = cutlet.Cutlet()
        _made["ja"].use_foreign_spelling = False
    return _made["ja"]


def fragment(text: str, rng: random.Random) -> str:
    """A text, or 2 to 12 of its words."""
    words, chance = text.split(), rng.random()
    n = len(words)
    if chance >= 0.35 and n >= 4:
        n = rng.randint(4, 12) if chance < 0.7 else rng.randint(2, 6)
    n = min(n, len(words), 40)
    first = rng.randrange(max(1, len(words) - n + 1))
    return " ".join(words[first : first + n])


def learnt(found: list[Example]) -> tuple[list[str], npt.NDArray[np.int8], float, list[float]]:
    """Classes, their weights in int8 with the unit, and biases: multinomial logistic regression
    over runs of letters, their counts divided by the root of how many there are."""
    from scipy import sparse

    classes = [AS_WRITTEN, *sorted({name for name, _ in found} - {AS_WRITTEN})]
    runs = [letter_runs(text) for _, text in found]
    labels = np.array([classes.index(name) for name, _ in found])
    values = [np.full(len(own), 1 / np.sqrt(max(1, len(own))), np.float32) for own in runs]
    ends = np.cumsum([0, *map(len, runs)])
    shape = (len(runs), 1 << BUCKET_BITS)
    whole = sparse.csr_matrix((np.concatenate(values), np.concatenate(runs), ends), shape=shape)
    whole.sum_duplicates()
    weights = np.zeros((len(classes), shape[1]), np.float32)
    bias = np.zeros(len(classes), np.float32)
    seen, seen_bias = np.full_like(weights, 1e-8), np.full_like(bias, 1e-8)
    rng = np.random.default_rng(0)
    for _ in range(ROUNDS):
        order = rng.permutation(len(runs))
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            texts = whole[some]
            scores = texts @ weights.T + bias
            chances = np.exp(scores - scores.max(axis=1, keepdims=True))
            chances /= chances.sum(axis=1, keepdims=True)
            chances[np.arange(len(some)), labels[some]] -= 1
            chances /= len(some)
            slope = np.asarray((texts.T @ chances).T) + 1e-7 * weights
            seen += slope * slope
            weights -= RATE * slope / np.sqrt(seen)
            down = chances.sum(axis=0)
            seen_bias += down * down
            bias -= RATE * down / np.sqrt(seen_bias)
    unit = float(np.abs(weights).max() / 127)
    return classes, np.rint(weights / unit).astype(np.int8), unit, bias.tolist()


def english(data: Path) -> list[str]:
    """The common words of English."""
    counts: Counter[str] = Counter()
    for text in lines(data / "train")["en"]:
        counts.update({*re.findall("[a-z]+", text.lower())})
    common = [word for word, _ in counts.most_common(ENGLISH_WORDS + 500) if len(word) > 1]
    return sorted(common[:ENGLISH_WORDS])
