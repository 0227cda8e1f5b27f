"""Judgements: which document answers which query, and how well."""

from __future__ import annotations

from pathlib import Path

from xret.errors import CorpusError
from xret.retriever.corpora.lines import read_lines

__all__ = ["Qrels", "read_qrels"]

Qrels = dict[str, dict[str, int]]
"""Grades by document id, by query id."""

MAX_GRADE = 1_000
"""Above it a grade is a mistake, and trec_eval reserves memory for every grade below."""


def read_qrels(path: Path) -> Qrels:
    """Judgements: `query 0 document grade` (TREC) or `query document grade` (BEIR).

    Cells are separated by tabs or spaces, also mixed, so that ids may hold spaces where tabs
    separate them; a heading line is passed over. A grade below 0 (TREC Web's spam) is kept.
    Raises CorpusError with the line that does not fit.
    """
    qrels: Qrels = {}
    for number, line in read_lines(path):
        cells = _judgement(line)
        if not cells or (number == 1 and cells[-1].lower() in ("score", "rel", "relevance")):
            continue
        if len(cells) not in (3, 4):
            raise CorpusError(f"{path}:{number}: {len(cells)} cells where 3 or 4 are expected")
        try:
            grade = int(cells[-1])
        except ValueError:
            raise CorpusError(f"{path}:{number}: the grade {cells[-1]!r} is no integer") from None
        if abs(grade) > MAX_GRADE:
            raise CorpusError(f"{path}:{number}: the grade {grade} is over {MAX_GRADE:,}")
        grades = qrels.setdefault(cells[0], {})
        if grades.setdefault(cells[-2], grade) != grade:
            raise CorpusError(
                f"{path}:{number}: {cells[-2]!r} is judged {grade} for query {cells[0]!r}, and "
                f"{grades[cells[-2]]} before; leave one of them"
            )
    if not qrels:
        raise CorpusError(f"{path} holds no judgement")
    return qrels


def _judgement(line: str) -> list[str]:
    """The cells of a line of judgements.

    TREC's four columns come with tabs and spaces mixed in one line, and are known by their
    second; where it is not that, tabs separate if there are any.
    """
    cells = line.split()
    if "\t" not in line or (len(cells) == 4 and cells[1] in ("0", "Q0")):
        return cells
    tabbed = [cell.strip() for cell in line.strip().split("\t")]
    return tabbed if len(tabbed) in (3, 4) and all(tabbed) else cells
