"""What adding a language changed: before and after, by measure, and whether it may stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from xret.retriever.training.language.measures import RETRIEVAL, BootstrapInterval, interval
from xret.types import FloatArray

__all__ = ["COLUMNS", "MASKED", "AdditionReport", "Measure", "compared", "judged"]

MASKED = "masked word loss"
COLUMNS = ("none", "relative", "own")
"""Adapters that are compared: the text through none, its relative's, the new one."""

Values = Mapping[str, Mapping[str, FloatArray]]
"""By adapter and measure, a number for each sentence or hidden piece, the same in each adapter."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of the report. gain: own less relative, of the same sentences; n: how many."""

    name: str
    none: BootstrapInterval
    relative: BootstrapInterval
    own: BootstrapInterval
    gain: BootstrapInterval
    n: int


@dataclass(frozen=True, slots=True)
class AdditionReport:
    """relative: whose adapter the new one started as; reason: why that one.

    better: False where the new adapter is worse than its relative's: by the mean of the
    retrieval measures, or without parallel text by the loss of masked words. best_step: the
    step whose state was kept. unknown_share: of the text's letters, before pieces were added.
    curve: (step, score on what was kept for choosing). minutes: of this run alone where an
    earlier one was resumed.
    """

    lang: str
    relative: str
    reason: str
    measures: tuple[Measure, ...]
    better: bool
    verdict: str
    steps: int
    best_step: int
    curve: tuple[tuple[int, float], ...]
    seed: int
    minutes: float
    lines: int
    words: int
    pairs: int
    held_out_lines: int
    held_out_pairs: int
    pieces_per_word: float
    unknown_share: float
    new_pieces: int
    notes: tuple[str, ...] = ()

    def described(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def compared(values: Values) -> tuple[Measure, ...]:
    """The rows of the report, retrieval first."""
    names = [name for name in (*RETRIEVAL, MASKED) if name in values["own"]]
    rows = []
    for name in names:
        none, relative, own = (values[column][name] for column in COLUMNS)
        gain = interval(own - relative)
        rows.append(
            Measure(name, interval(none), interval(relative), interval(own), gain, len(own))
        )
    return tuple(rows)


def judged(measures: tuple[Measure, ...]) -> tuple[bool, str]:
    """(whether the new adapter may stay, why)."""
    retrieval = [row for row in measures if row.name in RETRIEVAL]
    if retrieval:
        before, after = (
            float(np.mean([getattr(row, column).mean for row in retrieval]))
            for column in ("relative", "own")
        )
        said = f"mean of the retrieval measures {after:.3f} against {before:.3f}"
        return after >= before, f"{said} with the relative's adapter"
    row = next(row for row in measures if row.name == MASKED)
    said = f"loss of masked words {row.own.mean:.3f} against {row.relative.mean:.3f}"
    return row.own.mean < row.relative.mean, f"{said} with the relative's adapter"
