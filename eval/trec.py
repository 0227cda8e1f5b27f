"""Runs in the TREC format, in and out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from xret.errors import RunError
from xret.eval.metadata import parse_metadata, read_side_file
from xret.retriever.corpora.lines import read_lines
from xret.types import Hit, Run

__all__ = [
    "RunFile",
    "ranked",
    "read_run",
    "read_run_file",
    "trec_eval_order",
    "write_run",
]

DECIMALS = 6
MAX_HEADER_LINES = 10_000
"""Comment lines of a run that are kept to be read as its metadata."""


@dataclass(frozen=True, slots=True)
class RunFile:
    """A run as it was read: what it holds, what was odd in it, and what it says of itself.

    warnings: sentences with counts. metadata: ir_metadata from its comment lines, or from
    the file beside it; {} where there is none.
    """

    run: Run
    warnings: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


def ranked(hits: Iterable[Hit]) -> list[Hit]:
    """Hits as a run file says them: scores of six decimals, best first, ties by document id.

    Ranked before rounding, two scores that print alike would come back the other way round.
    """
    rounded = [Hit(hit.doc_id, round(hit.score, DECIMALS) + 0.0) for hit in hits]
    return sorted(rounded, key=lambda hit: (-hit.score, hit.doc_id))


def trec_eval_order(hits: Sequence[Hit]) -> Sequence[Hit]:
    """Hits in the order in which trec_eval measures them, whatever their ranks say.

    By score in double precision, as since trec_eval 10.0, ties by descending document id. The
    hits themselves where their scores fall all the way, which is the usual case.

    >>> [hit.doc_id for hit in trec_eval_order([Hit("a", 1.0), Hit("b", 1.0), Hit("c", 2.0)])]
    ['c', 'b', 'a']
    """
    if all(hit.score > below.score for hit, below in pairwise(hits)):
        return hits
    return sorted(hits, key=lambda hit: (hit.score, hit.doc_id), reverse=True)


def write_run(path: Path, run: Run, *, header: str = "") -> None:
    """Six columns, `qid Q0 docid rank score tag`, rank from 1, score with six decimals.

    header: lines that go first, each behind `# `; trec_eval does not read them. Raises
    RunError, before anything is written, for an id that the format cannot hold; white space
    in the tag becomes a hyphen.
    """
    for query_id, hits in run.hits.items():
        for name in (query_id, *(hit.doc_id for hit in hits)):
            if name.split() != [name]:
                raise RunError(
                    f"the id {name!r} cannot stand in a TREC run, whose columns are separated "
                    "by white space; give it an id without any"
                )
    tag = "-".join(run.tag.split()) or "xret"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"# {line}\n" for line in header.splitlines())
        for query_id, hits in run.hits.items():
            for rank, hit in enumerate(ranked(hits), start=1):
                score = f"{hit.score:.{DECIMALS}f}"
                file.write(f"{query_id} Q0 {hit.doc_id} {rank} {score} {tag}\n")


def read_run(path: Path) -> Run:
    """The run of `read_run_file`, without its warnings."""
    return read_run_file(path).run


def read_run_file(path: Path) -> RunFile:
    """A six-column run, plain or compressed, ordered by score and ties by document id.

    The ranks in the file are not trusted, as trec_eval does not: where they say another
    order, that is a warning with the number of queries. Lines that begin with `#` are its
    metadata. Raises RunError with the line that does not fit: another number of columns, a
    score that is not a finite number, a document twice for one query, no line at all.
    """
    hits: dict[str, dict[str, float]] = {}
    order = _RankOrder()
    tags: dict[str, None] = {}
    comments: list[str] = []
    for number, line in read_lines(path):
        cells = line.split()
        if not cells or _is_comment(cells):
            comments += [line.strip()] * (bool(cells) and len(comments) < MAX_HEADER_LINES)
            continue
        if len(cells) != 6:
            raise RunError(
                f"{path}:{number}: {len(cells)} cells where 6 are expected: "
                "query Q0 document rank score tag"
            )
        query_id, _, doc_id, rank, score, tag = cells
        value = _finite(score, f"{path}:{number}")
        found = hits.setdefault(query_id, {})
        if doc_id in found:
            raise RunError(f"{path}:{number}: {doc_id!r} appears twice for query {query_id!r}")
        found[doc_id] = value
        order.see(query_id, rank, value)
        tags[tag] = None
    if not hits:
        raise RunError(f"{path} holds no line of a run")
    # Not `ranked`: another program's scores may differ only behind the sixth decimal.
    sorted_hits = {
        q: sorted((Hit(*hit) for hit in found.items()), key=lambda hit: (-hit.score, hit.doc_id))
        for q, found in hits.items()
    }
    metadata = parse_metadata("\n".join(comments)) or read_side_file(path)
    warnings = (*order.warnings(len(hits)), *_tag_warnings(tags))
    return RunFile(Run(next(reversed(tags)), sorted_hits), warnings, metadata)


def _is_comment(cells: list[str]) -> bool:
    """A query id may begin with `#` too; its line has six cells and no space behind the sign."""
    return cells[0] == "#" or (cells[0].startswith("#") and len(cells) != 6)


class _RankOrder:
    """Watches, line by line, whether ranks and scores of a query say the same order."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, float]] = {}
        self._contradicted: set[str] = set()

    def see(self, query_id: str, rank: str, score: float) -> None:
        if not rank.isdecimal():
            return
        place = int(rank)
        before = self._last.get(query_id, (place, score))
        if (place - before[0]) * (score - before[1]) > 0:
            self._contradicted.add(query_id)
        self._last[query_id] = place, score

    def warnings(self, queries: int) -> tuple[str, ...]:
        if not self._contradicted:
            return ()
        return (
            f"in {len(self._contradicted):,} of {queries:,} queries the ranks contradict the "
            "scores; the scores were taken, as trec_eval takes them",
        )


def _tag_warnings(tags: Mapping[str, None]) -> tuple[str, ...]:
    return (f"{len(tags):,} different tags stand in one run",) if len(tags) > 1 else ()


def _finite(score: str, place: str) -> float:
    try:
        value = float(score)
    except ValueError:
        raise RunError(f"{place}: the score {score!r} is no number") from None
    if math.isnan(value):
        raise RunError(f"{place}: the score is NaN; a run must say an order")
    if math.isinf(value):
        raise RunError(f"{place}: the score {score!r} is not finite; leave such documents out")
    return value
