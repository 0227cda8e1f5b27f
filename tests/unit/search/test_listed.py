"""Candidates by lists: with all lists those of the scan, with few of them the same hits here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.search.test_candidates import coded_for, made_codec, made_segment, unit
from xret.errors import DamagedIndexError
from xret.index.coding.codec import ResidualCodec
from xret.index.coding.passage_means import query_sums
from xret.index.search import listed
from xret.index.search.candidates import candidate_documents
from xret.index.search.listed import CentroidLists, ListIndex, listed_candidates
from xret.index.search.ranking import Best, best_documents
from xret.index.storage.segment import Segment, quantize
from xret.types import Embeddings, SearchParams

CODECS = {1: made_codec(0), 2: made_codec(1, n_centroids=25)}
MEANS = ResidualCodec.of(
    CODECS[1].rotation,
    CODECS[1].centroid_codes * np.float32(0.01),
    bits=2,
    with_means=True,
)


@pytest.fixture(autouse=True)
def lists_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists even of the smallest index, and of every centroid."""
    monkeypatch.setattr(listed, "LISTED_ROWS", 0)
    monkeypatch.setattr(listed, "NEAR", 1 << 16)


def lists_of(
    segments: Sequence[Segment], codecs: Mapping[int, ResidualCodec]
) -> Mapping[int, CentroidLists]:
    lists = ListIndex().of(segments, codecs)
    assert lists is not None
    return lists


def some_segments(rng: np.random.Generator, numbers: Sequence[int]) -> list[Segment]:
    return [
        made_segment(
            CODECS[codec],
            rng,
            int(rng.integers(1, 30)),
            number=number,
            codec_number=codec,
            several=bool(rng.integers(2)),
        )
        for number, codec in enumerate(numbers, 1)
    ]


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 30),
    share=st.sampled_from([None, 0.0, 0.1, 0.5, 1.0]),
    numbers=st.lists(st.integers(1, 2), min_size=1, max_size=4),
    preselected=st.integers(1, 3),
)
def test_all_lists_choose_what_the_scan_chooses(
    seed: int, n: int, share: float | None, numbers: list[int], preselected: int
) -> None:
    rng = np.random.default_rng(seed)
    segments = some_segments(rng, numbers)
    masks = [None if share is None else rng.random(s.n_documents) < share for s in segments]
    codecs = {number: CODECS[number] for number in numbers}
    queries = coded_for(codecs, unit(rng.standard_normal((int(rng.integers(1, 40)), 24))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listed, "PRESELECTED", preselected)
        lists = lists_of(segments, codecs)
        found = listed_candidates(queries, segments, masks, n, lists=lists, sums={})
    wanted = candidate_documents(queries, segments, masks, n)[0]
    assert [part.tolist() for part in found] == [part.tolist() for part in wanted]


def test_passage_means_and_documents_without_centroids_count_as_in_the_scan() -> None:
    rng = np.random.default_rng(3)
    plain = made_segment(CODECS[1], rng, 60, several=True)
    values = CODECS[1].decode(plain.coded)
    coded = MEANS.encode(values, plain.offsets)
    eight = Segment(3, 0, quantize(unit(rng.standard_normal((9, 24)))), np.arange(10))
    segments = [Segment(1, 1, coded, plain.offsets, plain.documents), eight]
    segments.append(Segment(2, 1, coded, plain.offsets, plain.documents))
    masks = [None, np.arange(9) % 2 == 0, rng.random(60) < 0.5]
    query = unit(rng.standard_normal((5, 24)))
    queries = coded_for({1: MEANS}, query)
    sums = {1: query_sums(MEANS.rotate(query), np.array([0, 5]))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listed, "PRESELECTED", 100)
        lists = lists_of(segments, {1: MEANS})
        found = listed_candidates(queries, segments, masks, 9, lists=lists, sums=sums)
    wanted = candidate_documents(queries, segments, masks, 9, sums=sums)[0]
    assert [part.tolist() for part in found] == [part.tolist() for part in wanted]
    assert found[1].tolist() == [0, 2, 4, 6, 8] and len(found[0]) > 1 < len(found[2])


def test_lists_rank_as_a_scan_does_whatever_the_threads() -> None:
    rng = np.random.default_rng(5)
    segments = some_segments(rng, [1, 2, 1, 1])
    spans = np.stack([np.arange(segments[0].n_passages)] * 2, axis=1).astype(np.int32)
    first = segments[0]
    segments[0] = Segment(1, 1, first.coded, first.offsets, first.documents, spans)
    queries = Embeddings(unit(rng.standard_normal((9, 24))), np.array([0, 4, 9]))
    keep = (None, None, rng.random(segments[2].n_documents) < 0.5, None)

    def best(lists: Mapping[int, CentroidLists] | None, threads: int = 1) -> list[Best]:
        return best_documents(
            queries,
            segments,
            keep,
            5,
            codecs=CODECS,
            params=SearchParams(threads=threads, n_candidates=20),
            lists=lists,
        )

    wanted = best(None)
    for threads in (1, 2):
        for scanned, found in zip(wanted, best(lists_of(segments, CODECS), threads), strict=True):
            orders = np.argsort(scanned.numbers), np.argsort(found.numbers)
            for one, other in (
                (scanned.numbers, found.numbers),
                (scanned.scores, found.scores),
                (scanned.spans, found.spans),
            ):
                assert np.array_equal(one[orders[0]], other[orders[1]])


def test_few_lists_find_the_best_documents() -> None:
    rng = np.random.default_rng(4)
    segments = [made_segment(CODECS[1], rng, 400, number=n) for n in (1, 2)]
    overlap = 0.0
    for _ in range(10):
        queries = coded_for({1: CODECS[1]}, unit(rng.standard_normal((8, 24))))
        best = candidate_documents(queries, segments, [None, None], 20)[0]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(listed, "NEAR", 6)
            patch.setattr(listed, "LISTED", 130)  # passages of a list here
            lists = lists_of(segments, {1: CODECS[1]})
            assert 5 <= lists[1].n_near <= 7
            found = listed_candidates(queries, segments, [None, None], 20, lists=lists, sums={})
        same = sum(len(np.intersect1d(a, b)) for a, b in zip(best, found, strict=True))
        overlap += same / sum(map(len, best)) / 10
    assert overlap > 0.9


def test_four_times_as_long_lists_are_read_half_as_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listed, "NEAR", 16)
    segment = made_segment(CODECS[1], np.random.default_rng(7), 100)
    lists = [lists_of([segment] * n, CODECS)[1].n_near for n in (1, 4, 10_000)]
    assert lists[0] == pytest.approx(2 * lists[1], rel=0.05) and lists[2] == listed.FEWEST


def test_lists_are_made_once_for_every_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, index = np.random.default_rng(6), ListIndex()
    segments = some_segments(rng, [1, 1, 1])
    first = index.of(segments[:2], CODECS)
    again = index.of(segments, CODECS)
    assert first is not None and again is not None and again is index.of(segments, CODECS)
    assert again[1].numbers == (0, 1, 2)
    pairs = zip(first[1].lists, again[1].lists, strict=False)
    assert [a.lists is b.lists for a, b in pairs] == [True, True]
    monkeypatch.setattr(listed, "LISTED_ROWS", 1 << 30)
    assert index.of(segments[:1], CODECS) is None


def test_a_commit_whose_lists_cannot_be_made_is_never_answered_by_those_of_another() -> None:
    rng = np.random.default_rng(5)
    first, second = some_segments(rng, [1, 1])
    near = second.coded.centroids
    assert near is not None
    broken = replace(second, coded=replace(second.coded, centroids=np.full_like(near, 60_000)))
    index = ListIndex()
    before = index.of([first], CODECS)
    for _ in range(2):
        with pytest.raises(DamagedIndexError):
            index.of([first, broken], CODECS)
    assert index.of([first], CODECS) is before
    both = index.of([first, second], CODECS)
    assert both is not None
    assert both[1].numbers == (0, 1)
