"""Small random corpora, and the definition of a ranking to compare an index with."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from encoders import HashingEncoder

from xret.index.search.reader import IndexReader
from xret.types import Document, FloatArray, Query

__all__ = ["LANGS", "WORDS", "documents_of", "plain_maxsim", "random_documents", "ranking"]

WORDS = ["sun", "moon", "tide", "reef", "bee", "river", "gold", "vaccine", "sleep", "law", "jazz"]
LANGS = ("en", "fr", "sw")


def plain_maxsim(query: FloatArray, document: FloatArray) -> float:
    """The definition, one dot product at a time."""
    return sum(max(float(np.dot(q, d)) for d in document) for q in query)


def documents_of(texts: list[str]) -> list[Document]:
    return [Document(f"d{i:03d}", text, LANGS[i % 3]) for i, text in enumerate(texts)]


def random_documents(seed: int, n: int) -> list[Document]:
    rng = random.Random(seed)
    return documents_of([" ".join(rng.choices(WORDS, k=rng.randint(1, 9))) for _ in range(n)])


def ranking(folder: Path, query: str, k: int = 1000, **options: object) -> list[tuple[str, float]]:
    reader = IndexReader.open(folder)
    embeddings = HashingEncoder().encode_queries([Query("q", query)])
    hits = reader.search(embeddings, k, **options)[0]  # type: ignore[arg-type]
    reader.close()
    return [(hit.doc_id, hit.score) for hit in hits]
