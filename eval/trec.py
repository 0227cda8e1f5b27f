"""Runs in the TREC format, in and out."""

from __future__ import annotations

import gc
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, pairwise, repeat
from operator import gt
from pathlib import Path
from typing import Any, NoReturn

from xret.errors import RunError
from xret.eval.metadata import parse_metadata, read_side_file
from xret.eval.run_lines import RunLines, finite_score, read_run_lines
from xret.retriever.corpora.lines import read_lines
from xret.retriever.corpora.scored_pairs import SCORES, ScoredPair, scored_pairs
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
ASCII_SPACE = re.compile(r"[ \t\n\r\x0b\f]")
"""What separates cells: an id may hold U+00A0 or U+3000."""


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
            if not name or ASCII_SPACE.search(name):
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
    """A six-column run, plain or compressed, ordered by score and ties by document id; or a
    table that names its columns, or ranx's JSON.

    Cells are separated by ASCII white space, or by tabs, and then ids may hold spaces. The ranks
    in the file are not trusted, as trec_eval does not: where they say another order, that is a
    warning with the number of queries. Lines that begin with `#` are its metadata. Raises
    RunError with the line that does not fit: another number of columns, a score that is not a
    finite number, a document twice for one query, no line at all.
    """
    pairs = scored_pairs(path, SCORES)
    read = read_run_lines(path) if pairs is None else _of_pairs(pairs, path)
    if not read.documents:
        raise RunError(f"{path} holds no line of a run")
    for query_id, documents in read.documents.items():
        if len(set(documents)) != len(documents):
            _refuse_repeated(path, query_id, documents)
    with _uncollected():
        hits = {
            query_id: _best_first(documents, read.scores[query_id])
            for query_id, documents in read.documents.items()
        }
    metadata = parse_metadata("\n".join(read.comments)) or read_side_file(path)
    return RunFile(Run(next(reversed(read.tags)), hits), _warnings(read), metadata)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Millions of hits make no circle, and the garbage collector would go through them again
    and again while they are made."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _best_first(documents: Sequence[str], scores: Sequence[float]) -> list[Hit]:
    """Not `ranked`: another program's scores may differ only behind the sixth decimal."""
    hits = _hits(documents, scores)
    if all(map(gt, scores, islice(scores, 1, None))):
        return hits
    return sorted(hits, key=lambda hit: (-hit.score, hit.doc_id))


def _hits(documents: Sequence[str], scores: Sequence[float]) -> list[Hit]:
    """Hits without a call of Python's for each: a frozen dataclass takes twice as long."""
    slots: Any = Hit
    hits: list[Hit] = list(map(object.__new__, repeat(Hit, len(documents))))
    deque(map(slots.doc_id.__set__, hits, documents), maxlen=0)
    deque(map(slots.score.__set__, hits, scores), maxlen=0)
    return hits


def _of_pairs(pairs: Iterable[ScoredPair], path: Path) -> RunLines:
    read = RunLines(tags={path.stem: None})
    for query_id, doc_id, number, place in pairs:
        read.add(query_id, [doc_id], [finite_score(number, place)])
    return read


def _refuse_repeated(path: Path, query_id: str, documents: Sequence[str]) -> NoReturn:
    """Say where a document stands the second time, if the file has a line for each."""
    counted = Counter(documents)
    twice = next(doc_id for doc_id, count in counted.items() if count > 1)
    place = str(path)
    seen = 0
    for number, line in read_lines(path):
        cells = line.split("\t") if "\t" in line else line.split()
        seen += query_id in cells and twice in cells
        if seen == 2:
            place = f"{path}:{number}"
            break
    raise RunError(f"{place}: {twice!r} appears twice for query {query_id!r}")


def _warnings(read: RunLines) -> tuple[str, ...]:
    warnings = []
    if read.contradicted:
        warnings.append(
            f"in {len(read.contradicted):,} of {len(read.documents):,} queries the ranks "
            "contradict the scores; the scores were taken, as trec_eval takes them"
        )
    if len(read.tags) > 1:
        warnings.append(f"{len(read.tags):,} different tags stand in one run")
    return tuple(warnings)
