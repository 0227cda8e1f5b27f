"""The evaluation language pair by language pair, of an index and of run files."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from conftest import build
from encoders import HashingEncoder

from xret.errors import CorpusError, RunError
from xret.eval.comparison import compare_systems, finished_evaluation, floor_warnings
from xret.eval.coverage import coverage_warnings
from xret.eval.environment import corpus_facts
from xret.eval.evaluation import ColumnTest, CorpusFacts, Evaluation, MeasureFacts, SystemResult
from xret.eval.measures import measure
from xret.eval.rankings import (
    IndexRankings,
    RunRankings,
    measure_latency,
    read_document_langs,
)
from xret.eval.runner import BATCH, PairEvaluation
from xret.eval.significance import holm
from xret.eval.system_report import SystemReport
from xret.eval.trec import RunFile, read_run_file, trec_eval_order, write_run
from xret.index.search.reader import IndexReader
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.encoded_queries import EncodedQueries
from xret.retriever.rerankers.stage import RerankStage
from xret.retriever.searcher import Searcher
from xret.types import Calibrate, Document, Hit, Mode, Query, Run, SearchParams


def test_pairs_rank_and_judge_only_documents_of_their_language(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    documents = [
        Document("1.en", "gold", "en"),
        Document("2.en", "tide", "en"),
        Document("1.fr", "tide", "fr"),
        Document("2.fr", "gold", "fr"),
    ]
    build(documents, tmp_path / "i", encoder)
    searcher = Searcher("i", IndexReader.open(tmp_path / "i"), encoder)
    queries = [Query("q1", "gold", "en"), Query("q2", "tide", "fr"), Query("q3", "no", "fr")]
    qrels = {"q1": {"1.en": 1, "1.fr": 1}, "q2": {"1.fr": 1}}
    results = PairEvaluation(IndexRankings(searcher), queries, qrels, measures=["RR@10"]).results()
    found = {(r.query_lang, r.doc_lang): (r.queries, r.measures["RR@10"]) for r in results}
    searcher.close()
    assert found == {
        ("en", "en"): (1, 1.0),
        ("en", "fr"): (1, 0.5),
        ("fr", "fr"): (1, 1.0),
        ("en", None): (1, 0.5),  # 1.en and 2.fr tie, and trec_eval puts the last id first
        ("fr", None): (1, 0.5),
        (None, None): (2, 0.5),
    }


class CountingSearcher(Searcher):
    """Counts the rankings of the whole mixed index."""

    mixed = 0

    def rank(
        self,
        queries: Sequence[Query] | EncodedQueries,
        k: int,
        *,
        doc_langs: Sequence[str] | None = None,
        params: SearchParams | None = None,
        mode: Mode | None = None,
        rerank: str | RerankStage | None = None,
        calibrate: Calibrate | None = None,
    ) -> list[list[Hit]]:
        self.mixed += doc_langs is None
        return super().rank(
            queries,
            k,
            doc_langs=doc_langs,
            params=params,
            mode=mode,
            rerank=rerank,
            calibrate=calibrate,
        )


def test_the_mixed_index_is_ranked_once_for_measures_and_run(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    build([Document("a", "gold", "en"), Document("b", "gold", "en")], tmp_path / "i", encoder)
    searcher = CountingSearcher("i", IndexReader.open(tmp_path / "i"), encoder)
    evaluation = PairEvaluation(
        IndexRankings(searcher), [Query("q", "gold", "en")], {"q": {"a": 1}}, keep_run=True
    )
    results = list(evaluation.results())
    run = evaluation.run("tag")
    searcher.close()
    assert searcher.mixed == 1
    hits = {query: trec_eval_order(found) for query, found in run.hits.items()}
    assert measure({"q": {"a": 1}}, hits) == results[-1].measures
    assert results[-1].measures["RR@10"] == 0.5  # trec_eval puts the tied b first


def test_documents_judged_as_spam_make_no_pair(tmp_path: Path, encoder: HashingEncoder) -> None:
    build([Document("a", "gold", "en"), Document("b", "gold", "fr")], tmp_path / "i", encoder)
    searcher = Searcher("i", IndexReader.open(tmp_path / "i"), encoder)
    evaluation = PairEvaluation(
        IndexRankings(searcher), [Query("q", "gold", "en")], {"q": {"a": 1, "b": -1}}
    )
    pairs = [(r.query_lang, r.doc_lang) for r in evaluation.results()]
    searcher.close()
    assert pairs == [("en", "en"), ("en", None), (None, None)]


def test_a_query_without_a_language_is_identified(tmp_path: Path, encoder: HashingEncoder) -> None:
    build([Document("a", "gold", "en")], tmp_path / "i", encoder)
    searcher = Searcher("i", IndexReader.open(tmp_path / "i"), encoder)
    queries = [Query("q", "どうして海は塩辛いのですか"), Query("n", "2026"), Query("e", "x", "en")]
    evaluation = PairEvaluation(
        IndexRankings(searcher), queries, {q.query_id: {"a": 1} for q in queries}
    )
    searcher.close()
    assert evaluation.query_langs == ["en", "ja", "und"]
    assert evaluation.identified == 2


def run_rankings(
    hits: Mapping[str, Sequence[str]], langs: Mapping[str, str] | None = None, *, name: str = "r"
) -> RunRankings:
    """A run with falling scores, by query id."""
    scored = {
        query: [Hit(doc, float(-place)) for place, doc in enumerate(found)]
        for query, found in hits.items()
    }
    return RunRankings(name, RunFile(Run("tag", scored)), langs or {})


def test_a_query_of_no_known_language_is_no_pair_across_languages() -> None:
    queries = [Query("f", "x", "fr"), Query("n", "2026")]
    rankings = run_rankings({"f": ["x", "a"], "n": ["x"]}, {"a": "en", "x": "en"})
    evaluation = PairEvaluation(rankings, queries, {"f": {"a": 1}, "n": {"a": 1}}, measures=["RR"])
    list(evaluation.progress())
    report = SystemReport.of(evaluation)
    assert report.mean_cross_language == {"RR": 0.5}
    assert report.worst_pair is not None
    assert report.worst_pair.query_lang == "fr"


def test_judgements_of_other_queries_are_refused(tmp_path: Path, encoder: HashingEncoder) -> None:
    build([Document("a", "gold", "en")], tmp_path / "i", encoder)
    searcher = Searcher("i", IndexReader.open(tmp_path / "i"), encoder)
    with pytest.raises(RunError, match="no query has a judgement"):
        PairEvaluation(IndexRankings(searcher), [Query("q1", "gold", "en")], {"other": {"a": 1}})
    searcher.close()


def test_judgements_without_anything_relevant_are_refused() -> None:
    with pytest.raises(RunError, match="no judgement of these queries is above 0"):
        PairEvaluation(run_rankings({"q": ["a"]}), [Query("q", "x")], {"q": {"a": 0, "b": -1}})


LANGS = {"1.en": "en", "2.en": "en", "1.fr": "fr", "2.fr": "fr"}
QUERIES = [Query("q1", "gold", "en"), Query("q2", "tide", "fr"), Query("q3", "no", "fr")]
QRELS: Qrels = {"q1": {"1.en": 1, "1.fr": 1}, "q2": {"1.fr": 1}, "q3": {"9": 0}}


def test_a_run_is_cut_into_the_lists_of_its_languages() -> None:
    rankings = run_rankings({"q1": ["2.fr", "1.en", "2.en", "1.fr"], "q2": ["2.en", "1.fr"]}, LANGS)
    results = PairEvaluation(rankings, QUERIES, QRELS, measures=["RR@10"]).results()
    found = {(r.query_lang, r.doc_lang): (r.queries, r.measures["RR@10"]) for r in results}
    assert found == {
        ("en", "en"): (1, 1.0),
        ("en", "fr"): (1, 0.5),
        ("fr", "fr"): (1, 1.0),
        ("en", None): (1, 0.5),
        ("fr", None): (2, 0.25),
        (None, None): (3, pytest.approx(1 / 3)),
    }


def test_a_run_without_languages_has_mixed_rows_only() -> None:
    evaluation = PairEvaluation(run_rankings({"q1": ["1.en"]}), QUERIES, QRELS, measures=["RR@10"])
    pairs = [(r.query_lang, r.doc_lang) for r in evaluation.results()]
    assert pairs == [("en", None), ("fr", None), (None, None)]


def test_a_measure_between_languages_needs_to_know_them() -> None:
    with pytest.raises(RunError, match="PEER@20 needs the languages of the documents"):
        PairEvaluation(run_rankings({"q1": ["a"]}), QUERIES, QRELS, measures=["PEER@20"])


def test_measures_between_languages_stand_in_the_mixed_rows_only() -> None:
    rankings = run_rankings({"q1": ["1.en", "1.fr"]}, LANGS)
    evaluation = PairEvaluation(rankings, QUERIES, QRELS, measures=["nDCG@10", "OwnFirst@10"])
    for result in evaluation.results():
        assert ("OwnFirst@10" in result.measures) == (
            result.doc_lang is None and result.query_lang != "fr"
        )  # French queries have no relevant document in a second language
    assert list(evaluation.results())[-1].measures["OwnFirst@10"] == 1.0


def test_documents_judged_as_not_relevant_make_no_pair() -> None:
    qrels = {"q1": {"1.en": 1, "1.fr": 0}}
    evaluation = PairEvaluation(run_rankings({"q1": ["1.fr"]}, LANGS), QUERIES, qrels)
    pairs = [(r.query_lang, r.doc_lang) for r in evaluation.results()]
    assert pairs == [("en", "en"), ("en", None), (None, None)]


def test_documents_that_nobody_judged_take_attention() -> None:
    qrels = {"q1": {"1.en": 1}}
    values = []
    for second in ("2.en", "2.fr"):
        rankings = run_rankings({"q1": ["1.en", second]}, LANGS)
        evaluation = PairEvaluation(rankings, QUERIES, qrels, measures=["AWRF@10"])
        values.append(list(evaluation.results())[-1].measures["AWRF@10"])
    assert values[0] == 1.0
    assert values[1] < 0.9


def test_batches_change_nothing() -> None:
    """More queries than one batch, some of them not answered."""
    queries = [Query(f"q{n}", "x", "en") for n in range(BATCH + 40)]
    qrels = {query.query_id: {"1.en": 1, "2.fr": 1} for query in queries}
    hits = {q.query_id: ["2.en", "1.en", "2.fr"][n % 3 :] for n, q in enumerate(queries) if n % 7}
    rankings = run_rankings(hits, LANGS)
    evaluation = PairEvaluation(rankings, queries, qrels, measures=["nDCG@10", "AP"])
    steps = list(evaluation.progress())
    assert [step.done for step in steps] == [
        BATCH,
        2 * BATCH,
        3 * BATCH,
        3 * BATCH + 40,
        3 * BATCH + 80,
        3 * BATCH + 120,
    ]
    whole = measure(qrels, rankings.file.run.hits, ["nDCG@10", "AP"])
    assert list(evaluation.results())[-1].measures == pytest.approx(whole)
    assert len(evaluation.answered) == len(hits)


def finished(*systems: RunRankings, baseline: str | None = None) -> Evaluation:
    evaluations = [
        PairEvaluation(one, QUERIES[:2], QRELS, measures=["nDCG@10", "RR@10", "OwnFirst@10"])
        for one in systems
    ]
    for one in evaluations:
        list(one.progress())
    facts = corpus_facts("test", queries=QUERIES, qrels=QRELS, languages={"en": 2, "fr": 2})
    return finished_evaluation("title", evaluations, corpus=facts, baseline=baseline, seed=3)


GOOD = run_rankings({"q1": ["1.en", "1.fr"], "q2": ["1.fr"]}, LANGS, name="good")
BAD = run_rankings({"q1": ["2.en", "2.fr"], "q2": ["2.en", "1.fr"]}, LANGS, name="bad")
HALF = run_rankings({"q1": ["2.fr", "1.en"]}, LANGS, name="half")


def test_a_finished_evaluation_says_what_each_system_does() -> None:
    one = finished(BAD)
    system = one.system("bad")
    assert system.per_query["RR@10"] == {"q1": 0.0, "q2": 0.5}
    overall = system.overall("RR@10")
    assert overall is not None
    assert (overall.mean, overall.queries) == (0.25, 2)
    assert overall.low <= overall.mean <= overall.high
    assert system.recall[0] == (1, 0.0)
    assert system.recall[-1] == (1000, 0.5)
    assert system.language_share["en"][:2] == (1.0, 0.5)
    assert system.language_share["en"][-1] == 0.5  # of the two documents that there are
    assert finished(GOOD).systems[0].recall[:2] == ((1, 0.75), (2, 1.0))
    assert system.relevant_share == {"en": 0.25, "fr": 0.75}
    worst = system.worst_queries[0]
    assert (worst.query_id, worst.text, worst.relevant, worst.first_relevant) == (
        "q1",
        "gold",
        2,
        None,
    )
    assert worst.top == (("2.en", "en", None), ("2.fr", "fr", None))
    assert one.queries == {"q1": ("gold", "en"), "q2": ("tide", "fr")}
    assert (one.corpus.queries, one.corpus.judged, one.corpus.judgements) == (3, 3, {0: 1, 1: 3})
    assert one.environment.seed == 3
    assert not one.comparisons


def test_the_worst_pair_and_the_ceiling_are_found() -> None:
    system = finished(BAD).systems[0]
    worst = system.worst_pair("RR@10")
    assert worst is not None
    assert (worst.query_lang, worst.doc_lang, worst.values["RR@10"].mean) == ("en", "fr", 0.0)
    ceiling = system.ceiling("fr", "RR@10")
    assert ceiling is not None
    assert ceiling.mean == 1.0
    assert system.ceiling("sw", "RR@10") is None


def test_each_system_is_compared_with_each_or_with_the_baseline() -> None:
    each = [(c.baseline, c.system, c.measure) for c in finished(GOOD, BAD, HALF).comparisons]
    pairs = [("good", "bad"), ("good", "half"), ("bad", "half")]
    assert each == [(*pair, name) for name in ("nDCG@10", "RR@10") for pair in pairs]
    based = [(c.baseline, c.system) for c in finished(GOOD, BAD, HALF, baseline="bad").comparisons]
    assert based == [("bad", "good"), ("bad", "half")] * 2


def test_p_values_are_adjusted_over_the_comparisons_by_a_measure() -> None:
    def system(name: str, shift: float) -> SystemResult:
        values = {f"q{n}": (n % 7) / 10 + shift * (n % 3) for n in range(20)}
        return SystemResult(name, "run", {"AP": values, "RR": values}, ())

    facts = [MeasureFacts("AP"), MeasureFacts("RR"), MeasureFacts("OwnFirst@10", "fairness", None)]
    systems = [system("a", 0.0), system("b", 0.01), system("c", -0.02)]
    made = compare_systems(systems, facts, baseline=None, seed=0)
    assert [c.measure for c in made] == ["AP"] * 3 + ["RR"] * 3
    for alike in (made[:3], made[3:]):
        adjusted = [c.p_randomisation_holm for c in alike]
        assert adjusted == holm([c.p_randomisation for c in alike])
        assert [c.p_t_holm for c in alike] == holm([c.p_t for c in alike if c.p_t is not None])
    first = made[0]
    assert first.difference.mean == pytest.approx(0.01 * 19 / 20)
    assert (first.better, first.equal, first.worse) == (13, 7, 0)


def test_a_query_that_a_run_lacks_is_zero_in_the_test_as_in_the_mean() -> None:
    one = finished(GOOD, HALF)
    assert {(c.difference.queries, c.left_out) for c in one.comparisons} == {(2, 0)}
    good, half = (one.system(name).overall("RR@10") for name in ("good", "half"))
    assert good is not None
    assert half is not None
    assert half.mean == 0.25
    compared = next(c for c in one.comparisons if c.measure == "RR@10")
    assert compared.difference.mean == half.mean - good.mean
    assert any("counts as 0 for it in tests as in means" in text for text in one.warnings)
    assert any("half answers 1 of 2 judged queries" in text for text in one.warnings)


def test_the_same_rankings_through_index_and_run_file_have_one_table_and_one_p(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    """With a query that finds nothing, and so has no line in the file."""
    documents = [
        Document("1.en", "gold", "en"),
        Document("2.en", "tide", "en"),
        Document("1.fr", "tide", "fr"),
        Document("2.fr", "gold", "fr"),
    ]
    build(documents, tmp_path / "i", encoder)
    searcher = Searcher("i", IndexReader.open(tmp_path / "i"), encoder)
    queries = [*QUERIES[:2], Query("q4", "xyzzy", "en")]
    qrels: Qrels = {**QRELS, "q4": {"1.en": 1}}
    index = IndexRankings(searcher, name="one", mode="lexical")
    evaluation = PairEvaluation(index, queries, qrels, keep_run=True)
    list(evaluation.results())
    write_run(tmp_path / "one.trec", evaluation.run())
    file = read_run_file(tmp_path / "one.trec")
    assert sorted(file.run.hits) == ["q1", "q2"]
    names = ["nDCG@10", "RR@10", "AWRF@2"]
    compared = []
    for system in (index, RunRankings("one", file, LANGS)):
        evaluations = [PairEvaluation(one, queries, qrels, measures=names) for one in (BAD, system)]
        for each in evaluations:
            list(each.progress())
        done = finished_evaluation("t", evaluations, corpus=CorpusFacts("t"))
        compared.append((done.comparisons, done.systems[1].pairs, done.systems[1].per_query))
    searcher.close()
    assert compared[0] == compared[1]
    assert {c.measure: c.difference.queries for c in compared[0][0]} == dict(
        zip(names, (3, 3, 2), strict=True)
    )


def test_depth_and_the_own_document_are_left_out_of_what_is_measured() -> None:
    run = run_rankings({"q1": ["q1", "1.en", "1.fr"]})
    qrels: Qrels = {"q1": {"1.en": 1, "1.fr": 1}}

    def measured(**how: Any) -> dict[str, float]:
        evaluation = PairEvaluation(run, QUERIES[:1], qrels, measures=["RR", "AP", "NumRet"], **how)
        return next(iter(evaluation.results())).measures

    assert measured() == {"RR": 0.5, "AP": pytest.approx((1 / 2 + 2 / 3) / 2), "NumRet": 3}
    assert measured(depth=2) == {"RR": 0.5, "AP": 0.25, "NumRet": 2}
    assert measured(exclude_self=True) == {"RR": 1.0, "AP": 1.0, "NumRet": 2}
    assert measured(exclude_self=True, depth=1) == {"RR": 1.0, "AP": 0.5, "NumRet": 1}


def test_many_systems_can_differ_significantly() -> None:
    """24 of them by 4 measures: at 20,000 samples the least p, 0.00005 times 1,104, is 0.0552."""
    draw = np.random.default_rng(0)
    values = {f"q{n}": float(value) for n, value in enumerate(draw.random(60))}
    names = [f"M@{n}" for n in range(1, 5)]
    systems = [
        SystemResult(
            f"s{number}",
            "run",
            {
                name: {q: v * (0.5 if number == 23 else 1) for q, v in values.items()}
                for name in names
            },
            (),
        )
        for number in range(24)
    ]
    made = compare_systems(systems, [MeasureFacts(name) for name in names], baseline=None, seed=0)
    assert len(made) == 276 * 4
    worse = [c for c in made if c.system == "s23"]
    assert {c.worse for c in worse} == {60}
    assert max(c.p_randomisation_holm for c in worse) < 0.001
    assert all(c.at_floor and c.samples == 1_000_000 for c in worse)
    assert {c.p_randomisation_holm for c in made if c.system != "s23"} == {1.0}
    assert not floor_warnings(made)


def test_it_is_told_that_nothing_can_be_significant() -> None:
    compared = finished(GOOD, BAD).comparisons[0]
    few = [replace(compared, exact=False, samples=999, p_randomisation=0.001)] * 51
    said = floor_warnings(few)
    assert len(said) == 1
    assert "can give by nDCG@10 is 0.001, and 0.051 after correction for 51 comparisons" in said[0]
    assert not floor_warnings(few[:50])
    column = ColumnTest("RR", "fr", "a", "b", -0.5, 0.001, 0.051, samples=999)
    (said,) = floor_warnings([], [column] * 51)
    assert "by RR over documents of one language is 0.001, and 0.051" in said
    assert not floor_warnings([], [replace(column, doc_lang=None)] * 51)


def test_it_is_told_that_too_few_queries_differ() -> None:
    compared = finished(GOOD, BAD).comparisons[0]
    few = replace(compared, exact=True, samples=0, better=0, worse=5)
    (said,) = floor_warnings([few])
    assert said == (
        "the smallest p that the randomisation test can give by nDCG@10 is 0.062: too few queries "
        "differ for a difference to be significant"
    )
    assert not floor_warnings([replace(few, worse=6)])
    assert not floor_warnings([replace(few, worse=0)])


def test_ids_that_are_spelt_otherwise_are_told() -> None:
    run = run_rankings({"q1": ["D1", "D2"], "q2": ["D3"]}, LANGS)
    evaluation = PairEvaluation(run, QUERIES[:2], QRELS, measures=["RR@10"])
    list(evaluation.results())
    said = " ".join(coverage_warnings([evaluation]))
    assert "none of its first 100 documents is judged" in said
    assert "(run: 'D1', judgements: '1.en')" in said
    assert "the language of 3 of its 3 documents is not known" in said


def test_queries_with_nothing_relevant_are_told() -> None:
    evaluation = PairEvaluation(run_rankings({"q1": ["1.en"]}), QUERIES, QRELS, measures=["RR@10"])
    list(evaluation.results())
    said = coverage_warnings([evaluation])
    assert any(text.startswith("1 judged queries have no relevant document") for text in said)


def test_an_index_is_described_so_that_it_can_be_repeated(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    documents = [Document("1.en", "gold", "en"), Document("1.fr", "tide", "fr")]
    build(documents, tmp_path / "i", encoder)
    searcher = Searcher("i", IndexReader.open(tmp_path / "i"), encoder)
    evaluation = PairEvaluation(IndexRankings(searcher, name="mine"), QUERIES[:2], QRELS)
    list(evaluation.progress())
    one = finished_evaluation(
        "t",
        [evaluation],
        corpus=corpus_facts("t"),
        latencies={"mine": measure_latency(searcher, QUERIES)},
    )
    size = searcher.reader.size_bytes()
    searcher.close()
    system = one.system("mine")
    assert (system.kind, system.index, system.documents) == ("index", "i", 2)
    assert (system.index_bytes, system.encoder) == (size, encoder.spec.name)
    assert system.latency is not None
    stage = system.metadata["method"]["retrieval"][0]
    assert stage["encoder fingerprint"] == encoder.spec.fingerprint
    assert stage["document languages"] == ["en", "fr"]
    stored = orjson.loads(orjson.dumps(one, option=orjson.OPT_NON_STR_KEYS))
    assert stored["systems"][0]["pairs"][0]["values"]["RR@10"]["mean"] == 1.0
    assert stored["environment"]["libraries"]["ir-measures"]


def test_files_are_told_by_their_checksums(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_bytes(b"q1 0 a 1\n")
    facts = corpus_facts("t", files=[tmp_path / "qrels", tmp_path / "absent"])
    expected = hashlib.sha256(b"q1 0 a 1\n").hexdigest()
    assert facts.checksums == {"qrels": expected}


def test_latency_is_of_single_queries(tmp_path: Path, encoder: HashingEncoder) -> None:
    build([Document("a", "gold", "en")], tmp_path / "i", encoder)
    searcher = CountingSearcher("i", IndexReader.open(tmp_path / "i"), encoder)
    latency = measure_latency(searcher, [Query(f"q{n}", "gold", "en") for n in range(120)])
    searcher.close()
    assert (latency.queries, searcher.mixed) == (50, 51)
    assert 0 < latency.p50_ms <= latency.p95_ms <= latency.p99_ms


def test_the_languages_of_documents_are_read_from_a_table_or_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "langs.tsv").write_text("a\tfra\nb  zh-Hant\n\nc\tEnglish\n", encoding="utf-8")
    found = read_document_langs(tmp_path / "langs.tsv")
    assert found == {"a": "fr", "b": "zh-Hant", "c": "en"}
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "a", "text": "x", "lang": "fra"}\n{"_id": "b", "text": "y"}\n', encoding="utf-8"
    )
    assert read_document_langs(tmp_path / "corpus.jsonl") == {"a": "fr"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a\tfr\tx\n", "langs.tsv:1: 3 cells where 2 are expected"),
        ("a\tfr\nb\tzz\n", "langs.tsv:2"),
        ("\n", "names the language of no document"),
    ],
)
def test_a_bad_table_of_languages_is_refused(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "langs.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=words):
        read_document_langs(tmp_path / "langs.tsv")
