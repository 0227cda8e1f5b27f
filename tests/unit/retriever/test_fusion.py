"""Fusion of rankings against hand-made sums, and what must hold for any rankings."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.retriever.fusion import (
    HYBRID,
    Fusion,
    comb_mnz,
    fuse_within,
    reciprocal_rank_fusion,
    weighted_fusion,
)
from xret.types import Hit


def _ranking(scores: dict[str, float]) -> list[Hit]:
    return [Hit(d, s) for d, s in sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))]


SCORES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-8, 8).map(float), max_size=8)
RANKINGS = st.lists(SCORES.map(_ranking), max_size=4)
METHODS = ["rrf", "min-max", "z-score", "combmnz"]

A = [Hit("x", 9.0), Hit("y", 5.0), Hit("z", 1.0)]
B = [Hit("y", 0.5), Hit("w", 0.1)]


def test_combmnz_multiplies_by_the_rankings_that_agree() -> None:
    found = comb_mnz([A, B])
    assert [(hit.doc_id, hit.score) for hit in found] == [
        ("y", 2 * (0.5 + 1.0)),
        ("x", 1.0),
        ("w", 0.0),
        ("z", 0.0),
    ]
    alone = comb_mnz([A, B], weights=(1.0, 0.0))
    assert [(hit.doc_id, hit.score) for hit in alone][:2] == [("x", 1.0), ("y", 0.5)]


def test_rrf_sums_reciprocal_ranks() -> None:
    found = reciprocal_rank_fusion([A, B])
    assert [(hit.doc_id, hit.score) for hit in found] == [
        ("y", 1 / 62 + 1 / 61),
        ("x", 1 / 61),
        ("w", 1 / 62),
        ("z", 1 / 63),
    ]


def test_min_max_puts_every_ranking_on_the_same_range() -> None:
    found = weighted_fusion([A, B], weights=(0.5, 0.5))
    assert [(hit.doc_id, hit.score) for hit in found] == [
        ("y", 0.75),
        ("x", 0.5),
        ("w", 0.0),
        ("z", 0.0),
    ]


def test_z_score_counts_a_missing_document_as_the_ranking_s_lowest() -> None:
    found = {hit.doc_id: hit.score for hit in weighted_fusion([A, B], normalisation="z-score")}
    deviation = math.sqrt(32 / 3)
    assert found["x"] == pytest.approx(4 / deviation - 1)
    assert found["y"] == pytest.approx(1)
    assert found["w"] == pytest.approx(-4 / deviation - 1)


@pytest.mark.parametrize("method", METHODS)
def test_fusion_of_any_rankings(method: str) -> None:
    @settings(deadline=None, max_examples=150)
    @given(RANKINGS, st.integers(0, 9))
    def check(rankings: list[list[Hit]], k: int) -> None:
        found = Fusion(method).fuse(rankings)  # type: ignore[arg-type]
        assert {hit.doc_id for hit in found} == {h.doc_id for ranking in rankings for h in ranking}
        assert found == sorted(found, key=lambda hit: (-hit.score, hit.doc_id))
        assert Fusion(method).fuse(rankings, k) == found[:k]  # type: ignore[arg-type]
        assert Fusion(method).fuse(rankings[::-1]) == found  # type: ignore[arg-type]

    check()


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_ranking_leaves_the_order_of_the_other(method: str) -> None:
    found = Fusion(method, (0.3, 0.7)).fuse([A, []])  # type: ignore[arg-type]
    assert [hit.doc_id for hit in found] == ["x", "y", "z"]


@settings(deadline=None)
@given(SCORES, st.sampled_from([0.5, 2.0, 4.0]), st.integers(-4, 4), SCORES)
def test_min_max_does_not_see_scale_and_shift_of_scores(
    scores: dict[str, float], scale: float, shift: int, other: dict[str, float]
) -> None:
    moved = {doc_id: score * scale + shift for doc_id, score in scores.items()}
    both = [weighted_fusion([_ranking(one), _ranking(other)]) for one in (scores, moved)]
    assert both[0] == both[1]


@settings(deadline=None)
@given(RANKINGS)
def test_a_ranking_of_weight_zero_changes_no_score(rankings: list[list[Hit]]) -> None:
    plain = {hit.doc_id: hit.score for hit in weighted_fusion([A, B])}
    weights = [1.0, 1.0, *([0.0] * len(rankings))]
    found = {hit.doc_id: hit.score for hit in weighted_fusion([A, B, *rankings], weights=weights)}
    assert {doc_id: found[doc_id] for doc_id in plain} == plain


@pytest.mark.parametrize("weights", [(1.0,), (1.0, -1.0), (1.0, math.nan), (math.inf, 1.0)])
def test_weights_that_do_not_fit_are_refused(weights: tuple[float, ...]) -> None:
    for method in METHODS:
        with pytest.raises(ValueError, match="2 rankings need as many weights"):
            Fusion(method, weights).fuse([A, B])  # type: ignore[arg-type]


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        weighted_fusion([[Hit("a", math.inf)], B])


def test_floor_keeps_the_lowest_hit_above_a_document_that_was_not_found() -> None:
    dense, bm25 = [Hit("a", 2.0), Hit("b", 1.0), Hit("c", 1.0)], [Hit("c", 9.0), Hit("b", 8.0)]
    found = {
        hit.doc_id: hit.score for hit in Fusion("min-max", floors=(None, 0)).fuse([dense, bm25])
    }
    assert found == {"a": 1.0, "b": pytest.approx(8 / 9), "c": 1.0}
    with pytest.raises(ValueError, match="2 rankings, and 1 floors"):
        weighted_fusion([dense, bm25], floors=(None,))


def test_one_lexical_hit_moves_its_document_up() -> None:
    dense = [Hit("a", 2.0), Hit("b", 1.95), Hit("c", 1.0)]
    assert HYBRID.fuse([dense, [Hit("b", 0.1)]])[0].doc_id == "b"


@settings(deadline=None, max_examples=200)
@given(SCORES, SCORES, st.sets(st.sampled_from("abcdefgh")))
def test_fusion_within_a_language_moves_no_other_document(
    dense: dict[str, float], bm25: dict[str, float], inside: set[str]
) -> None:
    first = _ranking(dense)
    other = [hit for hit in _ranking({d: s + 9 for d, s in bm25.items()}) if hit.doc_id in inside]
    found = fuse_within(first, other, inside)

    assert found == sorted(found, key=lambda hit: (-hit.score, hit.doc_id))
    written = [(-float(f"{hit.score:.6f}"), hit.doc_id) for hit in found]
    assert written == sorted(written)
    assert (
        len(found) == len({hit.doc_id for hit in found}) == len(dense.keys() | bm25.keys() & inside)
    )
    for place, hit in enumerate(first):
        assert found[place].doc_id == hit.doc_id or {found[place].doc_id, hit.doc_id} <= inside
    fused = HYBRID.fuse([[hit for hit in first if hit.doc_id in inside], other])
    assert [h.doc_id for h in found if h.doc_id in inside] == [h.doc_id for h in fused]


@settings(deadline=None)
@given(SCORES)
def test_without_a_lexical_hit_the_dense_ranking_is_returned(scores: dict[str, float]) -> None:
    assert fuse_within(_ranking(scores), [], set()) == _ranking(scores)
    assert fuse_within(_ranking(scores), [], set("abcdefgh")) == _ranking(scores)
