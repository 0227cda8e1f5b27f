"""An explanation as a page: the passage with its words marked, heat maps, and both as tables."""

from __future__ import annotations

from xret import __version__
from xret.eval.report.alignment_map import (
    METHODS,
    alignment_chart,
    score_sentence,
    word_label,
)
from xret.eval.report.elements import figure, html_table, paragraph, section
from xret.eval.report.markup import Markup, element, join, literal
from xret.eval.report.page import html_page, standing_alone, themed_style
from xret.eval.report.table import Cell, Table
from xret.eval.report.text import MISSING, decimal, language_label, shown, text_direction
from xret.retriever.alignment import HEAT_STEPS, percent, score_share
from xret.retriever.explaining import ExplainedDocument
from xret.retriever.explanation import ExplainedWord, Explanation
from xret.types import UNDETERMINED

__all__ = ["explanation_page", "explanation_svg"]

STAGES = {
    "dense": "by vectors",
    "lexical": "by words",
    "first": "the list",
    "rerank": "the reranker",
    "final": "the list after the reranker",
}
MAX_PAIRS = 60
"""Pairs of words that a table lists."""


def explanation_svg(found: ExplainedDocument) -> str:
    """The heat map of the first explanation as a file, light or dark as its reader's screen is."""
    chart = alignment_chart(
        found.explanations[0], key="alignment", query=found.query.text, doc_id=found.id
    )
    return standing_alone(chart.svg, themed_style())


def explanation_page(found: ExplainedDocument) -> str:
    """Everything as one HTML file that fetches nothing."""
    title = f"{shown(found.query.text, limit=120)}: {shown(found.id, limit=80)}"
    parts = [_header(found)]
    warnings = [element("li", literal(warning)) for warning in found.warnings]
    if warnings:
        parts.append(element("div", element("ul", join(warnings)), class_="notice"))
    for number, explanation in enumerate(found.explanations):
        parts.append(_section(found, explanation, number))
    if found.stages:
        parts.append(section("Stages", "stages", [_stage_table(found)]))
    body = element("main", join(parts, "\n"), id="main")
    return html_page(title, body, generator=f"xret {__version__}")


def _header(found: ExplainedDocument) -> Markup:
    facts = [
        ("question", language_label(found.query.lang)),
        ("document", language_label(found.lang)),
        ("index", found.index),
        ("encoder", found.model),
    ]
    listed = [
        element("div", join([element("dt", literal(name)), element("dd", literal(shown(value)))]))
        for name, value in facts
    ]
    question = element("bdi", literal(shown(found.query.text)), **_language(found.query.lang))
    document = element("bdi", literal(shown(found.title or found.id)), **_language(found.lang))
    return element(
        "header",
        join(
            [
                element("p", literal("Why a document scores what it does"), class_="kicker"),
                element("h1", question),
                element("p", join([literal("against "), document, literal(f" ({found.id})")])),
                element("dl", join(listed), class_="facts"),
            ]
        ),
    )


def _section(found: ExplainedDocument, explanation: Explanation, number: int) -> Markup:
    name = METHODS[explanation.method]
    title, anchor = name[0].upper() + name[1:], f"method-{number}"
    if not explanation.pairs:
        return section(title, anchor, [paragraph("None of the question's words is there.")])
    chart = alignment_chart(
        explanation, key=f"alignment-{number}", query=found.query.text, doc_id=found.id
    )
    return section(
        title,
        anchor,
        [
            paragraph(score_sentence(explanation)),
            _passage(found, explanation),
            figure(chart, alternative=_pair_table(explanation), wide=True),
            _word_table(explanation),
        ],
    )


def _stage_table(found: ExplainedDocument) -> Markup:
    """The document's score and rank at each stage of the search."""
    rows = tuple(
        (STAGES.get(name, name), decimal(one.score, 4), f"{one.rank:,}")
        for name, one in found.stages.items()
    )
    return html_table(Table("Its place at each stage", ("stage", "score", "rank"), "lrr", rows))


def _passage(found: ExplainedDocument, explanation: Explanation) -> Markup:
    """The text with each word that carries something on the colour of its share."""
    largest = max((word.contribution for word in explanation.document), default=0.0) or 1.0
    text, start = found.text, found.passage.start
    parts: list[Markup] = []
    end = 0
    for word in explanation.document:
        first, last = word.start - start, word.end - start
        if word.part != "text" or word.contribution <= 0 or not end <= first < last <= len(text):
            continue
        level = min(int(word.contribution / largest * (HEAT_STEPS - 1)) + 1, HEAT_STEPS - 1)
        share = percent(word.contribution / explanation.score) if explanation.score else MISSING
        parts.append(literal(text[end:first]))
        words = literal(text[first:last])
        parts.append(element("mark", words, class_=f"h{level}", title=f"{share} % of the score"))
        end = last
    parts.append(literal(text[end:]))
    return element("p", join(parts), class_="passage", **_language(found.lang))


def _pair_table(explanation: Explanation) -> Table:
    """The pairs that carry the score, largest first."""
    rows = []
    for pair in explanation.pairs[:MAX_PAIRS]:
        query, word = explanation.query[pair.query], explanation.document[pair.document]
        rows.append(
            (
                _cell(query),
                _cell(word),
                word.script or MISSING,
                decimal(pair.similarity, 2),
                decimal(pair.contribution, 4),
                percent(score_share(pair.contribution, explanation)),
            )
        )
    left = len(explanation.pairs) - len(rows)
    return Table(
        "Pairs of words that carry the score",
        ("question", "document", "script", "similarity", "part", "% of the score"),
        "lllrrr",
        tuple(rows),
        note=f"And {left:,} pairs that carry less." if left else "",
    )


def _word_table(explanation: Explanation) -> Markup:
    """Each word of the question with the document's word that it is most like."""
    rows = []
    for word, best in zip(explanation.query, explanation.aligned(), strict=True):
        nearest = MISSING if best is None else _cell(explanation.document[best])
        share = percent(score_share(word.contribution, explanation))
        read = "" if word.read or explanation.method == "bm25" else "not read by the encoder"
        rows.append((_cell(word), word.script or MISSING, nearest, share, read))
    table = Table(
        "Words of the question",
        ("word", "script", "most like", "% of the score", ""),
        "lllrl",
        tuple(rows),
    )
    return html_table(table)


def _cell(word: ExplainedWord) -> Cell | str:
    if word.part == "marks":
        return word_label(word)
    return Cell(word.text, lang="" if word.lang == UNDETERMINED else word.lang)


def _language(lang: str) -> dict[str, str]:
    return {"lang": "" if lang == UNDETERMINED else lang, "dir": text_direction(lang)}
