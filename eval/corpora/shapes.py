"""Records of any known collection turned into documents and queries.

The shapes are told apart by their fields: BEIR `_id title text`, Pyserini `id contents`,
MIRACL `docid title text`, HC4 and NeuCLIR `id title text url time|date`, and plain
`doc_id text`. `lang` may stand in each record; unknown fields are kept as metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xret.errors import LanguageError
from xret.eval.corpora.records import BadRecord, Record
from xret.retriever.languages import language_code
from xret.types import UNDETERMINED, Document, Query

__all__ = ["document_of", "query_of"]

ID_FIELDS = ("_id", "docid", "doc_id", "query_id", "qid", "id")
TEXT_FIELDS = ("text", "contents", "query")
DATE_FIELDS = ("date", "time")
LANG_FIELDS = ("lang", "language")
KNOWN = frozenset({*ID_FIELDS, *TEXT_FIELDS, *DATE_FIELDS, *LANG_FIELDS, "title", "url"})


def document_of(record: Record, *, lang: str | None = None) -> Document | BadRecord:
    """The document of a record, or why it is none. `lang` is for records that name none."""
    try:
        fields = record.fields
        title, text = _text(fields, ("title",)), _text(fields, TEXT_FIELDS)
        if not (title + text).strip():
            return BadRecord(record.place, _missing_text(fields))
        code = _lang(fields, lang)
        return Document(
            doc_id=_id(fields),
            text=text,
            lang=code,
            title=title,
            url=_text(fields, ("url",)) or None,
            date=_text(fields, DATE_FIELDS) or None,
            meta={name: value for name, value in fields.items() if name not in KNOWN},
            lang_source="unknown" if code == UNDETERMINED else "given",
        )
    except (LanguageError, ValueError) as error:
        return BadRecord(record.place, str(error))


def query_of(record: Record, *, lang: str | None = None) -> Query | BadRecord:
    """The query of a record, or why it is none."""
    try:
        fields = record.fields
        text = _text(fields, (*TEXT_FIELDS, "title"))
        if not text.strip():
            return BadRecord(record.place, _missing_text(fields))
        code = _lang(fields, lang)
        return Query(_id(fields), text, code, "unknown" if code == UNDETERMINED else "given")
    except (LanguageError, ValueError) as error:
        return BadRecord(record.place, str(error))


def _id(fields: Mapping[str, Any]) -> str:
    for name in ID_FIELDS:
        value = fields.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value)
    raise ValueError(f"no id: one of {', '.join(ID_FIELDS)} is expected, found {_names(fields)}")


def _text(fields: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = fields.get(name)
        if isinstance(value, str):
            return value
        if value is not None:
            raise ValueError(f"{name} is a {type(value).__name__} where a text is expected")
    return ""


def _lang(fields: Mapping[str, Any], default: str | None) -> str:
    return language_code(_text(fields, LANG_FIELDS) or default or UNDETERMINED)


def _missing_text(fields: Mapping[str, Any]) -> str:
    return f"no text: one of {', '.join(TEXT_FIELDS)} or title is expected, found {_names(fields)}"


def _names(fields: Mapping[str, Any]) -> str:
    return ", ".join(list(map(str, fields))[:8]) or "nothing"
