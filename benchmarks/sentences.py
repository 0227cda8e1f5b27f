"""A sentence in one language to its translation in another: Tatoeba and FLORES-200, Success@1.

    python benchmarks/sentences.py xret-modular --data ../shared/data/eval
    python benchmarks/sentences.py MODEL_FOLDER --data ../shared/data/eval --single-vector

Tatoeba is searched both ways with English, FLORES-200 into English. Every language that is there
is a line; the means stand at the end. Scores are exact, over the encoder's vectors.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from encoder_quality import ENGLISH, flores_success, lines_of, maxsim

from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.languages.codes import language_code
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Query


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="xret-modular")
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--single-vector", action="store_true")
    parser.add_argument("--precision", help="fp32, bf16 or int8")
    parser.add_argument("--every", type=int, default=1, help="take every n-th FLORES query")
    parser.add_argument("--only", choices=["tatoeba", "flores"])
    asked = parser.parse_args()
    named: dict[str, Any] = {"single_vector": True} if asked.single_vector else {}
    if asked.precision:
        named["precision"] = asked.precision
    encoder = load_encoder(asked.model, options=EncoderOptions(**named))
    start = time.perf_counter()
    if asked.only != "flores":
        print_tatoeba(encoder, asked.data / "tatoeba")
    if asked.only != "tatoeba":
        print_flores(encoder, asked.data, asked.every)
    print(f"\n{encoder.spec.fingerprint}, {time.perf_counter() - start:.0f} s")


def print_tatoeba(encoder: Encoder, folder: Path) -> None:
    print("| Tatoeba | pairs | to English | from English |\n|---|--:|--:|--:|", flush=True)
    both = []
    for there in sorted(folder.glob("*-eng")):
        lang = there.name.removesuffix("-eng")
        back = folder / f"eng-{lang}"
        if not back.is_dir():
            continue
        (to, n), (of, _) = success(encoder, there), success(encoder, back)
        both.append((to, of))
        print(f"| {lang} | {n} | {to:.1f} | {of:.1f} |", flush=True)
    means = [statistics.mean(column) for column in zip(*both, strict=True)]
    print(f"| **mean of {len(both)}** | | **{means[0]:.1f}** | **{means[1]:.1f}** |\n", flush=True)


def success(encoder: Encoder, folder: Path) -> tuple[float, int]:
    """(how often the first document is the right one, in percent; questions)."""
    documents = [
        Document(record["_id"], record["text"], language_code(record["lang"]))
        for record in records(folder / "corpus.jsonl.gz")
    ]
    queries = [
        Query(record["_id"], record["text"], language_code(record["lang"]))
        for record in records(folder / "queries.jsonl.gz")
    ]
    right = dict(line.split("\t")[::2] for line in lines_of(folder / "qrels.tsv.gz"))
    scores = maxsim(encoder.encode_queries(queries), encoder.encode_documents(documents))
    first = [documents[place].doc_id for place in scores.argmax(axis=1)]
    hits = [right[query.query_id] == doc_id for query, doc_id in zip(queries, first, strict=True)]
    return 100 * float(np.mean(hits)), len(queries)


def print_flores(encoder: Encoder, data: Path, every: int) -> None:
    path = data / "flores200-sent" / "corpus.jsonl.gz"
    languages = sorted({record["lang"] for record in records(path)} - {ENGLISH})
    found = flores_success(encoder, data, languages, None, every)
    print("| FLORES-200 | to English |\n|---|--:|")
    for language, percent in found.items():
        print(f"| {language} | {percent:.1f} |")
    print(f"| **mean of {len(found)}** | **{statistics.mean(found.values()):.1f}** |", flush=True)


def records(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


if __name__ == "__main__":
    main()
