"""Judgements and rows of tables whose columns are named differently from source to source."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xret.errors import CorpusError
from xret.retriever.corpora.qrels import Qrels, grade_of
from xret.retriever.corpora.records import BadRecord, Record

__all__ = ["good_fields", "qrels_of"]


def qrels_of(records: Iterable[Record | BadRecord], columns: tuple[str, str, str]) -> Qrels:
    """Judgements from rows with a query, a document and a grade in these columns.

    Raises CorpusError with the first row that has no such columns or no whole grade.
    """
    query, document, grade = columns
    qrels: Qrels = {}
    for place, fields in good_fields(records):
        try:
            grades = qrels.setdefault(str(fields[query]), {})
            grades[str(fields[document])] = grade_of(fields[grade])
        except (KeyError, TypeError, ValueError):
            found = ", ".join(list(map(str, fields))[:8])
            raise CorpusError(
                f"{place}: no judgement with {query}, {document} and a whole {grade}; it has "
                f"{found}"
            ) from None
    return qrels


def good_fields(records: Iterable[Record | BadRecord]) -> Iterable[tuple[str, Any]]:
    """Place and fields of each record. Raises CorpusError for the first that is broken."""
    for record in records:
        if isinstance(record, BadRecord):
            raise CorpusError(f"{record.place}: {record.reason}")
        yield record.place, record.fields
