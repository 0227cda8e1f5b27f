"""The alignment of a question's words with a document's as a heat map: words down and across.

The document's words go down, so that each is written level, in any script. A cell's colour is how
alike two words are, one scale for all maps; a framed cell is a pair that carries a part of the
score, and its number says how much in percent.
"""

from __future__ import annotations

import unicodedata

from xret.eval.report.markup import Markup, element, literal
from xret.eval.report.svg import Chart, drawing, label, path, rect
from xret.eval.report.text import decimal, language_label, shown, signed, text_direction
from xret.retriever.alignment import HEAT_STEPS, AlignmentMap, percent, score_share
from xret.retriever.explanation import ExplainedWord, Explanation
from xret.types import UNDETERMINED

__all__ = ["METHODS", "alignment_chart", "score_sentence", "word_label"]

METHODS: dict[str, str] = {"late-interaction": "late interaction", "bm25": "BM25"}
"""What a score is called."""

_LABEL = 20
"""Characters of a word that are shown."""

_HIGH, _BARS, _TOP = 23.0, 110.0, 76.0


def word_label(word: ExplainedWord) -> str:
    """A word for people: what stands for no word is named."""
    return "(marks)" if word.part == "marks" else shown(word.text, limit=_LABEL)


def score_sentence(explanation: Explanation) -> str:
    """The score, and how far it is from what the index gives."""
    words = f"The parts add up to {decimal(explanation.score, 4)}"
    difference = explanation.difference
    if difference is None:
        return f"{words}."
    words += f"; the index gives {decimal(explanation.indexed_score, 4)}"
    if explanation.method == "bm25":
        return f"{words}."
    share = (
        "" if not explanation.score else f", {signed(100 * difference / explanation.score, 1)} %"
    )
    return (
        f"{words} ({signed(difference, 4)}{share}), from vectors that are coded and may be pooled."
    )


def alignment_chart(explanation: Explanation, *, key: str, query: str, doc_id: str) -> Chart:
    """The map as a drawing, on a background of its own."""
    shown_words = AlignmentMap.of(explanation)
    if explanation.query and text_direction(explanation.query[0].lang) == "rtl":
        shown_words.columns.reverse()  # the first word on the right, as it is read
    words, asked = explanation.document, explanation.query
    left = (
        20
        + max(
            [_width(word_label(words[i])) + _width(_about(words[i])) for i in shown_words.rows],
            default=40,
        )
        + 14
    )
    widths = [max(44.0, _width(word_label(asked[i])) + 16) for i in shown_words.columns]
    starts = [left + sum(widths[:place]) for place in range(len(widths) + 1)]
    bottom = _TOP + _HIGH * len(shown_words.rows)
    width = max(starts[-1] + _BARS + 70, 420.0)
    parts = [rect(0, 0, width, bottom + 118, "paper")]
    parts += [label(10, 18, f"{shown(query, limit=int(width / 8))}", class_="strong")]
    parts += [label(10, 34, _texts(explanation, doc_id, limit=int(width / 7)), class_="axis small")]
    parts += _heads(shown_words, starts, widths)
    parts += _grid(shown_words, left, starts, widths)
    parts += _bars(shown_words, starts[-1] + 10)
    parts += _sums(shown_words, starts, widths, bottom)
    parts += _key(shown_words, 10, bottom + 44, width)
    title = f"{shown(query, limit=80)}: words of {shown(doc_id, limit=80)}"
    return Chart(key, title, drawing(key, width, bottom + 118, title, _told(explanation), parts))


def _heads(shown_words: AlignmentMap, starts: list[float], widths: list[float]) -> list[Markup]:
    """The query's words over their columns, each with its script."""
    parts = []
    for place, number in enumerate(shown_words.columns):
        word, middle = shown_words.explanation.query[number], starts[place] + widths[place] / 2
        parts.append(_word(middle, _TOP - 20, word, anchor="middle"))
        parts.append(label(middle, _TOP - 7, _about(word), anchor="middle", class_="axis small"))
    return parts


def _grid(
    shown_words: AlignmentMap, left: float, starts: list[float], widths: list[float]
) -> list[Markup]:
    """The document's words and the cells beside them."""
    shares = shown_words.pairs()
    parts: list[Markup] = []
    for down, row in enumerate(shown_words.rows):
        y = _TOP + down * _HIGH
        word = shown_words.explanation.document[row]
        parts.append(label(10, y + 15.5, _about(word), class_="axis small"))
        parts.append(_word(left - 8, y + 15.5, word, anchor="end"))
        for across, column in enumerate(shown_words.columns):
            level = shown_words.level(column, row, shares)
            if level is None:
                continue
            x, wide = starts[across], widths[across]
            parts.append(rect(x, y, wide - 1, _HIGH - 1, f"h{level}"))
            if (column, row) in shares:
                box = f"M{x + 1.5:g} {y + 1.5:g}h{wide - 4:g}v{_HIGH - 4:g}h{4 - wide:g}z"
                parts.append(path(box, f"frame edge{level}"))
                number = percent(shares[column, row])
                middle = x + wide / 2
                parts.append(label(middle, y + 15.5, number, anchor="middle", class_=f"on{level}"))
    return parts


def _bars(shown_words: AlignmentMap, x: float) -> list[Markup]:
    """The share of each of the document's words."""
    words = shown_words.explanation.document
    shares = [shown_words.share(words[row].contribution) for row in shown_words.rows]
    longest = max([abs(share) for share in shares], default=1.0) or 1.0
    parts = [label(x, _TOP - 7, "% of the score", class_="axis small")]
    for down, share in enumerate(shares):
        y = _TOP + down * _HIGH
        wide = abs(share) / longest * _BARS
        parts.append(rect(x, y + 5, wide, _HIGH - 11, "s0 fill"))
        parts.append(label(x + wide + 5, y + 15.5, percent(share), class_="small"))
    return parts


def _sums(
    shown_words: AlignmentMap, starts: list[float], widths: list[float], bottom: float
) -> list[Markup]:
    """The share of each of the query's words, and of what is not drawn."""
    parts = [label(starts[0] - 8, bottom + 17, "% of the score", anchor="end", class_="axis small")]
    for place, number in enumerate(shown_words.columns):
        share = shown_words.share(shown_words.explanation.query[number].contribution)
        middle = starts[place] + widths[place] / 2
        parts.append(label(middle, bottom + 17, percent(share), anchor="middle", class_="small"))
    if abs(shown_words.rest) >= 0.005:
        words = f"other words: {percent(shown_words.rest)}"
        parts.append(label(starts[-1] + 10, bottom + 17, words, class_="axis small"))
    return parts


def _key(shown_words: AlignmentMap, x: float, y: float, width: float) -> list[Markup]:
    by_likeness = bool(shown_words.explanation.similarities)
    name = "similarity" if by_likeness else "share of the score"
    parts = [label(x, y, name, class_="axis small")]
    wide = 24.0
    parts += [rect(x + i * wide, y + 6, wide, 10, f"h{i}") for i in range(HEAT_STEPS)]
    for place in (0, HEAT_STEPS // 2, HEAT_STEPS):
        border = f"{place / HEAT_STEPS:g}"
        parts.append(
            label(
                x + place * wide,
                y + 29,
                border,
                anchor="middle" if place else None,
                class_="axis small",
            )
        )
    signs = "framed: the pair counts, with its share of the score in percent"
    parts.append(label(x, y + 46, signs, class_="axis small"))
    sentence = score_sentence(shown_words.explanation)
    parts.append(label(x, y + 62, shown(sentence, limit=int(width / 5.2)), class_="axis small"))
    return parts


def _word(x: float, y: float, word: ExplainedWord, *, anchor: str) -> Markup:
    lang = None if word.lang == UNDETERMINED else word.lang
    rtl = text_direction(word.lang) == "rtl" and word.script not in ("", "Latn")
    # Where a text runs from right to left its start is on the right.
    side = {"end": "start", "middle": "middle"}[anchor] if rtl else anchor
    return element(
        "text",
        literal(word_label(word)),
        x=x,
        y=y,
        text_anchor=side,
        direction="rtl" if rtl else None,
        lang=lang,
    )


def _about(word: ExplainedWord) -> str:
    """The script of a word, where it stands, and whether the encoder reads it."""
    notes = [word.script, "title" if word.part == "title" else "", "" if word.read else "not read"]
    return " ".join(note for note in notes if note)


def _texts(explanation: Explanation, doc_id: str, *, limit: int) -> str:
    asked = explanation.query[0].lang if explanation.query else UNDETERMINED
    answer = explanation.document[0].lang if explanation.document else UNDETERMINED
    words = f"{language_label(asked)} words across, {language_label(answer)} words of {doc_id} down"
    return shown(f"{words}; {METHODS[explanation.method]}", limit=limit)


def _told(explanation: Explanation) -> str:
    """The drawing for those who do not see it."""
    told = [score_sentence(explanation)]
    for pair in explanation.pairs[:8]:
        query, word = explanation.query[pair.query], explanation.document[pair.document]
        share = percent(score_share(pair.contribution, explanation))
        told.append(f"{word_label(query)} with {word_label(word)}: {share} %.")
    return " ".join(told)


def _width(text: str) -> float:
    """About how many pixels a text takes at 12 pixels."""
    pixels = 0.0
    for character in text:
        if unicodedata.category(character)[0] != "M":
            pixels += 12.6 if unicodedata.east_asian_width(character) in "WF" else 7.0
    return pixels
