"""The kinds of model, each with one spelling."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Kind"]


class Kind(StrEnum):
    """What a model makes of a text. Values are recorded in indices and files, and stay."""

    STATIC = "static"
    """A vector a word, from a table: the embedded static encoder's own layout."""

    BI_ENCODER = "bi-encoder"
    """One vector a text."""

    LATE_INTERACTION = "late interaction"
    """A vector a token, compared by MaxSim; typed as late-interaction."""

    @classmethod
    def _missing_(cls, value: object) -> Kind | None:
        """The kind as it is typed, where a space would part two words."""
        return next((kind for kind in cls if kind.replace(" ", "-") == value), None)
