"""Parallel text of a few words, and a table made by hand."""

import gzip
from pathlib import Path

from xret.retriever.lexical.analysis import analyse
from xret.retriever.translation.table import TABLE_FILE, TranslationTable, write_table

TRANSLATIONS = {
    "de": {
        "Fluss": {"river": 1.0},
        "Bank": {"bank": 0.6, "bench": 0.4},
        "die": {},
        "Mondlandschaft": {"moon": 0.5, "landscape": 0.5},
    },
    "ru": {"река": {"river": 0.8, "stream": 0.2}},
}
"""By language and word, English words with their probabilities."""


def write_tiny_table(folder: Path) -> TranslationTable:
    """The table of TRANSLATIONS, its words as the analysis makes terms of them."""
    folder.mkdir(parents=True, exist_ok=True)
    english = [word for rows in TRANSLATIONS.values() for row in rows.values() for word in row]
    targets = sorted({_term(word, "en") for word in english}, key=str.encode)
    rows = {
        lang: {
            _term(word, lang): (
                4.0,
                [(targets.index(_term(name, "en")), share) for name, share in row.items()],
            )
            for word, row in of_lang.items()
        }
        for lang, of_lang in TRANSLATIONS.items()
    }
    probes = {
        lang: [(word, analyse(word, lang)) for word in of_lang]
        for lang, of_lang in TRANSLATIONS.items()
    }
    write_table(folder / TABLE_FILE, "en", targets, rows, probes=probes)
    return TranslationTable.open(folder)


def write_parallel(folder: Path) -> Path:
    """`train/` and `lexicon/`: sentences of a subject, a verb and an object in German."""
    subjects = {"cat": "Katze", "dog": "Hund", "bird": "Vogel", "child": "Kind"}
    verbs = {"sees": "sieht", "finds": "findet", "follows": "verfolgt"}
    objects = {"river": "Fluss", "house": "Haus", "forest": "Wald", "garden": "Garten"}
    lines = [
        f"en\tde\tthe {s} {v} the {o} today\tdie {sd} {vd} den {od} heute\n"
        for s, sd in subjects.items()
        for v, vd in verbs.items()
        for o, od in objects.items()
    ]
    lines.append("en\tde\tthe secret evaluation text\tder geheime Bewertungstext\n")
    for name in ("train", "lexicon"):
        (folder / name).mkdir(parents=True)
    with gzip.open(folder / "train" / "tico19_health.tsv.gz", "wt", encoding="utf-8") as file:
        file.writelines(lines)
    with gzip.open(folder / "lexicon" / "words.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("de\tglacier\tGletscher\nde\tParis\tParis\n")
    return folder


def _term(word: str, lang: str) -> str:
    (term,) = analyse(word, lang)
    return term
