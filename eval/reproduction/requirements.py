"""What a row needs that nobody can fetch for its reader: licensed text, a model's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Requirement", "missing_words"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """A file or folder, relative to where the command is typed, and how it is come by."""

    path: str
    how: str


def missing_words(requirements: Sequence[Requirement]) -> str:
    """Which of them are not there, and what to do; empty where all are.

    >>> missing_words([Requirement("/nowhere/clef", "licensed by ELDA")])
    'this row cannot run here: /nowhere/clef is not there (licensed by ELDA)'
    """
    missing = [one for one in requirements if not Path(one.path).exists()]
    if not missing:
        return ""
    said = "; ".join(f"{one.path} is not there ({one.how})" for one in missing)
    return f"this row cannot run here: {said}"
