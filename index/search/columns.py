"""Fields of documents, read once from the catalog and kept, for filters that come after.

A field of a segment is a column: what each of its documents says there, as numbers of its
distinct values in order. A comparison is then one look at those values and one pass over the
column, whatever the documents' other metadata are. Rows of a segment never change.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xret.errors import DamagedIndexError
from xret.index.search.filters import FIELDS, Condition, Scalar
from xret.index.storage.documents import DocumentTable
from xret.index.storage.segment import Segment
from xret.index.storage.stored import moment, moment_end

__all__ = ["Column", "Columns", "has_column"]

KEPT_VALUES = 1 << 24
"""Values of all columns that are kept together, 8 bytes each and what their texts take."""

KEPT_COLUMNS = 1_024
OTHER = object()
"""A value that no comparison is fulfilled by: an object, a date that is none."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Column:
    """One field of n documents; one that is a list has each of its members.

    texts, numbers: distinct values, rising. places: (v,) positions of documents, and codes:
    (v,) what stands there: a text, a number after them, then false, true, null and others.
    """

    n: int
    texts: Sequence[str]
    numbers: Sequence[float]
    places: npt.NDArray[np.int32]
    codes: npt.NDArray[np.int32]

    @classmethod
    def of(cls, n: int, rows: Iterable[tuple[int, object]]) -> Column:
        """rows: positions with their values, any number for a document."""
        codes: dict[tuple[bool, object], int] = {}
        places, numbered = [], []
        for position, value in rows:
            places.append(position)
            plain = isinstance(value, bool) or value is None or value is OTHER
            numbered.append(codes.setdefault((plain, value), len(codes)))
        texts = sorted(value for _, value in codes if isinstance(value, str))
        numbers = sorted(value for plain, value in codes if not plain and _is_number(value))  # type: ignore[type-var]
        order: dict[tuple[bool, object], int] = {
            (False, value): number for number, value in enumerate([*texts, *numbers])
        }
        first = len(order)
        last = {(True, value): first + at for at, value in enumerate((False, True, None, OTHER))}
        final = np.array([(order | last)[key] for key in codes], np.int32)
        own = np.array(numbered, np.int64)
        coded = final[own] if len(own) else np.empty(0, np.int32)
        return cls(n, texts, numbers, np.array(places, np.int32), coded)  # type: ignore[arg-type]

    def mask(self, wanted: Condition) -> Mask:
        """(n,) which documents fulfil the condition, as `compile_filter` has it."""
        negative = {"!=": "==", "not in": "in"}.get(wanted.operator)
        if negative is not None:
            return ~self.mask(Condition(wanted.field, negative, wanted.value))
        chosen = np.zeros(len(self.texts) + len(self.numbers) + 4, np.bool_)
        values = wanted.value if isinstance(wanted.value, tuple) else (wanted.value,)
        for value in values:
            operator = "==" if wanted.operator in ("in", "=") else wanted.operator
            for part in self._parts(wanted.field, operator, value):
                chosen[part] = True
        mask = np.zeros(self.n, np.bool_)
        mask[self.places[chosen[self.codes]]] = True
        if wanted.operator in ("==", "=", "in") and any(value is None for value in values):
            mask |= self._lacking()
        return mask

    def _parts(self, field: str, operator: str, value: Scalar) -> list[slice]:
        """Codes of the values that are so compared with this one."""
        after = len(self.texts) + len(self.numbers)
        if value is None or isinstance(value, bool):
            at = after + (2 if value is None else int(value))
            return [slice(at, at + 1)]
        if field == "date":
            return [_dates(self.numbers, operator, str(value))]
        if isinstance(value, str):
            return [_range(self.texts, operator, value)]
        found = _range(self.numbers, operator, value)
        return [slice(found.start + len(self.texts), found.stop + len(self.texts))]

    def _lacking(self) -> Mask:
        """(n,) documents that do not have the field at all."""
        lacking = np.ones(self.n, np.bool_)
        lacking[self.places] = False
        return lacking


class Columns:
    """Columns of the segments of the last commit. One thread at a time."""

    def __init__(self) -> None:
        self._columns: OrderedDict[tuple[int, str], tuple[Segment, Column]] = OrderedDict()

    def of(
        self, segment: Segment, fields: Iterable[str], documents: DocumentTable
    ) -> dict[str, Column]:
        """The columns of these fields, read in one pass where they are not kept."""
        known: dict[str, Column] = {}
        for field in fields:
            kept = self._columns.get((segment.segment, field))
            if kept is not None and kept[0] is segment:
                self._columns.move_to_end((segment.segment, field))
                known[field] = kept[1]
        new = [field for field in dict.fromkeys(fields) if field not in known]
        for field, column in _read(segment, new, documents).items():
            known[field] = column
            self._columns[segment.segment, field] = segment, column
        return known

    def forget(self, segments: Sequence[Segment]) -> None:
        """Keep columns of these segments only, the oldest going first where they are too many."""
        numbers = {segment.segment for segment in segments}
        for key in [key for key in self._columns if key[0] not in numbers]:
            del self._columns[key]
        size = sum(len(column.codes) for _, column in self._columns.values())
        while size > KEPT_VALUES or len(self._columns) > KEPT_COLUMNS:
            _, (_, column) = self._columns.popitem(last=False)
            size -= len(column.codes)


def has_column(field: str) -> bool:
    """Whether a field is compared by its column; ids, titles and addresses are by SQL."""
    return field in ("lang", "date") or field not in FIELDS


def _read(segment: Segment, fields: Sequence[str], documents: DocumentTable) -> dict[str, Column]:
    rows: dict[str, list[tuple[int, object]]] = {field: [] for field in fields}
    for field, read in (("lang", _lang), ("date", _date)):
        if field in rows:
            rows[field] = [
                (row[0], read(*row[1:])) for row in documents.dated_languages(segment.segment)
            ]
    names = {field[5:]: field for field in fields if field not in FIELDS}
    if names:
        for position, name, kind, value in documents.metadata(segment.segment, list(names)):
            rows[names[name]] += [(position, one) for one in _values(kind, value)]
    n = segment.n_documents
    if any(position >= n for found in rows.values() for position, _ in found):
        raise DamagedIndexError(
            f"{documents.path}: segment {segment.segment} has documents that are not its own; "
            "restore it from a copy or build the index again"
        )
    return {field: Column.of(n, found) for field, found in rows.items()}


def _lang(lang: str, _date: str | None, _moment: int | None) -> object:
    return lang


def _date(_lang: str, date: str | None, begins: int | None) -> object:
    return None if date is None else OTHER if begins is None else begins


def _values(kind: str, value: Any) -> list[object]:
    """What a value of the metadata is compared as: its members too where it is a list."""
    if kind == "array":
        members = [one for member in json.loads(value) for one in _member(member)]
        return [OTHER, *members]
    plain: dict[str, object] = {"true": True, "false": False, "null": None, "object": OTHER}
    return [plain.get(kind, value)]


def _member(value: object) -> list[object]:
    if isinstance(value, list | dict):
        return []
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63:
        return [float(value)]
    return [value]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _range(values: Sequence[Any], operator: str, value: Any) -> slice:
    low, high = bisect_left(values, value), bisect_right(values, value)
    ends: dict[str, Callable[[], slice]] = {
        "==": lambda: slice(low, high),
        ">": lambda: slice(high, len(values)),
        ">=": lambda: slice(low, len(values)),
        "<": lambda: slice(0, low),
        "<=": lambda: slice(0, high),
    }
    return ends[operator]()


def _dates(moments: Sequence[float], operator: str, value: str) -> slice:
    """A date stands for all of the time that it names; see `index.search.filters`."""
    start, end = bisect_left(moments, moment(value)), bisect_left(moments, moment_end(value))  # type: ignore[type-var]
    return {
        "==": slice(start, end),
        ">=": slice(start, len(moments)),
        ">": slice(end, len(moments)),
        "<": slice(0, start),
        "<=": slice(0, end),
    }[operator]
