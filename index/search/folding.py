"""Filters made smaller: comparisons of one field with one value each become one with all of them.

`topic != a` and `topic != b` and so on is `topic not in (a, b, …)`, and `lang == fr` or
`lang == de` is `lang in (fr, de)`: a field is then read once and not once a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xret.index.search.filters import Condition, Filter, Logic, Scalar

__all__ = ["folded"]

_TURNED = {"==": "!=", "!=": "==", "in": "not in", "not in": "in"}
_JOINED = {"AND": ("!=", "not in", "not in"), "OR": ("==", "in", "in")}
"""By logic, the two comparisons that it joins, and what they become."""


def folded(wanted: Filter) -> Filter:
    """A filter that keeps the same documents.

    >>> parts = tuple(Condition("meta.n", "!=", n) for n in (1, 2))
    >>> folded(Logic("AND", parts))
    Condition(field='meta.n', operator='not in', value=(1, 2))
    """
    return _folded(wanted, turned=False)


def _folded(wanted: Filter, *, turned: bool) -> Filter:
    """turned: the opposite of the filter."""
    if isinstance(wanted, Condition):
        if not turned:
            return wanted
        opposite = _TURNED.get(wanted.operator)
        if opposite is None:  # a document without the field fulfils neither `<` nor `>=`
            return Logic("NOT", (wanted,))
        return replace(wanted, operator=opposite)
    turned ^= wanted.operator == "NOT"
    operator = "OR" if (wanted.operator == "OR") != turned else "AND"
    parts: list[Filter] = []
    for condition in wanted.conditions:
        part = _folded(condition, turned=turned)
        inside = isinstance(part, Logic) and part.operator == operator
        parts += part.conditions if inside and isinstance(part, Logic) else (part,)
    joined = _joined(operator, parts)
    return joined[0] if len(joined) == 1 else Logic(operator, tuple(joined))


def _joined(operator: str, parts: Sequence[Filter]) -> list[Filter]:
    """Conditions of one field that can be one; it stands where the first of them did."""
    single, several, together = _JOINED[operator]
    values: dict[str, dict[tuple[type, Scalar], None]] = {}
    rest: list[Filter | str] = []
    for part in parts:
        if isinstance(part, Condition) and part.operator in (single, several):
            if part.field not in values:
                values[part.field] = {}
                rest.append(part.field)
            own = part.value if isinstance(part.value, tuple) else (part.value,)
            values[part.field].update(dict.fromkeys((type(value), value) for value in own))
        elif part not in rest:
            rest.append(part)
    return [
        Condition(part, together, tuple(value for _, value in values[part]))
        if isinstance(part, str)
        else part
        for part in rest
    ]
