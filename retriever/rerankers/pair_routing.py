"""Through whose language a pair goes: the question's, the passage's, each its own, or neither.

The three ways of Litschko, Vulić and Glavaš (2022) to run a cross-encoder with language modules
over two languages, and the fourth that they compare with.
"""

from __future__ import annotations

from typing import Literal, cast, get_args

from xret.errors import ConfigError

__all__ = ["PAIR_ROUTINGS", "PairRouting", "checked_routing", "routed_tokens", "sides_routed"]

PairRouting = Literal["qlang", "dlang", "split", "none"]
"""qlang: the whole pair through the question's language; dlang: the passage's; split: each text
through its own; none: language modules are left out."""

PAIR_ROUTINGS: tuple[str, ...] = get_args(PairRouting)


def checked_routing(asked: str) -> PairRouting:
    """Raises ConfigError for what is no routing."""
    if asked not in PAIR_ROUTINGS:
        raise ConfigError(
            f"{asked!r} is no routing of a pair's languages; use one of {', '.join(PAIR_ROUTINGS)}"
        )
    return cast("PairRouting", asked)


def routed_tokens(
    routing: PairRouting, *, query: int, document: int, start: int, length: int
) -> list[int]:
    """The number of an adapter for each token of a pair.

    query, document: adapters of the two languages. start: where the passage's tokens begin;
    the marks before it go with the question, the last one with the passage.

    >>> routed_tokens("split", query=7, document=9, start=4, length=6)
    [7, 7, 7, 7, 9, 9]
    """
    if routing == "none":
        return [0] * length
    if routing != "split":
        return [query if routing == "qlang" else document] * length
    before = min(start, length)
    return [query] * before + [document] * (length - before)


def sides_routed(routing: PairRouting, *, query: str, document: str) -> tuple[str, ...]:
    """The languages whose masks are in the model for a pair, each once.

    Masks change weights, so that no token can be told from another: split adds both.

    >>> sides_routed("split", query="de", document="sw")
    ('de', 'sw')
    """
    sides = {"qlang": (query,), "dlang": (document,), "split": (query, document), "none": ()}
    return tuple(dict.fromkeys(sides[routing]))
