"""The demo corpus: 400 short texts in 8 languages, written for xret and shipped with it."""

from __future__ import annotations

from pathlib import Path

from xret.retriever.corpora.collection import Collection

__all__ = ["COLLECTION"]

LANGS = ("en", "fr", "es", "ar", "zh", "hi", "sw", "de")

COLLECTION = Collection(
    name="demo",
    title="400 short encyclopaedic texts and 100 questions in 8 languages",
    doc_langs=LANGS,
    query_langs=LANGS,
    default_doc_langs=("all",),
    default_query_langs=("all",),
    documents=dict.fromkeys(LANGS, 50),
    licence="Apache-2.0",
    source="written for xret and shipped with it",
    revision="that of xret itself",
    checksums="part of the package",
    grades="0 not relevant, 1 on a related topic, 2 on the question's topic",
    folder=Path(__file__).parent / "demo",
)
