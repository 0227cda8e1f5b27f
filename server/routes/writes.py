"""Documents added, replaced and deleted: each change is a task, done after the reply."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from xret.errors import CorpusError, LanguageError
from xret.retriever.indexing import check_document
from xret.retriever.languages.codes import language_code
from xret.server.errors import HttpError, problem_responses
from xret.server.indexes.service import SearchService
from xret.server.indexes.tasks import TaskKind, WriteTask
from xret.server.indexes.writing import IndexWrites
from xret.server.routes.explain import MAX_ID_CHARACTERS
from xret.server.routes.indexes import DocumentInPath, IndexInPath
from xret.server.routes.json_body import LanguageName
from xret.types import UNDETERMINED, Document

__all__ = ["DeleteBody", "DocumentsBody", "add_writes"]

MAX_CHANGED = 10_000
TASK_ID = r"^[0-9a-f]{24}$"

DocumentId = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]


class DocumentBody(BaseModel):
    """A document; its language is identified where it is left out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[DocumentId, Field(pattern=r"^[^\r\n]+$")]
    text: str
    title: str = ""
    lang: LanguageName | None = None
    url: Annotated[str, Field(max_length=MAX_ID_CHARACTERS)] | None = None
    date: Annotated[str, Field(max_length=64)] | None = None
    fields: dict[str, Any] = {}

    def stored(self, number: int) -> Mapping[str, Any]:
        """The document as its task keeps it. Raises HttpError for one that no index takes."""
        try:
            lang = UNDETERMINED if self.lang is None else language_code(self.lang)
            document = Document(
                self.id, self.text, lang, self.title, self.url, self.date, self.fields
            )
            if self.lang is None:  # else the same document would look changed once it is told
                document = dataclasses.replace(document, lang_source="unknown")
            check_document(document)
        except LanguageError as error:
            detail = f"the language of document {number} is none; use a code such as fr or sw"
            raise HttpError(422, error.code, detail) from None
        except CorpusError as error:
            raise HttpError(422, error.code, f"document {number} cannot be read as one") from None
        return dataclasses.asdict(document)


class DocumentsBody(BaseModel):
    """on_duplicate: whether a document takes the place of another of its id, or the change fails;
    one that is there just so is left as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    documents: Annotated[list[DocumentBody], Field(min_length=1, max_length=MAX_CHANGED)]
    on_duplicate: Literal["replace", "fail"] = "replace"


class DeleteBody(BaseModel):
    """Ids of documents; those that are not there are passed over."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ids: Annotated[list[DocumentId], Field(min_length=1, max_length=MAX_CHANGED)]


@dataclasses.dataclass(frozen=True, slots=True)
class Tasks:
    """The newest first."""

    tasks: list[WriteTask]


def add_writes(router: APIRouter, service: SearchService, writes: IndexWrites) -> None:
    refusals = problem_responses(400, 401, 403, 404, 408, 413, 415, 422, 500, 503)

    async def taken(
        index: str, kind: TaskKind, content: list[Any], response: Response
    ) -> WriteTask:
        if service.settings.keys is None:
            raise HttpError(
                403,
                "forbidden",
                "documents are changed with a key that may write, and this server asks for no "
                "keys; make one: xret key add --scope write",
            )
        task = await writes.submit(service.named(index), kind, content)
        response.headers["Location"] = f"/v1/tasks/{task.id}"
        return task

    @router.post(
        "/v1/indexes/{name}/documents",
        summary="Add or replace documents",
        status_code=202,
        responses=refusals,
    )
    async def put(name: IndexInPath, asked: DocumentsBody, response: Response) -> WriteTask:
        content = [one.stored(number) for number, one in enumerate(asked.documents)]
        kind: TaskKind = "replace" if asked.on_duplicate == "replace" else "add"
        return await taken(name, kind, content, response)

    @router.post(
        "/v1/indexes/{name}/deletions",
        summary="Delete documents",
        status_code=202,
        responses=refusals,
    )
    async def delete(name: IndexInPath, asked: DeleteBody, response: Response) -> WriteTask:
        return await taken(name, "delete", [*asked.ids], response)

    @router.delete(
        "/v1/indexes/{name}/documents/{doc_id:path}",
        summary="Delete a document",
        status_code=202,
        responses=refusals,
    )
    async def delete_one(
        name: IndexInPath, doc_id: DocumentInPath, response: Response
    ) -> WriteTask:
        return await taken(name, "delete", [doc_id], response)

    @router.get("/v1/tasks", summary="Changes of documents", responses=refusals)
    async def tasks(limit: Annotated[int, Query(ge=1, le=1_000)] = 20) -> Tasks:
        return Tasks(writes.tasks(limit))

    @router.get("/v1/tasks/{task_id}", summary="How far a change is", responses=refusals)
    async def task(task_id: str) -> WriteTask:
        return writes.task(task_id)
