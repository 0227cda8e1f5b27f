"""BM25 against the plain formula, over any split into segments, and with damaged arrays."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.errors import DamagedIndexError
from xret.index.words import bm25 as scoring
from xret.index.words import lexical
from xret.index.words.bm25 import Bm25
from xret.index.words.lexical import (
    LEXICAL_DTYPES,
    NARROWED,
    LexicalSegment,
    merged_arrays,
    segment_arrays,
)

WORDS = ["a", "b", "c", "d", "é", "漢字", "long" * 16]
DOCUMENTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=9), min_size=1, max_size=12)
Mask = npt.NDArray[np.bool_]


def plain(documents: list[list[str]], query: list[str]) -> list[float]:
    """The formula, a document and a term at a time; k1 = 0.9, b = 0.4."""
    n = len(documents)
    mean = sum(map(len, documents)) / n
    scores = []
    for document in documents:
        score = 0.0
        for term, times in Counter(query).items():
            having = sum(term in other for other in documents)
            idf = math.log1p((n - having + 0.5) / (having + 0.5))
            count = document.count(term)
            if count:
                norm = 0.9 * (1 - 0.4 + 0.4 * len(document) / mean)
                score += times * idf * (count / (count + norm))
        scores.append(score)
    return scores


def opened(documents: list[list[str]]) -> LexicalSegment:
    return LexicalSegment.from_arrays(segment_arrays(documents), len(documents))


@settings(deadline=None, max_examples=150)
@given(st.data(), DOCUMENTS, st.lists(st.sampled_from([*WORDS, "z"]), max_size=6))
def test_any_split_with_dead_documents_scores_as_one_index_of_the_living(
    data: st.DataObject, documents: list[list[str]], query: list[str]
) -> None:
    n = len(documents)
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=3)))
    borders = list(zip([0, *cuts], [*cuts, n], strict=True))
    living = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    living[0] = True
    whole = Bm25([opened([d for d, lives in zip(documents, living, strict=True) if lives])], [None])
    masks = [None if living[a:b].all() else living[a:b] for a, b in borders]
    split = Bm25([opened(documents[a:b]) for a, b in borders], masks)

    scores = split.scores(query)

    assert scores[~living].tolist() == [0.0] * int((~living).sum())
    assert scores[living].tolist() == whole.scores(query).tolist()
    expected = plain([d for d, lives in zip(documents, living, strict=True) if lives], query)
    np.testing.assert_allclose(scores[living], expected, rtol=1e-6)


@settings(deadline=None)
@given(st.data(), DOCUMENTS)
def test_a_filter_leaves_documents_out_and_no_score_changes(
    data: st.DataObject, documents: list[list[str]]
) -> None:
    n = len(documents)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    bm25 = Bm25([opened(documents)], [None])
    expected = np.where(keep, bm25.scores(["a", "b"]), 0)
    assert bm25.scores(["a", "b"], keep=[keep]).tolist() == expected.tolist()


@settings(deadline=None)
@given(st.data(), DOCUMENTS)
def test_compacted_segments_are_those_built_of_the_documents_kept(
    data: st.DataObject, documents: list[list[str]]
) -> None:
    cut = data.draw(st.integers(0, len(documents)))
    parts, kept = [], []
    for part in (documents[:cut], documents[cut:]):
        positions = data.draw(st.permutations(range(len(part))))
        positions = positions[: data.draw(st.integers(0, len(part)))]
        parts.append((opened(part), np.array(positions, np.int64)))
        kept += [part[i] for i in positions]
    found, expected = merged_arrays(parts), segment_arrays(kept)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert array.dtype == np.dtype(LEXICAL_DTYPES[name]) or name in NARROWED
        assert found[name].tobytes() == array.tobytes(), name


@settings(deadline=None)
@given(DOCUMENTS, st.lists(st.sampled_from(WORDS), max_size=4), st.integers(1, 14))
def test_the_best_are_those_of_the_scores_with_all_that_tie(
    documents: list[list[str]], query: list[str], k: int
) -> None:
    bm25 = Bm25([opened(documents)], [None])
    scores = bm25.scores(query)
    matched = sorted(scores[scores > 0].tolist(), reverse=True)
    low = matched[:k][-1] if matched else math.inf
    positions, found = bm25.best(query, k)
    assert positions.tolist() == [i for i, s in enumerate(scores.tolist()) if s >= low]
    assert found.tolist() == scores[positions].tolist()


def test_order_of_a_document_s_terms_does_not_change_the_arrays() -> None:
    one, other = segment_arrays([["a", "b", "a"], ["c"]]), segment_arrays([["b", "a", "a"], ["c"]])
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_frequencies_beyond_a_byte_are_exact() -> None:
    documents = [["a"] * 254, ["a"] * 255, ["a"] * 70_000 + ["b"], ["c"]]
    bm25 = Bm25([opened(documents)], [None])
    for query in (["a"], ["b", "a"]):
        np.testing.assert_allclose(bm25.scores(query), plain(documents, query), rtol=1e-6)
    arrays = merged_arrays([(opened(documents), np.array([2, 0]))])
    again = Bm25([LexicalSegment.from_arrays(arrays, 2)], [None])
    expected = plain([documents[2], documents[0]], ["a"])
    np.testing.assert_allclose(again.scores(["a"]), expected, rtol=1e-6)


def test_terms_of_equal_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "term_hash", lambda name: len(name))
    documents = [["aa", "bb"], ["bb", "ccc"], ["dd"]]
    bm25 = Bm25([opened(documents)], [None])
    for query in (["aa"], ["bb"], ["dd"], ["zz"], ["ccc", "aa"]):
        np.testing.assert_allclose(bm25.scores(query), plain(documents, query), rtol=1e-6)


def test_scores_are_the_same_whether_parts_are_kept_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    documents = [["a", "b"], ["b"] * 300, ["c", "a"]] * 5
    kept = Bm25([opened(documents)], [None]).scores(["a", "b"])
    monkeypatch.setattr(scoring, "KEPT_POSTINGS", 0)
    assert Bm25([opened(documents)], [None]).scores(["a", "b"]).tolist() == kept.tolist()


def test_empty_index_and_empty_documents_answer_nothing() -> None:
    assert Bm25([], []).scores(["a"]).shape == (0,)
    assert Bm25([opened([])], [None]).scores(["a"]).shape == (0,)
    assert Bm25([opened([[], []])], [None]).scores(["a"]).tolist() == [0.0] * 2
    dead = np.array([False])
    assert Bm25([opened([["a"]])], [dead]).scores(["a"]).tolist() == [0.0]


@pytest.mark.parametrize(("n", "width"), [(256, "|u1"), (257, "<u2"), (65_537, "<u4")])
def test_documents_take_the_bytes_that_their_numbers_need(n: int, width: str) -> None:
    documents = [["a"], *([] for _ in range(n - 2)), ["a", "b"]]
    arrays = segment_arrays(documents)
    assert arrays["lexical_documents"].dtype == np.dtype(width)
    assert arrays["lexical_posting_counts"].tolist() in ([1, 2], [2, 1])
    positions, _ = Bm25([opened(documents)], [None]).best(["a"], 9)
    assert positions.tolist() == [0, n - 1]


@settings(deadline=None, max_examples=30)
@given(DOCUMENTS, st.lists(st.sampled_from(WORDS), max_size=4))
def test_arrays_of_earlier_versions_score_the_same(
    documents: list[list[str]], query: list[str]
) -> None:
    now = segment_arrays(documents)
    before = {name: array for name, array in now.items() if name not in NARROWED}
    before["lexical_documents"] = now["lexical_documents"].astype("<u4")
    for name, counts in (("term", "term_lengths"), ("posting", "posting_counts")):
        ends = np.cumsum([0, *now[f"lexical_{counts}"].tolist()])
        before[f"lexical_{name}_offsets"] = ends.astype("<u4")
    earlier = LexicalSegment.from_arrays(before, len(documents))
    again, expected = (Bm25([one], [None]) for one in (earlier, opened(documents)))
    assert again.scores(query).tobytes() == expected.scores(query).tobytes()
    every = np.arange(len(documents))
    merged = merged_arrays([(earlier, every)])
    assert {name: array.tobytes() for name, array in merged.items()} == {
        name: array.tobytes() for name, array in now.items()
    }


def test_arrays_are_read_from_mapped_files(tmp_path: Path) -> None:
    documents = [["a", "b"], ["b", "c", "c"]]
    mapped = {}
    for name, array in segment_arrays(documents).items():
        (tmp_path / name).write_bytes(array.tobytes())
        dtype = array.dtype
        mapped[name] = (
            np.memmap(tmp_path / name, dtype=dtype, mode="r") if array.size else np.empty(0, dtype)
        )
    bm25 = Bm25([LexicalSegment.from_arrays(mapped, 2)], [None])
    np.testing.assert_allclose(bm25.scores(["b", "c"]), plain(documents, ["b", "c"]), rtol=1e-6)


@pytest.mark.parametrize("name", LEXICAL_DTYPES)
def test_missing_cut_or_mistyped_array_is_refused(name: str) -> None:
    arrays = segment_arrays([["a", "b"], ["b"] * 300])
    for change in (None, arrays[name][:-1], arrays[name].astype(np.int64), arrays[name][None]):
        damaged = {**arrays, name: change}
        if change is None:
            del damaged[name]
        with pytest.raises(DamagedIndexError, match=r"build|belong together"):
            LexicalSegment.from_arrays(damaged, 2, where="segments/000001")


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_hostile_values_are_refused_or_answered_never_a_crash(data: st.DataObject) -> None:
    arrays = segment_arrays([["a", "b"], ["b"] * 300, ["c"]])
    name = data.draw(st.sampled_from(sorted(arrays)))
    damaged = arrays[name].copy()
    position = data.draw(st.integers(0, damaged.size - 1))
    top = np.iinfo(damaged.dtype).max
    damaged[position] = data.draw(st.one_of(st.integers(0, 5), st.integers(0, top)))
    try:
        segment = LexicalSegment.from_arrays({**arrays, name: damaged}, 3)
        for alive in (None, np.array([True, False, True])):
            bm25 = Bm25([segment], [alive])
            for query in (["a"], ["a", "b", "c"]):
                assert bm25.scores(query).shape == (3,)
    except DamagedIndexError:
        pass


def test_postings_out_of_range_are_told() -> None:
    arrays = segment_arrays([["a"], ["a"]])
    arrays["lexical_documents"] = np.array([0, 7], "<u4")
    segment = LexicalSegment.from_arrays(arrays, 2)
    for alive in (None, np.array([True, False])):
        with pytest.raises(DamagedIndexError, match="xret verify"):
            Bm25([segment], [alive]).scores(["a"])


def test_mask_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a mask of 1 documents for 2"):
        Bm25([opened([["a"], ["b"]])], [None]).scores(["a"], keep=[np.array([True])])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.dictionaries(st.sampled_from(WORDS), st.integers(1, 600)), min_size=1, max_size=9),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4),
)
def test_parts_of_words_score_as_the_expectations_that_they_are(
    documents: list[dict[str, int]], query: list[str]
) -> None:
    n, parts = len(documents), 16
    mean = sum(sum(one.values()) for one in documents) / n or 1.0
    expected = np.zeros(n)
    for term, times in Counter(query).items():
        having = sum(min(1.0, one.get(term, 0) / parts) for one in documents)
        idf = math.log1p((n - having + 0.5) / (having + 0.5))
        for number, one in enumerate(documents):
            count = one.get(term, 0) / parts
            norm = 0.9 * (0.6 + 0.4 * sum(one.values()) / mean)
            expected[number] += times * idf * count / (count + norm)
    segment = LexicalSegment.from_arrays(segment_arrays(documents), n)
    for kept in (scoring.KEPT_POSTINGS, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scoring, "KEPT_POSTINGS", kept)
            found = Bm25([segment], [None], parts=parts).scores(query)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_counted_terms_are_stored_like_repeated_ones() -> None:
    repeated = segment_arrays([["a", "b", "a"], [], ["b"]])
    counted = segment_arrays([{"b": 1, "a": 2}, {}, {"b": 1}])
    for name, array in repeated.items():
        np.testing.assert_array_equal(array, counted[name])
