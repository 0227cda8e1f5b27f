"""Lists of passages by centroid: by the kernels and by NumPy the same, and as plain loops say."""

import os
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.errors import DamagedIndexError
from xret.index.scoring.kernel_path import KERNEL_PATHS, NUMPY, VARIABLE, kernel_reasons
from xret.index.scoring.passage_lists import (
    LanguageLevels,
    ListedDocuments,
    PassageLists,
    chosen_lists,
    gathered_rows,
    list_documents,
)

PATHS = [*[path for path in KERNEL_PATHS if not kernel_reasons()[path]][:1], NUMPY]


def on(path: str) -> Any:
    return mock.patch.dict(os.environ, {VARIABLE: path})


def passages(rng: np.random.Generator, n: int, n_centroids: int) -> tuple[Any, Any]:
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 6, n))]).astype(np.int64)
    return rng.integers(0, n_centroids, offsets[-1]).astype(np.uint16), offsets


def lists_of(near: Any, offsets: Any, n_centroids: int) -> PassageLists:
    """By every path the same."""
    made = []
    for path in PATHS:
        with on(path):
            made.append(PassageLists.of(near, offsets, n_centroids))
    assert np.array_equal(made[0].starts, made[1].starts)
    assert np.array_equal(made[0].members, made[1].members)
    return made[0]


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    n_centroids=st.integers(1, 40),
    groups=st.integers(1, 3),
    n_near=st.integers(1, 50),
    n=st.integers(1, 20),
)
def test_documents_come_as_plain_loops_find_them(
    seed: int, n_centroids: int, groups: int, n_near: int, n: int
) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 256, (n_centroids, 16 * groups)).astype(np.uint8)
    counts, segments, plain, first = rng.integers(0, 30, 3), [], {}, 0
    near_floor = np.sort(table, axis=0)[max(0, n_centroids - n_near)]
    for n_passages in counts.tolist():
        near, offsets = passages(rng, n_passages, n_centroids)
        cuts = np.flatnonzero(rng.random(max(n_passages - 1, 0)) < 0.6) + 1
        documents = np.array([0, *cuts, *([n_passages] if n_passages else [])], np.int64)
        keep = rng.random(len(documents) - 1) < 0.7
        lists = lists_of(near, offsets, n_centroids)
        segments.append(ListedDocuments(lists, n_passages, documents, keep))
        for document in np.flatnonzero(keep).tolist():
            sums = []
            for passage in range(documents[document], documents[document + 1]):
                rows = table[near[offsets[passage] : offsets[passage + 1]]].astype(int)
                sums.append(int(np.maximum(rows.max(axis=0), near_floor).sum()))
            plain[first + document] = max(sums)
        first += len(keep)
    least = sorted(plain.values(), reverse=True)[min(n, len(plain)) - 1] if plain else 0
    wanted = [(position, score) for position, score in plain.items() if score >= least]
    for path in PATHS:
        with on(path):
            floors, chosen = chosen_lists(table, n_near)
            assert np.array_equal(floors, near_floor)
            positions, scores = list_documents(table, floors, chosen, segments, n)
        assert list(zip(positions.tolist(), scores.tolist(), strict=True)) == wanted


def test_lists_of_more_passages_than_a_block_has() -> None:
    rng = np.random.default_rng(1)
    near, offsets = passages(rng, 40_000, 3)
    lists = lists_of(near, offsets, 3)
    owners = np.repeat(np.arange(40_000), np.diff(offsets))
    for block in range(3):
        for centroid in range(3):
            start, end = lists.starts[block * 3 + centroid : block * 3 + centroid + 2].tolist()
            own = np.unique(owners[near == centroid])
            wanted = own[own // 2**14 == block] % 2**14
            assert np.array_equal(lists.members[start:end], wanted)
    assert lists.starts[-1] == len(lists.members)
    table = rng.integers(0, 256, (3, 32)).astype(np.uint8)
    every = np.zeros(32, np.uint8), np.arange(3, dtype=np.int32)
    found = []
    for path in PATHS:
        with on(path):
            found.append(list_documents(table, *every, [ListedDocuments(lists, 40_000)], 50))
    assert np.array_equal(found[0][0], found[1][0]) and np.array_equal(found[0][1], found[1][1])
    assert found[0][0].max() > 2**15


@pytest.mark.parametrize("path", PATHS)
def test_lists_that_point_outside_are_refused(path: str) -> None:
    lists = lists_of(*passages(np.random.default_rng(2), 9, 4), 4)
    table = np.full((4, 16), 9, np.uint8)
    every = np.zeros(16, np.uint8), np.arange(4, dtype=np.int32)
    beyond, turned = lists.members.copy(), lists.starts.copy()
    beyond[-1], turned[1] = 9, len(lists.members) + 1
    for damaged in (
        PassageLists(lists.starts, beyond),
        PassageLists(turned, lists.members),
        PassageLists(lists.starts[::-1].copy(), lists.members),
    ):
        with on(path), pytest.raises(DamagedIndexError, match="point outside"):
            list_documents(table, *every, [ListedDocuments(damaged, 9)], 3)


@pytest.mark.parametrize("path", PATHS)
def test_passages_that_point_outside_are_refused(path: str) -> None:
    near, offsets = passages(np.random.default_rng(2), 9, 4)
    with on(path):
        for wrong in (np.append(offsets, offsets[-1] + 1), np.append(offsets, 1), offsets - 1):
            with pytest.raises(DamagedIndexError, match="points outside"):
                PassageLists.of(near, wrong, 4)
        with pytest.raises(DamagedIndexError, match="points outside"):
            PassageLists.of(near, offsets, int(near.max()))


@pytest.mark.parametrize("path", PATHS)
def test_rows_of_many_arrays_come_one_after_the_other(path: str) -> None:
    rng = np.random.default_rng(3)
    sources = [rng.integers(0, 99, (n, 3)).astype(np.uint16) for n in (5, 1, 30)]
    which = np.array([2, 0, 2, 1], np.int32)
    begins, ends = np.array([4, 0, 29, 0]), np.array([9, 5, 30, 0])
    with on(path):
        rows = gathered_rows(sources, which, begins, ends)
        assert np.array_equal(rows, np.concatenate([sources[2][4:9], sources[0], sources[2][29:]]))
        nothing = gathered_rows(sources, which[:0], begins[:0], ends[:0])
        assert nothing.shape == (0, 3) and nothing.dtype == np.uint16


def test_rows_that_are_not_there_are_refused() -> None:
    with on(PATHS[0]), pytest.raises(DamagedIndexError):
        gathered_rows(
            [np.zeros((3, 2), np.uint8)], np.zeros(1, np.int32), np.array([2]), np.array([4])
        )


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 20), spread=st.sampled_from([1e-6, 1.0, 300.0]))
def test_levels_choose_documents_as_calibrated_scores_do(seed: int, n: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 256, (20, 16)).astype(np.uint8)
    means, spreads = rng.uniform(0, 2000, 3), rng.uniform(0.5, 2, 3) * spread
    levels = LanguageLevels.of(means, spreads, int(table.max(axis=0).astype(int).sum()))
    segments = []
    for n_passages in (25, 0, 9):
        near, offsets = passages(rng, n_passages, 20)
        langs = rng.integers(0, 3, n_passages).astype(np.uint16)
        keep = rng.random(n_passages) < 0.8
        lists = lists_of(near, offsets, 20)
        segments.append(ListedDocuments(lists, n_passages, keep=keep, langs=langs))
    floors, chosen = chosen_lists(table, 20)
    every = [list_documents(table, floors, chosen, [one], 99) for one in segments]
    starts = np.cumsum([0, *(one.n_passages for one in segments)]).tolist()
    raw = np.concatenate([scores for _, scores in every])
    at = np.concatenate([positions + n for (positions, _), n in zip(every, starts, strict=False)])
    langs = np.concatenate([one.langs for one in segments if one.langs is not None])[at]
    own = levels.levels(raw, langs)
    distances = (raw - means[langs]) / spreads[langs]
    order = np.argsort(distances)
    assert (np.diff(own[order]) >= -1).all() and own.max() >= own[order[-1]] >= own.max() - 1
    least = np.partition(own, -n)[-n] if len(own) > n else 0
    for path in PATHS:
        with on(path):
            positions, found = list_documents(table, floors, chosen, segments, n, levels=levels)
            assert positions.tolist() == at[own >= least].tolist()
            assert found.tolist() == own[own >= least].tolist()
