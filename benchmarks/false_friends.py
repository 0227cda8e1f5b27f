"""Words that a language shares with English: which of two one-word documents is first.

    python benchmarks/false_friends.py xret-static xret-modular

`false_friends.tsv` has, tab-separated: the part, the language, the word, what it means there, and
the English word that it looks like; each meaning is in one of the lexicons of ../shared/data. The
rules by which the shipped table was made were chosen with the pairs of the part `chosen` in sight;
those of `unseen` were written after it. Per cent of the pairs whose meaning is ahead, the language
given, by vectors alone: as they are, and with the table.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path

from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.languages.shared_words import shipped_shared_words
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Query

PAIRS = Path(__file__).with_name("false_friends.tsv")
Pair = tuple[str, str, str, str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="encoders by name or folder")
    arguments = parser.parse_args()
    with PAIRS.open(encoding="utf-8") as file:
        pairs: list[Pair] = [(*row,) for row in csv.reader(file, delimiter="\t")]  # type: ignore[misc]
    total = Counter(pair[0] for pair in pairs)
    fingerprint = shipped_shared_words().fingerprint
    print("| encoder | part | pairs | as they are | with the table |\n|---|---|--:|--:|--:|")
    for model in arguments.models:
        before = ahead(load_encoder(model), pairs)
        after = ahead(load_encoder(model, options=EncoderOptions(shared_words=fingerprint)), pairs)
        for part, count in total.items():
            shares = f"{100 * before[part] / count:.1f} | {100 * after[part] / count:.1f}"
            print(f"| {model} | {part} | {count} | {shares} |")


def ahead(encoder: Encoder, pairs: list[Pair]) -> Counter[str]:
    """By part, the pairs whose meaning has the higher score (MaxSim, or the one vectors')."""
    right: Counter[str] = Counter()
    texts = [Document("", text, "en") for pair in pairs for text in pair[3:]]
    documents = encoder.encode_documents(texts)
    for place, (part, lang, word, _, _) in enumerate(pairs):
        query = encoder.encode_queries([Query("", word, lang)]).values
        first, second = (
            float((query @ documents[2 * place + other].T).max(axis=1).sum()) for other in (0, 1)
        )
        right[part] += first > second
    return right


if __name__ == "__main__":
    main()
