"""The alignment of a question's words with a document's, drawn and as a table.

The same words and colours as in the drawings of `xret explain`: words of the document down,
of the question across; a number is a pair's share of the score in percent.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from xret.retriever.alignment import HEAT_STEPS, AlignmentMap, percent, score_share
from xret.retriever.explaining import ExplainedDocument
from xret.retriever.explanation import ExplainedWord, Explanation
from xret.retriever.languages.codes import direction
from xret.server.page.hits import Marked, language_tag
from xret.server.page.interface import Interface

__all__ = ["AlignmentView", "alignment_view", "marked_text"]

MAX_PAIRS = 40
LABEL = 24
"""Characters of a word that are shown."""
HIGH, TOP, BARS = 26.0, 58.0, 96.0
LEAST_WIDE = 46.0


@dataclass(frozen=True, slots=True)
class WordView:
    """A word at its place. note: what is to be said of it: its script, or that it is not read."""

    text: str
    lang: str
    dir: str
    note: str
    x: float
    y: float
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class CellView:
    """level: of its colour, 0 to 9. share: "" for a pair that carries nothing."""

    x: float
    y: float
    width: float
    level: int
    share: str


@dataclass(frozen=True, slots=True)
class BarView:
    x: float
    y: float
    width: float
    share: str


@dataclass(frozen=True, slots=True)
class PairView:
    asked: str
    asked_lang: str
    asked_dir: str
    word: str
    word_lang: str
    word_dir: str
    script: str
    similarity: str
    share: str


@dataclass(frozen=True, slots=True)
class AlignmentView:
    """One explanation. key: which score it is of; told: the largest pairs in words."""

    key: str
    sentence: str
    width: float
    height: float
    bottom: float
    columns: list[WordView]
    rows: list[WordView]
    cells: list[CellView]
    bars: list[BarView]
    sums: list[BarView]
    rest: str
    told: list[str]
    pairs: list[PairView]
    more_pairs: str


def alignment_view(explanation: Explanation, ui: Interface) -> AlignmentView:
    """Where everything stands, in pixels of the drawing."""
    shown = AlignmentMap.of(explanation)
    if explanation.query and direction(explanation.query[0].lang) == "rtl":
        shown.columns.reverse()  # the first word on the right, as it is read
    words, asked = explanation.document, explanation.query
    labels = [_width(_label(words[i], ui)) + _width(_note(words[i], ui)) for i in shown.rows]
    left = 26 + max(labels, default=40)
    widths = [max(LEAST_WIDE, _width(_label(asked[i], ui)) + 16) for i in shown.columns]
    starts = [left + sum(widths[:place]) for place in range(len(widths) + 1)]
    bottom = TOP + HIGH * len(shown.rows)
    pairs = [_pair(explanation, number, ui) for number in range(len(explanation.pairs))]
    more = len(pairs) - MAX_PAIRS
    told = [
        ui.say("pair_told", query=one.asked, word=one.word, share=one.share) for one in pairs[:6]
    ]
    return AlignmentView(
        key={"bm25": "bm25"}.get(explanation.method, "late_interaction"),
        sentence=_sentence(explanation, ui),
        width=starts[-1] + BARS + 50,
        height=bottom + 34,
        bottom=bottom,
        columns=[
            _word(asked[number], starts[place] + widths[place] / 2, TOP - 26, ui)
            for place, number in enumerate(shown.columns)
        ],
        rows=[
            _word(words[row], left - 10, TOP + down * HIGH + HIGH / 2, ui, anchor="end")
            for down, row in enumerate(shown.rows)
        ],
        cells=_cells(shown, starts, widths),
        bars=_bars(shown, starts[-1] + 12),
        sums=[
            BarView(
                starts[place] + widths[place] / 2,
                bottom + 20,
                0.0,
                percent(shown.share(asked[number].contribution)),
            )
            for place, number in enumerate(shown.columns)
        ],
        rest=ui.say("other_words", share=percent(shown.rest)) if shown.rest >= 0.005 else "",
        told=told,
        pairs=pairs[:MAX_PAIRS],
        more_pairs=ui.say("more_pairs", more=more) if more > 0 else "",
    )


def marked_text(text: str, explained: ExplainedDocument | None) -> list[list[Marked]]:
    """A document's text before, in and after the passage that scored; words that carry
    something have a level from 1 to 9. Without an explanation all of it comes first."""
    if explained is None or not explained.explanations:
        return [[Marked(text)], [], []]
    start, end = explained.passage.start, explained.passage.end
    words = explained.explanations[0].document
    largest = max((word.contribution for word in words), default=0.0) or 1.0
    passage: list[Marked] = []
    at = start
    for word in words:
        if word.part != "text" or word.contribution <= 0 or not at <= word.start < word.end <= end:
            continue
        level = min(int(word.contribution / largest * (HEAT_STEPS - 1)) + 1, HEAT_STEPS - 1)
        passage += [Marked(text[at : word.start]), Marked(text[word.start : word.end], level)]
        at = word.end
    passage.append(Marked(text[at:end]))
    return [[Marked(text[:start])], passage, [Marked(text[end:])]]


def _cells(shown: AlignmentMap, starts: Sequence[float], widths: Sequence[float]) -> list[CellView]:
    shares = shown.pairs()
    cells = []
    for down, row in enumerate(shown.rows):
        for across, column in enumerate(shown.columns):
            level = shown.level(column, row, shares)
            if level is None:
                continue
            share = percent(shares[column, row]) if (column, row) in shares else ""
            cells.append(CellView(starts[across], TOP + down * HIGH, widths[across], level, share))
    return cells


def _bars(shown: AlignmentMap, x: float) -> list[BarView]:
    shares = [shown.share(shown.explanation.document[row].contribution) for row in shown.rows]
    longest = max([abs(share) for share in shares], default=1.0) or 1.0
    return [
        BarView(x, TOP + down * HIGH, max(share, 0.0) / longest * BARS, percent(share))
        for down, share in enumerate(shares)
    ]


def _pair(explanation: Explanation, number: int, ui: Interface) -> PairView:
    pair = explanation.pairs[number]
    asked, word = explanation.query[pair.query], explanation.document[pair.document]
    return PairView(
        _label(asked, ui),
        language_tag(asked.lang),
        direction(asked.lang),
        _label(word, ui),
        language_tag(word.lang),
        direction(word.lang),
        word.script,
        "" if pair.similarity is None else ui.number(pair.similarity, 2),
        percent(score_share(pair.contribution, explanation)),
    )


def _sentence(explanation: Explanation, ui: Interface) -> str:
    score = ui.number(explanation.score, 3)
    if explanation.indexed_score is None:
        return ui.say("sum_alone", score=score)
    return ui.say("sum_told", score=score, indexed=ui.number(explanation.indexed_score, 3))


def _word(
    word: ExplainedWord, x: float, y: float, ui: Interface, *, anchor: str = "middle"
) -> WordView:
    rtl = direction(word.lang) == "rtl" and word.script not in ("", "Latn")
    # Where a text runs from right to left its start is on the right.
    side = "start" if rtl and anchor == "end" else anchor
    way = "rtl" if rtl else "ltr"
    return WordView(_label(word, ui), language_tag(word.lang), way, _note(word, ui), x, y, side)


def _label(word: ExplainedWord, ui: Interface) -> str:
    if word.part == "marks":
        return ui["marks"]
    return word.text if len(word.text) <= LABEL else word.text[: LABEL - 1] + "…"


def _note(word: ExplainedWord, ui: Interface) -> str:
    return word.script if word.read else f"{word.script} {ui['not_read']}".strip()


def _width(text: str) -> float:
    """About how many pixels a text takes at 14 pixels."""
    wide = {"W": 14.5, "F": 14.5}
    return sum(
        wide.get(unicodedata.east_asian_width(character), 8.2)
        for character in text
        if unicodedata.category(character)[0] != "M"
    )
