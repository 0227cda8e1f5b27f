"""Ids of a run that are spelt unlike those of the judgements, as numbers often are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from xret.eval.trec import RunFile
from xret.retriever.corpora.qrels import Qrels
from xret.types import Hit, Run

__all__ = ["with_ids_of"]

WHOLE = re.compile(r"(-?\d+)\.0+")


def with_ids_of(file: RunFile, qrels: Qrels) -> RunFile:
    """The run with ids as the judgements have them, where none is the same but all numbers
    would be: a table that was read as numbers writes `1.0` for `1`.

    The guess is one of the run's warnings. The run itself where an id is shared, or where even
    so none would be.
    """
    hits, said = file.run.hits, []
    queries = _renamed(hits, qrels)
    if queries:
        said.append(_told("query", queries))
        hits = {queries.get(query_id, query_id): ranking for query_id, ranking in hits.items()}
    judged = {doc_id for grades in qrels.values() for doc_id in grades}
    ranked = {hit.doc_id for ranking in hits.values() for hit in ranking}
    documents = _renamed(ranked, judged)
    if documents:
        said.append(_told("document", documents))
        hits = {
            query_id: [Hit(documents.get(hit.doc_id, hit.doc_id), hit.score) for hit in ranking]
            for query_id, ranking in hits.items()
        }
    if not said:
        return file
    return replace(file, run=Run(file.run.tag, hits), warnings=(*file.warnings, *said))


def _renamed(ids: Iterable[str], judged: Iterable[str]) -> Mapping[str, str]:
    """The judgements' id for each id that is the same number; {} where an id is the same as it
    is, or two would become one."""
    known = set(judged)
    found = set(ids)
    if found & known:
        return {}
    by_number = {_number(one): one for one in known}
    renamed = {one: by_number[_number(one)] for one in found if _number(one) in by_number}
    return renamed if len(set(renamed.values())) == len(renamed) else {}


def _number(name: str) -> str:
    match = WHOLE.fullmatch(name)
    return match[1] if match else name


def _told(kind: str, renamed: Mapping[str, str]) -> str:
    theirs = min(renamed)
    return (
        f"its {kind} ids were taken for those of the judgements, {theirs!r} for "
        f"{renamed[theirs]!r}, as none is the same; write them alike to be sure"
    )
