"""Lines of a run in the TREC format, read many at a time: a run may have millions.

A block of lines that all have six cells is taken apart by columns; any other goes line by
line, where comments, tags with spaces and mistakes are met.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, groupby, islice, pairwise
from math import isfinite
from operator import ge, methodcaller
from pathlib import Path

from xret.errors import RunError
from xret.retriever.corpora.lines import encoding_fault, read_blocks

__all__ = ["RunLines", "finite_score", "read_run_lines"]

COLUMNS = "query Q0 document rank score tag"
MAX_HEADER_LINES = 10_000
"""Comment lines of a run that are kept to be read as its metadata."""

Cells = tuple[bytes, bytes, bytes, bytes, bytes, bytes]
Column = Sequence[bytes]
Columns = tuple[Column, Column, Column, Column, Column]
"""Queries, documents, ranks, scores and tags, a line each."""


@dataclass(slots=True)
class RunLines:
    """What stands in a run: documents and scores by query, in the order of the lines.

    contradicted: queries whose ranks and scores say two orders. tags in the order of their last
    lines. comments: lines that begin with `#`.
    """

    documents: dict[str, list[str]] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=dict)
    contradicted: set[str] = field(default_factory=set)
    tags: dict[str, None] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    last: tuple[str, bytes, float] = ("", b"", 0.0)

    def add(self, query_id: str, documents: Sequence[str], scores: Sequence[float]) -> None:
        """More documents of a query, best first or not."""
        self.documents.setdefault(query_id, []).extend(documents)
        self.scores.setdefault(query_id, []).extend(scores)


def read_run_lines(path: Path) -> RunLines:
    """The lines of a run, plain or compressed. Raises RunError with the line that does not fit:
    another number of columns, a score that is not a finite number, an id that is no text."""
    read = RunLines()
    for number, lines in read_blocks(path):
        columns = _plain_columns(lines) or _checked_columns(path, number, lines, read.comments)
        if columns is not None:
            try:
                _take(read, columns)
            except ValueError:
                for place, line in enumerate(lines, number):
                    _check_line(line, f"{path}:{place}")
                raise
    return read


def finite_score(score: str | bytes, place: str) -> float:
    """A score as it stands in a file. Raises RunError where it says no order."""
    text = score.decode(errors="replace") if isinstance(score, bytes) else score
    try:
        value = float(text.replace("_", "?"))  # Python would take 1_0 for 10
    except ValueError:
        raise RunError(f"{place}: the score {text!r} is no number") from None
    if value != value:
        raise RunError(f"{place}: the score is NaN; a run must say an order")
    if value in (float("inf"), float("-inf")):
        raise RunError(f"{place}: the score {text!r} is not finite; leave such documents out")
    return value


def _plain_columns(lines: Sequence[bytes]) -> Columns | None:
    """The columns of lines that have six cells each and nothing to think about, else None."""
    block = b"\n".join(lines)
    if block.startswith(b"#") or b"\n#" in block:
        return None
    tabs = b"\t" in block
    if set(map(methodcaller("count", b"\t" if tabs else b" "), lines)) != {5}:
        return None
    # Five separators a line are six cells at most, so the sum says that each line has six.
    cells = block.replace(b"\r", b"").replace(b"\n", b"\t").split(b"\t") if tabs else block.split()
    if len(cells) != 6 * len(lines) or (tabs and not _all_plain(cells)):
        return None
    return cells[0::6], cells[2::6], cells[3::6], cells[4::6], cells[5::6]


def _all_plain(cells: Sequence[bytes]) -> bool:
    """Whether no cell is empty or has white space at an end."""
    return all(cells) and not any(cell[:1].isspace() or cell[-1:].isspace() for cell in cells)


def _checked_columns(
    path: Path, first: int, lines: Iterable[bytes], comments: list[str]
) -> Columns | None:
    """The columns of any lines; None where all are blank or comments."""
    found: list[Cells] = []
    for number, line in enumerate(lines, first):
        stripped = line.strip()
        if not stripped:
            continue
        cells = _line_cells(stripped)
        if _is_comment(stripped, cells):
            if len(comments) < MAX_HEADER_LINES:
                comments.append(stripped.decode(errors="replace"))
            continue
        if cells is None:
            raise RunError(
                f"{path}:{number}: {len(stripped.split())} cells where 6 are expected: {COLUMNS}"
            )
        found.append(cells)
    if not found:
        return None
    queries, _, documents, ranks, scores, tags = zip(*found, strict=True)
    return queries, documents, ranks, scores, tags


def _line_cells(line: bytes) -> Cells | None:
    """The six cells of a line: those between its tabs, or its words, of which the tag may be
    several. None where that cannot be told: an id with spaces looks like a longer tag."""
    tabbed = [cell.strip() for cell in line.split(b"\t")]
    if len(tabbed) == 6 and all(tabbed):
        return _six(tabbed)
    cells = line.split()
    if len(cells) == 6:
        return _six(cells)
    if len(cells) > 6 and cells[3].isdigit() and _is_number(cells[4]) and not _is_number(cells[5]):
        return _six([*cells[:5], b" ".join(cells[5:])])
    return None


def _six(cells: Sequence[bytes]) -> Cells:
    query, q0, document, rank, score, tag = cells
    return query, q0, document, rank, score, tag


def _is_comment(line: bytes, cells: Cells | None) -> bool:
    """A query id may begin with `#` too; its line has six cells and no space behind the sign."""
    return line[:1] == b"#" and (cells is None or line[1:2].isspace() or not _is_number(cells[4]))


def _is_number(cell: bytes) -> bool:
    return (
        re.fullmatch(rb"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|nan)", cell.lower())
        is not None
    )


def _take(read: RunLines, columns: Columns) -> None:
    """Put a block's lines with those before. Raises ValueError for what is no text or number."""
    queries, documents, ranks, scores, tags = columns
    if b"_" in b"".join(scores):  # Python would take 1_0 for 10
        raise ValueError
    numbers = list(map(float, scores))
    # A sum is finite where all are; one that is not need not be of one that is not.
    if not isfinite(sum(numbers)) and not all(map(isfinite, numbers)):
        raise ValueError
    names = b"\n".join(documents).decode().split("\n")
    groups = [(query, len(list(alike))) for query, alike in groupby(queries)]
    query_ids = [query.decode() for query, _ in groups]
    *starts, total = accumulate((count for _, count in groups), initial=0)
    for query_id, start, end in zip(query_ids, starts, [*starts[1:], total], strict=True):
        read.add(query_id, names[start:end], numbers[start:end])
    _compare_orders(read, query_ids, starts, ranks, numbers)
    for tag in [tags[0]] if tags.count(tags[0]) == len(tags) else tags:
        read.tags.pop(name := tag.decode(), None)
        read.tags[name] = None


def _compare_orders(
    read: RunLines,
    query_ids: Sequence[str],
    starts: Sequence[int],
    ranks: Sequence[bytes],
    scores: Sequence[float],
) -> None:
    """Note the queries of which two lines in a row say two orders by rank and by score."""
    for query_id, start, end in zip(query_ids, starts, [*starts[1:], len(ranks)], strict=True):
        there, falling = ranks[start:end], scores[start:end]
        known, rank, score = read.last
        # Lines that go on with a query are compared with the last one before.
        if known == query_id:
            there, falling = [rank, *there], [score, *falling]
        read.last = (query_id, there[-1], falling[-1])
        usual = list(there) == _counted(len(there)) and all(
            map(ge, falling, islice(falling, 1, None))
        )
        if not usual and _contradict(there, falling):
            read.contradicted.add(query_id)


@lru_cache(maxsize=64)
def _counted(n: int) -> list[bytes]:
    """Ranks from 1, as most runs have them."""
    return [b"%d" % rank for rank in range(1, n + 1)]


def _contradict(ranks: Sequence[bytes], scores: Sequence[float]) -> bool:
    pairs = zip(pairwise(ranks), pairwise(scores), strict=True)
    return any(
        (int(rank) - int(before)) * (score - above) > 0
        for (before, rank), (above, score) in pairs
        if before.isdigit() and rank.isdigit()
    )


def _check_line(line: bytes, place: str) -> None:
    """Raises RunError where the fault of a block is in this line."""
    fault = encoding_fault(line)
    if fault:
        raise RunError(f"{place}: {fault}")
    cells = _line_cells(line.strip())
    if cells is not None and not _is_comment(line.strip(), cells):
        finite_score(cells[4], place)
