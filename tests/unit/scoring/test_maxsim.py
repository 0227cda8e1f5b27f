"""Scores by every kernel path of this machine: the same bits, and those of the plain loop."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.errors import ConfigError, DamagedIndexError, DimensionMismatchError, QueryError
from xret.index.scoring.centroids import table_bytes, table_extremes
from xret.index.scoring.coded_passages import run_shares
from xret.index.scoring.kernel_path import KERNEL_PATHS, NUMPY, VARIABLE, kernel_reasons
from xret.index.scoring.maxsim import (
    QueryCodes,
    centroid_scan,
    centroid_tables,
    fine_scores,
    kernel_path,
    maxsim_scores,
    nearest_centroids,
    query_codes,
    scan_tables,
    score_passages,
)

PATHS = [path for path, reason in kernel_reasons().items() if not reason]
CASES = settings(deadline=None, max_examples=25)


@contextmanager
def on(path: str) -> Iterator[None]:
    with mock.patch.dict(os.environ, {VARIABLE: path}):
        yield


def bfloat16(values: Any) -> Any:
    return (np.asarray(values, dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16)


def float32(scales: Any) -> Any:
    return (scales.astype(np.uint32) << 16).view(np.float32)


@dataclass
class Case:
    """Random coded passages, centroids and queries."""

    bits: int
    values: Any
    offsets_of_queries: Any
    codes: Any
    scales: Any
    offsets: Any
    levels: Any
    centroids: Any
    centroid_codes: Any
    centroid_scales: Any

    @property
    def queries(self) -> QueryCodes:
        return query_codes(self.values, self.offsets_of_queries)

    @property
    def fine(self) -> QueryCodes:
        return query_codes(self.values, self.offsets_of_queries, fine=True)

    @property
    def arrays(self) -> tuple[Any, Any, Any]:
        return self.codes, self.scales, self.offsets

    @property
    def coding(self) -> dict[str, Any]:
        return {"bits": self.bits, "levels": self.levels}


def case(
    seed: int,
    *,
    bits: int = 8,
    width: int = 4,
    n: int = 9,
    longest: int = 90,
    n_queries: int = 2,
    tokens: int = 20,
) -> Case:
    rng = np.random.default_rng(seed)
    dim = width * (4 if bits == 8 else 8)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, longest + 1, n))])
    asked = np.concatenate([[0], np.cumsum(rng.integers(1, tokens + 1, n_queries))])
    rows, k = int(offsets[-1]), int(rng.integers(1, 60))
    return Case(
        bits,
        rng.standard_normal((int(asked[-1]), dim)).astype(np.float32),
        asked,
        rng.integers(0, 256, (rows, dim * bits // 8)).astype(np.uint8),
        bfloat16(rng.random(rows) * 0.01 + 0.001),
        offsets,
        None if bits == 8 else rng.integers(-127, 128, 2**bits).astype(np.int8),
        rng.integers(0, k, rows).astype(np.uint16),
        rng.integers(-127, 128, (k, dim)).astype(np.int8),
        bfloat16(rng.random(k) * 0.01 + 0.001),
    )


cases = st.builds(
    case,
    seed=st.integers(0, 2**32),
    bits=st.sampled_from([8, 4, 2, 1]),
    width=st.integers(1, 40),
    n=st.integers(0, 30),
    longest=st.sampled_from([1, 3, 40, 300]),
    n_queries=st.integers(1, 9),
    tokens=st.sampled_from([1, 16, 33, 100]),
)


def everything(made: Case, *, threads: int = 1) -> dict[str, Any]:
    """The answer of every function on the path that is set."""
    rng = np.random.default_rng(len(made.codes))
    n = len(made.offsets) - 1
    which = rng.integers(0, n, int(rng.integers(0, 20))) if n else np.empty(0, np.int64)
    keep = rng.random(n) < 0.5
    near: Any = {"centroids": made.centroids}
    tables = centroid_tables(made.queries, made.centroid_codes, made.centroid_scales)
    small = scan_tables(made.queries, tables)
    more: Any = {**made.coding, "threads": threads}
    return {
        "tables": tables,
        "all": score_passages(made.queries, *made.arrays, **more),
        "which": score_passages(made.queries, *made.arrays, which=which, **more),
        "keep": score_passages(
            made.queries, *made.arrays, keep=keep, tables=tables, **near, **more
        ),
        "coded": score_passages(made.queries, *made.arrays, tables=tables, **near, **more),
        "fine": fine_scores(made.fine, *made.arrays, **more),
        "fine, which": fine_scores(made.fine, *made.arrays, which=which, **more),
        "scan": centroid_scan(
            made.queries, small, made.centroids, made.offsets, keep=keep, threads=threads
        ),
        "nearest": nearest_centroids(made.values, made.centroid_codes, made.centroid_scales),
    }


def decoded(made: Case, *, coded: bool) -> Any:
    """float64 vectors of all passages, by the words of the format."""
    codes = made.codes.astype(np.int64)
    if made.bits == 8:
        codes = made.codes.view(np.int8).astype(np.float64)
    else:
        planes = [codes // 2**shift % 2**made.bits for shift in range(0, 8, made.bits)]
        codes = made.levels[np.concatenate(planes, axis=1)].astype(np.float64)
    vectors = codes * float32(made.scales).astype(np.float64)[:, None]
    if coded:
        centroids = made.centroid_codes * float32(made.centroid_scales).astype(np.float64)[:, None]
        vectors = vectors + centroids[made.centroids]
    return vectors


def plain_scores(made: Case, *, coded: bool) -> Any:
    """The plain loop over queries, passages, query vectors and vectors, in float64."""
    vectors = decoded(made, coded=coded)
    scores = np.zeros((len(made.offsets_of_queries) - 1, len(made.offsets) - 1))
    for i, first in enumerate(made.offsets_of_queries[:-1]):
        query = made.values[first : made.offsets_of_queries[i + 1]].astype(np.float64)
        for j, begin in enumerate(made.offsets[:-1]):
            passage = vectors[begin : made.offsets[j + 1]]
            scores[i, j] = sum(max(float(vector @ row) for row in passage) for vector in query)
    return scores


@CASES
@given(made=cases)
def test_every_path_returns_the_same_bits(made: Case) -> None:
    with on(NUMPY):
        wanted = everything(made)
    for path in PATHS:
        with on(path):
            found = everything(made)
        for name, answer in wanted.items():
            assert np.array_equal(found[name], answer), (path, name)
            assert found[name].dtype == answer.dtype


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("bits", [8, 4, 2, 1])
@pytest.mark.parametrize("coded", [False, True])
def test_scores_are_those_of_the_plain_loop(path: str, bits: int, coded: bool) -> None:
    made = case(bits, bits=bits, width=9, n=6, longest=20)
    tables = centroid_tables(made.queries, made.centroid_codes, made.centroid_scales)
    near: Any = {"centroids": made.centroids} if coded else {}
    with on(path):
        scores = score_passages(
            made.queries, *made.arrays, **made.coding, **near, tables=tables if coded else None
        )
        fine = fine_scores(made.fine, *made.arrays, **made.coding)
    wanted = plain_scores(made, coded=coded)
    # A query vector is rounded by at most half a step of 1/127 (1/16256) of its largest value.
    length = np.abs(decoded(made, coded=coded)).sum(axis=1).max()
    steps = np.add.reduceat(np.abs(made.values).max(axis=1), made.offsets_of_queries[:-1])
    assert (np.abs(scores - wanted) <= (0.51 / 127 * length * steps)[:, None]).all()
    if not coded:
        assert (np.abs(fine - wanted) <= (0.51 / 16256 * length * steps)[:, None] + 1e-4).all()
        assert np.abs(fine - wanted).max() < np.abs(scores - wanted).max() / 10


@pytest.mark.parametrize("path", PATHS)
def test_wide_vectors_are_summed_without_rounding(path: str) -> None:
    made = case(3, width=300, n=3, longest=4)
    with on(path):
        found = everything(made)
    with on(NUMPY):
        assert all(np.array_equal(found[name], x) for name, x in everything(made).items())


@pytest.mark.parametrize("path", PATHS)
def test_scores_do_not_depend_on_threads_batch_or_place(path: str) -> None:
    made = case(5, width=32, n=800, longest=200, n_queries=3, tokens=40)
    with on(path):
        one = score_passages(made.queries, *made.arrays)
        three = score_passages(made.queries, *made.arrays, threads=3)
        some = np.array([799, 3, 3, 0, 512])
        apart = [
            score_passages(query_codes(made.values[first:last]), *made.arrays, which=some)
            for first, last in zip(
                made.offsets_of_queries[:-1], made.offsets_of_queries[1:], strict=True
            )
        ]
    assert np.array_equal(one, three)
    assert np.array_equal(np.concatenate(apart), one[:, some])


def test_shares_cover_every_column_once() -> None:
    offsets = np.concatenate([[0], np.cumsum(np.arange(1, 2000))])
    seen: list[int] = []

    def work(first: int, last: int) -> int:
        seen.extend(range(first, last))
        return -1

    assert run_shares(work, offsets, None, n_vectors=16, threads=5) == -1
    assert sorted(seen) == list(range(1999))


@pytest.mark.parametrize("path", PATHS)
def test_passages_that_are_not_kept_score_minus_infinity(path: str) -> None:
    made = case(1)
    keep = np.arange(9) % 2 == 0
    with on(path):
        every = score_passages(made.queries, *made.arrays)
        kept = score_passages(made.queries, *made.arrays, keep=keep)
    assert np.array_equal(kept[:, keep], every[:, keep])
    assert (kept[:, ~keep] == -np.inf).all()


@pytest.mark.parametrize("path", PATHS)
def test_no_passages_and_no_queries_have_empty_answers(path: str) -> None:
    made = case(1, n=0)
    none = query_codes(np.empty((0, 16), np.float32), np.zeros(1, np.int64))
    with on(path):
        assert score_passages(made.queries, *made.arrays).shape == (2, 0)
        assert score_passages(none, *case(1).arrays).shape == (0, 9)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("offset", [-5, 0, 10**15, -(2**63), 2**63 - 1])
def test_offsets_that_point_outside_are_told(path: str, offset: int) -> None:
    made = case(2)
    made.offsets[4] = offset
    small = np.zeros((60, len(made.queries.codes)), np.uint8)
    with on(path):
        with pytest.raises(DamagedIndexError, match=r"passage \d points outside"):
            score_passages(made.queries, *made.arrays)
        with pytest.raises(DamagedIndexError, match=r"passage \d points outside"):
            centroid_scan(made.queries, small, made.centroids, made.offsets)
        score_passages(made.queries, *made.arrays, which=np.array([0, 8]))


@pytest.mark.parametrize("path", PATHS)
def test_centroid_numbers_that_do_not_exist_are_told(path: str) -> None:
    made = case(4, bits=2)
    made.centroids[made.offsets[6] - 1] = len(made.centroid_codes)
    tables = centroid_tables(made.queries, made.centroid_codes, made.centroid_scales)
    small = scan_tables(made.queries, tables)
    near: Any = {**made.coding, "centroids": made.centroids}
    with on(path):
        with pytest.raises(DamagedIndexError, match="passage 5 points"):
            score_passages(made.queries, *made.arrays, tables=tables, **near)
        with pytest.raises(DamagedIndexError, match="passage 5 points"):
            centroid_scan(made.queries, small, made.centroids, made.offsets)


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    made = case(6, bits=4)
    codes, scales, offsets = made.arrays
    queries, coding = made.queries, made.coding
    with pytest.raises(DimensionMismatchError):
        score_passages(queries, codes[:, :-1], scales, offsets, **coding)
    with pytest.raises(DamagedIndexError):
        score_passages(queries, codes, scales[:-1], offsets, **coding)
    with pytest.raises(DamagedIndexError):
        score_passages(queries, codes, scales, offsets, bits=4, levels=made.levels[:3])
    with pytest.raises(DamagedIndexError):
        score_passages(queries, codes, scales, offsets[:0], **coding)
    with pytest.raises(TypeError):
        score_passages(queries, codes, scales.astype(np.float32), offsets, **coding)
    with pytest.raises(TypeError):
        score_passages(made.fine, codes, scales, offsets, **coding)
    with pytest.raises(ValueError, match="passage numbers"):
        score_passages(queries, codes, scales, offsets, which=np.array([9]), **coding)
    with pytest.raises(DimensionMismatchError):
        nearest_centroids(made.values[:, :-4], made.centroid_codes, made.centroid_scales)


def test_the_compiled_kernels_compare_every_length_themselves() -> None:
    kernels = pytest.importorskip("xret.index._kernels")
    made = case(6, bits=4, n_queries=1)
    queries, n = made.queries, len(made.offsets) - 1
    table = centroid_tables(queries, made.centroid_codes, made.centroid_scales)
    sizes = [1, n, len(made.codes), len(table), queries.codes.shape[1], 4, n, 0, n]

    def score(*sizes: int) -> int:
        out = np.empty((1, n), np.float32)
        found = kernels.score(
            "portable",
            queries.codes,
            None,
            queries.scales,
            queries.offsets,
            made.codes,
            made.scales,
            made.centroids,
            made.offsets,
            made.levels,
            table,
            None,
            None,
            None,
            out,
            *sizes,
        )
        return int(found)

    assert score(*sizes) == -1
    for position in range(len(sizes)):
        for wrong in (-1, sizes[position] + (n + 1 if position == 7 else 1), 2**31 - 1):
            other = [*sizes[:position], wrong, *sizes[position + 1 :]]
            with pytest.raises(ValueError, match="do not belong together"):
                score(*other)


def test_queries_without_vectors_or_with_odd_ones_are_refused() -> None:
    values = np.ones((3, 8), np.float32)
    with pytest.raises(QueryError, match="at least one"):
        query_codes(values, np.array([0, 3, 3]))
    with pytest.raises(QueryError, match="not finite"):
        query_codes(values * np.float32(np.nan))


def test_unaligned_and_read_only_arrays_are_read() -> None:
    made = case(7)
    wanted = score_passages(made.queries, *made.arrays)
    odd = []
    for array in made.arrays:
        bytes_ = np.frombuffer(b"x" + array.tobytes(), dtype=np.uint8)[1:]
        odd.append(bytes_.view(array.dtype).reshape(array.shape))
    assert not odd[1].flags.writeable
    for path in PATHS:
        with on(path):
            assert np.array_equal(score_passages(made.queries, *odd), wanted)


def test_equal_passages_tie_wherever_they_lie() -> None:
    rng = np.random.default_rng(8)
    passage = rng.integers(-127, 128, (37, 64)).astype(np.int8)
    codes, scales = np.tile(passage, (70, 1)), np.full(37 * 70, 0x3C00, np.uint16)
    queries = query_codes(rng.standard_normal((21, 64)).astype(np.float32))
    for path in PATHS:
        with on(path):
            scores = score_passages(queries, codes, scales, np.arange(71) * 37)
        assert len(np.unique(scores)) == 1


def test_nearest_takes_the_lowest_of_equal_centroids() -> None:
    rng = np.random.default_rng(9)
    centroids = np.repeat(rng.integers(-127, 128, (50, 32)).astype(np.int8), 3, axis=0)
    scales = np.full(150, 0x3C00, np.uint16)
    values = centroids[::3] * np.float32(0.01)
    for path in PATHS:
        with on(path):
            assert np.array_equal(nearest_centroids(values, centroids, scales), np.arange(50) * 3)


def test_fine_scores_agree_with_float_maxsim() -> None:
    made = case(10, width=32)
    values = made.codes.view(np.int8) * float32(made.scales)[:, None]
    query = made.values[: made.offsets_of_queries[1]]
    wanted = maxsim_scores(query, values, made.offsets)
    assert np.allclose(fine_scores(made.fine, *made.arrays)[0], wanted, rtol=1e-4)


def test_a_scan_of_bytes_orders_passages_as_their_centroids_do() -> None:
    made = case(11, bits=2, width=8, n=40)
    tables = centroid_tables(made.queries, made.centroid_codes, made.centroid_scales)
    found = centroid_scan(
        made.queries,
        scan_tables(made.queries, tables),
        *(
            made.centroids,
            made.offsets,
        ),
    )
    best = np.maximum.reduceat((tables * made.queries.scales)[made.centroids], made.offsets[:-1])
    for query, (first, last) in enumerate(
        zip(made.queries.offsets[:-1], made.queries.offsets[1:], strict=True)
    ):
        wanted = best[:, first:last].sum(axis=1)
        assert np.corrcoef(found[query], wanted)[0, 1] > 0.999


def test_a_path_is_named_or_the_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert kernel_path() == PATHS[0]
    monkeypatch.setenv(VARIABLE, NUMPY)
    assert kernel_path() == NUMPY
    monkeypatch.setenv(VARIABLE, "mmx")
    with pytest.raises(ConfigError, match="it can be amx, vnni"):
        kernel_path()
    lacking = [path for path in KERNEL_PATHS if path not in PATHS]
    for path in lacking:
        monkeypatch.setenv(VARIABLE, path)
        with pytest.raises(ConfigError, match="; here: "):
            kernel_path()


@CASES
@given(case=cases, seed=st.integers(0, 2**32))
def test_byte_tables_are_the_same_on_every_path(case: Case, seed: int) -> None:
    """Products and sums are rounded one after the other; what is outside of a byte is cut."""
    rng = np.random.default_rng(seed)
    queries = case.queries
    table = centroid_tables(queries, case.centroid_codes, case.centroid_scales)
    factors = (rng.standard_normal(table.shape[1]) * 50).astype(np.float32)
    terms = (rng.random(table.shape[1]) * 255).astype(np.float32)
    values = np.clip(table * factors + terms, 0, 255).astype(np.int32)
    for path in PATHS:
        with on(path):
            lowest, highest = table_extremes(table)
            assert np.array_equal(lowest, table.min(axis=0))
            assert np.array_equal(highest, table.max(axis=0))
            assert np.array_equal(table_bytes(table, factors, terms), values)
            assert np.array_equal(table_bytes(table[::-1], factors, terms), values[::-1])


@pytest.mark.parametrize("fine", [False, True])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 40])
def test_one_query_has_the_codes_that_it_has_among_others(n: int, fine: bool) -> None:
    values = np.random.default_rng(n).standard_normal((n + 5, 12)).astype(np.float32)
    together = query_codes(values, np.array([0, 5, n + 5]), fine=fine)
    for alone in (
        query_codes(values[5:], fine=fine),
        query_codes(values[5:], np.array([0, n]), fine=fine),
    ):
        assert alone.offsets.tolist() == [0, len(alone.codes)]
        assert np.array_equal(alone.codes, together.codes[16:])
        assert np.array_equal(alone.scales, together.scales[16:])
        if fine:
            assert np.array_equal(alone.low, together.low[16:])


@pytest.mark.parametrize("offsets", [[0, 1], [0, 3], [1, 2], [0, 0], [0, 0, 2]])
def test_offsets_that_are_not_those_of_the_queries_are_refused(offsets: list[int]) -> None:
    with pytest.raises(QueryError, match="needs at least one"):
        query_codes(np.ones((2, 8), np.float32), np.array(offsets))
