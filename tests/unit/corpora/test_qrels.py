"""Judgements of a file."""

from pathlib import Path

import pytest

from xret.errors import CorpusError
from xret.retriever.corpora.qrels import read_qrels


def test_a_document_judged_twice_differently_is_refused_with_its_line(tmp_path: Path) -> None:
    qrels = tmp_path / "qrels"
    qrels.write_text("q 0 a 1\nq 0 b 1\nq 0 a 0\n")
    with pytest.raises(CorpusError, match="3"):
        read_qrels(qrels)
    qrels.write_text("q 0 a 1\nq 0 b 1\nq 0 a 1\n")
    assert read_qrels(qrels) == {"q": {"a": 1, "b": 1}}
