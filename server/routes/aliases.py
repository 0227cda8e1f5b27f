"""Aliases of indices: listed, set to another index at once, and removed."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict

from xret.errors import ServerError
from xret.server.errors import HttpError, problem_responses
from xret.server.indexes.service import SearchService
from xret.server.routes.json_body import INDEX_NAME, IndexName

__all__ = ["Alias", "AliasBody", "ListedAliases", "add_aliases"]

AliasInPath = Annotated[str, Path(pattern=INDEX_NAME)]


class AliasBody(BaseModel):
    """index: the one that the alias means from now on, by its own name."""

    model_config = ConfigDict(extra="forbid", strict=True)

    index: IndexName


@dataclasses.dataclass(frozen=True, slots=True)
class Alias:
    alias: str
    index: str


@dataclasses.dataclass(frozen=True, slots=True)
class ListedAliases:
    """In the order of their names."""

    aliases: list[Alias]


def add_aliases(router: APIRouter, service: SearchService) -> None:
    refusals = problem_responses(400, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503)

    def check_keys() -> None:
        if service.settings.keys is None:
            raise HttpError(
                403,
                "forbidden",
                "aliases are set with an admin key, and this server asks for no keys; make one: "
                "xret key add --scope admin",
            )

    @router.get("/v1/aliases", summary="Second names of indices", responses=refusals)
    async def aliases() -> ListedAliases:
        return ListedAliases([Alias(*pair) for pair in service.aliases().items()])

    @router.put("/v1/aliases/{alias}", summary="Let an alias mean an index", responses=refusals)
    async def put(alias: AliasInPath, asked: AliasBody) -> Alias:
        check_keys()
        service.check_alias(alias)
        index = service.named(asked.index)
        try:
            await anyio.to_thread.run_sync(service.known_aliases.set, alias, index)
        except ServerError as error:
            raise HttpError(409, error.code, str(error)) from None
        return Alias(alias, index)

    @router.delete("/v1/aliases/{alias}", summary="Remove an alias", responses=refusals)
    async def remove(alias: AliasInPath) -> ListedAliases:
        check_keys()
        service.check_alias(alias)
        if not await anyio.to_thread.run_sync(service.known_aliases.remove, alias):
            raise HttpError(404, "not_found", "there is no such alias; GET /v1/aliases lists them")
        return await aliases()
