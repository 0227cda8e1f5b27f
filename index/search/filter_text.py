"""The short form of filters: one line, every part of which must hold.

    lang:fr,de  date>=2020  -publisher:"UN Press"  meta.year!=2019  title:"Fish, and chips"

A part is a name, one of `:` `=` `!=` `>` `>=` `<` `<=`, and a value, or several with commas
between them after `:`, `=` and `!=`: one of them is enough. `-` before a part turns it round.
A name that is no field is one of the metadata, with or without `meta.` before it. A value in
double quotes is text (`\\"` and `\\\\` for the marks themselves); of metadata, one that is not
is a number or text, whichever the document has.
"""

from __future__ import annotations

import json
import re
from typing import Any

from xret.errors import QueryError

__all__ = ["parse_text"]

FIELDS = ("doc_id", "id", "lang", "date", "title", "url")
_PART = re.compile(r'(-?)([^\s:=!<>",]+)\s*(!=|>=|<=|:|=|>|<)\s*')
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s",]+)')
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


def parse_text(text: str) -> dict[str, Any]:
    """The nested form of a line. Raises QueryError naming the place that cannot be read."""
    parts: list[dict[str, Any]] = []
    at = _skip(text, 0)
    while at < len(text):
        started = _PART.match(text, at)
        if started is None:
            raise _unreadable(at, "a name and one of : = != > >= < <=")
        values, at = _values(text, started.end())
        minus, name, operator = started.groups()
        made = _condition(name, operator, values)
        parts.append({"operator": "NOT", "conditions": [made]} if minus else made)
        at = _skip(text, at)
    if not parts:
        raise QueryError("the filter is empty; write for example: lang:fr date>=2020")
    return parts[0] if len(parts) == 1 else {"operator": "AND", "conditions": parts}


def _values(text: str, at: int) -> tuple[list[tuple[str, bool]], int]:
    """(value, whether it stood in quotes) of each, and where they end."""
    values = []
    while True:
        found = _VALUE.match(text, at)
        if found is None:
            raise _unreadable(at, "a value, in double quotes where it has spaces or commas")
        quoted, bare = found.groups()
        values.append((bare, False) if quoted is None else (re.sub(r"\\(.)", r"\1", quoted), True))
        at = found.end()
        if at < len(text) and text[at] == ",":
            at += 1
            continue
        if at < len(text) and not text[at].isspace():
            raise _unreadable(at, "a space between the parts")
        return values, at


def _condition(name: str, operator: str, values: list[tuple[str, bool]]) -> dict[str, Any]:
    field = name if name in FIELDS or name.startswith("meta.") else f"meta.{name}"
    if operator in (":", "=", "!="):
        wanted: list[Any] = [text for text, _ in values]
        if field.startswith("meta."):
            for text, quoted in values:
                if not quoted and (_NUMBER.fullmatch(text) or text in ("true", "false")):
                    wanted.append(json.loads(_plain(text)))
        return {"field": field, "operator": "not in" if operator == "!=" else "in", "value": wanted}
    if len(values) > 1:
        raise QueryError(f"{operator} takes one value")
    ((text, quoted),) = values
    plain = {"field": field, "operator": operator, "value": text}
    if quoted or not field.startswith("meta.") or not _NUMBER.fullmatch(text):
        return plain
    number = {"field": field, "operator": operator, "value": json.loads(_plain(text))}
    return {"operator": "OR", "conditions": [plain, number]}


def _plain(number: str) -> str:
    """JSON allows no zeros in front: 007 is 7."""
    return re.sub(r"^(-?)0+(?=\d)", r"\1", number)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _unreadable(at: int, wanted: str) -> QueryError:
    return QueryError(f"the filter cannot be read at character {at + 1}: expected {wanted}")
