"""Measures by hand, against trec_eval on random and on real runs, and between languages."""

import doctest
import importlib
import math
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ir_measures
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from xret.errors import RunError
from xret.eval.equal_rank import (
    equal_rank,
    kruskal_wallis,
    probability_of_equal_expected_rank,
)
from xret.eval.fairness import (
    alpha_ndcg_lang,
    attention_fairness,
    fairness_measure,
    own_language_first,
)
from xret.eval.measure_names import measure_names
from xret.eval.measures import (
    aggregate,
    check_measures,
    measure,
    measure_facts,
    measure_fairness,
    measure_queries,
)
from xret.eval.own_measures import expected_reciprocal_rank
from xret.eval.trec import read_run, trec_eval_order, write_run
from xret.retriever.corpora.qrels import Qrels, read_qrels
from xret.types import Hit, Run

TREC_NAMES = {
    "nDCG@10": "ndcg_cut_10",
    "nDCG": "ndcg",
    "AP": "map",
    "AP@100": "map_cut_100",
    "R@5": "recall_5",
    "R@1000": "recall_1000",
    "P@10": "P_10",
    "RR": "recip_rank",
    "Success@5": "success_5",
    "Rprec": "Rprec",
    "Bpref": "bpref",
}
"""Measures by our name and trec_eval's."""

COMMANDS = [
    "ndcg",
    "ndcg_cut",
    "map",
    "map_cut",
    "recall",
    "P",
    "recip_rank",
    "success",
    "Rprec",
    "bpref",
]


def by_trec_eval(qrels: Qrels, run: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """What trec_eval says of every judged query; it leaves out what the run does not answer."""
    known = {q: dict(found) for q, found in run.items() if found}
    # Its library takes a grade for the index of an array; trec_eval passes over those below 0.
    grades = {
        q: {d: g for d, g in found.items() if g >= 0} or {" ": 0} for q, found in qrels.items()
    }
    values = pytrec_eval.RelevanceEvaluator(grades, set(COMMANDS)).evaluate(known)
    return {
        ours: {q: values.get(q, {}).get(theirs, 0.0) for q in qrels}
        for ours, theirs in TREC_NAMES.items()
    }


def as_hits(run: Mapping[str, Mapping[str, float]]) -> dict[str, Sequence[Hit]]:
    return {
        query: trec_eval_order([Hit(*pair) for pair in found.items()])
        for query, found in run.items()
    }


def check_against_trec_eval(qrels: Qrels, run: Mapping[str, Mapping[str, float]]) -> None:
    ours = measure_queries(qrels, as_hits(run), list(TREC_NAMES))
    theirs = by_trec_eval(qrels, run)
    for name, values in theirs.items():
        assert ours[name] == pytest.approx(values, abs=1e-6), name
        mean = sum(values.values()) / len(values)
        assert aggregate(name, list(ours[name].values())) == pytest.approx(mean, abs=1e-6)


def random_case(seed: int) -> tuple[Qrels, dict[str, dict[str, float]]]:
    """Grades from -1 to 3, ties in scores, missing and extra queries."""
    draw = random.Random(seed)
    documents = [f"d{n}" for n in range(draw.choice([3, 40, 300]))]
    queries = [f"q{n}" for n in range(draw.choice([1, 7, 25]))]
    qrels = {
        query: {
            doc: draw.choice([-1, 0, 0, 1, 2, 3])
            for doc in draw.sample(documents, draw.randint(1, len(documents)))
        }
        for query in queries
    }
    scale = draw.choice([1.0, 1e-4])  # beyond, its single precision makes ties of its own
    steps = draw.choice([2, 20, 10**4])
    run = {
        query: {
            doc: round(draw.randint(0, steps) / steps * scale, 6)
            for doc in draw.sample(documents, draw.randint(0, len(documents)))
        }
        for query in [*queries, "unjudged"]
        if draw.random() > 0.15
    }
    return qrels, run


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_numbers_are_those_of_trec_eval_on_random_runs(start: int) -> None:
    for seed in range(start, start + 20):
        check_against_trec_eval(*random_case(seed))


SHARED_SETS = ["belebele-en-de", "hc4-mini-zho", "patapsco-toy"]


@pytest.mark.shared
@pytest.mark.parametrize("name", SHARED_SETS)
def test_numbers_are_those_of_trec_eval_on_runs_over_the_shared_sets(
    name: str, shared: Path, tmp_path: Path
) -> None:
    qrels = read_qrels(shared / "data" / "eval" / name / "qrels.tsv")
    judged = sorted({doc for grades in qrels.values() for doc in grades})
    draw = random.Random(7)
    run = {
        query: {
            doc: round(draw.random() + draw.choice([0, 1]) * max(grades.get(doc, 0), 0), 3)
            for doc in draw.sample(judged, min(200, len(judged)))
        }
        for query, grades in list(qrels.items())[:200]
    }
    check_against_trec_eval(qrels, run)
    hits = {query: [Hit(*pair) for pair in found.items()] for query, found in run.items()}
    write_run(tmp_path / "run.trec", Run("tag", hits))
    read = read_run(tmp_path / "run.trec")
    again = measure_queries(
        qrels, {q: trec_eval_order(found) for q, found in read.hits.items()}, ["nDCG@10", "AP"]
    )
    assert again == measure_queries(qrels, as_hits(run), ["nDCG@10", "AP"])


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

    def spy(_measures: list[Any], qrels: Qrels, _run: dict[str, Any]) -> list[Any]:
        seen.extend(grade for grades in qrels.values() for grade in grades.values())
        return []

    monkeypatch.setattr("ir_measures.iter_calc", spy)
    measure({"q": {"spam": -2, "a": 1}}, {}, ["nDCG@10"])
    assert seen == [1]


def test_ties_are_measured_in_the_order_of_the_hits() -> None:
    for first, second, value in (("a", "b", 1.0), ("b", "a", 0.5)):
        hits = {"q": [Hit(first, 1.0), Hit(second, 1.0)]}
        assert measure({"q": {"a": 1}}, hits, ["RR@10"]) == {"RR@10": value}


def test_scores_are_ordered_in_double_precision() -> None:
    """As since trec_eval 10.0; before, 1.00000001 was 1, and 1e39 and 1e40 were both infinite."""
    for low, high in ((1.0, 1.00000001), (1e39, 1e40), (-1e40, -1e39)):
        hits = {"q": trec_eval_order([Hit("z", low), Hit("a", high)])}
        assert measure({"q": {"a": 1}}, hits, ["RR"]) == {"RR": 1.0}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Bpref", 0.5),
        ("infAP", 0.5833333333),
        ("RR(judged_only=True)", 1.0),
        ("P(judged_only=True)@2", 0.5),
        # a at 3, c at 4 and d at 6 have 4, 1 and 4; b and e have no gain of 0
        ("nDCG(gains={0:1,1:4})", (4 / 2 + 1 / math.log2(5) + 4 / math.log2(7)) / 7.0237190),
        ("Judged@2", 1.0),
    ],
)
def test_a_grade_below_zero_is_a_document_that_nobody_judged(name: str, value: float) -> None:
    """trec_eval's numbers for these five documents, but Judged, which is ir_measures'."""
    qrels = {"q": {"a": 1, "b": -1, "c": 0, "d": 1, "e": -2}}
    hits = {"q": [Hit(doc, -float(place)) for place, doc in enumerate("beacxd")]}
    assert measure(qrels, hits, [name]) == {name: pytest.approx(value)}


def test_a_query_whose_documents_nobody_judged_is_zero_and_counts() -> None:
    qrels = {"q1": {"a": -1}, "q2": {"a": 1}}
    hits = {"q1": [Hit("a", 1.0)], "q2": [Hit("a", 1.0)]}
    for name in ("AP", "nDCG@10", "Bpref", "infAP", "Compat", "RR@10"):
        assert measure_queries(qrels, hits, [name])[name] == {"q1": 0.0, "q2": 1.0}


def test_what_was_not_ranked_stands_last_in_the_ideal_list_of_compat() -> None:
    """A score below 0 put it first. By hand: (1 + .5 * .95) / 1.95."""
    values = measure({"q": {"a": 1, "c": 1}}, {"q": [Hit("a", 1.0)]}, ["Compat"])
    assert values == {"Compat": pytest.approx((1 + 0.95 / 2) / 1.95)}
    assert round(values["Compat"], 4) == 0.7564


def test_counts_of_what_is_judged_are_the_same_without_an_answer() -> None:
    qrels = {"q1": {"a": 1, "b": 2}, "q2": {"a": 1, "b": 0}}
    values = measure(qrels, {"q1": [Hit("a", 1.0)]}, ["NumQ", "NumRel", "NumRel(rel=2)", "NumRet"])
    assert values == {"NumQ": 2.0, "NumRel": 3.0, "NumRel(rel=2)": 1.0, "NumRet": 1.0}


def test_a_value_of_an_id_that_is_not_judged_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that takes MED-10 for a topic of the year 10 answers for topic 10."""

    def stranger(*_: Any) -> list[Any]:
        return [ir_measures.Metric(query_id="10", measure=ir_measures.AP, value=1.0)]

    monkeypatch.setattr("ir_measures.iter_calc", stranger)
    with pytest.raises(RunError, match="query '10', which is not judged"):
        measure({"MED-10": {"a": 1}}, {"MED-10": [Hit("a", 1.0)]}, ["AP"])


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("nDCG@10", "trec_eval 9.0, by pytrec-eval-terrier"),
        ("IPrec@0.1", "trec_eval 9.0"),
        ("RR@10", r"ir_measures .* \(msmarco\)"),
        ("infAP", "xret"),
        ("PEER@20", "xret"),
    ],
)
def test_a_measure_says_whose_arithmetic_it_is(name: str, program: str) -> None:
    assert re.match(program, measure_facts(name).program)


@pytest.mark.parametrize("name", ["nDGC@10", "nDCG(x=1)@10", "P(", ""])
def test_an_unknown_measure_is_refused(name: str) -> None:
    with pytest.raises(RunError, match="unknown measure"):
        measure({"q": {"a": 1}}, {}, [name])


@pytest.mark.parametrize("name", ["INST", "P", "nDCG(gains=3)@10"])
def test_a_measure_that_cannot_be_computed_is_refused(name: str) -> None:
    with pytest.raises(RunError, match="cannot be computed here"):
        measure({"q": {"a": 1}}, {"q": [Hit("a", 1.0)]}, [name])


def test_a_measure_is_refused_before_anything_is_ranked() -> None:
    for name, words in {"nDGC@10": "unknown measure", "INST": "cannot be computed"}.items():
        with pytest.raises(RunError, match=words):
            check_measures(["nDCG@10", name], {"q": {"a": 1}})


def test_a_query_without_an_answer_has_a_value_and_an_unjudged_one_has_none() -> None:
    hits = {"q1": [Hit("a", 1.0)], "q2": [], "other": [Hit("a", 1.0)]}
    qrels = {"q1": {"a": 1}, "q2": {"a": 1}, "q3": {"b": 1}}
    for name in ("RR@10", "nDCG@10", "Judged@10", "ERR@10", "Success@1"):
        values = measure_queries(qrels, hits, [name])[name]
        assert values == {"q1": pytest.approx(values["q1"]), "q2": 0.0, "q3": 0.0}
        assert values["q1"] > 0


def test_judgements_of_zero_only_give_zero_and_count() -> None:
    qrels = {"q1": {"a": 0}, "q2": {"a": 1}}
    hits = {"q1": [Hit("a", 1.0)], "q2": [Hit("a", 1.0)]}
    assert measure(qrels, hits, ["nDCG@10", "R@10"]) == {"nDCG@10": 0.5, "R@10": 0.5}


def test_expected_reciprocal_rank_by_hand() -> None:
    grades = {"a": 4, "b": 2, "junk": -2}
    # stops at b with 3/16, else goes on to a, where it stops with 15/16
    by_hand = 3 / 16 + (13 / 16) * (15 / 16) / 3
    assert expected_reciprocal_rank(["b", "junk", "a"], grades) == pytest.approx(by_hand)
    hits = {"q": [Hit("b", 3.0), Hit("junk", 2.0), Hit("a", 1.0)]}
    assert measure({"q": grades}, hits, ["ERR@2", "ERR@10"]) == {
        "ERR@2": pytest.approx(3 / 16),
        "ERR@10": pytest.approx(by_hand),
    }


def test_expected_reciprocal_rank_refuses_grades_that_it_has_no_gain_for() -> None:
    with pytest.raises(RunError, match="grades up to 4 and the judgements go up to 9; use nDCG"):
        check_measures(["ERR@20"], {"q": {"a": 9}})


@pytest.mark.parametrize(
    "name", ["PEER", "AWRF@", "OwnFirst@0", "EqualRank", "PEER@x", "alpha_nDCG_lang"]
)
def test_a_measure_between_languages_needs_a_cutoff(name: str) -> None:
    stem = name.partition("@")[0]
    with pytest.raises(RunError, match=f"write {stem}@20"):
        check_measures([name], {"q": {"a": 1}})


LANGS = {"a": "en", "b": "fr", "c": "en", "d": "fr", "e": "sw"}


@given(groups=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=8), min_size=2, max_size=4))
@settings(deadline=None)
def test_kruskal_wallis_is_that_of_scipy(groups: list[list[int]]) -> None:
    if len({value for group in groups for value in group}) == 1:
        assert kruskal_wallis(groups) == 1.0
    else:
        assert kruskal_wallis(groups) == pytest.approx(stats.kruskal(*groups).pvalue, abs=1e-12)


def test_equal_rank_is_the_test_of_each_grade() -> None:
    """Grade 1: en at 1, fr at 2 and behind; grade 3: one language, and so 1."""
    grades = {"a": 1, "b": 1, "d": 1, "c": 3, "e": 0}
    ranking = ["a", "x", "b", "c", "e"]
    expected = (stats.kruskal([1], [3, 99]).pvalue + 1.0) / 2
    found = equal_rank(ranking, grades, LANGS, cutoff=5)
    assert found == pytest.approx(expected)
    # a cutoff puts what lies below it behind, tied with what was not found
    tied = (stats.kruskal([1], [99, 99]).pvalue + 1.0) / 2
    assert equal_rank(ranking, grades, LANGS, cutoff=2) == pytest.approx(tied)


@pytest.mark.parametrize(
    ("ranking", "grades", "cutoff", "weights", "value"),
    [
        (
            ["a", "x", "b", "c", "d"],
            {"a": 1, "b": 1, "c": 1, "d": 1},
            5,
            {1: 1.0},
            0.37977547484094887,
        ),
        (["a", "c"], {"a": 1, "b": 1, "c": 1, "d": 1}, 5, {1: 1.0}, 0.08808151166219025),
        (
            ["b", "a", "e"],
            {"a": 1, "b": 1, "c": 3, "d": 3},
            2,
            {1: 0.5, 3: 0.5},
            0.6586552539314556,
        ),
        (["b", "a"], {"a": 1, "b": 1}, 2, {1: 0.5, 3: 0.5}, 0.15865525393145558),
        (["x", "a", "b"], {"a": 0, "b": 0, "c": 1}, 9, {0: 1.0}, 0.22067136191984324),
    ],
)
def test_peer_is_the_number_of_its_authors(
    ranking: list[str], grades: Qrels, cutoff: int, weights: dict[int, float], value: float
) -> None:
    """Values of the package peer_measure 0.0.1."""
    found = probability_of_equal_expected_rank(
        ranking,
        grades,
        {**LANGS, "x": "en"},
        cutoff=cutoff,
        weights=weights,  # type: ignore[arg-type]
    )
    assert found == pytest.approx(value, abs=1e-12)


def test_weights_of_peer_are_part_of_its_name() -> None:
    name = "PEER(weights={1:0.5,3:0.5})@20"
    assert measure_names([f"{name},peer@20"]) == [name, "PEER@20"]
    qrels = {"q": {"a": 1, "b": 1}}
    hits = {"q": [Hit("a", 2.0), Hit("b", 1.0)]}
    halves = measure_fairness(qrels, hits, name, doc_langs=LANGS, query_langs={})
    whole = measure_fairness(qrels, hits, "PEER@20", doc_langs=LANGS, query_langs={})
    assert halves["q"] == pytest.approx(whole["q"] / 2)
    assert measure_facts(name).name == name
    for wrong, words in {"{1:0.5}": "are 0.5 together", "{1:x}": "no grades with numbers"}.items():
        with pytest.raises(RunError, match=words):
            check_measures([f"PEER(weights={wrong})@20"], qrels)


def test_a_rate_that_was_not_its_papers_is_withdrawn() -> None:
    with pytest.raises(RunError, match="withdrawn; what it was is OwnFirst@10"):
        check_measures(["LPR@10"], {"q": {"a": 1}})


def test_equal_rank_says_nothing_without_a_relevant_document() -> None:
    assert equal_rank(["a"], {"a": 0}, LANGS, cutoff=5) is None
    assert equal_rank(["a"], {"z": 1}, LANGS, cutoff=5) is None
    assert equal_rank([], {"a": 1, "b": 1}, LANGS, cutoff=5) == 1.0


def test_attention_fairness_is_one_less_the_divergence() -> None:
    grades = {"a": 1, "b": 1, "d": 1}
    weights = [1.0, 1.0, 1 / math.log2(3)]  # the discount begins at the second rank
    attention, target = [weights[0] + weights[2], weights[1]], [1, 2]
    expected = 1 - jensenshannon(attention, target) ** 2
    found = attention_fairness(["a", "b", "c", "d"], grades, LANGS, cutoff=3)
    assert found == pytest.approx(expected)


def test_attention_fairness_passes_over_unknown_languages_but_not_their_ranks() -> None:
    grades = {"a": 1, "b": 1}
    weights = [1 / math.log2(2), 1 / math.log2(3)]
    expected = 1 - jensenshannon([weights[0], weights[1]], [1, 1]) ** 2
    found = attention_fairness(["?", "a", "b"], grades, LANGS, cutoff=9)
    assert found == pytest.approx(expected)
    assert attention_fairness(["?"], grades, LANGS, cutoff=9) is None
    assert attention_fairness(["a"], {"a": 0}, LANGS, cutoff=9) is None
    other = attention_fairness(["e"], grades, LANGS, cutoff=9)
    assert other == pytest.approx(1 - math.log(2))


@pytest.mark.parametrize(
    ("ranking", "query_lang", "value"),
    [
        (["x", "a", "b"], "en", 1.0),
        (["b", "a"], "en", 0.0),
        (["b", "a"], "fr", 1.0),
        (["b", "a"], "sw", None),
        (["x"], "en", None),
        (["x", "x", "x", "a"], "en", None),
    ],
)
def test_own_language_first_is_that_of_the_first_relevant_document(
    ranking: list[str], query_lang: str, value: float | None
) -> None:
    grades = {"a": 1, "b": 2, "e": 0}
    found = own_language_first(ranking, grades, LANGS, cutoff=3, query_lang=query_lang)
    assert found == value
    only_english = {"a": 1, "c": 1}
    assert own_language_first(["a"], only_english, LANGS, cutoff=3, query_lang="en") is None


def test_alpha_ndcg_rewards_another_language() -> None:
    grades = {"a": 1, "b": 1, "c": 1}
    log3 = math.log2(3)
    ideal = 1 + 1 / log3 + 0.5 / 2
    found = alpha_ndcg_lang(["a", "c", "b"], grades, LANGS, cutoff=3)
    assert found == pytest.approx((1 + 0.5 / log3 + 1 / 2) / ideal)
    assert alpha_ndcg_lang(["x", "x"], grades, LANGS, cutoff=3) == 0.0
    assert alpha_ndcg_lang(["a"], {"a": 0}, LANGS, cutoff=3) is None


@given(order=st.permutations(list(LANGS)), cutoff=st.integers(1, 9))
@settings(deadline=None)
def test_measures_between_languages_stay_in_their_range(order: list[str], cutoff: int) -> None:
    grades = dict.fromkeys(LANGS, 1)
    for name in ("PEER", "EqualRank", "AWRF", "alpha_nDCG_lang", "OwnFirst"):
        chosen = fairness_measure(f"{name}@{cutoff}")
        assert chosen is not None
        value = chosen(order, grades, LANGS, "en")
        assert value is not None
        assert -1e-12 <= value <= 1 + 1e-12


def test_renaming_the_languages_changes_no_fairness() -> None:
    renamed = {doc: {"en": "yo", "fr": "ha", "sw": "zu"}[lang] for doc, lang in LANGS.items()}
    order, grades = ["b", "a", "e", "d", "c"], {"a": 1, "b": 2, "c": 2, "d": 1, "e": 1}
    for name in ("PEER@3", "EqualRank@3", "AWRF@3", "alpha_nDCG_lang@3"):
        chosen = fairness_measure(name)
        assert chosen is not None
        same = chosen(order, grades, renamed, "")
        assert chosen(order, grades, LANGS, "") == pytest.approx(same)


@pytest.mark.parametrize(
    "module",
    ["equal_rank", "fairness", "measure_names", "metadata", "own_measures", "significance", "trec"],
)
def test_the_examples_in_the_docstrings_are_true(module: str) -> None:
    found = doctest.testmod(importlib.import_module(f"xret.eval.{module}"))
    assert (found.failed, found.attempted > 0) == (0, True)


def test_queries_that_a_fairness_measure_says_nothing_of_do_not_count() -> None:
    qrels = {"q1": {"a": 1, "b": 1}, "q2": {"a": 0}}
    hits = {"q1": [Hit("b", 1.0)], "q2": [Hit("a", 1.0)]}
    values = measure_fairness(
        qrels, hits, "OwnFirst@10", doc_langs=LANGS, query_langs={"q1": "fr", "q2": "en"}
    )
    assert values == {"q1": 1.0}
    assert aggregate("OwnFirst@10", list(values.values())) == 1.0


@pytest.mark.parametrize("name", ["nDCG@0", "P@0", "RR@0", "nDCG(cutoff=0)@0", "ERR@-1"])
def test_a_cutoff_below_one_is_refused(name: str) -> None:
    with pytest.raises(RunError):
        check_measures([name], {"q": {"a": 1}})
