"""Quality of an embedded encoder on the development sets: one table of all languages.

    python benchmarks/encoder_quality.py --data ../shared/data/eval
    python benchmarks/encoder_quality.py MODEL_FOLDER --data ../shared/data/eval --dim 128

Belebele: English question to the passage in another language, MRR@10 over the 281 passages
of that language. FLORES: sentence to its English translation, Success@1 of 1,012. Scores are
exact MaxSim over the encoder's vectors.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from xret.retriever.encoder import Encoder
from xret.retriever.languages.codes import language_code
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Embeddings, FloatArray, Query

MAIN = [
    "fra_Latn",
    "deu_Latn",
    "spa_Latn",
    "ita_Latn",
    "por_Latn",
    "rus_Cyrl",
    "zho_Hans",
    "jpn_Jpan",
    "kor_Hang",
    "arb_Arab",
    "hin_Deva",
    "swh_Latn",
    "tur_Latn",
    "vie_Latn",
    "ind_Latn",
]
MORE = [
    "nld_Latn",
    "pol_Latn",
    "ces_Latn",
    "ron_Latn",
    "hun_Latn",
    "swe_Latn",
    "fin_Latn",
    "ell_Grek",
    "ukr_Cyrl",
    "heb_Hebr",
    "pes_Arab",
    "urd_Arab",
    "ben_Beng",
    "tam_Taml",
    "tel_Telu",
    "tha_Thai",
    "zho_Hant",
]
ENGLISH = "eng_Latn"
BLOCK = 2048


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="xret-static")
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--dim", type=int, help="keep only the first dimensions")
    parser.add_argument("--every", type=int, default=1, help="take every n-th FLORES query")
    parser.add_argument("--all", action="store_true", help="all trained languages")
    arguments = parser.parse_args()
    encoder = load_encoder(arguments.model)
    languages = MAIN + (MORE if arguments.all else [])
    start = time.perf_counter()
    belebele = belebele_mrr(encoder, arguments.data, languages, arguments.dim)
    flores = flores_success(encoder, arguments.data, languages, arguments.dim, arguments.every)
    print("| language | Belebele MRR@10 | FLORES to English Success@1 |\n|---|--:|--:|")
    for language in languages:
        found = f"{flores[language]:.1f}" if language in flores else "–"
        print(f"| {language} | {belebele[language]:.1f} | {found} |")
    means = [np.mean([table[name] for name in MAIN]) for table in (belebele, flores)]
    print(f"| **mean of the first {len(MAIN)}** | **{means[0]:.1f}** | **{means[1]:.1f}** |")
    print(f"| eng_Latn | {belebele[ENGLISH]:.1f} | – |")
    print(f"\n{encoder.spec.fingerprint}, {time.perf_counter() - start:.0f} s")


def read_belebele(
    data: Path, languages: list[str]
) -> tuple[dict[str, str], dict[str, dict[str, str]], dict[str, set[str]]]:
    """English questions by id, passages by language and name, names relevant to each question."""
    folder = data / "belebele-flores204"
    passages = texts_of(folder / "corpus.jsonl.gz", languages)
    records = [json.loads(line) for line in lines_of(folder / "queries.jsonl")]
    queries = {r["_id"]: r["text"] for r in records if r["lang"] == ENGLISH}
    relevant: dict[str, set[str]] = defaultdict(set)
    for line in lines_of(folder / "qrels.tsv.gz"):
        query_id, _, doc_id, _ = line.split()
        relevant[query_id].add(doc_id.split(":")[0])
    return queries, passages, relevant


def belebele_mrr(
    encoder: Encoder, data: Path, languages: list[str], dim: int | None
) -> dict[str, float]:
    """Mean reciprocal rank, 0 beyond rank 10, in percent, by language; English too."""
    questions, passages, relevant = read_belebele(data, [*languages, ENGLISH])
    queries = [Query(query_id, text, "en") for query_id, text in questions.items()]
    asked = truncated(encoder.encode_queries(queries), dim)
    means = {}
    for language, texts in passages.items():
        names = sorted(texts)
        documents = [Document(name, texts[name], language_code(language)) for name in names]
        scores = maxsim(asked, truncated(encoder.encode_documents(documents), dim))
        ranked = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        reciprocal = [
            next((1 / r for r, n in enumerate(row, 1) if names[n] in relevant[query.query_id]), 0)
            for query, row in zip(queries, ranked, strict=True)
        ]
        means[language] = 100 * float(np.mean(reciprocal))
    return means


def flores_success(
    encoder: Encoder, data: Path, languages: list[str], dim: int | None, every: int
) -> dict[str, float]:
    """How often the first English sentence is the translation, in percent, by language."""
    texts = texts_of(data / "flores200-sent" / "corpus.jsonl.gz", [*languages, ENGLISH])
    names = sorted(texts[ENGLISH])
    english = [Document(name, texts[ENGLISH][name], "en") for name in names]
    pool = truncated(encoder.encode_documents(english), dim)
    right = np.arange(0, len(names), every)
    found = {}
    for language in languages:
        if language in texts:
            lang = language_code(language)
            queries = [Query(names[n], texts[language][names[n]], lang) for n in right]
            scores = maxsim(truncated(encoder.encode_queries(queries), dim), pool)
            found[language] = 100 * float((scores.argmax(axis=1) == right).mean())
    return found


def maxsim(queries: Embeddings, documents: Embeddings) -> FloatArray:
    """(n, m) exact scores; no document is empty.

    The j-th vectors of all documents that have so many are multiplied at once, the longest
    documents first: no padding, and maxima that run along memory.
    """
    sizes = np.diff(documents.offsets)
    order = np.argsort(-sizes, kind="stable")
    starts = documents.offsets[:-1][order]
    nth = [
        documents.values[starts[: np.count_nonzero(sizes > step)] + step].T
        for step in range(int(sizes.max()))
    ]
    best = np.full((len(queries.values), len(documents)), -np.inf, np.float32)
    for start in range(0, len(best), BLOCK):
        block = queries.values[start : start + BLOCK]
        for vectors in nth:
            part = best[start : start + BLOCK, : vectors.shape[1]]
            np.maximum(part, block @ vectors, out=part)
    scores = np.empty((len(queries), len(documents)), np.float32)
    scores[:, order] = np.add.reduceat(best, queries.offsets[:-1], axis=0)
    return scores


def truncated(embeddings: Embeddings, dim: int | None) -> Embeddings:
    """The first dimensions only, each vector stretched back to its length."""
    if dim is None:
        return embeddings
    whole = np.linalg.norm(embeddings.values, axis=1, keepdims=True)
    values = embeddings.values[:, :dim]
    length = np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    return Embeddings(np.ascontiguousarray(values * (whole / length)), embeddings.offsets)


def texts_of(path: Path, languages: list[str]) -> dict[str, dict[str, str]]:
    """Text by name (the id without its language) by language, in the order asked for."""
    texts: dict[str, dict[str, str]] = {language: {} for language in languages}
    for line in lines_of(path):
        record = json.loads(line)
        if record["lang"] in texts:
            texts[record["lang"]][record["_id"].split(":")[0]] = record["text"]
    return {language: found for language, found in texts.items() if found}


def lines_of(path: Path) -> Iterator[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        yield from lines


if __name__ == "__main__":
    main()
