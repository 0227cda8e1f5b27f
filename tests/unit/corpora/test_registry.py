"""Corpora opened by name or by folder, and their splits."""

from pathlib import Path

import pytest

from xret.errors import CorpusError
from xret.retriever.corpora.registry import open_corpus


def test_a_split_of_a_folder_is_taken_or_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "a", "text": "x", "lang": "en"}\n')
    (tmp_path / "queries.jsonl").write_text(
        '{"_id": "q", "text": "x"}\n{"_id": "p", "text": "x"}\n'
    )
    (tmp_path / "qrels").mkdir()
    for name, query in (("test", "q"), ("dev", "p")):
        text = f"query-id\tcorpus-id\tscore\n{query}\ta\t1\n"
        (tmp_path / "qrels" / f"{name}.tsv").write_text(text)
    assert open_corpus(str(tmp_path), split="dev").qrels() == {"p": {"a": 1}}
    assert open_corpus(str(tmp_path)).qrels() == {"q": {"a": 1}}
    with pytest.raises(CorpusError, match="banana"):
        open_corpus(str(tmp_path), split="banana").qrels()


def test_a_collection_in_a_folder_has_its_split_and_no_other() -> None:
    assert open_corpus("demo", split="test").qrels()
    with pytest.raises(CorpusError, match="no split called 'dev'; it has test"):
        open_corpus("demo", split="dev")
