"""The TREC formats: judgements in, runs in and out."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

from xret.errors import CorpusError, RunError
from xret.types import Hit, Run

__all__ = ["Qrels", "read_qrels", "read_run", "write_run"]

Qrels = dict[str, dict[str, int]]
"""Grades by document id, by query id."""


def read_qrels(path: Path) -> Qrels:
    """Judgements: `query 0 document grade` (TREC) or `query document grade` (BEIR).

    Cells are separated by tabs or spaces, also mixed; a heading line is passed over.
    Raises CorpusError with the line that does not fit.
    """
    qrels: Qrels = {}
    for number, line in _lines(path):
        cells = line.split()
        if not cells or (number == 1 and cells[-1].lower() in ("score", "rel", "relevance")):
            continue
        if len(cells) not in (3, 4):
            raise CorpusError(f"{path}:{number}: {len(cells)} cells where 3 or 4 are expected")
        try:
            grade = int(cells[-1])
        except ValueError:
            raise CorpusError(f"{path}:{number}: the grade {cells[-1]!r} is no integer") from None
        qrels.setdefault(cells[0], {})[cells[-2]] = grade
    if not qrels:
        raise CorpusError(f"{path} holds no judgement")
    return qrels


def write_run(path: Path, run: Run) -> None:
    """Six columns, `qid Q0 docid rank score tag`, rank from 1, score with six decimals."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for query_id, hits in run.hits.items():
            for rank, hit in enumerate(hits, start=1):
                file.write(f"{query_id} Q0 {hit.doc_id} {rank} {hit.score:.6f} {run.tag}\n")


def read_run(path: Path) -> Run:
    """A six-column run, ordered by score and ties by document id, as trec_eval does not trust
    the ranks in the file either. Raises RunError with the line that does not fit."""
    hits: dict[str, dict[str, float]] = {}
    tag = ""
    for number, line in _lines(path):
        cells = line.split()
        if not cells:
            continue
        if len(cells) != 6:
            raise RunError(f"{path}:{number}: {len(cells)} cells where 6 are expected")
        query_id, _, doc_id, _, score, tag = cells
        try:
            value = float(score)
        except ValueError:
            raise RunError(f"{path}:{number}: the score {score!r} is no number") from None
        if value != value:
            raise RunError(f"{path}:{number}: the score is NaN")
        if doc_id in hits.setdefault(query_id, {}):
            raise RunError(f"{path}:{number}: {doc_id!r} appears twice for query {query_id!r}")
        hits[query_id][doc_id] = value
    ranked = {
        query_id: [Hit(d, s) for d, s in sorted(found.items(), key=lambda hit: (-hit[1], hit[0]))]
        for query_id, found in hits.items()
    }
    return Run(tag, ranked)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if not path.is_file():
        raise CorpusError(f"no such file: {path}")
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise CorpusError(f"{path} cannot be read: {error}") from error
