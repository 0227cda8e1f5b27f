"""What every index promises, against the plain loop over the definition of MaxSim."""

import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.errors import DimensionMismatchError
from xret.index.exact import maxsim_scores, query_codes
from xret.index.reader import IndexReader
from xret.index.segment import quantize
from xret.types import Document, Embeddings, FloatArray, Query

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


@given(
    query=st.lists(st.integers(0, 99), min_size=1, max_size=5),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=12),
    seed=st.integers(0, 2**32 - 1),
)
def test_maxsim_equals_the_plain_loop(query: list[int], lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(len(query), 8)).astype(np.float32)
    values = rng.normal(size=(sum(lengths), 8)).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    scores = maxsim_scores(queries, values, offsets)
    documents = Embeddings(values, offsets)
    expected = [plain_maxsim(queries, document) for document in documents]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)


def test_a_negative_score_stays_negative() -> None:
    query = np.array([[1.0, 0.0]], dtype=np.float32)
    values = np.array([[-0.6, 0.8], [-0.2, 0.9]], dtype=np.float32)
    scores = maxsim_scores(query, values, np.array([0, 1, 2]))
    np.testing.assert_allclose(scores, [-0.6, -0.2], atol=1e-6)


@pytest.mark.parametrize("dim", [4, 128, 256, 768, 1024, 2048])
def test_dot_products_have_no_rounding_in_any_order(dim: int) -> None:
    rng = np.random.default_rng(dim)
    codes, _ = query_codes(rng.normal(size=(3, dim)).astype(np.float32))
    codes[0] = np.sign(codes[0]) * np.abs(codes).max()
    documents = rng.integers(-127, 128, size=(50, dim)).astype(codes.dtype)
    documents[0] = 127 * np.sign(codes[0])
    exact = codes.astype(np.int64) @ documents.astype(np.int64).T
    assert ((codes @ documents.T).astype(np.int64) == exact).all()


def test_vectors_of_another_dimension_are_refused(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(random_documents(1, 3), tmp_path / "i", encoder)
    reader = IndexReader.open(tmp_path / "i")
    wrong = Embeddings(np.ones((1, 3), np.float32), np.array([0, 1]))
    with pytest.raises(DimensionMismatchError, match="3 dimensions"):
        reader.search(wrong, 1)
    reader.close()


def test_the_index_ranks_as_exact_maxsim_over_the_stored_codes(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    documents = random_documents(7, 60)
    build(documents, tmp_path / "i", encoder)
    query = encoder.encode_queries([Query("q", "gold river tide")])[0]
    query_integers, query_scales = query_codes(query)
    rounded = query_integers * query_scales
    np.testing.assert_allclose(rounded, query, atol=2e-4)
    expected = []
    for document in documents:
        codes, scales = quantize(encoder.encode_documents([document])[0])
        stored = codes.astype(np.float32) * scales[:, None]
        expected.append((document.doc_id, plain_maxsim(rounded, stored)))
    expected.sort(key=lambda pair: (-round(pair[1], 5), pair[0]))
    found = ranking(tmp_path / "i", "gold river tide")
    assert [doc for doc, _ in found] == [doc for doc, _ in expected]
    np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], atol=1e-5)


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
        kept = ranking(Path(folder) / "i", "moon reef", k, langs=sorted(langs))
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
    monkeypatch.setattr("xret.index.writer.SEGMENT_ROWS", 20)
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


def test_an_empty_result_is_a_result(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(random_documents(1, 3), tmp_path / "i", encoder)
    assert ranking(tmp_path / "i", "gold", langs=["ja"]) == []


def test_an_open_reader_sees_a_later_commit_whole(tmp_path: Path, encoder: HashingEncoder) -> None:
    build([Document("a", "gold", "en")], tmp_path / "i", encoder)
    reader = IndexReader.open(tmp_path / "i")
    query = encoder.encode_queries([Query("q", "gold")])
    assert [hit.doc_id for hit in reader.search(query, 9)[0]] == ["a"]
    build([Document("b", "gold river", "en")], tmp_path / "i", encoder)
    assert [hit.doc_id for hit in reader.search(query, 9)[0]] == ["a", "b"]
    reader.close()


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
