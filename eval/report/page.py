"""The page: one HTML file that needs nothing else and may fetch nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from xret.eval.evaluation import Evaluation
from xret.eval.report.colours import custom_properties
from xret.eval.report.markup import Markup, element, join, literal
from xret.eval.report.sections import sections
from xret.eval.report.text import language_label, shown

__all__ = ["MAX_BYTES", "drawing_style", "html_page", "page", "standing_alone", "themed_style"]

MAX_BYTES = 1_000_000


def page(evaluation: Evaluation) -> str:
    """The report as HTML, at most MAX_BYTES in UTF-8: beyond that the maps of all measures but
    the first, the tables behind drawings and texts of strangers give way, in that order."""
    html = ""
    for depth in range(3):
        html = _page(evaluation, depth)
        if len(html.encode("utf-8")) <= MAX_BYTES:
            break
    return html


def drawing_style() -> str:
    """The style of a drawing that stands alone: on white paper, colours by value."""
    colours = custom_properties("light") | {"page": "#ffffff"}
    return re.sub(r"var\(--([\w-]+)\)", lambda name: colours[name[1]], _read("chart.css"))


def themed_style() -> str:
    """The style of a drawing that stands alone and follows the theme of who looks at it."""
    light, dark = (
        "".join(f"--{key}:{colour};" for key, colour in custom_properties(name).items())
        for name in ("light", "dark")
    )
    dark = f"@media (prefers-color-scheme:dark){{svg.chart{{{dark}}}}}"
    return f"svg.chart{{{light}}}{dark}\n{_read('chart.css')}"


def standing_alone(svg: Markup, style: str) -> str:
    """A drawing with its style inside, for any program that reads SVG."""
    opening, _, rest = svg.partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{opening}>\n<style>{style}</style>{rest}\n'


def page_style() -> str:
    """The whole style sheet: the colours of both themes, the page and the drawings."""
    themes = {
        name: "".join(f"--{key}:{colour};" for key, colour in custom_properties(name).items())
        for name in ("light", "dark")
    }
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{themes['dark']}}}}}"
    return f":root{{{themes['light']}}}\n{dark}\n{_read('page.css')}{_read('chart.css')}"


def _page(evaluation: Evaluation, depth: int) -> str:
    found = sections(evaluation, depth=depth)
    title = f"{shown(evaluation.title, limit=160)}: retrieval across languages"
    links = [
        element("li", element("a", literal(title), href=f"#{anchor}")) for anchor, title, _ in found
    ]
    body = join(
        [
            element("a", literal("Skip to the results"), href="#main", class_="skip"),
            _header(evaluation),
            element("nav", element("ul", join(links)), aria_label="Parts of the report"),
            element("main", join([content for _, _, content in found], "\n"), id="main"),
            element(
                "footer",
                element(
                    "p",
                    literal(
                        f"Made by xret {evaluation.environment.xret}, "
                        f"{evaluation.environment.started}."
                    ),
                ),
            ),
        ],
        "\n",
    )
    return html_page(title, body, generator=f"xret {evaluation.environment.xret}")


def html_page(title: str, body: Markup, *, generator: str) -> str:
    """A page in the house's style that needs nothing else and may fetch nothing."""
    style = page_style()
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = join(
        [
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=policy),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("meta", name="generator", content=generator),
            element("title", literal(title)),
            element("style", Markup(style)),
        ],
        "\n",
    )
    html = element("html", join([element("head", head), element("body", body)], "\n"), lang="en")
    return f"<!doctype html>\n{html}\n"


def _header(evaluation: Evaluation) -> Markup:
    corpus, environment = evaluation.corpus, evaluation.environment
    n_systems = len(evaluation.systems)
    pairs = [
        ("documents", "" if corpus.documents is None else f"{corpus.documents:,}"),
        ("of the documents", _languages(evaluation.doc_langs)),
        ("judged queries", f"{corpus.judged:,}"),
        ("of the queries", _languages(evaluation.query_langs)),
        ("systems" if n_systems != 1 else "system", f"{n_systems:,}"),
        ("measured", environment.started[:10]),
    ]
    facts = [
        element("div", join([element("dt", literal(name)), element("dd", literal(value))]))
        for name, value in pairs
        if value
    ]
    return element(
        "header",
        join(
            [
                element("p", literal("Retrieval across languages"), class_="kicker"),
                element("h1", element("bdi", literal(shown(evaluation.title, limit=160)))),
                element("dl", join(facts), class_="facts"),
            ]
        ),
    )


def _languages(langs: tuple[str, ...]) -> str:
    if len(langs) == 1:
        return language_label(langs[0])
    return f"{len(langs):,} languages" if langs else ""


def _read(name: str) -> str:
    return files("xret.eval.report").joinpath(name).read_text(encoding="utf-8")
