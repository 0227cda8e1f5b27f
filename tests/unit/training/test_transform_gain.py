"""Transforms measured on questions that they were not fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from xret.retriever.corpora.rows import Example
from xret.retriever.modules.transforms import StaticTransforms
from xret.retriever.training.modules.transform_gain import transform_gain, vector_figures
from xret.types import Document, Embeddings, Query

MEANINGS = ["rain", "snow", "wind", "hail"]
MEANS = {"en": np.array([0, 0, 0, 0, 3, 0], "f4"), "de": np.array([0, 0, 0, 0, 0, 3], "f4")}


class Leaning:
    """Puts each language around a mean of its own, as multilingual encoders do."""

    def _encode(self, texts: list[tuple[str, str]]) -> Embeddings:
        rows = []
        for text, lang in texts:
            row = MEANS[lang].copy()
            row[MEANINGS.index(text.split()[0])] = 1
            rows.append(row / np.linalg.norm(row))
        return Embeddings(np.array(rows, "f4"), np.arange(len(rows) + 1))

    def encode_documents(self, documents: list[Document]) -> Embeddings:
        return self._encode([(each.text, each.lang) for each in documents])

    def encode_queries(self, queries: list[Query]) -> Embeddings:
        return self._encode([(each.text, each.lang) for each in queries])


def test_centring_what_leans_by_language_gains() -> None:
    examples = [
        Example(f"{word} of {lang}", f"{word} of {other}", query_lang=lang, positive_lang=other)
        for word in MEANINGS
        for lang, other in (("en", "de"), ("de", "en"))
    ]
    means = np.stack([MEANS["de"], MEANS["en"]]) / np.float32(np.sqrt(10))
    transforms = StaticTransforms(["de", "en"], means, base="")
    before, after = transform_gain(Leaning(), transforms, examples)  # type: ignore[arg-type]
    assert after.mrr > before.mrr
    assert after.language_share == pytest.approx(0, abs=1e-6)
    assert before.language_share > 0.5
    assert after.mean_cosine < before.mean_cosine


def test_figures_are_those_of_their_definitions() -> None:
    random = np.random.default_rng(4)
    rows = random.normal(size=(6, 4)).astype("f4")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    documents = Embeddings(rows, np.arange(7))
    figures = vector_figures(documents, documents, list(range(6)), ["en"] * 3 + ["de"] * 3)
    cosines = (rows @ rows.T)[~np.eye(6, dtype=bool)]
    assert figures.mrr == 1
    assert figures.mean_cosine == pytest.approx(cosines.mean(), abs=1e-6)
    spread = rows - rows.mean(axis=0)
    between = 3 * sum(float(np.sum(half.mean(axis=0) ** 2)) for half in (spread[:3], spread[3:]))
    assert figures.language_share == pytest.approx(between / float(np.sum(spread**2)), abs=1e-6)
