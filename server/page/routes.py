"""The addresses of the page: the search, a document, and what both are made with."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from xret.server.indexes.service import SearchService
from xret.server.page.assets import read_assets
from xret.server.page.pages import Pages
from xret.server.page.rendering import PageTemplates

__all__ = ["create_page"]

FOREVER = "public, max-age=31536000, immutable"
METHODS = ["GET", "HEAD"]


def create_page(service: SearchService, *, marks: bool) -> APIRouter:
    """Every address of the page; none of them is in the API's description. marks: see Pages."""
    router = APIRouter(include_in_schema=False)
    assets = read_assets()
    by_path = {one.path: one for one in assets.values()}
    pages = Pages(service, PageTemplates(assets), marks=marks)

    @router.api_route("/", methods=METHODS)
    async def search(request: Request) -> Response:
        return await pages.answered(request, pages.search)

    @router.api_route("/documents/{index}", methods=METHODS)
    @router.api_route("/documents/{index}/{doc_id:path}", methods=METHODS)
    async def document(request: Request) -> Response:
        return await pages.answered(request, pages.document)

    @router.api_route("/static/{name}", methods=METHODS)
    async def asset(request: Request) -> Response:
        one = by_path.get(request.url.path)
        if one is None:
            return Response(status_code=404)
        return Response(one.content, media_type=one.media_type, headers={"Cache-Control": FOREVER})

    return router
