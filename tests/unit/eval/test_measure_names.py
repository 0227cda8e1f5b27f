"""Measures as other programs spell them, and names that nobody has."""

import pytest

from xret.errors import RunError
from xret.eval.measure_names import measure_names, parsed_measure


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("ndcg_cut_10", "nDCG@10"),
        ("ndcg_cut.10", "nDCG@10"),
        ("ndcg", "nDCG"),
        ("ndcg@10", "nDCG@10"),
        ("NDCG@10", "nDCG@10"),
        ("ndcg_burges@10", "nDCG(dcg='exp-log2')@10"),
        ("map", "AP"),
        ("MAP@100", "AP@100"),
        ("map_cut_1000", "AP@1000"),
        ("recall@100", "R@100"),
        ("recall_5", "R@5"),
        ("Recall@5", "R@5"),
        ("mrr@10", "RR@10"),
        ("MRR", "RR"),
        ("recip_rank", "RR"),
        ("P_10", "P@10"),
        ("precision@5", "P@5"),
        ("hit_rate@5", "Success@5"),
        ("success_1", "Success@1"),
        ("r-precision", "Rprec"),
        ("bpref", "Bpref"),
        ("iprec_at_recall_0.10", "IPrec@0.1"),
        ("num_rel_ret", "NumRet(rel=1)"),
        ("rbp", "RBP(p=0.9)"),
        ("nDCG(dcg='exp-log2')@10", "nDCG(dcg='exp-log2')@10"),
        ("LitschkoAP@100", "LitschkoAP@100"),
        ("LitschkoAP(rel=2)", "LitschkoAP(rel=2)"),
    ],
)
def test_names_of_other_programs_are_understood(name: str, ours: str) -> None:
    assert str(parsed_measure(name)) == ours


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("nDGC@10", "nDCG@10"),
        ("Recalll@10", "R@10"),
        ("recip_rnk", "RR"),
        ("Succes_s@5", "Success@5"),
    ],
)
def test_the_nearest_name_is_told(name: str, nearest: str) -> None:
    with pytest.raises(RunError, match=f"unknown measure '{name}': did you mean {nearest}[,?]"):
        parsed_measure(name)


def test_a_name_like_no_other_gets_the_usual_ones() -> None:
    with pytest.raises(RunError, match="there are nDCG@10, R@100, AP, RR"):
        parsed_measure("zzz@10")


@pytest.mark.parametrize(
    "asked", [["nDCG@10 RR"], ["nDCG@10,RR"], ["nDCG@10, RR"], [" nDCG@10", "RR"]]
)
def test_several_measures_in_one_word_are_several(asked: list[str]) -> None:
    assert measure_names(asked) == ["nDCG@10", "RR"]


def test_commas_in_brackets_separate_nothing() -> None:
    asked = ["SetF(beta=0.5, rel=2),nDCG(gains={1: 2, 2: 4})@10", "peer@20 ownshare@10"]
    names = ["SetF(beta=0.5, rel=2)", "nDCG(gains={1: 2, 2: 4})@10", "PEER@20", "OwnShare@10"]
    assert measure_names(asked) == names


@pytest.mark.parametrize("name", ["RBP@x", "nDCG@", "nDCG@-1", "nDCG@1.5", "AP@ten", "nDCG@0"])
def test_a_cutoff_that_is_none_is_told_as_such(name: str) -> None:
    with pytest.raises(RunError, match=f"'{name}' has no cutoff that is a number from 1"):
        parsed_measure(name)


def test_gains_and_grades_below_0_are_read() -> None:
    parsed = parsed_measure("nDCG(gains={1: 3, -1: -2}, judged_only=True)@10")
    assert parsed.params == {"gains": {1: 3, -1: -2}, "judged_only": True, "cutoff": 10}
    assert parsed_measure(str(parsed)).params == parsed.params
