"""Runs, judgements and measures, and the evaluation language pair by language pair."""

from pathlib import Path

import pytest
from conftest import build
from encoders import HashingEncoder

from xret.errors import CorpusError, RunError
from xret.eval.measures import measure
from xret.eval.runner import PairEvaluation
from xret.eval.trec import read_qrels, read_run, write_run
from xret.index.reader import IndexReader
from xret.retriever.searcher import Searcher
from xret.types import Document, Hit, Query, Run


@pytest.mark.parametrize(
    "content",
    [
        "1 0 a 2\n1 0 b 0\n2 0 a 1\n",
        "1\t0\ta\t2\n1 Q0\tb 0\n\n2 0  a\t1\n",
        "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t0\n2\ta\t1\n",
    ],
)
def test_judgements_of_every_layout_read_alike(content: str, tmp_path: Path) -> None:
    (tmp_path / "qrels.tsv").write_text(content, encoding="utf-8")
    assert read_qrels(tmp_path / "qrels.tsv") == {"1": {"a": 2, "b": 0}, "2": {"a": 1}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1 0 a\tx\n", "no integer"),
        ("1 2\n", "2 cells"),
        ("", "no judgement"),
        ("1 0 a b c\n", "5 cells"),
    ],
)
def test_bad_judgements_are_refused_with_the_line(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "qrels.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=words):
        read_qrels(tmp_path / "qrels.tsv")


def test_a_run_survives_its_file(tmp_path: Path) -> None:
    run = Run("tag", {"q1": [Hit("a", 2.5), Hit("b", -1.0)], "q2": [Hit("a", 0.25)]})
    write_run(tmp_path / "run.txt", run)
    lines = (tmp_path / "run.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "q1 Q0 a 1 2.500000 tag"
    assert read_run(tmp_path / "run.txt") == run


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("q Q0 a 1 nan t\n", "NaN"),
        ("q Q0 a 1 x t\n", "no number"),
        ("q Q0 a 1 1 t\nq Q0 a 2 0 t\n", "appears twice"),
        ("q a 1\n", "3 cells"),
    ],
)
def test_a_bad_run_is_refused(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=words):
        read_run(tmp_path / "run.txt")


def test_measures_by_hand() -> None:
    qrels = {"q1": {"a": 2, "b": 1}, "q2": {"c": 1}, "q3": {"d": 1}}
    hits = {
        "q1": [Hit("x", 3.0), Hit("a", 2.0)],
        "q2": [Hit("c", 1.0)],
        "unjudged": [Hit("a", 1.0)],
    }
    values = measure(qrels, hits, ["RR@10", "R@100", "nDCG@10"])
    assert values["RR@10"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert values["R@100"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    # q1: 2 / log2(3) over the ideal 2 + 1 / log2(3)
    assert values["nDCG@10"] == pytest.approx((1.2618595 / 2.6309298 + 1 + 0) / 3)


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(RunError, match="unknown measure"):
        measure({"q": {"a": 1}}, {}, ["nDGC@10"])


def test_pairs_rank_and_judge_only_documents_of_their_language(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    documents = [
        Document("1.en", "gold", "en"), Document("2.en", "tide", "en"),
        Document("1.fr", "tide", "fr"), Document("2.fr", "gold", "fr"),
    ]  # fmt: skip
    build(documents, tmp_path / "i", encoder)
    searcher = Searcher("i", IndexReader.open(tmp_path / "i"), encoder)
    queries = [Query("q1", "gold", "en"), Query("q2", "tide", "fr"), Query("q3", "no", "fr")]
    qrels = {"q1": {"1.en": 1, "1.fr": 1}, "q2": {"1.fr": 1}}
    results = PairEvaluation(searcher, queries, qrels, measures=["RR@10"]).results()
    found = {(r.query_lang, r.doc_lang): (r.queries, r.measures["RR@10"]) for r in results}
    searcher.close()
    assert found == {
        ("en", "en"): (1, 1.0),
        ("en", "fr"): (1, 0.5),
        ("fr", "fr"): (1, 1.0),
        ("en", None): (1, 1.0),
        ("fr", None): (1, 1.0),
        (None, None): (2, 1.0),
    }


def test_judgements_of_other_queries_are_refused(tmp_path: Path, encoder: HashingEncoder) -> None:
    build([Document("a", "gold", "en")], tmp_path / "i", encoder)
    searcher = Searcher("i", IndexReader.open(tmp_path / "i"), encoder)
    with pytest.raises(RunError, match="no query has a judgement"):
        PairEvaluation(searcher, [Query("q1", "gold", "en")], {"other": {"a": 1}})
    searcher.close()
