"""Wrong answers that an evaluation must not give silently."""

from pathlib import Path

import pytest

from xret.errors import CorpusError, RunError
from xret.eval.measures import check_measures
from xret.eval.trec import read_run_file
from xret.retriever.corpora.qrels import read_qrels
from xret.retriever.corpora.registry import open_corpus


def test_scores_that_differ_past_the_sixth_digit_are_not_tied(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.write_text("q Q0 b 1 0.00000030 t\nq Q0 c 2 0.00000020 t\nq Q0 a 3 0.00000010 t\n")
    assert [hit.doc_id for hit in read_run_file(run).run.hits["q"]] == ["b", "c", "a"]


@pytest.mark.parametrize("name", ["nDCG@0", "P@0", "RR@0", "nDCG(cutoff=0)@0", "ERR@-1"])
def test_a_cutoff_below_one_is_refused(name: str) -> None:
    with pytest.raises(RunError):
        check_measures([name], {"q": {"a": 1}})


def test_a_document_judged_twice_differently_is_refused_with_its_line(tmp_path: Path) -> None:
    qrels = tmp_path / "qrels"
    qrels.write_text("q 0 a 1\nq 0 b 1\nq 0 a 0\n")
    with pytest.raises(CorpusError, match="3"):
        read_qrels(qrels)
    qrels.write_text("q 0 a 1\nq 0 b 1\nq 0 a 1\n")
    assert read_qrels(qrels) == {"q": {"a": 1, "b": 1}}


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
