"""What a field of a run's settings means, said once: to the command line as to Python."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Described"]


@dataclass(frozen=True, slots=True)
class Described:
    """Stands in a field's type, `Annotated[int, Described("Batches.")]`, and makes an option of it.

    help: one sentence for people. flag: the option, `--field-name` where empty. metavar: what
    stands for the value in the help. at_least, at_most: bounds of a number.
    """

    help: str
    flag: str = ""
    metavar: str | None = None
    at_least: float | None = None
    at_most: float | None = None
