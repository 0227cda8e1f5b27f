"""Judgements: which document answers which query, and how well."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from xret.errors import CorpusError
from xret.retriever.corpora.lines import read_lines
from xret.retriever.corpora.scored_pairs import GRADES, ScoredPair, scored_pairs

__all__ = ["Qrels", "grade_of", "read_qrels"]

Qrels = dict[str, dict[str, int]]
"""Grades by document id, by query id."""

MAX_GRADE = 1_000
"""Above it a grade is a mistake, and trec_eval reserves memory for every grade below."""

ASCII_SPACE = re.compile(r"[ \t\r\x0b\f]+")
"""What separates cells: an id may hold U+00A0 or U+3000."""


def read_qrels(path: Path) -> Qrels:
    """Judgements: `query 0 document grade` (TREC) or `query document grade` (BEIR), a table that
    names its columns (PyTerrier, pandas), or ranx's JSON.

    Cells are separated by tabs or ASCII spaces, also mixed, so that ids may hold spaces where
    tabs separate them. Lines that begin with `#` are comments. A grade is a whole number, which
    may be written 1.0; one below 0 (TREC Web's spam) is kept. Raises CorpusError with the line
    that does not fit.
    """
    qrels: Qrels = {}
    pairs = scored_pairs(path, GRADES)
    for query_id, doc_id, number, place in _lines(path) if pairs is None else pairs:
        try:
            grade = grade_of(number)
        except ValueError as error:
            raise CorpusError(f"{place}: {error}") from None
        grades = qrels.setdefault(query_id, {})
        if grades.setdefault(doc_id, grade) != grade:
            raise CorpusError(
                f"{place}: {doc_id!r} is judged {grade} for query {query_id!r}, and "
                f"{grades[doc_id]} before; leave one of them"
            )
    if not qrels:
        raise CorpusError(f"{path} holds no judgement")
    return qrels


def grade_of(number: str | float) -> int:
    """A grade out of a text or a number. Raises ValueError for what is no whole number.

    >>> grade_of("2"), grade_of("1.0"), grade_of(-1.0)
    (2, 1, -1)
    """
    try:
        value = float(number)
    except (TypeError, ValueError):
        raise ValueError(f"the grade {number!r} is no integer") from None
    if not value.is_integer():
        raise ValueError(
            f"the grade {number!r} is no integer; write grades as whole numbers (10 times as "
            "large, say), or 1 from the grade on that is relevant"
        )
    if abs(value) > MAX_GRADE:
        raise ValueError(f"the grade {int(value)} is over {MAX_GRADE:,}")
    return int(value)


def _lines(path: Path) -> Iterator[ScoredPair]:
    for number, line in read_lines(path):
        cells = _judgement(line)
        if not cells or _is_comment(cells):
            continue
        if number == 1 and cells[-1].lower() in GRADES:
            continue
        if len(cells) not in (3, 4):
            raise CorpusError(f"{path}:{number}: {len(cells)} cells where 3 or 4 are expected")
        yield ScoredPair(cells[0], cells[-2], cells[-1], f"{path}:{number}")


def _is_comment(cells: list[str]) -> bool:
    """A query id may begin with `#` too; its line ends in a grade, with no space behind the
    sign."""
    if not cells[0].startswith("#"):
        return False
    return cells[0] == "#" or len(cells) not in (3, 4) or not _is_number(cells[-1])


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d*)?", cell) is not None


def _judgement(line: str) -> list[str]:
    """The cells of a line of judgements.

    TREC's four columns come with tabs and spaces mixed in one line, and are known by their
    second; where it is not that, tabs separate if there are any.
    """
    cells = [cell for cell in ASCII_SPACE.split(line) if cell]
    if "\t" not in line or (len(cells) == 4 and cells[1] in ("0", "Q0")):
        return cells
    tabbed = [cell.strip() for cell in line.strip().split("\t")]
    return tabbed if len(tabbed) in (3, 4) and all(tabbed) else cells
