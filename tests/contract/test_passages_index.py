"""Long documents: passages are scored, documents are ranked, nothing is left out."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from indices import WORDS, plain_maxsim, random_documents

from xret.index.coding.recoding import decoded
from xret.index.search.reader import IndexReader
from xret.index.storage.segment import quantize
from xret.index.writing.writer import IndexWriter
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.types import Document, Embeddings, SearchParams


class SplittingEncoder(HashingEncoder):
    """Reads ten words of a text; longer ones are cut into passages of ten."""

    def passages(self, document: Document) -> list[tuple[int, int]]:
        words = document.text.split(" ")
        ends = np.cumsum([len(word) + 1 for word in words]).tolist()
        starts = [0, *ends[9:-1:10]]
        return [*zip(starts, [*starts[1:], len(document.text)], strict=True)]


def test_a_document_is_found_by_its_last_passage_and_shown_by_it(tmp_path: Path) -> None:
    filler = " ".join(f"filler{i}" for i in range(40))
    corpus = [
        Document("long", f"{filler} gold vaccine", "en", title="a title"),
        Document("short", "gold river", "en"),
    ]
    build(corpus, tmp_path / "i", SplittingEncoder())
    with closing(Searcher("i", IndexReader.open(tmp_path / "i"), SplittingEncoder())) as searcher:
        hits = searcher.search("gold vaccine", lang="en")
        info = searcher.reader.info()
    assert [hit.id for hit in hits] == ["long", "short"]
    start, end = hits[0].passage.start, hits[0].passage.end
    assert corpus[0].text[start:end] == "gold vaccine" == hits[0].snippets[0].text
    assert (hits[1].passage.start, hits[1].passage.end) == (0, len("gold river"))
    assert (info.documents, info.passages) == (2, 6)


def test_without_passages_no_array_of_them_is_stored(tmp_path: Path) -> None:
    build(random_documents(1, 5), tmp_path / "i", HashingEncoder())
    names = {path.name for path in (tmp_path / "i" / "segments" / "000001").iterdir()}
    assert {"codes.u8", "scales.bf16", "offsets.i64"} <= names
    assert not names & {"documents.i64", "spans.i32", "centroids.u16"}


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=1, max_size=9),
    k=st.integers(1, 10),
    seed=st.integers(0, 999),
    exact=st.booleans(),
)
def test_the_k_best_documents_are_those_of_the_plain_definition(
    sizes: list[list[int]],
    k: int,
    seed: int,
    exact: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    rng = np.random.default_rng(seed)
    lengths = [length for document in sizes for length in document]
    values = rng.normal(size=(sum(lengths), 32)).astype(np.float32)
    vectors = Embeddings(values, np.cumsum([0, *lengths]))
    query = rng.normal(size=(3, 32)).astype(np.float32)
    corpus = [Document(f"d{i}", "x" * 100, "en") for i in range(len(sizes))]
    spans = [[(10 * i, 10 * i + 10) for i in range(len(document))] for document in sizes]
    folder = tmp_path_factory.mktemp("index")
    with IndexWriter.open(folder, HashingEncoder().spec) as writer:
        writer.add(corpus, vectors, spans=spans)
    stored = Embeddings(decoded(quantize(values)), vectors.offsets)
    scores, expected, first = [plain_maxsim(query, one) for one in stored], [], 0
    for document, passages in zip(corpus, sizes, strict=True):
        own = scores[first : first + len(passages)]
        first += len(passages)
        span = (10 * own.index(max(own)), 10 * own.index(max(own)) + 10)
        expected.append((-max(own), document.doc_id, span if len(own) > 1 else None))
    with closing(IndexReader.open(folder)) as reader:
        asked = Embeddings(query, np.array([0, 3]))
        found = reader.find(asked, k, params=SearchParams(exact=exact))
    ranked = [
        (hit.doc_id, span) for hit, span in zip(found.rankings[0], found.spans[0], strict=True)
    ]
    assert ranked == [(name, span) for _, name, span in sorted(expected)[:k]]


@pytest.mark.parametrize(
    ("spans", "texts"), [([[(0, 1)]], 2), ([[(0, 1), (1, 2)]], 1), ([[]], 0), ([], 1)]
)
def test_vectors_that_are_not_the_passages_are_refused(
    spans: list[list[tuple[int, int]]], texts: int, tmp_path: Path
) -> None:
    encoder = HashingEncoder()
    vectors = Embeddings(np.ones((texts, 32), np.float32), np.arange(texts + 1))
    with (
        IndexWriter.open(tmp_path / "i", encoder.spec) as writer,
        pytest.raises(ValueError, match="not the passages"),
    ):
        writer.add([Document("a", "ab", "en")], vectors, spans=spans)


def test_the_embedded_encoder_reads_all_of_a_long_document(tmp_path: Path) -> None:
    encoder = load_encoder("xret-static")
    filler = " ".join(WORDS * 120) + ". "
    document = Document("long", f"{filler}The volcano erupted at dawn.", "en", title="Notes")
    spans = encoder.passages(document)
    assert len(spans) > 1 and spans[0][0] == 0 and spans[-1][1] == len(document.text)
    assert all(start <= end for (_, end), (start, _) in pairwise(spans))
    done = build([document], tmp_path / "i", encoder)
    assert (done.summary.truncated, done.summary.passages) == (0, len(spans))
    with closing(Searcher("i", IndexReader.open(tmp_path / "i"), encoder)) as searcher:
        (hit,) = searcher.search("volcano erupted", lang="en")
    assert "volcano" in document.text[hit.passage.start : hit.passage.end]


def test_a_query_that_is_cut_is_warned_of(tmp_path: Path) -> None:
    encoder = load_encoder("xret-static")
    build([Document("a", "gold", "en")], tmp_path / "i", encoder)
    with closing(Searcher("i", IndexReader.open(tmp_path / "i"), encoder)) as searcher:
        assert searcher.answer("gold", lang="en").warnings == []
        (warning,) = searcher.answer("gold river " * 400, lang="en").warnings
    assert "longer than the encoder reads" in warning
