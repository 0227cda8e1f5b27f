"""Runs, judgements and measures, and the evaluation language pair by language pair."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import build
from encoders import HashingEncoder

from xret.cli.evaluate import _report
from xret.errors import CorpusError, RunError
from xret.eval.measures import check_measures, measure
from xret.eval.runner import PairEvaluation, PairResult
from xret.eval.trec import ranked, read_qrels, read_run, write_run
from xret.index.reader import IndexReader
from xret.retriever.searcher import Searcher
from xret.types import Document, Hit, Query, Run


@pytest.mark.parametrize(
    "content",
    [
        "1 0 a 2\n1 0 b 0\n2 0 a 1\n",
        "1\t0\ta\t2\n1 Q0\tb 0\n\n2 0  a\t1\n",
        "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t0\n2\ta\t1\n",
        "1 0\ta\t2\n1 0\tb\t0\n2 0\ta\t1\n",
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
        ("1 0 a 2147483647\n", "over 1,000"),
    ],
)
def test_bad_judgements_are_refused_with_the_line(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "qrels.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=words):
        read_qrels(tmp_path / "qrels.tsv")


def test_ids_may_hold_spaces_where_tabs_separate(tmp_path: Path) -> None:
    (tmp_path / "beir.tsv").write_text("q 1\tmy notes.txt\t1\n", encoding="utf-8")
    (tmp_path / "trec.tsv").write_text("q 1\t0\tmy notes.txt\t1\n", encoding="utf-8")
    for name in ("beir", "trec"):
        assert read_qrels(tmp_path / f"{name}.tsv") == {"q 1": {"my notes.txt": 1}}


@pytest.mark.parametrize("name", ["a b", "a\tb", "a\nb", "", " a", "a\u2003b"])
def test_an_id_that_a_run_cannot_hold_is_refused_before_a_line_is_written(
    name: str, tmp_path: Path
) -> None:
    for hits in ({"q": [Hit("a", 1.0), Hit(name, 0.5)]}, {name: [Hit("a", 1.0)]}):
        with pytest.raises(RunError, match="white space"):
            write_run(tmp_path / "run.txt", Run("tag", hits))
    assert not (tmp_path / "run.txt").exists()


def test_scores_that_print_alike_are_a_tie_in_the_run_too(tmp_path: Path) -> None:
    hits = ranked([Hit("b", 0.1234564), Hit("a", 0.1234561), Hit("c", -1e-9)])
    assert [hit.doc_id for hit in hits] == ["a", "b", "c"]
    write_run(tmp_path / "run.txt", Run("two words", {"q": hits}))
    assert read_run(tmp_path / "run.txt") == Run("two-words", {"q": hits})
    assert "-0.0" not in (tmp_path / "run.txt").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("grade", [-2, -1, 0])
def test_a_grade_below_one_is_not_relevant_and_does_no_harm(grade: int) -> None:
    qrels = {"q": {"spam": grade, "a": 1}}
    hits = {"q": [Hit("spam", 2.0), Hit("a", 1.0)]}
    values = measure(qrels, hits, ["RR@10", "nDCG@10", "AP", "Judged@10"])
    assert values["RR@10"] == values["AP"] == 0.5
    assert values["nDCG@10"] == pytest.approx(1 / 1.5849625)
    assert values["Judged@10"] == 1.0


def test_no_grade_below_zero_reaches_trec_eval(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a grade for the index of an array, in memory that is not its own."""
    seen: list[int] = []

    def spy(measures: list[Any], qrels: list[Any], _run: list[Any]) -> dict[Any, float]:
        seen.extend(qrel.relevance for qrel in qrels)
        return dict.fromkeys(measures, 0.0)

    monkeypatch.setattr("ir_measures.calc_aggregate", spy)
    measure({"q": {"spam": -2, "a": 1}}, {}, ["nDCG@10"])
    assert seen == [0, 1]


def test_ties_are_measured_in_the_order_of_the_hits() -> None:
    for first, second, value in (("a", "b", 1.0), ("b", "a", 0.5)):
        hits = {"q": [Hit(first, 1.0), Hit(second, 1.0)]}
        assert measure({"q": {"a": 1}}, hits, ["RR@10"]) == {"RR@10": value}


@pytest.mark.parametrize("name", ["nDGC@10", "nDCG(x=1)@10", "nDCG@", "nDCG@x", "P(", ""])
def test_an_unknown_measure_is_refused(name: str) -> None:
    with pytest.raises(RunError, match="unknown measure"):
        measure({"q": {"a": 1}}, {}, [name])


@pytest.mark.parametrize("name", ["ERR@20", "INST", "P", "nDCG(gains=3)@10"])
def test_a_measure_that_cannot_be_computed_is_refused(name: str) -> None:
    with pytest.raises(RunError, match="cannot be computed here"):
        measure({"q": {"a": 1}}, {"q": [Hit("a", 1.0)]}, [name])


def test_a_measure_is_refused_before_anything_is_ranked() -> None:
    for name, words in {"nDGC@10": "unknown measure", "INST": "cannot be computed"}.items():
        with pytest.raises(RunError, match=words):
            check_measures(["nDCG@10", name], {"q": {"a": 1}})


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


class CountingSearcher(Searcher):
    """Counts the rankings of the whole mixed index."""

    mixed = 0

    def rank(
        self, queries: Sequence[Query], k: int, *, langs: Sequence[str] | None = None
    ) -> list[list[Hit]]:
        self.mixed += langs is None
        return super().rank(queries, k, langs=langs)


def test_the_mixed_index_is_ranked_once_for_measures_and_run(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    build([Document("a", "gold", "en"), Document("b", "gold", "en")], tmp_path / "i", encoder)
    searcher = CountingSearcher("i", IndexReader.open(tmp_path / "i"), encoder)
    evaluation = PairEvaluation(searcher, [Query("q", "gold", "en")], {"q": {"a": 1}})
    results = list(evaluation.results())
    run = evaluation.run("tag")
    searcher.close()
    assert searcher.mixed == 1
    assert measure({"q": {"a": 1}}, run.hits) == results[-1].measures


def test_documents_judged_as_spam_make_no_pair(tmp_path: Path, encoder: HashingEncoder) -> None:
    build([Document("a", "gold", "en"), Document("b", "gold", "fr")], tmp_path / "i", encoder)
    searcher = Searcher("i", IndexReader.open(tmp_path / "i"), encoder)
    evaluation = PairEvaluation(searcher, [Query("q", "gold", "en")], {"q": {"a": 1, "b": -1}})
    pairs = [(r.query_lang, r.doc_lang) for r in evaluation.results()]
    searcher.close()
    assert pairs == [("en", "en"), ("en", None), (None, None)]


def test_a_query_without_a_language_is_identified(tmp_path: Path, encoder: HashingEncoder) -> None:
    build([Document("a", "gold", "en")], tmp_path / "i", encoder)
    searcher = Searcher("i", IndexReader.open(tmp_path / "i"), encoder)
    queries = [Query("q", "どうして海は塩辛いのですか"), Query("n", "2026"), Query("e", "x", "en")]
    evaluation = PairEvaluation(searcher, queries, {q.query_id: {"a": 1} for q in queries})
    searcher.close()
    assert evaluation.query_langs == ["en", "ja", "und"]
    assert evaluation.identified == 2


def test_a_query_of_no_known_language_is_no_pair_across_languages() -> None:
    results = [
        PairResult("fr", "en", 1, {"AP": 0.5}),
        PairResult("und", "en", 1, {"AP": 0.0}),
        PairResult(None, None, 2, {"AP": 0.25}),
    ]
    searcher = SimpleNamespace(name="i", encoder=SimpleNamespace(spec=SimpleNamespace(name="e")))
    report = _report(searcher, results, 1)  # type: ignore[arg-type]
    assert report["mean_cross_language"] == {"AP": 0.5}
    assert report["worst_pair"].query_lang == "fr"


def test_judgements_of_other_queries_are_refused(tmp_path: Path, encoder: HashingEncoder) -> None:
    build([Document("a", "gold", "en")], tmp_path / "i", encoder)
    searcher = Searcher("i", IndexReader.open(tmp_path / "i"), encoder)
    with pytest.raises(RunError, match="no query has a judgement"):
        PairEvaluation(searcher, [Query("q1", "gold", "en")], {"other": {"a": 1}})
    searcher.close()
