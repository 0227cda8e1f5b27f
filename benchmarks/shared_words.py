"""The table of `xret.retriever.languages.shared_words`, from parallel text and lexicons.

    python benchmarks/shared_words.py --train ../shared/data/train \\
        --lexicon ../shared/data/lexicon \\
        --output retriever/languages/data/shared_words.tsv

A word of a language that is also written in English counts as another word where the translation
table and the lexicons seldom give the English word among its translations, and where that holds
in use: English sentences beside those that it stands in are nearer to its translation's vector
than to its own (`xret-static`, up to 40 sentences a word). Words that were met less than three
times need a lexicon that has them in lower case, and vectors far apart. Very frequent words stay:
their vectors are their language's already.
"""

from __future__ import annotations

import argparse
import difflib
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xret.retriever.encoders.static import StaticEncoder
from xret.retriever.encoders.wordpieces import split_words
from xret.retriever.lexical.analysis import analyse
from xret.retriever.models.location import model_location
from xret.retriever.translation.named import SHIPPED_TABLE, open_table
from xret.types import FloatArray, Query

LANGUAGES = frozenset(
    (
        "ca",
        "cs",
        "da",
        "de",
        "es",
        "et",
        "fi",
        "fr",
        "ha",
        "hr",
        "hu",
        "id",
        "it",
        "lt",
        "nl",
        "no",
        "pl",
        "pt",
        "ro",
        "sk",
        "so",
        "sv",
        "sw",
        "tr",
        "vi",
        "yo",
    )
)
OCCURRENCES = 40
FREQUENT = 200
"""Words of a language that stay as they are."""

OF_TABLE = 0.35
"""Weight of the translation table, which reads manuals mostly, beside the lexicons."""

OWN_SHARE, LEAST_SHARE = 0.5, 0.12
"""Of the English word itself among a word's translations, at most; of a translation, at least."""

SECOND = 0.6
"""A second meaning has at least so much of the first one's share."""

LEFT_OUT = {
    ("ca", "agent"),
    ("ca", "agents"),
    ("de", "johannes"),
    ("es", "negrito"),
    ("fr", "claude"),
    ("fr", "jacques"),
    ("id", "agen"),
    ("it", "lupa"),
    ("nl", "casanova"),
    ("pl", "casanova"),
    ("pl", "daniel"),
    ("pl", "jon"),
    ("sv", "jon"),
    ("tr", "kodak"),
}
"""Names, the same word in English, and meanings that insult; seen by eye, so not all of them."""

Shares = list[tuple[str, float]]


@dataclass(slots=True)
class Bilingual:
    """Counts of words; of each (language, word), its lexicon translations and whether a lexicon
    has it in lower case; English sentences beside it."""

    english: Counter[str] = field(default_factory=Counter)
    words: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    lexicon: dict[tuple[str, str], Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    lower: set[tuple[str, str]] = field(default_factory=set)
    english_entries: set[str] = field(default_factory=set)
    sentences: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--lexicon", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    known = Bilingual()
    read_lexicons(arguments.lexicon, known)
    count_words(arguments.train, known)
    candidates = {lang: dict(candidates_of(lang, known)) for lang in sorted(LANGUAGES)}
    find_sentences(arguments.train, candidates, known)
    vectors = Vectors()
    lines = []
    for lang, words in candidates.items():
        frequent = {word for word, _ in known.words[lang].most_common(FREQUENT)}
        for word, shares in sorted(words.items()):
            if word not in frequent and len(word) > 2 and (lang, word) not in LEFT_OUT:
                meaning = meaning_of(lang, word, shares, known, vectors)
                changed = meaning is not None and word not in meaning.split()
                lines += [f"{lang}\t{word}\t{meaning}\n"] if changed else []
    arguments.output.write_text("".join(lines), encoding="utf-8")
    print(f"{len(lines)} words of {len(LANGUAGES)} languages")


def rows(folder: Path) -> Iterator[list[str]]:
    for file in sorted(folder.glob("*.tsv.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield line.rstrip("\n").split("\t")


def pairs(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(language, its text, English text) of parallel text."""
    for row in rows(folder):
        if len(row) < 4:
            continue
        first, second = row[0].partition("-")[0], row[1].partition("-")[0]
        if first == "en" and second in LANGUAGES:
            yield second, row[3], row[2]
        elif second == "en" and first in LANGUAGES:
            yield first, row[2], row[3]


def read_lexicons(folder: Path, known: Bilingual) -> None:
    for row in rows(folder):
        if len(row) < 3:
            continue
        lang, english, word = row[0].partition("-")[0], row[1].lower(), row[2]
        known.english_entries.add(english)
        if lang in LANGUAGES and " " not in word and word.isascii():
            known.lexicon[lang, word.lower()][english] += 1
            if word[:1].islower() or lang == "de":
                known.lower.add((lang, word.lower()))


def count_words(folder: Path, known: Bilingual) -> None:
    seen: set[int] = set()
    for lang, text, english in pairs(folder):
        known.words[lang].update(split_words(text))
        if (key := hash(english)) not in seen:
            seen.add(key)
            known.english.update(split_words(english))


def candidates_of(lang: str, known: Bilingual) -> Iterator[tuple[str, Shares]]:
    """Words in both languages whose translations are mostly others, with these."""
    table = open_table(SHIPPED_TABLE).language(lang)
    surface = surfaces(known.english)
    of_lang = {word for code, word in known.lexicon if code == lang}
    for word in sorted(of_lang | set(known.words[lang])):
        in_english = known.english[word] >= 3 or word in known.english_entries
        if not (word.isascii() and word.isalpha() and in_english):
            continue
        if known.words[lang][word] < 2 and word not in of_lang:
            continue
        terms = analyse(word, lang)
        translated = table.translations(terms[0]) if table and len(terms) == 1 else None
        shares: Counter[str] = Counter()
        for term, share in translated or ():
            shares[term] += share * OF_TABLE
        entries = known.lexicon.get((lang, word), Counter())
        for entry, count in entries.items():
            term_of = analyse(entry, "en") if " " not in entry else []
            if len(term_of) == 1:
                weight = 1 - OF_TABLE if translated else 1
                shares[term_of[0]] += weight * count / entries.total()
        total = shares.total()
        own = shares.pop((analyse(word, "en") or [word])[0], 0)
        others = [
            (surface.get(term, term), share / total)
            for term, share in shares.most_common()
            if term in surface or term in known.english
        ]
        if others and own < OWN_SHARE * total and others[0][1] >= LEAST_SHARE:
            yield word, others[:3]


def surfaces(english: Counter[str]) -> dict[str, str]:
    """By term, the word that is spelled so, else the most frequent one that has it."""
    by_term: dict[str, str] = {}
    for word, _ in english.most_common():
        terms = analyse(word, "en")
        if len(terms) == 1:
            by_term.setdefault(terms[0], word)
    return by_term | {term: term for term in by_term if english[term] >= 3}


def find_sentences(
    folder: Path, candidates: Mapping[str, Mapping[str, Shares]], known: Bilingual
) -> None:
    for lang, text, english in pairs(folder):
        if len(english) <= 400:
            for word in sorted(set(split_words(text)) & candidates[lang].keys()):
                sentences = known.sentences[lang, word]
                if len(sentences) < OCCURRENCES:
                    sentences.append(english)


class Vectors:
    """Directions of words and of sentences, as `xret-static` has them."""

    def __init__(self) -> None:
        self._encoder = StaticEncoder.load(model_location("xret-static"))
        self._seen: dict[str, FloatArray] = {}

    def of(self, text: str) -> FloatArray:
        """(d,) the sum of a text's vectors at unit length."""
        vector = self._seen.get(text)
        if vector is None:
            total = self._encoder.encode_queries([Query("", text)]).values.sum(axis=0)
            vector = total / max(float(np.linalg.norm(total)), 1e-9)
            self._seen[text] = vector
        return vector


def meaning_of(
    lang: str, word: str, shares: Shares, known: Bilingual, vectors: Vectors
) -> str | None:
    """One meaning of a word, or two; None where it is best read as it is."""
    shares = [(term, share) for term, share in shares if len(term) > 2]
    if not shares:
        return None
    sentences = known.sentences.get((lang, word), [])
    in_lexicon = (lang, word) in known.lower
    entries = known.lexicon.get((lang, word), Counter())
    near = any(alike(word, part) for entry in entries for part in entry.split())
    own = vectors.of(word)
    if len(sentences) < 3:
        term, share = shares[0]
        apart = float(own @ vectors.of(term)) < 0.5
        if share < 0.15 or not apart or not in_lexicon or near:
            return None
        return joined(shares, term, share)
    beside = np.mean([vectors.of(sentence) for sentence in sentences], axis=0)
    fits = {term: float(vectors.of(term) @ beside) for term, _ in shares}
    likely = [(term, share) for term, share in shares if share >= LEAST_SHARE]
    term, share = max(likely, key=lambda row: fits[row[0]], default=("", 0.0))
    least = float(own @ beside)
    if not term or fits[term] < least:
        return None
    is_near = float(own @ vectors.of(term)) > 0.5
    if len(sentences) < 10 and (not in_lexicon or (near and is_near)):
        return None
    return joined([row for row in shares if fits[row[0]] >= least], term, share)


def joined(shares: Sequence[tuple[str, float]], term: str, share: float) -> str:
    others = [other for other, of in shares if other != term and of >= SECOND * share]
    return " ".join([term, *others[:1]])


def alike(first: str, second: str) -> bool:
    return difflib.SequenceMatcher(None, first, second).ratio() >= 0.8


if __name__ == "__main__":
    main()
