"""What every index promises, against the plain loop over the definition of MaxSim."""

import random
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from indices import LANGS, WORDS, plain_maxsim, random_documents, ranking

from xret.errors import DimensionMismatchError
from xret.index.coding.recoding import decoded
from xret.index.search.filters import Condition
from xret.index.search.ranking import best_documents
from xret.index.search.reader import IndexReader
from xret.index.storage.segment import Coded, Segment, quantize
from xret.types import Document, Embeddings, Query, SearchParams


@pytest.mark.parametrize("exact", [False, True])
def test_the_index_ranks_as_exact_maxsim_over_the_stored_codes(
    exact: bool, tmp_path: Path, encoder: HashingEncoder
) -> None:
    documents = random_documents(7, 60)
    build(documents, tmp_path / "i", encoder)
    query = encoder.encode_queries([Query("q", "gold river tide")])[0]
    expected = []
    for document in documents:
        stored = decoded(quantize(encoder.encode_documents([document])[0]))
        expected.append((document.doc_id, plain_maxsim(query, stored)))
    expected.sort(key=lambda pair: (-round(pair[1], 4), pair[0]))
    params = SearchParams(exact=exact)
    found = ranking(tmp_path / "i", "gold river tide", params=params)
    assert [doc for doc, _ in found] == [doc for doc, _ in expected]
    np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], atol=2e-4)


@pytest.mark.parametrize("n_words", [1, 7, 16, 33, 130])
def test_a_score_does_not_depend_on_where_the_document_lies(n_words: int) -> None:
    rng = np.random.default_rng(n_words)
    query = Embeddings(rng.normal(size=(n_words, 32)).astype(np.float32), np.array([0, n_words]))
    coded = quantize(rng.normal(size=(5, 32)).astype(np.float32))
    found = set()
    for n_documents in (1, 2, 17, 64):
        repeated = Coded(np.tile(coded.codes, (n_documents, 1)), np.tile(coded.scales, n_documents))
        same = Segment(1, 0, repeated, np.arange(n_documents + 1) * 5)
        for keep in (None, np.arange(n_documents) % 3 == 0):
            for threads in (1, 2):
                params = SearchParams(threads=threads)
                best = best_documents(query, [same], (keep,), 99, codecs={}, params=params)[0]
                found.update(best.scores.tolist())
    assert len(found) == 1


def test_vectors_of_another_dimension_are_refused(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(random_documents(1, 3), tmp_path / "i", encoder)
    reader = IndexReader.open(tmp_path / "i")
    wrong = Embeddings(np.ones((1, 3), np.float32), np.array([0, 1]))
    with pytest.raises(DimensionMismatchError, match="3 dimensions"):
        reader.search(wrong, 1)
    reader.close()


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(12)), seed=st.integers(0, 99))
def test_documents_added_in_any_order_rank_alike(order: list[int], seed: int) -> None:
    documents = random_documents(seed, 12)
    with tempfile.TemporaryDirectory() as folder:
        build(documents, Path(folder) / "a", HashingEncoder())
        build([documents[i] for i in order], Path(folder) / "b", HashingEncoder())
        assert ranking(Path(folder) / "a", "bee law") == ranking(Path(folder) / "b", "bee law")


@settings(max_examples=15, deadline=None)
@given(k=st.integers(1, 40), seed=st.integers(0, 99), langs=st.sets(st.sampled_from(LANGS)))
def test_filters_and_k_cut_the_full_ranking(k: int, seed: int, langs: set[str]) -> None:
    documents = random_documents(seed, 30)
    lang_of = {document.doc_id: document.lang for document in documents}
    with tempfile.TemporaryDirectory() as folder:
        build(documents, Path(folder) / "i", HashingEncoder())
        full = ranking(Path(folder) / "i", "moon reef")
        wanted = Condition("lang", "in", tuple(langs))
        kept = ranking(Path(folder) / "i", "moon reef", k, filter=wanted)
    assert kept == [pair for pair in full if lang_of[pair[0]] in langs][:k]


def test_ties_are_ordered_by_document_id_also_at_the_cut(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    documents = [Document(name, "gold", "en") for name in ("c", "a", "d", "b")]
    build(documents, tmp_path / "i", encoder)
    assert [doc for doc, _ in ranking(tmp_path / "i", "gold", 3)] == ["a", "b", "c"]


def test_several_segments_answer_as_one(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = random_documents(3, 50)
    build(documents, tmp_path / "one", encoder)
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 20)
    build(documents, tmp_path / "many", encoder)
    assert len(list((tmp_path / "many" / "segments").iterdir())) > 5
    assert ranking(tmp_path / "many", "jazz sleep") == ranking(tmp_path / "one", "jazz sleep")


def test_a_query_scores_alike_alone_and_among_others(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    build(random_documents(5, 40), tmp_path / "i", encoder)
    reader = IndexReader.open(tmp_path / "i")
    queries = [Query(str(i), text) for i, text in enumerate(("gold", "law jazz sleep", "bee tide"))]
    together = reader.search(encoder.encode_queries(queries), 10)
    alone = [reader.search(encoder.encode_queries([query]), 10)[0] for query in queries]
    reader.close()
    assert together == alone


def test_equal_documents_tie_for_a_long_query_in_segments_of_any_size(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 60)
    text = "gold river tide reef"
    documents = [Document(f"d{i:02d}", text, "en") for i in range(31)]
    build(documents, tmp_path / "i", encoder)
    for n_words in (8, 13, 24, 40):
        query = " ".join(random.Random(n_words).choices(WORDS, k=n_words))
        found = ranking(tmp_path / "i", query)
        assert len({score for _, score in found}) == 1
        assert [doc for doc, _ in found] == [document.doc_id for document in documents]


def test_an_empty_result_is_a_result(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(random_documents(1, 3), tmp_path / "i", encoder)
    assert ranking(tmp_path / "i", "gold", filter=Condition("lang", "==", "ja")) == []


def test_a_replaced_document_is_found_by_its_new_text_only(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    build(random_documents(2, 20), tmp_path / "i", encoder)
    new = Document("d004", "vaccine", "en", title="new")
    build([new], tmp_path / "i", encoder, duplicates="replace")
    found = ranking(tmp_path / "i", "vaccine")
    assert len(found) == 20
    assert found[0][1] == max(score for _, score in found)
    reader = IndexReader.open(tmp_path / "i")
    assert reader.documents(["d004"]) == [new]
    reader.close()


def test_found_holds_the_hits_after_the_offset_with_their_documents(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    documents = random_documents(4, 25)
    build(documents, tmp_path / "i", encoder)
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        queries = encoder.encode_queries([Query("1", "gold"), Query("2", "law jazz")])
        whole = reader.search(queries, 12)
        found = reader.find(queries, 7, offset=5)
        assert found.version == reader.version()
    assert found.rankings == [hits[5:] for hits in whole]
    named = {hit.doc_id for hits in found.rankings for hit in hits}
    assert found.documents == {d.doc_id: d for d in documents if d.doc_id in named}
