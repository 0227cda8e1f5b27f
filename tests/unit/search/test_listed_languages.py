"""Calibrated candidates by lists: with all lists those of the calibrated scan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.search.test_candidates import coded_for, made_segment, unit
from tests.unit.search.test_listed import CODECS, MEANS, lists_of, some_segments
from xret.index.coding.passage_means import query_sums
from xret.index.search import listed, listed_background
from xret.index.search.calibration import Calibration
from xret.index.search.candidates import Mask, candidate_documents
from xret.index.search.languages import LanguageGroups, owners_of
from xret.index.search.listed_languages import calibrated_candidates, listed_background_scores
from xret.index.search.seen_queries import SeenQueries, background_scores
from xret.index.storage.segment import Segment, quantize
from xret.types import Embeddings, IntArray

LANGS = ("de", "en", "sw")


@pytest.fixture(autouse=True)
def lists_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "LISTED_ROWS", 0)
    monkeypatch.setattr(listed, "NEAR", 1 << 16)


def calibration_of(rng: np.random.Generator, segments: Sequence[Segment]) -> Calibration:
    """Documents in languages by lot, half of them in the background."""
    numbers = tuple(rng.integers(0, 3, s.n_documents).astype(np.uint16) for s in segments)
    background = tuple(np.flatnonzero(rng.random(s.n_documents) < 0.5) for s in segments)
    ranks = tuple(np.zeros(len(at), np.int64) for at in background)
    groups = LanguageGroups(LANGS, numbers, background, ranks)
    return Calibration(groups, background, owners_of(groups, background), [None])


def both(
    values: np.ndarray,
    segments: Sequence[Segment],
    masks: Sequence[Mask],
    n: int,
    calibration: Calibration,
    *,
    means: bool = False,
) -> list[list[list[int]]]:
    """Candidates by lists and by the scan."""
    numbers = {segment.codec for segment in segments} - {0}
    codecs = {number: MEANS if means else CODECS[number] for number in numbers}
    queries = coded_for(codecs, values)
    ends = np.array([0, len(values)])
    sums = {1: query_sums(MEANS.rotate(values), ends)} if means else {}
    lists = lists_of(segments, codecs)
    found = calibrated_candidates(
        queries,
        segments,
        masks,
        n,
        lists=lists,
        sums=sums,
        calibration=calibration,
        number=0,
    )
    (wanted,) = candidate_documents(queries, segments, masks, n, sums=sums, calibration=calibration)
    return [[part.tolist() for part in parts] for parts in (found, wanted)]


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 30),
    share=st.sampled_from([None, 0.1, 0.5, 1.0]),
    numbers=st.lists(st.integers(1, 2), min_size=1, max_size=4),
)
def test_all_lists_choose_what_the_calibrated_scan_chooses(
    seed: int, n: int, share: float | None, numbers: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    segments = some_segments(rng, numbers)
    masks = [None if share is None else rng.random(s.n_documents) < share for s in segments]
    values = unit(rng.standard_normal((int(rng.integers(1, 40)), 24)))
    calibration = calibration_of(rng, segments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xret.index.search.listed_languages.PRESELECTED", 2)
        found, wanted = both(values, segments, masks, n, calibration)
    assert found == wanted


def mixed_segments(rng: np.random.Generator) -> list[Segment]:
    """One with passages' means, one of 8 bits, one with means again."""
    plain = made_segment(CODECS[1], rng, 60, several=True)
    coded = MEANS.encode(CODECS[1].decode(plain.coded), plain.offsets)
    eight = Segment(3, 0, quantize(unit(rng.standard_normal((9, 24)))), np.arange(10))
    first = Segment(1, 1, coded, plain.offsets, plain.documents)
    return [first, eight, Segment(2, 1, coded, plain.offsets, plain.documents)]


def test_passage_means_and_documents_without_centroids_count_as_in_the_scan() -> None:
    rng = np.random.default_rng(3)
    segments = mixed_segments(rng)
    masks = [None, np.arange(9) % 2 == 0, rng.random(60) < 0.5]
    calibration = calibration_of(rng, segments)
    values = unit(rng.standard_normal((5, 24)))
    found, wanted = both(values, segments, masks, 9, calibration, means=True)
    assert found == wanted
    assert found[1] == [0, 2, 4, 6, 8] and len(found[0]) > 1 < len(found[2])


def by_place(scores: np.ndarray, owners: IntArray) -> list[tuple[int, float]]:
    return sorted(zip(owners.tolist(), scores.tolist(), strict=True))


@pytest.mark.parametrize("most_bytes", [0, 1 << 20])
def test_the_background_scores_what_it_does_segment_by_segment(
    most_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed_background, "CODES_BYTES", most_bytes)
    rng = np.random.default_rng(4)
    segments = mixed_segments(rng)
    lists = lists_of(segments, {1: MEANS})
    values = unit(rng.standard_normal((5, 24)))
    query = SeenQueries(Embeddings(values, np.array([0, 5])), {1: MEANS}, 1)
    for _ in range(2):  # another background in the place of the last
        calibration = calibration_of(rng, segments)
        background, owners = calibration.background, calibration.owners
        found = listed_background_scores(query, segments, background, owners, lists)
        (wanted,) = background_scores(query, segments, background)
        assert by_place(*found) == by_place(wanted, owners)
        assert lists[1].background(background).with_codes == bool(most_bytes)
        assert lists[1].background(background) is lists[1].background(tuple(background))
