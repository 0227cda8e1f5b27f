"""An encoder over candidates: exact scores, each document encoded once, time kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from encoders import HashingEncoder
from tiny_encoders import tiny_bi_encoder
from tiny_models import TEXTS, tiny_colbert_xm

from xret.index.scoring.maxsim import maxsim_scores
from xret.index.storage.segment import quantize
from xret.retriever.encoder import Encoder, passages_of
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.rerankers.loading import load_reranker
from xret.retriever.rerankers.second_encoder import BATCH, SecondEncoder
from xret.retriever.rerankers.vector_cache import CodedText, VectorCache
from xret.types import Document, Embeddings, Query

QUERY = Query("q", TEXTS["en"], "en")
DOCUMENTS = [Document(lang, text, lang) for lang, text in TEXTS.items()]


class Counting(HashingEncoder):
    """Counts the texts that it encodes, and takes its time for them."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.texts = 0
        self.seconds = seconds

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings:
        self.texts += len(documents)
        time.sleep(self.seconds)
        return super().encode_documents(documents)


def exact(encoder: Encoder, query: Query, documents: Sequence[Document]) -> list[float]:
    asked = encoder.encode_queries([query]).values
    best = []
    for document in documents:
        parts = [
            Document(document.doc_id, document.text[a:b], document.lang)
            for a, b in passages_of(encoder, document)
        ]
        vectors = encoder.encode_documents(parts)
        best.append(float(maxsim_scores(asked, vectors.values, vectors.offsets).max()))
    return best


@pytest.mark.parametrize("kind", ["late interaction", "bi-encoder"])
def test_scores_are_those_of_the_encoder_in_full(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "model"
    if kind == "bi-encoder":
        tiny_bi_encoder(folder)
    else:
        tiny_colbert_xm(folder)
    reranker = load_reranker(str(folder))
    long = Document("long", " ".join(TEXTS["en"].split() * 60), "en")
    documents = [*DOCUMENTS, long]
    assert len(passages_of(load_encoder(str(folder)), long)) > 1
    scores = reranker.scores(QUERY, documents)
    wanted = exact(load_encoder(str(folder)), QUERY, documents)
    # 8 bits a document vector: half a percent of each query vector's best product.
    vectors = len(load_encoder(str(folder)).encode_queries([QUERY]).values)
    assert np.allclose(scores, wanted, atol=0.01 * vectors)
    assert scores.dtype == np.float32
    alone = [float(reranker.scores(QUERY, [one])[0]) for one in documents]
    assert alone == scores.tolist()


def test_a_document_goes_through_its_own_languages_adapter(tmp_path: Path) -> None:
    reranker = load_reranker(str(tiny_colbert_xm(tmp_path / "model")))
    text = TEXTS["en"]
    scores = reranker.scores(QUERY, [Document("a", text, "en"), Document("b", text, "sw")])
    assert scores[0] != scores[1]


def test_a_document_is_encoded_once_whatever_asks_for_it() -> None:
    encoder = Counting()
    reranker = SecondEncoder(encoder)
    first = reranker.scores(QUERY, DOCUMENTS)
    again = reranker.scores(QUERY, DOCUMENTS[::-1])
    assert encoder.texts == len(DOCUMENTS)
    assert first.tolist() == again.tolist()[::-1]
    changed = Document("en", TEXTS["en"] + " again", "en")
    reranker.scores(QUERY, [changed, Document("other id", TEXTS["sw"], "sw")])
    assert encoder.texts == len(DOCUMENTS) + 1


def test_what_was_read_before_the_deadline_is_scored() -> None:
    encoder = Counting(seconds=0.2)
    reranker = SecondEncoder(encoder)
    documents = [Document(str(n), f"word{n} reefs", "en") for n in range(3 * BATCH)]
    scores = reranker.scores(QUERY, documents, until=time.monotonic() + 0.1)
    assert len(scores) == BATCH
    assert len(reranker.scores(QUERY, documents, until=time.monotonic() - 1)) == BATCH
    assert len(reranker.scores(QUERY, documents)) == 3 * BATCH


def test_the_memory_of_vectors_is_bounded() -> None:
    text = CodedText(quantize(np.eye(4, dtype=np.float32)), (4,))
    cache = VectorCache(3 * text.n_bytes)
    for key in (b"a", b"b", b"c"):
        cache.put(key, text)
    assert cache.get(b"a") is not None
    cache.put(b"d", text)
    assert cache.get(b"b") is None
    assert cache.get(b"a") is not None
    assert (len(cache), cache.n_bytes) == (3, 3 * text.n_bytes)
    VectorCache(1).put(b"a", text)
    none = SecondEncoder(HashingEncoder(), cache_bytes=0)
    kept = SecondEncoder(HashingEncoder())
    assert none.scores(QUERY, DOCUMENTS).tolist() == kept.scores(QUERY, DOCUMENTS).tolist()
    assert len(none.cache) == 0
