"""Ids of runs and judgements that differ as numbers do."""

import pytest

from xret.eval.run_ids import with_ids_of
from xret.eval.trec import RunFile
from xret.types import Hit, Run

QRELS = {"1": {"10": 1, "x": 1}, "2": {"11": 1}}


def run_of(hits: dict[str, list[str]]) -> RunFile:
    return RunFile(
        Run(
            "t",
            {q: [Hit(doc, -float(n)) for n, doc in enumerate(docs)] for q, docs in hits.items()},
        )
    )


def ids(file: RunFile) -> dict[str, list[str]]:
    return {query: [hit.doc_id for hit in hits] for query, hits in file.run.hits.items()}


def test_ids_that_became_numbers_are_taken_for_those_of_the_judgements() -> None:
    file = with_ids_of(run_of({"1.0": ["10.0", "12.0"], "7.0": ["11.0", "y"]}), QRELS)
    assert ids(file) == {"1": ["10", "12.0"], "7.0": ["11", "y"]}
    assert len(file.warnings) == 2
    assert "query ids were taken for those of the judgements, '1.0' for '1'" in file.warnings[0]


def test_ids_of_the_judgements_may_be_the_numbers() -> None:
    file = with_ids_of(run_of({"1": ["a"]}), {"1.0": {"a": 1}})
    assert ids(file) == {"1.0": ["a"]}
    assert "'1' for '1.0'" in file.warnings[0]


@pytest.mark.parametrize(
    "hits",
    [
        {"1": ["10"], "2.0": ["11"]},  # one id is the same: the other is another query
        {"q1": ["10"]},
        {"1.0": ["y"], "1.00": ["z"]},  # two would become one
    ],
)
def test_nothing_is_guessed_where_it_may_be_meant(hits: dict[str, list[str]]) -> None:
    file = run_of(hits)
    assert with_ids_of(file, QRELS) is file
