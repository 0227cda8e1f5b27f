"""What a sharded search on another machine asks of an index that is served here."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from xret.index.search.reader import IndexReader
from xret.index.sharded.calls import CallName, answered
from xret.index.sharded.local_shard import LocalShard
from xret.retriever.searcher import Searcher
from xret.server.errors import HttpError, problem_responses
from xret.server.indexes.service import SearchService
from xret.server.routes.json_body import INDEX_NAME

__all__ = ["ShardBody", "add_shards"]

MAX_IDENTITY = 128

IndexInPath = Annotated[str, Path(pattern=INDEX_NAME)]


class ShardBody(BaseModel):
    """One question to a shard: which, of which of its commits, and what it says."""

    model_config = ConfigDict(extra="forbid", strict=True)

    call: CallName
    identity: Annotated[str, Field(max_length=MAX_IDENTITY)] = ""
    asked: dict[str, Any] = {}
    timeout_ms: Annotated[float, Field(gt=0)] | None = None


def add_shards(router: APIRouter, service: SearchService) -> None:
    shards: dict[str, LocalShard] = {}  # each keeps words weighed by the last totals

    def shard_of(searcher: Searcher) -> LocalShard:
        reader = searcher.reader
        if type(reader) is not IndexReader:
            raise HttpError(
                403,
                "forbidden",
                "this index is no shard: it has shards itself, or the key sees a part of it",
            )
        known = shards.get(searcher.name)
        if known is None or known.reader is not reader:
            known = shards[searcher.name] = LocalShard(searcher.name, lambda: reader)
        return known

    @router.post(
        "/v1/shards/{name}",
        summary="What a search over several indices asks of this one",
        responses=problem_responses(400, 403, 404, 408, 413, 415, 422, 500, 503, 504),
    )
    async def shard(name: IndexInPath, body: ShardBody) -> dict[str, Any]:
        until = service.deadline(body.timeout_ms)

        def work(searcher: Searcher) -> bytes:
            answer = answered(shard_of(searcher), body.call, body.identity, body.asked, until)
            return orjson.dumps({"answer": answer})

        content = await service.apply(work, index=name, until=until)
        return Response(content, media_type="application/json")  # type: ignore[return-value]
