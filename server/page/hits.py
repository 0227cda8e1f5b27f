"""Hits as they are shown: titles and snippets in their own language, words marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from xret.retriever.searcher import SearchHit
from xret.server.page.interface import Interface
from xret.server.page.state import PageState
from xret.types import UNDETERMINED

__all__ = ["HitView", "Marked", "hit_views", "language_tag", "marked_parts", "web_link"]

SHOWN_ID = 60


@dataclass(frozen=True, slots=True)
class Marked:
    """A stretch of a text. level: 0 for one that is not marked, else 1 to 3 by its weight."""

    text: str
    level: int = 0


@dataclass(frozen=True, slots=True)
class HitView:
    """elsewhere: what the other of two lists has of the same document, "" where there is one
    list. source: a link to where the document is from, with the name of its host."""

    id: str
    rank: str
    score: str
    lang: str
    dir: str
    language: str
    title: str
    titled: bool
    parts: list[Marked]
    link: str
    source: tuple[str, str] | None
    date: str
    elsewhere: str = ""
    shared: bool = False


def hit_views(
    hits: Iterable[SearchHit],
    state: PageState,
    ui: Interface,
    *,
    index: str,
    others: Mapping[str, int] | None = None,
) -> list[HitView]:
    """others: the ranks that documents have in the other list, None where there is none."""
    views = []
    for hit in hits:
        snippet = hit.snippets[0]
        elsewhere = ""
        if others is not None:
            there = others.get(hit.id)
            elsewhere = ui["only_here"] if there is None else ui.say("rank_there", rank=there)
        views.append(
            HitView(
                id=hit.id,
                rank=ui.say("rank", rank=hit.rank),
                score=ui.say("score", score=ui.number(hit.score, 2)),
                lang=language_tag(hit.lang),
                dir=hit.dir,
                language=ui.own_name(hit.lang),
                title=hit.title or hit.id[:SHOWN_ID],
                titled=bool(hit.title),
                parts=marked_parts(snippet.text, snippet.spans),
                link=state.document_link(index, hit.id),
                source=web_link(hit.url),
                date=str(hit.fields.get("date", "")),
                elsewhere=elsewhere,
                shared=others is not None and hit.id in others,
            )
        )
    return views


def marked_parts(text: str, spans: Sequence[tuple[int, int, float]]) -> list[Marked]:
    """A text cut at its marks, each on one of three levels by its share of the largest."""
    largest = max((weight for _, _, weight in spans), default=0.0)
    parts: list[Marked] = []
    at = 0
    for start, end, weight in spans:
        if start < at or weight <= 0:
            continue
        if start > at:
            parts.append(Marked(text[at:start]))
        parts.append(Marked(text[start:end], 1 + min(int(weight / largest * 3), 2)))
        at = end
    return [*parts, Marked(text[at:])] if at < len(text) or not parts else parts


def language_tag(code: str) -> str:
    """For a `lang` attribute, which is empty where the language is not known."""
    return "" if code == UNDETERMINED else code


def web_link(url: str | None) -> tuple[str, str] | None:
    """An address and its host; None for what is no address of the web, such as a script."""
    if not url:
        return None
    try:
        split = urlsplit(url)
    except ValueError:
        return None
    if split.scheme not in ("http", "https") or not split.hostname:
        return None
    return url, split.hostname.removeprefix("www.")
