"""What a reader has asked for and chosen, all of it in the page's address."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args
from urllib.parse import quote, urlencode

from xret.errors import LanguageError
from xret.retriever.languages.codes import language_code
from xret.server.routes.json_body import INDEX_NAME
from xret.types import MAX_K, MAX_QUERY_CHARACTERS, UNDETERMINED, Mode

__all__ = ["PAGE_HITS", "PageState", "Parameters", "View", "document_path", "known_mode"]

PAGE_HITS = 10
"""Hits of a page of one list."""

View = Literal["languages", "list"]

MAX_CHOICES = 64
MAX_CHOICE = 1_024
MAX_FILTER = 8_192


class Parameters(Protocol):
    """Those of an address: starlette's QueryParams."""

    def getlist(self, key: Any) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class PageState:
    """What an address says. An unknown or malformed part of it counts as left out.

    q: the question, "" before there is one. lang: its language, "" to have it identified.
    index, mode: "" for the server's first and the index's own. doc_lang, facet: what the
    reader narrowed down to, the latter as (field, value). filter: a line of text. view: hits
    by language, or one list, whose page is `page`, from 1. group: the language whose hits are
    listed alone, in the order that they have among those of all. marks: whether the words that
    matter are marked, "" for what the server has the script do. vs_index, vs_mode: of the second
    pane, "" for those of the first; none where both are. ui: language of the interface.
    """

    q: str = ""
    lang: str = ""
    index: str = ""
    mode: Mode | Literal[""] = ""
    doc_lang: tuple[str, ...] = ()
    facet: tuple[tuple[str, str], ...] = ()
    filter: str = ""
    view: View = "languages"
    group: str = ""
    marks: Literal["", "on", "off"] = ""
    page: int = 1
    vs_index: str = ""
    vs_mode: Mode | Literal[""] = ""
    ui: str = ""

    @classmethod
    def read(cls, parameters: Parameters) -> PageState:
        def last(name: str) -> str:
            values = parameters.getlist(name)
            return str(values[-1]) if values else ""

        return cls(
            q=_readable(last("q")).strip()[:MAX_QUERY_CHARACTERS],
            lang=_language(last("lang")).replace(UNDETERMINED, ""),
            index=_index(last("index")),
            mode=known_mode(last("mode")),
            doc_lang=_languages(parameters.getlist("doc_lang")),
            facet=tuple(
                (name, value)
                for name, _, value in (
                    line.partition(":") for line in _lines(parameters.getlist("facet"), MAX_CHOICE)
                )
                if name and value
            ),
            filter=_readable(last("filter")).strip()[:MAX_FILTER],
            view="list" if last("view") == "list" else "languages",
            group=_language(last("group")),
            marks=_switch(last("marks")),
            page=_page(last("page")),
            vs_index=_index(last("vs_index")),
            vs_mode=known_mode(last("vs_mode")),
            ui=_line(last("ui"), 8),
        )

    @property
    def compared(self) -> bool:
        return bool(self.vs_index or self.vs_mode)

    @property
    def narrowed(self) -> bool:
        return bool(self.doc_lang or self.facet or self.filter)

    def fields(self, **changes: Any) -> list[tuple[str, str]]:
        """The parameters of this state with changes, without those at their defaults."""
        state = dataclasses.replace(self, **changes)
        pairs: list[tuple[str, str]] = []
        for one in dataclasses.fields(state):
            value = getattr(state, one.name)
            if value == one.default:
                continue
            if one.name == "facet":
                pairs += [("facet", f"{name}:{chosen}") for name, chosen in value]
            elif isinstance(value, tuple):
                pairs += [(one.name, chosen) for chosen in value]
            else:
                pairs.append((one.name, str(value)))
        return pairs

    def link(self, **changes: Any) -> str:
        """The address of this state with changes; a change of anything but the page goes
        back to the first page."""
        if changes.keys() - {"page", "ui"}:
            changes.setdefault("page", 1)
        if "view" in changes:
            changes.setdefault("group", "")
        pairs = self.fields(**changes)
        return f"/?{urlencode(pairs)}" if pairs else "/"

    def document_link(self, index: str, doc_id: str, **changes: Any) -> str:
        """The address of a document's page, which leads back here."""
        path, pairs = document_path(index, doc_id)
        pairs += self.fields(**changes)
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def toggled(self, field: str, value: str) -> dict[str, Any]:
        """The change that chooses a value of a facet, or takes the choice away."""
        if field == "lang":
            return {"doc_lang": _toggled(self.doc_lang, value)}
        return {"facet": _toggled(self.facet, (field, value))}

    def has(self, field: str, value: str) -> bool:
        return value in self.doc_lang if field == "lang" else (field, value) in self.facet

    def wanted(self) -> Mapping[str, Any] | str | None:
        """The filter of facets chosen and of the reader's own line: values of one field are
        alternatives, fields must all be fulfilled."""
        own: list[Mapping[str, Any]] = []
        for field in dict.fromkeys(name for name, _ in self.facet):
            values = [value for name, value in self.facet if name == field]
            own.append(_one_of(field, values))
        if not own:
            return self.filter or None
        if self.filter:
            from xret.index.search.filter_text import parse_text

            own.append(parse_text(self.filter))
        return {"operator": "AND", "conditions": own}


def document_path(index: str, doc_id: str) -> tuple[str, list[tuple[str, str]]]:
    """The path of a document's page and the parameters that it needs.

    An id that a browser would not leave alone in a path (`..`, empty parts) is a parameter.
    """
    if any(part in ("", ".", "..") for part in doc_id.split("/")):
        return f"/documents/{index}", [("id", doc_id)]
    return f"/documents/{index}/{quote(doc_id, safe='/')}", []


def _one_of(field: str, values: list[str]) -> Mapping[str, Any]:
    """That a field has one of some values, which an address holds as text only."""
    if field == "date":
        years = [{"field": "date", "operator": "==", "value": value} for value in values]
        return years[0] if len(years) == 1 else {"operator": "OR", "conditions": years}
    kinds = [kind for value in values for kind in _kinds(value)]
    return {"field": f"meta.{field}", "operator": "in", "value": kinds}


def _kinds(value: str) -> Iterator[str | int | float | bool]:
    """What a value may have been before it was text."""
    yield value
    if value in ("True", "False"):
        yield value == "True"
    elif re.fullmatch(r"-?\d{1,15}", value):
        yield int(value)
    elif re.fullmatch(r"-?\d{1,15}\.\d{1,15}", value):
        yield float(value)


def _toggled(chosen: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    kept = tuple(one for one in chosen if one != value)
    return kept if len(kept) < len(chosen) else (*chosen, value)


def _readable(text: str) -> str:
    """Text without what no text has: lone surrogates, and control characters but white space."""
    return "".join(c for c in text if c.isspace() or (c >= " " and not "\ud800" <= c <= "\udfff"))


def _line(text: str, most: int) -> str:
    return text if len(text) <= most and text.isprintable() else ""


def _lines(values: list[Any], most: int) -> list[str]:
    lines = [_line(str(value), most) for value in values[:MAX_CHOICES]]
    return [*dict.fromkeys(line for line in lines if line)]


def _language(text: str) -> str:
    """The code of a language, UNDETERMINED where that is said, "" for what is none."""
    try:
        code = language_code(_line(text, 64))
    except LanguageError:
        return ""
    return code if code != UNDETERMINED or text == UNDETERMINED else ""


def _languages(values: list[Any]) -> tuple[str, ...]:
    codes = [_language(str(value)) for value in values[:MAX_CHOICES]]
    return tuple(dict.fromkeys(filter(None, codes)))


def _index(text: str) -> str:
    return text if re.fullmatch(INDEX_NAME, text) else ""


def known_mode(text: str) -> Mode | Literal[""]:
    """A mode by its name, "" for what is none."""
    modes: tuple[Mode, ...] = get_args(Mode)
    return next((mode for mode in modes if mode == text), "")


def _switch(text: str) -> Literal["", "on", "off"]:
    return "on" if text == "on" else "off" if text == "off" else ""


def _page(text: str) -> int:
    number = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 1
    return min(max(number, 1), MAX_K // PAGE_HITS)
