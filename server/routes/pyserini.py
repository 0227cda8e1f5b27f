"""`/v1/{index}/search` and `/v1/{index}/doc/{id}`, as servers of Pyserini and Anserini answer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from xret.retriever.answer import SearchHit
from xret.server.errors import HttpError
from xret.server.indexes.documents import read_document
from xret.server.indexes.service import SearchService
from xret.server.routes.explain import MAX_ID_CHARACTERS
from xret.server.routes.json_body import LanguageName
from xret.server.routes.texts_body import json_answer, plain_responses
from xret.types import MAX_QUERY_CHARACTERS, SearchRequest

__all__ = ["DocumentLook", "PyseriniLink", "add_pyserini"]

MAX_HITS = 1_000
"""What a run file of TREC has for a query."""


class DocumentLook(BaseModel):
    """How a document is sent: parsed, or as a line of JSON; its text to a length."""

    model_config = ConfigDict(extra="ignore")

    parse: bool = True
    max_doc_length: Annotated[int, Field(ge=1)] | None = None

    def look(self, doc_id: str, text: str, facts: Mapping[str, Any]) -> Any:
        """A document's fields, its text as `contents`."""
        fields = _known(facts)
        if not self.parse:
            raw = {**fields, "id": doc_id, "contents": text}
            return orjson.dumps(raw, default=str).decode()
        return {**fields, "contents": text[: self.max_doc_length]}

    def check(self) -> None:
        if self.max_doc_length is not None and not self.parse:
            raise HttpError(422, "invalid_request", "max_doc_length requires parse=true")


class PyseriniLink(DocumentLook):
    """A search. k1 and b belong to other models than ours and are refused; `query_lang` and
    `doc_lang` are ours."""

    query: Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARACTERS)]
    hits: Annotated[int, Field(ge=1, le=MAX_HITS)] = 10
    k1: str | None = None
    b: str | None = None
    query_lang: LanguageName | None = None
    doc_lang: Annotated[list[LanguageName], Field(min_length=1, max_length=64)] | None = None


class _Candidate(BaseModel):
    docid: str
    score: float
    rank: int
    doc: dict[str, Any] | str | None


class _Candidates(BaseModel):
    api: str
    index: str
    query: dict[str, str]
    candidates: list[_Candidate]


class _Document(BaseModel):
    api: str
    index: str
    docid: str
    doc: dict[str, Any] | str


IndexSegment = Annotated[str, Path(min_length=1, max_length=128)]
IdSegment = Annotated[str, Path(min_length=1, max_length=MAX_ID_CHARACTERS)]


def add_pyserini(router: APIRouter, service: SearchService) -> None:
    @router.get(
        "/v1/{index}/search",
        summary="Search an index, as Pyserini's REST server is asked",
        response_model=_Candidates,
        responses=plain_responses(),
    )
    async def search_by_pyserini(
        index: IndexSegment, asked: Annotated[PyseriniLink, Query()]
    ) -> Response:
        asked.check()
        if asked.k1 is not None or asked.b is not None:
            detail = "k1 and b apply only to Lucene's indexes; leave them out"
            raise HttpError(422, "invalid_request", detail)
        request = SearchRequest(
            asked.query, asked.query_lang, asked.hits, doc_langs=asked.doc_lang, full_text=True
        )
        answer = await service.search(request, index=index)
        candidates = [
            {
                "docid": hit.id,
                "score": hit.score,
                "rank": hit.rank,
                "doc": asked.look(hit.id, hit.text or "", _facts(hit)),
            }
            for hit in answer.hits
        ]
        query = {"text": asked.query}
        return json_answer({"api": "v1", "index": index, "query": query, "candidates": candidates})

    @router.get(
        "/v1/{index}/doc/{docid:path}",
        summary="A document, as Pyserini's REST server is asked for it",
        response_model=_Document,
        responses=plain_responses(),
    )
    async def document_by_pyserini(
        index: IndexSegment, docid: IdSegment, asked: Annotated[DocumentLook, Query()]
    ) -> Response:
        asked.check()
        found = await service.apply(partial(read_document, doc_id=docid), index=index, light=True)
        facts = {"title": found.title, "lang": found.lang, "url": found.url, "date": found.date}
        doc = asked.look(docid, found.text or "", {**found.fields, **_known(facts)})
        return json_answer({"api": "v1", "index": index, "docid": docid, "doc": doc})


def _facts(hit: SearchHit) -> dict[str, Any]:
    return hit.fields | _known({"title": hit.title, "lang": hit.lang, "url": hit.url})


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Those that a document has; they stand before metadata of the same names."""
    return {name: value for name, value in facts.items() if value not in (None, "")}
