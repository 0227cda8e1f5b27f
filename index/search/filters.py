"""Filters: which documents a search may return, as conditions on what is stored with them.

A filter is written in Haystack's nested form, with the logic AND, OR, NOT and the operators
== != > >= < <= in "not in", or as a line of text:

    {"operator": "AND", "conditions": [
        {"field": "lang", "operator": "in", "value": ["fr", "de"]},
        {"field": "date", "operator": ">=", "value": "2020"},
        {"field": "meta.publisher", "operator": "==", "value": "UN"}]}

    lang:fr,de date>=2020 publisher:"UN"

Fields: doc_id, lang, date, title, url and `meta.NAME`. A value equals another of its own kind
only (text, number, true or false), and is ordered against text or numbers likewise. A field
that a document does not have fulfils `!=` and `not in` and nothing else; so does one of
another kind. Where metadata holds a list, one of its members is enough. A date stands for the
time that it names, a year for a whole year: a document's date equals it when it begins
within, and `>` means after its end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xret.errors import QueryError
from xret.index.storage.stored import moment, moment_end

__all__ = ["FIELDS", "Condition", "Filter", "Logic", "Scalar", "compile_filter", "parse_filter"]

MAX_CONDITIONS = 256
MAX_DEPTH = 16
MAX_VALUES = 4_096
MAX_TEXT = 8_192

FIELDS = ("doc_id", "lang", "date", "title", "url")
OPERATORS = ("==", "!=", ">", ">=", "<", "<=", "in", "not in")
LOGIC = ("AND", "OR", "NOT")
_NEGATIONS = {"!=": "==", "not in": "in"}

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; value: a scalar, a tuple of them for `in` and `not in`."""

    field: str
    operator: str
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Logic:
    """AND, OR of conditions; NOT: that not all of them hold."""

    operator: str
    conditions: tuple[Filter, ...]


Filter = Condition | Logic


def parse_filter(
    given: str | Mapping[str, Any], *, language: Callable[[str], str] | None = None
) -> Filter:
    """A filter in either form. language: how the codes of the field `lang` are spelt here.

    Raises QueryError for what is not a filter, saying what is known, and for a filter too large.
    """
    if isinstance(given, str):
        from xret.index.search.filter_text import parse_text

        if len(given) > MAX_TEXT:
            raise QueryError(f"the filter is longer than {MAX_TEXT:,} characters")
        given = parse_text(given)
    return _Parser(language or str).filter(given, depth=1)


class _Parser:
    def __init__(self, language: Callable[[str], str]) -> None:
        self._language = language
        self._conditions = self._values = 0

    def filter(self, given: object, *, depth: int) -> Filter:
        if not isinstance(given, Mapping):
            raise QueryError(
                "a filter is a condition {field, operator, value} or {operator, conditions}"
            )
        self._conditions += 1
        if depth > MAX_DEPTH or self._conditions > MAX_CONDITIONS:
            raise QueryError(
                f"the filter is too large; at most {MAX_CONDITIONS} conditions, {MAX_DEPTH} deep"
            )
        if "conditions" in given:
            return self._logic(given, depth)
        return self._condition(given)

    def _logic(self, given: Mapping[str, Any], depth: int) -> Logic:
        operator, conditions = given.get("operator"), given["conditions"]
        if set(given) != {"operator", "conditions"} or operator not in LOGIC:
            raise QueryError(f"conditions are joined by an operator of: {', '.join(LOGIC)}")
        if not isinstance(conditions, list | tuple) or not conditions:
            raise QueryError(f"{operator} needs a list of one condition or more")
        return Logic(
            operator, tuple(self.filter(condition, depth=depth + 1) for condition in conditions)
        )

    def _condition(self, given: Mapping[str, Any]) -> Condition:
        if set(given) != {"field", "operator", "value"}:
            raise QueryError("a condition has a field, an operator and a value")
        name, operator, value = given["field"], given["operator"], given["value"]
        name = name if isinstance(name, str) else ""
        name = "doc_id" if name == "id" else name
        if name not in FIELDS and not (name.startswith("meta.") and len(name) > 5):
            raise QueryError(
                f"the filter names a field that is not known; known: {', '.join(FIELDS)}, meta.NAME"
            )
        if operator not in OPERATORS:
            raise QueryError(f"the filter's operator is none of: {' '.join(OPERATORS)}")
        _checked_text(name)
        if operator in ("in", "not in"):
            if not isinstance(value, list | tuple):
                raise QueryError(f"{operator} needs a list of values")
            return Condition(name, operator, tuple(self._value(name, element) for element in value))
        made = self._value(name, value)
        if operator not in ("==", "!=") and (made is None or isinstance(made, bool)):
            raise QueryError(f"{operator} compares with a text or a number")
        return Condition(name, operator, made)

    def _value(self, name: str, value: object) -> Scalar:
        self._values += 1
        if self._values > MAX_VALUES:
            raise QueryError(f"the filter has more than {MAX_VALUES:,} values")
        if isinstance(value, str):
            _checked_text(value)
            if name == "lang":
                return self._language(value)
            if name == "date" and moment(value) is None:
                raise QueryError(
                    "a filter's date is 2020, 2020-05, 2020-05-03 or 2020-05-03T10:00Z"
                )
            return value
        if name in FIELDS and value is not None:
            raise QueryError(f"the field {name} is compared with text")
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63:
            return float(value) if abs(value) < 10**300 else _too_large()
        if isinstance(value, float) and value - value != 0:
            _too_large()
        if value is not None and not isinstance(value, int | float):
            raise QueryError("a filter's values are texts, numbers, true, false or null")
        return value


def compile_filter(wanted: Filter) -> tuple[str, list[Scalar]]:
    """An SQL condition over the table `documents` (and `texts`), and the values bound to it.

    No part of the filter is in the SQL itself but its structure.
    """
    if isinstance(wanted, Logic):
        parts = [compile_filter(condition) for condition in wanted.conditions]
        joint = " OR " if wanted.operator == "OR" else " AND "
        sql = f"({joint.join(part for part, _ in parts)})"
        return (
            f"NOT {sql}" if wanted.operator == "NOT" else sql,
            [value for _, values in parts for value in values],
        )
    if wanted.operator in _NEGATIONS:
        sql, values = compile_filter(
            Condition(wanted.field, _NEGATIONS[wanted.operator], wanted.value)
        )
        return f"NOT {sql}", values
    if wanted.operator == "in":
        return _membership(wanted.field, wanted.value if isinstance(wanted.value, tuple) else ())
    return _comparison(wanted)


def _membership(name: str, values: tuple[Scalar, ...]) -> tuple[str, list[Scalar]]:
    """That one of the values is met: all texts in one test, all numbers in another.

    A test a value would read the metadata anew for each, and SQLite takes no expression that
    is 1,000 deep: what is left of such tests (dates, null, true, false) is joined in groups.
    """
    texts = [value for value in values if isinstance(value, str)]
    numbers = [
        value for value in values if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    single: list[Scalar] = [
        value for value in (None, True, False) if any(value is v for v in values)
    ]
    if name == "date":
        single, texts = [*single, *dict.fromkeys(texts)], []
    tests = [_comparison(Condition(name, "==", value)) for value in single]
    for same in (texts, numbers):
        if same and name.startswith("meta."):
            tests.append(_meta(name[5:], "==", *same))
        elif same:
            tests.append((f"({name} IS NOT NULL AND {name} IN ({_marks(same)}))", [*same]))
    bound = [value for _, several in tests for value in several]
    groups = [" OR ".join(sql for sql, _ in tests[i : i + 64]) for i in range(0, len(tests), 64)]
    return f"({' OR '.join(f'({group})' for group in groups) or '0'})", bound


def _marks(values: Sequence[Scalar]) -> str:
    return ", ".join("?" * len(values))


def _comparison(wanted: Condition) -> tuple[str, list[Scalar]]:
    """A comparison that is 0 or 1 for every document, never NULL."""
    value = wanted.value
    if isinstance(value, tuple):
        raise QueryError(f"{wanted.operator} compares with one value")
    if wanted.field.startswith("meta."):
        return _meta(wanted.field[5:], wanted.operator, value)
    operator = "=" if wanted.operator == "==" else wanted.operator
    if value is None:
        return f"({wanted.field} IS NULL)", []
    if wanted.field == "date":
        return _date(wanted.operator, str(value))
    return f"({wanted.field} IS NOT NULL AND {wanted.field} {operator} ?)", [value]


def _date(operator: str, value: str) -> tuple[str, list[Scalar]]:
    start, end = moment(value), moment_end(value)
    known = "moment IS NOT NULL AND"
    match operator:
        case "==":
            return f"({known} moment >= ? AND moment < ?)", [start, end]
        case ">=":
            return f"({known} moment >= ?)", [start]
        case ">":
            return f"({known} moment >= ?)", [end]
        case "<":
            return f"({known} moment < ?)", [start]
        case _:
            return f"({known} moment < ?)", [end]


def _meta(name: str, operator: str, *values: Scalar) -> tuple[str, list[Scalar]]:
    """Compared with the value of that name, or with one of its members where it is a list.

    values: one, or for == several texts or several numbers, one of which is enough.
    """
    sql, value, bound = "IN" if operator == "==" else operator, values[0], [*values]
    test = f"{{0}}.type IN ({_kinds(value)}) AND {{0}}.atom {sql} ({_marks(values)})"
    if value is None or isinstance(value, bool):
        test, bound = "{0}.type = ?", [json.dumps(value)]
    meta = "json_each(CASE WHEN json_valid(documents.meta) THEN documents.meta ELSE '{}' END)"
    members = "json_each(CASE one.type WHEN 'array' THEN one.value ELSE '[]' END)"
    named = f"SELECT 1 FROM {meta} AS one"  # noqa: S608
    either = (
        f"EXISTS ({named} WHERE one.key = ? AND {test.format('one')}) "
        f"OR EXISTS ({named}, {members} AS member WHERE one.key = ? AND {test.format('member')})"
    )
    if value is None:  # a name that is not there at all is null too
        either += f" OR NOT EXISTS ({named} WHERE one.key = ?)"
        return f"({either})", [name, *bound, name, *bound, name]
    return f"({either})", [name, *bound, name, *bound]


def _kinds(value: object) -> str:
    return "'text'" if isinstance(value, str) else "'integer', 'real'"


def _checked_text(text: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise QueryError("the filter holds a lone surrogate and is not valid Unicode text")


def _too_large() -> float:
    raise QueryError("a number of the filter is too large")
