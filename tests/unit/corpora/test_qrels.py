"""Judgements of a file."""

from pathlib import Path

import pytest

from xret.errors import CorpusError
from xret.retriever.corpora.columns import qrels_of
from xret.retriever.corpora.qrels import read_qrels
from xret.retriever.corpora.records import Record


def test_a_document_judged_twice_differently_is_refused_with_its_line(tmp_path: Path) -> None:
    qrels = tmp_path / "qrels"
    qrels.write_text("q 0 a 1\nq 0 b 1\nq 0 a 0\n")
    with pytest.raises(CorpusError, match="3"):
        read_qrels(qrels)
    qrels.write_text("q 0 a 1\nq 0 b 1\nq 0 a 1\n")
    assert read_qrels(qrels) == {"q": {"a": 1, "b": 1}}


@pytest.mark.parametrize("grade", [0.5, "0.5", "x", None])
def test_a_grade_of_a_table_that_is_no_whole_number_is_refused(grade: object) -> None:
    """Half a point is not 0."""
    rows = [
        Record({"q": "1", "d": "a", "g": 1.0}, "r"),
        Record({"q": "1", "d": "b", "g": grade}, "r"),
    ]
    assert qrels_of(rows[:1], ("q", "d", "g")) == {"1": {"a": 1}}
    with pytest.raises(CorpusError, match="whole g"):
        qrels_of(rows, ("q", "d", "g"))
