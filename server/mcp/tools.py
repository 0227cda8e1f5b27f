"""The tools that a language model is given: search, fetch, languages. Without any library of MCP.

`search` and `fetch` have the arguments and answers that ChatGPT's connectors and deep research
expect of tools of these names; what is ours is beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field

from xret.errors import UnknownDocumentError
from xret.retriever.answer import SearchHit
from xret.retriever.languages.codes import autonym, language_name
from xret.retriever.searcher import Searcher
from xret.server.indexes.service import SearchService
from xret.types import MAX_QUERY_CHARACTERS, Document, SearchRequest

__all__ = [
    "FetchedDocument",
    "FoundDocument",
    "FoundDocuments",
    "LanguageCount",
    "SearchTools",
    "ServedLanguages",
]

MAX_RESULTS = 50
TITLE_CHARACTERS = 80

Question = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_QUERY_CHARACTERS,
        description="The question or keywords, in any language; it need not be translated.",
    ),
]
DocLangs = Annotated[
    list[str] | None,
    Field(max_length=64, description="Only documents in these languages, as codes: fr, sw, zh."),
]
QueryLang = Annotated[
    str | None,
    Field(max_length=64, description="The question's language as a code; identified if left out."),
]
Limit = Annotated[int, Field(ge=1, le=MAX_RESULTS, description="How many documents.")]
IndexChoice = Annotated[
    str | None,
    Field(max_length=128, description="One of the indexes that `languages` lists; else the first."),
]
DocumentId = Annotated[
    str, Field(min_length=1, max_length=4_096, description="The id of a document from `search`.")
]


@dataclass(frozen=True)
class FoundDocument:
    """text: the beginning of the passage that answers best. lang: BCP 47. Higher scores are
    better; they compare within one answer only."""

    id: str
    title: str
    url: str
    text: str
    lang: str
    score: float


@dataclass(frozen=True)
class FoundDocuments:
    """Best first. query_lang: the language that the question was taken for."""

    results: list[FoundDocument]
    query_lang: str
    warnings: list[str]


@dataclass(frozen=True)
class FetchedDocument:
    """A whole document. metadata: its language, its date if it has one, and its own fields."""

    id: str
    title: str
    text: str
    url: str
    metadata: dict[str, Any]


@dataclass(frozen=True)
class LanguageCount:
    """How many documents of an index are in a language, with its names in English and in itself."""

    index: str
    lang: str
    name: str
    autonym: str
    documents: int


@dataclass(frozen=True)
class ServedLanguages:
    """indexes: that can be searched; the first is searched where none is named."""

    indexes: list[str]
    languages: list[LanguageCount]


class SearchTools:
    """The served indices, asked as `/v1/search` asks them and within the same limits."""

    def __init__(self, service: SearchService) -> None:
        self._service = service

    async def search(
        self,
        query: Question,
        lang: QueryLang = None,
        doc_lang: DocLangs = None,
        limit: Limit = 10,
        index: IndexChoice = None,
    ) -> FoundDocuments:
        """Search documents in many languages with a question in any language.

        Documents are found by meaning across languages: a question in English finds documents
        in Swahili, Arabic or Chinese. Use `fetch` with a result's id to read the whole text.
        """
        request = SearchRequest(query, lang, limit, doc_langs=doc_lang or None)
        answer = await self._service.search(request, index=index)
        results = [_found(hit, answer.index) for hit in answer.hits]
        return FoundDocuments(results, answer.query.lang, answer.warnings)

    async def fetch(self, id: DocumentId, index: IndexChoice = None) -> FetchedDocument:
        """Read the whole text of a document that `search` has found, by its id."""

        def read(searcher: Searcher) -> tuple[str, Document]:
            documents = searcher.reader.documents([id])
            if not documents:
                raise UnknownDocumentError("the index has no document of that id")
            return searcher.name, documents[0]

        name, document = await self._service.apply(read, index=index, light=True)
        metadata = {**document.meta, "lang": document.lang}
        if document.date:
            metadata["date"] = document.date
        return FetchedDocument(
            id=document.doc_id,
            title=document.title or _opening(document.text),
            text=document.text,
            url=document.url or _address(name, document.doc_id),
            metadata=metadata,
        )

    async def languages(self) -> ServedLanguages:
        """List the indexes that can be searched, and the languages of their documents."""
        served = await self._service.indexes()
        counts = [
            LanguageCount(one.name, lang, language_name(lang), autonym(lang), documents)
            for one in served
            for lang, documents in sorted(one.languages.items(), key=lambda item: -item[1])
        ]
        return ServedLanguages([one.name for one in served], counts)


def _found(hit: SearchHit, index: str) -> FoundDocument:
    text = hit.snippets[0].text if hit.snippets else ""
    return FoundDocument(
        id=hit.id,
        title=hit.title or _opening(text),
        url=hit.url or _address(index, hit.id),
        text=text,
        lang=hit.lang,
        score=hit.score,
    )


def _opening(text: str) -> str:
    """What a document without a title is called."""
    flat = " ".join(text[: 4 * TITLE_CHARACTERS].split())
    return flat if len(flat) <= TITLE_CHARACTERS else f"{flat[: TITLE_CHARACTERS - 1]}…"


def _address(index: str, doc_id: str) -> str:
    """To cite a document that has no address of its own."""
    return f"xret://{index}/{quote(doc_id, safe='')}"
