"""How a search is done: a value on each call."""

from __future__ import annotations

from dataclasses import dataclass

from xret.errors import QueryError

__all__ = ["SearchParams"]


@dataclass(frozen=True, slots=True)
class SearchParams:
    """exact: score every passage, whatever the preset. n_candidates: documents that are
    scored in full where an index does not scan all; None lets the index choose. threads:
    None takes those of the process."""

    exact: bool = False
    n_candidates: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("n_candidates", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise QueryError(f"{name} is {value}; use 1 or more, or leave it away")
