"""Measures that are computed here, against values of trec_eval, gdeval and ir_measures."""

import math

import pytest

from xret.eval.measures import measure, measure_queries
from xret.eval.own_measures import accuracy, litschko_average_precision
from xret.types import Hit

QRELS = {
    "0": {"D0": 0, "D1": 1, "D2": 1, "D3": 2, "D4": 0},
    "1": {"D0": 1, "D3": 2, "D5": 2},
}
"""The example of ir_measures' tests."""

RANKINGS = {"0": "D0 D2 D3 D1 D4", "1": "D1 D3 D2 D4"}


def ranked(rankings: dict[str, str]) -> dict[str, list[Hit]]:
    return {
        query: [Hit(doc, -float(place)) for place, doc in enumerate(documents.split())]
        for query, documents in rankings.items()
    }


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("nDCG(dcg='exp-log2')@20", (0.6201, 0.35099)),
        ("nDCG(dcg='exp-log2')@2", (0.17377, 0.38685)),
        ("ERR@20", (0.10175, 0.09375)),
        ("ERR@2", (0.03125, 0.09375)),
    ],
)
def test_numbers_are_those_of_gdeval(name: str, values: tuple[float, float]) -> None:
    """With ids that it takes apart at the hyphen, and so mixes up or dies of."""
    for before in ("", "MED-"):
        qrels = {f"{before}{query}": grades for query, grades in QRELS.items()}
        hits = ranked({f"{before}{query}": docs for query, docs in RANKINGS.items()})
        of_query = measure_queries(qrels, hits, [name])[name]
        assert list(of_query.values()) == pytest.approx(values, abs=5.1e-6)


@pytest.mark.parametrize(
    ("name", "values"),
    [("infAP", (0.8333, 0.1875)), ("infAP(rel=2)", (0.33333, 0.375))],
)
def test_inferred_precision_is_that_of_trec_eval(name: str, values: tuple[float, float]) -> None:
    qrels = {
        "0": {"D0": 1, "D1": -1, "D2": 0, "D3": 2, "D4": 0},
        "1": {"D0": 1, "D3": 2, "D4": -1, "D5": 0},
    }
    hits = ranked({"0": "D0 D2 D3 D1 D4", "1": "D1 D4 D2 D3"})
    of_query = measure_queries(qrels, hits, [name])[name]
    assert list(of_query.values()) == pytest.approx(values, abs=1e-4)


def test_gains_are_named_by_grade() -> None:
    hits = ranked({"q": "a b c"})
    values = measure({"q": {"a": 1, "b": 2, "c": 3}}, hits, ["nDCG(gains={1:0,2:4.5})"])
    expected = (4.5 / math.log2(3) + 3 / 2) / (4.5 + 3 / math.log2(3))
    assert list(values.values()) == [pytest.approx(expected)]


def test_rank_biased_precision_with_a_cutoff_and_a_lowest_grade() -> None:
    hits = ranked({"q": "a x b c"})
    qrels = {"q": {"a": 1, "b": 2, "c": 2}}
    names = ["RBP(rel=1,p=0.9)", "RBP(rel=2,p=0.9)", "RBP(rel=1,p=0.9)@3", "RBP(rel=1)"]
    powers = [0.1 * (1 + 0.81 + 0.729), 0.1 * (0.81 + 0.729), 0.1 * 1.81, 0.2 * (1 + 0.64 + 0.512)]
    names += ["RBP@3", "RBP(p=0.5)@1"]  # by grade, in shares of the highest
    powers += [0.2 * (0.5 + 0.64), 0.5 * 0.5]
    assert list(measure(qrels, hits, names).values()) == pytest.approx(powers)


def test_accuracy_by_hand_and_where_nothing_stands_below() -> None:
    assert accuracy(["x", "a", "y", "z"], {"x": 0, "a": 1}) == pytest.approx(2 / 3)
    assert accuracy(["x", "a", "y", "b", "z"], {"a": 2, "b": 1}) == pytest.approx(0.5)
    assert accuracy(["a", "b"], {"a": 1, "b": 1}) == 1.0
    assert accuracy(["x"], {"a": 1}) is accuracy([], {"a": 1}) is None


def test_litschkos_precision_forgets_what_was_not_found() -> None:
    """By their code: the mean of the precisions; a query without any is skipped."""
    grades = {"a": 1, "b": 1, "c": 1}
    assert litschko_average_precision(["x", "a", "y", "b"], grades) == pytest.approx(0.5)
    qrels = {"q1": grades, "q2": {"a": 1}, "q3": {"a": 1}}
    hits = ranked({"q1": "x a y b", "q2": "x"})
    values = measure_queries(qrels, hits, ["LitschkoAP", "LitschkoAP@2", "AP"])
    assert values["LitschkoAP"] == {"q1": pytest.approx(0.5)}
    assert values["LitschkoAP@2"] == {"q1": 0.5}
    assert values["AP"]["q1"] == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert measure(qrels, hits, ["LitschkoAP"]) == {"LitschkoAP": pytest.approx(0.5)}
