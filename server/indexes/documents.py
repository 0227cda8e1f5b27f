"""Indices and their documents as they are read over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xret.deadline import Deadline
from xret.errors import UnknownDocumentError
from xret.index.search.filters import Filter
from xret.retriever.answer_warnings import missing_shards
from xret.retriever.languages.codes import direction
from xret.retriever.lexical.words import WORDS_SETTING
from xret.retriever.searcher import Searcher
from xret.types import Document, LangSource

__all__ = [
    "DocumentPage",
    "IndexDetail",
    "IndexSummary",
    "ServedDocument",
    "index_detail",
    "index_summary",
    "read_document",
    "read_documents",
    "served_document",
]


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """An index as `GET /v1/indexes` lists it; `languages` counts documents by BCP 47 code."""

    name: str
    documents: int
    languages: dict[str, int]
    encoder: str
    version: int
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class IndexDetail:
    """passages: None where the key may not know. fields: how many documents have each metadata
    field. modes: how it can be asked, the usual way first. dim: of its vectors, 0 without any.
    warnings: which parts of the index do not answer and are not counted."""

    name: str
    documents: int
    passages: int | None
    languages: dict[str, int]
    fields: dict[str, int]
    encoder: str
    version: int
    preset: str
    dim: int
    modes: list[str]
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class ServedDocument:
    """A document as it was given, with its language and that language's direction.

    text: None in listings, unless it was asked for.
    """

    id: str
    lang: str
    lang_source: LangSource
    lang_confidence: float
    dir: str
    title: str
    url: str | None
    date: str | None
    fields: Mapping[str, Any]
    text: str | None


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Documents in the order of their ids. next: the id to go on `after`, None at the end.
    warnings: which parts of the index did not answer."""

    documents: list[ServedDocument]
    next: str | None
    warnings: list[str]


def served_document(document: Document, *, text: bool = True) -> ServedDocument:
    return ServedDocument(
        id=document.doc_id,
        lang=document.lang,
        lang_source=document.lang_source,
        lang_confidence=document.lang_confidence,
        dir=direction(document.lang),
        title=document.title,
        url=document.url,
        date=document.date,
        fields=document.meta,
        text=document.text if text else None,
    )


def read_document(searcher: Searcher, doc_id: str) -> ServedDocument:
    """Raises UnknownDocumentError."""
    for document in searcher.reader.documents([doc_id]):
        return served_document(document)
    raise UnknownDocumentError("the index has no document of that id")


def read_documents(
    searcher: Searcher,
    *,
    n: int,
    after: str,
    wanted: Filter | None,
    text: bool,
    deadline: Deadline,
) -> DocumentPage:
    """A page of a listing, of the documents of a filter. Raises DeadlineError."""
    deadline.check()  # it may have waited for a thread
    page = searcher.reader.document_page(n + 1, after=after, filter=wanted, deadline=deadline)
    shown = [served_document(document, text=text) for document in page[:n]]
    return DocumentPage(shown, shown[-1].id if len(page) > n else None, _warnings(searcher))


def index_summary(name: str, searcher: Searcher) -> IndexSummary:
    info = searcher.reader.info()
    return IndexSummary(
        name=name,
        documents=info.documents,
        languages=info.languages,
        encoder=searcher.encoder.spec.name,
        version=info.version,
        warnings=_warnings(searcher),
    )


def index_detail(name: str, searcher: Searcher) -> IndexDetail:
    reader = searcher.reader
    info = reader.info()
    lexical = bool(info.settings.get(WORDS_SETTING))
    modes = (["dense"] if reader.dim else []) + (["lexical"] if lexical else [])
    modes += ["hybrid"] if len(modes) == 2 else []
    return IndexDetail(
        name=name,
        documents=info.documents,
        passages=info.passages or None,
        languages=info.languages,
        fields=dict(reader.metadata_fields()),
        encoder=searcher.encoder.spec.name,
        version=info.version,
        preset=info.preset,
        dim=reader.dim,
        modes=sorted(modes, key=lambda mode: mode != searcher.usual_mode),
        warnings=_warnings(searcher),
    )


def _warnings(searcher: Searcher) -> list[str]:
    return missing_shards(searcher.reader.missing(), what="this")
