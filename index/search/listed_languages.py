"""Candidates of a large index from lists where scores are calibrated between languages.

The documents that stand for languages are scored as each stage scores all others, by the chosen
lists first and by all centroids and passages' means then: what a stage compares is calibrated
by its own scores. With all centroids' lists both stages come to what a scan does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from xret.index.scoring.passage_lists import LanguageLevels, chosen_lists
from xret.index.scoring.query_codes import QueryCodes
from xret.index.search.calibration import Calibration
from xret.index.search.candidates import CodedQueries, Mask
from xret.index.search.listed import (
    PRESELECTED,
    CentroidLists,
    ListedQuery,
    listed_queries,
    placed_documents,
)
from xret.index.search.seen_queries import SeenQueries, background_scores
from xret.index.storage.segment import Segment
from xret.types import FloatArray, IntArray

__all__ = ["calibrated_candidates", "listed_background_scores"]

Scores = npt.NDArray[np.int32]


def calibrated_candidates(
    queries: CodedQueries,
    segments: Sequence[Segment],
    masks: Sequence[Mask],
    n: int,
    *,
    lists: Mapping[int, CentroidLists],
    sums: Mapping[int, QueryCodes],
    calibration: Calibration,
    number: int,
    threads: int = 1,
) -> list[IntArray]:
    """For each segment the documents to score in full, as `candidate_documents` of one query.

    lists: of these segments, by codec. number: of the query in the calibration.
    """
    asked = listed_queries(queries, lists, sums)
    cuts = [*accumulate(map(len, calibration.background), initial=0)]
    owners: list[IntArray] = []
    floored: list[Scores] = []
    full: list[Scores] = []
    for own, query in zip(lists.values(), asked, strict=True):
        background = own.background(calibration.background)
        kept = background.kept([masks[at] for at in own.numbers])
        of_own = [calibration.owners[cuts[at] : cuts[at + 1]] for at in own.numbers]
        owners.append(np.concatenate(of_own)[kept])
        table = np.maximum(query.table, chosen_lists(query.table, own.n_near)[0])
        floored.append(own.background_scores(query, background, table, threads=threads)[kept])
        full.append(own.background_scores(query, background, threads=threads)[kept])
    every = np.concatenate(owners)
    levels = _levels(calibration, number, np.concatenate(floored), every, asked)
    best, langs = [], []
    for own, query in zip(lists.values(), asked, strict=True):
        of_documents = [calibration.groups.numbers[at] for at in own.numbers]
        own_masks = [masks[at] for at in own.numbers]
        positions = own.preselected(
            query, own_masks, PRESELECTED * n, langs=of_documents, levels=levels
        )
        best.append((positions, own.scores(query, positions, threads=threads)))
        langs.append(calibration.numbers(own.numbers)[positions])
    scale = calibration.scale(number, np.concatenate(full), every)
    calibrated = [scale.of(scores, of_own) for (_, scores), of_own in zip(best, langs, strict=True)]
    row = np.concatenate(calibrated)
    least = np.partition(row, -n)[-n] if len(row) > n else -np.inf
    wanted = [
        positions[scores >= least] for (positions, _), scores in zip(best, calibrated, strict=True)
    ]
    return placed_documents(segments, masks, lists, wanted)


def _levels(
    calibration: Calibration,
    number: int,
    scores: Scores,
    owners: IntArray,
    asked: Sequence[ListedQuery],
) -> LanguageLevels:
    """What the lists choose by, from their scores of the background."""
    scale = calibration.scale(number, scores, owners)
    most = max(int(query.table.max(axis=0).astype(np.int64).sum()) for query in asked)
    return LanguageLevels.of(scale.means, scale.spreads, most)


def listed_background_scores(
    query: SeenQueries,
    segments: Sequence[Segment],
    background: Sequence[IntArray],
    owners: IntArray,
    lists: Mapping[int, CentroidLists],
) -> tuple[FloatArray, IntArray]:
    """Scores that rank of all documents that stand for languages, and these languages.

    owners: (b,) segment by segment. The order is another than that: of sums that are rounded
    once it changes nothing.
    """
    cuts = [*pairwise(accumulate(map(len, background), initial=0))]
    gathered: set[int] = set()
    scores, order = [np.empty(0, np.float32)], [np.empty(0, np.int64)]
    for own in lists.values():
        together = own.background(background)
        if not together.with_codes:
            continue
        gathered.update(own.numbers)
        scores.append(together.segment.by_document(query.coarse(together.segment))[0])
        order += [np.arange(*cuts[at]) for at in own.numbers]
    others = [at for at in range(len(segments)) if at not in gathered]
    left = background_scores(query, [segments[n] for n in others], [background[n] for n in others])
    order += [np.arange(*cuts[at]) for at in others]
    return np.concatenate([*scores, left[0]]), owners[np.concatenate(order)]
