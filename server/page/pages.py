"""The pages: from what an address says to HTML, an error among them."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from xret.errors import IndexNotFoundError, QueryError
from xret.retriever.explaining import ExplainedDocument
from xret.retriever.searcher import SearchAnswer
from xret.server.border.limits import log_failure
from xret.server.errors import HttpError, http_error
from xret.server.indexes.documents import IndexDetail, IndexSummary, index_detail, read_document
from xret.server.indexes.service import SearchService
from xret.server.page.heat_map import alignment_view, marked_text
from xret.server.page.hits import language_tag, web_link
from xret.server.page.interface import Interface, interface_for
from xret.server.page.rendering import PageTemplates
from xret.server.page.results import ask_view, page_request, pane_view, results_view
from xret.server.page.state import PageState, known_mode

__all__ = ["Pages"]

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",  # an address holds the question
    "Vary": "Accept-Language",
}
MAX_SHOWN_FIELD = 1_000

View = Callable[[Request, PageState, Interface], Awaitable[Response]]


class Pages:
    """The pages over the served indices. marks: whether the script marks the words of hits that
    carry their scores, once those are shown, where a reader has not said."""

    def __init__(self, service: SearchService, templates: PageTemplates, *, marks: bool) -> None:
        self._service = service
        self._templates = templates
        self._marks = marks

    async def answered(self, request: Request, view: View) -> Response:
        """What a page answers, or the page that says why it cannot."""
        state = PageState.read(request.query_params)
        ui = interface_for(state.ui, request.headers.get("accept-language", ""))
        try:
            return await view(request, state, ui)
        except Exception as error:
            answer = http_error(error)
            if answer.status >= 500:
                log_failure(error, request.state.request_id)
            return self._failed(answer, state, ui)

    async def search(self, _: Request, state: PageState, ui: Interface) -> Response:
        """The start page, or what was found."""
        summaries = await self._service.indexes()
        names = [summary.name for summary in summaries]
        if not names:
            raise IndexNotFoundError("this key is for no index that is served")
        detail = await self._detail(state.index or names[0])
        if not state.q:
            ask = ask_view(state, ui, detail=detail, names=names)
            return self._page("start.html", ui, state, ask=ask, **_holdings(detail, ui))
        answer = await self._service.search(page_request(state, detail), index=detail.name)
        if state.compared:
            return await self._compared(answer, state, ui, detail=detail, summaries=summaries)
        ask = ask_view(state, ui, detail=detail, names=names, answer=answer)
        found = results_view(answer, state, ui, detail)
        return self._found(ui, state, ask=ask, found=found, panes=[])

    async def document(self, request: Request, state: PageState, ui: Interface) -> Response:
        """A document's whole text and, after a question, why it was found."""
        index = request.path_params["index"]
        doc_id = request.path_params.get("doc_id") or request.query_params.get("id", "")
        document = await self._service.apply(
            partial(read_document, doc_id=doc_id), index=index, light=True
        )
        explained = await self._explained(doc_id, state, index) if state.q else None
        text = document.text or ""
        facts = [
            (name, str(value)[:MAX_SHOWN_FIELD])
            for name, value in document.fields.items()
            if isinstance(value, str | int | float)
        ]
        return self._page(
            "document.html",
            ui,
            state,
            document=document,
            lang=language_tag(document.lang),
            own_name=ui.own_name(document.lang),
            name=ui.name(document.lang),
            source=web_link(document.url),
            facts=facts,
            index=index,
            parts=marked_text(text, explained),
            explained=explained,
            alignments=[alignment_view(one, ui) for one in explained.explanations]
            if explained is not None
            else [],
        )

    async def _explained(
        self, doc_id: str, state: PageState, index: str
    ) -> ExplainedDocument | None:
        """None where the score has no parts."""
        try:
            return await self._service.explain(
                doc_id, state.q, lang=state.lang or None, mode=state.mode or None, index=index
            )
        except QueryError:
            return None

    async def _compared(
        self,
        answer: SearchAnswer,
        state: PageState,
        ui: Interface,
        *,
        detail: IndexDetail,
        summaries: list[IndexSummary],
    ) -> Response:
        """Two lists of one question; the second is of another index, another mode, or both."""
        beside = await self._detail(state.vs_index or detail.name)
        mode = known_mode(state.mode or detail.modes[0])
        vs_mode = state.vs_mode or known_mode(mode if mode in beside.modes else beside.modes[0])
        shown = dataclasses.replace(state, index=detail.name, mode=mode)
        # As if the second had been asked first: from a document the reader comes back to both.
        turned = dataclasses.replace(
            state, index=beside.name, mode=vs_mode, vs_index=detail.name, vs_mode=mode
        )
        other = await self._service.search(page_request(turned, beside), index=beside.name)
        names = [summary.name for summary in summaries]
        ask = ask_view(state, ui, detail=detail, names=names, answer=answer)
        found = results_view(answer, state, ui, detail)
        panes = [
            pane_view(answer, other, shown, ui, index=detail.name),
            pane_view(other, answer, turned, ui, index=beside.name),
        ]
        return self._found(ui, state, ask=ask, found=found, panes=panes)

    async def _detail(self, index: str) -> IndexDetail:
        return await self._service.apply(partial(index_detail, index), index=index, light=True)

    def _found(self, ui: Interface, state: PageState, **values: Any) -> Response:
        later = self._marks and not state.marks
        marked = state.marks == "on"
        return self._page("results.html", ui, state, marked=marked, later=later, **values)

    def _failed(self, answer: HttpError, state: PageState, ui: Interface) -> Response:
        retried = {name: value for name, value in answer.headers.items() if name == "Retry-After"}
        return self._page(
            "failure.html",
            ui,
            state,
            status=answer.status,
            headers=retried,
            message=ui[_message(answer)],
            detail=answer.detail if answer.status < 500 else "",
            again=answer.status == 503,
        )

    def _page(
        self,
        template: str,
        ui: Interface,
        state: PageState,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        **values: Any,
    ) -> Response:
        html = self._templates.html(template, ui, state, **values)
        own = {**HEADERS, "Content-Language": ui.lang, **(headers or {})}
        return HTMLResponse(html, status, headers=own)


def _message(answer: HttpError) -> str:
    """The key of what people are told of an error."""
    match answer.status, answer.code:
        case _, "language":
            return "error_language"
        case 404, _:
            return "error_not_found"
        case (429, _) | (503, "overloaded") | (504, _):
            return "error_busy"
        case 503, _:
            return "error_unusable"
        case status, _ if status < 500:
            return "error_query"
        case _:
            return "error_internal"


def _holdings(detail: IndexDetail, ui: Interface) -> dict[str, Any]:
    """What an index holds, by language, most first."""
    langs = sorted(detail.languages.items(), key=lambda one: (-one[1], one[0]))
    return {
        "holds": ui.say("holds", documents=detail.documents, languages=len(langs)),
        "held": [
            (language_tag(code), ui.own_name(code), ui.name(code), ui.number(count))
            for code, count in langs
        ],
    }
