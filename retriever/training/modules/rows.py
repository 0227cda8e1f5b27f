"""Rows to learn ranking from: a query, a document that answers it, documents that do not.

    query<TAB>positive[<TAB>negative...]
    {"query": "...", "positive": "...", "negatives": ["..."]}      or "negative": "..."

A file is one or the other; what its first line begins with says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from xret.errors import CorpusError, LanguageError, TrainingError
from xret.retriever.corpora.lines import read_lines
from xret.retriever.corpora.rows import Example, examples_of, json_fields, tab_fields

__all__ = ["LEAST_ROWS", "read_ranking_rows", "rows_with_negatives"]

LEAST_ROWS = 20


def read_ranking_rows(path: Path) -> list[Example]:
    """All rows of a file. Raises CorpusError naming file and line of a bad one, and
    TrainingError where there are fewer than LEAST_ROWS."""
    rows = list(_rows(path))
    if len(rows) < LEAST_ROWS:
        raise TrainingError(
            f"{path} has {len(rows)} rows; ranking is learnt from at least {LEAST_ROWS}, and well "
            "from thousands"
        )
    return rows


def rows_with_negatives(rows: Sequence[Example]) -> list[Example]:
    """Rows that all have a negative: where there is none, the positive of a later row.

    Raises TrainingError where every row has the same positive.
    """
    positives = [row.positive for row in rows]
    following = _next_other(positives)
    made = []
    for position, row in enumerate(rows):
        negatives = row.negatives or (positives[following[position]],)
        made.append(replace(row, negatives=negatives, negative_langs=()))
    return made


def _next_other(texts: Sequence[str]) -> list[int]:
    """For each text the position of the next one, going round, that is another text."""
    n = len(texts)
    found = [-1] * n
    for position in range(2 * n - 1, -1, -1):
        here, after = position % n, (position + 1) % n
        found[here] = after if texts[after] != texts[here] else found[after]
    if n and found[0] == -1:
        raise TrainingError("every row has the same positive: there is nothing to tell apart")
    return found


def _rows(path: Path) -> Iterator[Example]:
    """The rows of the lines that are not blank; JSON in a line that begins with a brace."""
    for number, line in read_lines(path):
        if not line.strip():
            continue
        fields_of = json_fields if line.lstrip().startswith("{") else tab_fields
        try:
            examples = examples_of(fields_of(line))
        except (ValueError, LanguageError) as error:
            raise CorpusError(f"{path}:{number}: {error}") from error
        for example in examples:
            row = _stripped(example)
            if row.positive in row.negatives:
                raise CorpusError(f"{path}:{number}: one text as positive and as negative")
            yield row


def _stripped(row: Example) -> Example:
    return replace(
        row,
        query=row.query.strip(),
        positive=row.positive.strip(),
        negatives=tuple(text.strip() for text in row.negatives),
    )
