"""Records of any known collection turned into documents and queries.

The shapes are told apart by their fields: BEIR `_id title text`, Pyserini `id contents`,
MIRACL `docid title text`, HC4 and NeuCLIR `id title text url time|date`, and plain
`doc_id text`. `lang` may stand in each record; unknown fields are kept as metadata. A query
may be called `question`, as in XOR-TyDi.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xret.errors import LanguageError
from xret.retriever.corpora.records import ID_FIELDS, TEXT_FIELDS, BadRecord, Record
from xret.retriever.languages.codes import language_code
from xret.types import UNDETERMINED, Document, Query

__all__ = ["document_of", "query_of"]

DATE_FIELDS = ("date", "time")
LANG_FIELDS = ("lang", "language")
KNOWN = frozenset({*ID_FIELDS, *TEXT_FIELDS, *DATE_FIELDS, *LANG_FIELDS, "title", "url"})
QUESTION_FIELDS = ("question", "title")
MAX_META_DEPTH = 64
"""Lists and objects inside one another; what goes deeper cannot be stored as JSON."""


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
            meta=_meta(fields),
            lang_source="unknown" if code == UNDETERMINED else "given",
        )
    except (LanguageError, ValueError) as error:
        return BadRecord(record.place, str(error))


def query_of(record: Record, *, lang: str | None = None) -> Query | BadRecord:
    """The query of a record, or why it is none."""
    try:
        fields = record.fields
        text = _text(fields, (*TEXT_FIELDS, *QUESTION_FIELDS))
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
            return _unicode(str(value))
    raise ValueError(f"no id: one of {', '.join(ID_FIELDS)} is expected, found {_names(fields)}")


def _unicode(doc_id: str) -> str:
    """The id itself; that of a text file is its name, which need not be valid Unicode."""
    if any("\ud800" <= character <= "\udfff" for character in doc_id):
        raise ValueError(f"the id {doc_id!a} is not valid Unicode; rename it")
    if "\n" in doc_id or "\r" in doc_id:
        raise ValueError(
            f"the id {doc_id!a} has a line break, which no run file or address can hold"
        )
    return doc_id


def _meta(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that mean nothing here. Raises ValueError where they are nested too deep."""
    meta = {name: value for name, value in fields.items() if name not in KNOWN}
    level: list[Any] = [meta]
    for _ in range(MAX_META_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return meta
    raise ValueError(f"metadata nested more than {MAX_META_DEPTH} deep")


def _children(value: object) -> list[Any]:
    """The lists and objects directly inside a value."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list | tuple):
        return []
    return [child for child in value if isinstance(child, dict | list | tuple)]


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
