"""The models and the languages that are served."""

from __future__ import annotations

import dataclasses
from typing import Literal

from fastapi import APIRouter

from xret.retriever.languages.codes import autonym, direction, language_name
from xret.server.errors import problem_responses
from xret.server.indexes.service import SearchService

__all__ = ["Languages", "Models", "add_languages"]


@dataclasses.dataclass(frozen=True, slots=True)
class ServedLanguage:
    """A language of documents. lang: BCP 47. indexes: how many each index has."""

    lang: str
    name: str
    autonym: str
    dir: str
    documents: int
    indexes: dict[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Languages:
    """Those with most documents first."""

    languages: list[ServedLanguage]


@dataclasses.dataclass(frozen=True, slots=True)
class ServedModel:
    """languages: those it was trained on, none where that is not known. dim: of its vectors."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    kind: Literal["encoder", "reranker"]
    dim: int
    languages: list[str]
    indexes: list[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Models:
    """In the form of OpenAI's list, which its clients read."""

    object: Literal["list"]
    data: list[ServedModel]


def add_languages(router: APIRouter, service: SearchService) -> None:
    refusals = problem_responses(500, 503)

    @router.get("/v1/languages", summary="The languages of the documents", responses=refusals)
    async def languages() -> Languages:
        counts: dict[str, dict[str, int]] = {}
        for row in await service.indexes():
            for lang, count in row.languages.items():
                counts.setdefault(lang, {})[row.name] = count
        served = [
            ServedLanguage(
                lang, language_name(lang), autonym(lang), direction(lang), sum(own.values()), own
            )
            for lang, own in counts.items()
        ]
        return Languages(sorted(served, key=lambda one: (-one.documents, one.lang)))

    @router.get("/v1/models", summary="The models that are served", responses=refusals)
    async def models() -> Models:
        data: dict[str, ServedModel] = {}
        for index, served in service.visible().items():
            spec = served.searcher.encoder.spec
            known = data.setdefault(
                spec.name,
                ServedModel(
                    id=spec.name,
                    object="model",
                    created=0,
                    owned_by="xret",
                    kind="encoder",
                    dim=spec.dim,
                    languages=sorted(spec.languages),
                    indexes=[],
                ),
            )
            known.indexes.append(index)
        own = service.settings.rerank
        if own is not None:
            name = own.partition("@")[0]
            data.setdefault(
                name,
                ServedModel(name, "model", 0, "xret", "reranker", 0, [], [*service.visible()]),
            )
        return Models("list", [*data.values()])
