"""The TREC formats: judgements in, runs in and out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from xret.errors import CorpusError, RunError
from xret.eval.corpora.decompress import open_decompressed
from xret.types import Hit, Run

__all__ = ["Qrels", "ranked", "read_qrels", "read_run", "write_run"]

Qrels = dict[str, dict[str, int]]
"""Grades by document id, by query id."""

DECIMALS = 6
MAX_GRADE = 1_000
"""Above it a grade is a mistake, and trec_eval reserves memory for every grade below."""


def read_qrels(path: Path) -> Qrels:
    """Judgements: `query 0 document grade` (TREC) or `query document grade` (BEIR).

    Cells are separated by tabs or spaces, also mixed, so that ids may hold spaces where tabs
    separate them; a heading line is passed over. A grade below 0 (TREC Web's spam) is kept.
    Raises CorpusError with the line that does not fit.
    """
    qrels: Qrels = {}
    for number, line in _lines(path):
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
        qrels.setdefault(cells[0], {})[cells[-2]] = grade
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


def ranked(hits: Iterable[Hit]) -> list[Hit]:
    """Hits as a run file says them: scores of six decimals, best first, ties by document id.

    Ranked before rounding, two scores that print alike would come back the other way round.
    """
    rounded = [Hit(hit.doc_id, round(hit.score, DECIMALS) + 0.0) for hit in hits]
    return sorted(rounded, key=lambda hit: (-hit.score, hit.doc_id))


def write_run(path: Path, run: Run) -> None:
    """Six columns, `qid Q0 docid rank score tag`, rank from 1, score with six decimals.

    Raises RunError, before anything is written, for an id that the format cannot hold; white
    space in the tag becomes a hyphen.
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
        for query_id, hits in run.hits.items():
            for rank, hit in enumerate(ranked(hits), start=1):
                score = f"{hit.score:.{DECIMALS}f}"
                file.write(f"{query_id} Q0 {hit.doc_id} {rank} {score} {tag}\n")


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
    return Run(
        tag, {query: ranked(Hit(*hit) for hit in found.items()) for query, found in hits.items()}
    )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if not path.is_file():
        raise CorpusError(f"no such file: {path}")
    try:
        with open_decompressed(path) as file:
            for number, line in enumerate(file, start=1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} cannot be read: {error}") from error
