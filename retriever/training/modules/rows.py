"""Rows to learn ranking from: a query, a document that answers it, documents that do not.

    query<TAB>positive[<TAB>negative...]
    {"query": "...", "positive": "...", "negatives": ["..."]}      or "negative": "..."

A file is one or the other; what its first line begins with says which.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xret.errors import CorpusError, TrainingError

__all__ = ["LEAST_ROWS", "RankingRow", "read_lines", "read_ranking_rows", "rows_with_negatives"]

LEAST_ROWS = 20
_LONGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class RankingRow:
    """One judgement: the positive should rank above each of the negatives."""

    query: str
    positive: str
    negatives: tuple[str, ...] = ()


def read_ranking_rows(path: Path) -> list[RankingRow]:
    """All rows of a file. Raises CorpusError naming file and line of a bad one, and
    TrainingError where there are fewer than LEAST_ROWS."""
    rows = [_row(f"{path}:{number}", line) for number, line in read_lines(path)]
    if len(rows) < LEAST_ROWS:
        raise TrainingError(
            f"{path} has {len(rows)} rows; ranking is learnt from at least {LEAST_ROWS}, and well "
            "from thousands"
        )
    return rows


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of the lines that are not empty. Raises CorpusError for others
    than UTF-8, for lines beyond a million bytes and where there is no such file."""
    if not path.is_file():
        raise CorpusError(f"{path} cannot be read: there is no such file")
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_LONGEST + 1):
            number += 1
            if len(line) > _LONGEST:
                raise CorpusError(f"{path}:{number} is longer than {_LONGEST:,} bytes")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise CorpusError(f"{path}:{number} is not UTF-8: {error.reason}") from error
            if text.strip():
                yield number, text


def rows_with_negatives(rows: Sequence[RankingRow]) -> list[RankingRow]:
    """Rows that all have a negative: where there is none, the positive of a later row.

    Raises TrainingError where every row has the same positive.
    """
    positives = [row.positive for row in rows]
    following = _next_other(positives)
    made = []
    for position, row in enumerate(rows):
        negatives = row.negatives or (positives[following[position]],)
        made.append(RankingRow(row.query, row.positive, negatives))
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


def _row(where: str, line: str) -> RankingRow:
    """Raises CorpusError saying what is wrong with the line."""
    texts = _from_json(where, line) if line.lstrip().startswith("{") else line.split("\t")
    if len(texts) < 2:
        raise CorpusError(
            f"{where} has no positive; a row is query<TAB>positive[<TAB>negative...], or JSON with "
            "query, positive and negatives"
        )
    texts = [text.strip() for text in texts]
    if not all(texts):
        raise CorpusError(f"{where} has an empty text among query, positive and negatives")
    if texts[1] in texts[2:]:
        raise CorpusError(f"{where} names one text as positive and as negative")
    return RankingRow(texts[0], texts[1], tuple(texts[2:]))


def _from_json(where: str, line: str) -> list[str]:
    try:
        row: dict[str, Any] = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{where} is no JSON: {error}") from error
    missing = [name for name in ("query", "positive") if name not in row]
    if missing:
        raise CorpusError(f"{where} has no {missing[0]!r}; it has {', '.join(map(repr, row))}")
    negatives = row.get("negatives", row.get("negative", []))
    negatives = [negatives] if isinstance(negatives, str) else negatives
    texts = [row["query"], row["positive"], *(negatives if isinstance(negatives, list) else [None])]
    if not all(isinstance(text, str) for text in texts):
        raise CorpusError(f"{where}: query, positive and negatives must be texts")
    return texts
