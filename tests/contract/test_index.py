"""What every index promises, against the plain loop over the definition of MaxSim."""

import random
import sqlite3
import tempfile
import threading
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.errors import DimensionMismatchError, IndexLockedError
from xret.index import reader as reader_module
from xret.index.catalog import Catalog
from xret.index.exact import maxsim_scores, query_codes, segment_scores
from xret.index.reader import IndexReader, find_faults
from xret.index.segment import Segment, quantize
from xret.index.writer import IndexWriter
from xret.retriever.searcher import Searcher
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


@pytest.mark.parametrize("n_words", [1, 7, 8, 9, 16, 33, 40, 130])
def test_a_score_does_not_depend_on_where_the_document_lies(
    n_words: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(n_words)
    query = rng.normal(size=(n_words, 32)).astype(np.float32)
    queries = Embeddings(query, np.array([0, n_words]))
    codes, scales = quantize(rng.normal(size=(5, 32)).astype(np.float32))
    found = set()
    for n_documents in (1, 2, 3, 17, 64):
        same = Segment(
            1,
            np.tile(codes, (n_documents, 1)),
            np.tile(scales, n_documents),
            np.arange(n_documents + 1) * 5,
        )
        for block_rows in (1, 12, 16_384):
            monkeypatch.setattr("xret.index.exact.BLOCK_ROWS", block_rows)
            found.update(segment_scores(queries, same)[0].tolist())
        keep = np.arange(n_documents) % 3 == 0
        found.update(segment_scores(queries, same, keep=keep)[0][keep].tolist())
    assert len(found) == 1


def test_equal_documents_tie_for_a_long_query_in_segments_of_any_size(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.writer.SEGMENT_ROWS", 60)
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


def test_a_search_during_a_replacement_answers_from_one_commit(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build([Document("a", "gold", "en"), Document("b", "river", "en")], tmp_path / "i", encoder)
    monkeypatch.setattr("xret.index.database.BUSY_S", 0.05)
    fetch = Catalog.documents

    def replaced_first(self: Catalog, doc_ids: list[str]) -> list[Document]:
        new = [Document("a", "or", "fr")]
        with suppress(IndexLockedError):
            build(new, tmp_path / "i", encoder, duplicates="replace")
        return fetch(self, doc_ids)

    with closing(Searcher("i", IndexReader.open(tmp_path / "i"), encoder)) as searcher:
        monkeypatch.setattr(Catalog, "documents", replaced_first)
        answer = searcher.answer("gold", lang="en", doc_langs=["en"])
        assert [(hit.id, hit.lang, hit.snippets[0].text) for hit in answer.hits] == [
            ("a", "en", "gold"),
            ("b", "en", "river"),
        ]
        assert answer.index_version == 1


def test_a_commit_in_the_middle_of_a_search_is_in_its_answer_whole(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build([Document("a", "gold", "en"), Document("b", "river", "en")], tmp_path / "i", encoder)
    texts = iter(["or", "gold reef", "law"])

    def replacing(*arguments: object, **options: object) -> FloatArray:
        scores = segment_scores(*arguments, **options)  # type: ignore[arg-type]
        if text := next(texts, None):
            build([Document("a", text, "en")], tmp_path / "i", encoder, duplicates="replace")
        return scores

    with closing(IndexReader.open(tmp_path / "i")) as reader:
        monkeypatch.setattr(reader_module, "segment_scores", replacing)
        found = reader.find(encoder.encode_queries([Query("q", "gold")]), 9)
    monkeypatch.undo()
    assert found.documents["a"].text == "law"
    assert found.version == 4
    expected = ranking(tmp_path / "i", "gold")
    assert [(hit.doc_id, hit.score) for hit in found.rankings[0]] == expected


def test_two_searches_score_at_the_same_time(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(random_documents(1, 9), tmp_path / "i", encoder)
    both = threading.Barrier(2, timeout=10)

    def together(*arguments: object, **options: object) -> FloatArray:
        both.wait()
        return segment_scores(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(reader_module, "segment_scores", together)
    query = encoder.encode_queries([Query("q", "gold law")])
    found: list[object] = []
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        threads = [
            threading.Thread(target=lambda: found.append(reader.search(query, 5))) for _ in "ab"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 2
    assert found[0] == found[1]


def test_a_commit_is_not_held_up_by_scoring_nor_by_opening_files(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each commit happens while the reader is busy; it waits for nothing at all."""
    build([Document("a", "gold", "en")], tmp_path / "i", encoder)
    monkeypatch.setattr("xret.index.database.BUSY_S", 0.0)
    opened: list[int] = []
    read = reader_module.read_segment

    def committing(folder: Path, segment: int, *arguments: object, **options: object) -> object:
        opened.append(segment)
        if segment < 4:
            new = Document(f"new{segment}", "gold reef", "en")
            build([new], tmp_path / "i", encoder)
        return read(folder, segment, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(reader_module, "read_segment", committing)
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        query = encoder.encode_queries([Query("q", "gold")])
        for _ in range(4):
            found = reader.search(query, 9)[0]
    assert [hit.doc_id for hit in found] == ["a", "new1", "new2", "new3"]
    assert opened == [1, 2, 3, 4]


def test_the_check_of_every_document_lets_a_writer_commit(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(random_documents(1, 9), tmp_path / "i", encoder)
    monkeypatch.setattr("xret.index.catalog.PAGE_DOCUMENTS", 2)
    monkeypatch.setattr("xret.index.database.BUSY_S", 0.0)
    path = tmp_path / "i" / "catalog.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE documents SET title = 'changed' WHERE document % 2 = 1")
        connection.commit()
    catalog = Catalog.open(tmp_path / "i")
    damaged = []
    for doc_id in catalog.damaged_documents():
        build([Document(f"beside {doc_id}", "gold", "en")], tmp_path / "i", encoder)
        damaged.append(doc_id)
    catalog.close()
    assert damaged == ["d000", "d002", "d004", "d006", "d008"]


def test_a_commit_that_a_reader_holds_up_can_be_made_again(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build([Document("a", "gold", "en")], tmp_path / "i", encoder)
    monkeypatch.setattr("xret.index.database.BUSY_S", 0.0)
    new = [Document("b", "gold river", "en")]
    with (
        closing(sqlite3.connect(tmp_path / "i" / "catalog.sqlite")) as other,
        IndexWriter.open(tmp_path / "i", encoder.spec) as writer,
    ):
        other.execute("BEGIN")
        other.execute("SELECT * FROM documents").fetchall()
        writer.add(new, encoder.encode_documents(new))
        with pytest.raises(IndexLockedError, match=r"reader or another process.*try again"):
            writer.commit()
        other.execute("ROLLBACK")
        writer.commit()
    assert [doc for doc, _ in ranking(tmp_path / "i", "gold")] == ["a", "b"]
    assert find_faults(tmp_path / "i") == []


def test_readers_beside_many_commits_see_whole_ones_only(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    """Every commit gives all three documents the same text and title."""
    names = ("a", "b", "c")

    def commit(n: int) -> None:
        made = [Document(name, f"gold {n}", "en", title=str(n)) for name in names]
        build(made, tmp_path / "i", encoder, duplicates="replace")

    commit(0)
    wrong: list[object] = []
    done = threading.Event()

    def search(reader: IndexReader) -> None:
        query = encoder.encode_queries([Query("q", "gold")])
        while not done.is_set():
            try:
                found = reader.find(query, 9)
            except Exception as error:
                wrong.append(error)
                return
            titles = {document.title for document in found.documents.values()}
            scores = {hit.score for hit in found.rankings[0]}
            if titles != {str(found.version - 1)} or len(scores) != 1:
                wrong.append(found)

    with closing(IndexReader.open(tmp_path / "i")) as reader:
        threads = [threading.Thread(target=search, args=(reader,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for n in range(1, 21):
            commit(n)
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []
