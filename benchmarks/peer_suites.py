"""The test data and test suites of other evaluation programs, answered by ours: how many agree.

    git clone https://github.com/usnistgov/trec_eval      (and terrierteam/ir_measures, AmenRa/ranx)
    python benchmarks/peer_suites.py --trec-eval trec_eval --ir-measures ir_measures --ranx ranx

trec_eval: every value of its expected outputs (`test/out.*`) for a measure that there is here.
ir_measures: its own unit tests with every provider answering by `measure_queries`; each number
that a test compares is one. ranx: its tests of measures, on a module of its name that does.
Values that differ are printed, with the other side's and ours.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import sys
import types
import unittest
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from ir_measures import providers

from xret.errors import XretError
from xret.eval.measures import aggregate, measure_queries
from xret.eval.trec import read_run_file, trec_eval_order
from xret.retriever.corpora.qrels import Qrels, read_qrels
from xret.types import Hit

OUTPUTS = (
    # expected output, judgements, run, grade that is relevant, depth
    ("out.test", "qrels.test", "results.test", 1, None),
    ("out.test", "qrels.test.with-comments", "results.test", 1, None),
    ("out.comment.test", "qrels.comment.test", "results.comment.test", 1, None),
    ("out.test.aq", "qrels.test", "results.test", 1, None),
    ("out.test.aqc", "qrels.test", "results.trunc", 1, None),
    ("out.test.aqcM", "qrels.test", "results.trunc", 1, 100),
    ("out.test.aql", "qrels.rel_level", "results.test", 2, None),
    ("out.test.meas_params", "qrels.test", "results.test", 1, None),
)
CUT = {"P": "P", "recall": "R", "map_cut": "AP", "ndcg_cut": "nDCG", "success": "Success"}
WHOLE = {
    "map": "AP",
    "Rprec": "Rprec",
    "bpref": "Bpref",
    "recip_rank": "RR",
    "infAP": "infAP",
    "set_P": "SetP",
    "set_recall": "SetR",
    "set_map": "SetAP",
    "set_F": "SetF",
    "num_rel": "NumRel",
}
FIXED = {
    "ndcg": "nDCG",
    "num_ret": "NumRet",
    "num_q": "NumQ",
    "rbp": "RBP(p=0.9)",
    "ndcg_1=3,2=9,4=4.5": "nDCG(gains={1:3,2:9,4:4.5})",
}
RANX = {
    "hit_rate": "Success@{}",
    "precision": "P@{}",
    "average_precision": "AP@{}",
    "map": "AP@{}",
    "mrr": "RR@{}",
    "reciprocal_rank": "RR@{}",
    "r_precision": "Rprec",
    "r-precision": "Rprec",
    "recall": "R@{}",
    "ndcg": "nDCG@{}",
    "ndcg_burges": "nDCG(dcg='exp-log2')@{}",
    "bpref": "Bpref",
    "f1": "SetF",
    "hits": "NumRet(rel=1)",
}
SETS = {"P@{}": "SetP", "R@{}": "SetR", "Success@{}": "Success@1000"}
"""What ranx's measures without a cutoff are here."""


def our_name(theirs: str, rel: int) -> str | None:
    """A measure of trec_eval as it is called here; None where there is none."""
    grade = "" if rel == 1 else f"(rel={rel})"
    if cut := re.fullmatch(r"(P|recall|map_cut|ndcg_cut|success)_(\d+)", theirs):
        stem = CUT[cut[1]]
        return f"{stem}{'' if stem == 'nDCG' else grade}@{cut[2]}"
    if at := re.fullmatch(r"iprec_at_recall_([\d.]+)", theirs):
        return f"IPrec{grade}@{at[1]}"
    if theirs == "num_rel_ret":
        return f"NumRet(rel={rel})"
    if theirs == "set_relative_P":
        return f"SetP(relative=True{'' if rel == 1 else f',rel={rel}'})"
    return WHOLE[theirs] + grade if theirs in WHOLE else FIXED.get(theirs)


def expected_values(path: Path) -> Iterator[tuple[str, str, str]]:
    """Measure, query and value of each line of an expected output."""
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = line.split()
        if len(cells) in (3, 4):
            yield cells[0], cells[1], cells[2]


def trec_eval(folder: Path) -> Counter[str]:
    """Every value of trec_eval's expected outputs."""
    total: Counter[str] = Counter()
    for output, judged, ranked, rel, depth in OUTPUTS:
        qrels = read_qrels(folder / "test" / judged)
        run = read_run_file(folder / "test" / ranked).run.hits
        if not output.startswith("out.test.aqc"):  # without -c queries without an answer are not
            qrels = {query: grades for query, grades in qrels.items() if query in run}
        hits = {query: trec_eval_order(found)[:depth] for query, found in run.items()}
        values: dict[str, dict[str, float]] = {}
        for theirs, query, value in expected_values(folder / "test" / output):
            name = our_name(theirs, rel)
            if name is None:
                total["no such measure"] += 1
                continue
            if name not in values:
                (values[name],) = measure_queries(qrels, hits, [name]).values()
            of = values[name]
            ours = aggregate(name, list(of.values())) if query == "all" else of[query]
            equal = abs(float(value) - ours) < 0.5001e-4 if "." in value else float(value) == ours
            total["equal" if equal else "different"] += 1
            if not equal:
                print(f"  {output} {name} {query}: {value}, here {ours:.4f}")
    return total


class Judge:
    """Answers for the providers of ir_measures, and counts what its tests compare."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.inside = False

    @contextlib.contextmanager
    def theirs(self) -> Iterator[None]:
        """While our own values are computed, the providers are themselves."""
        before, self.inside = self.inside, True
        try:
            yield
        finally:
            self.inside = before

    def values(self, measure: Any, qrels: Any, run: Any, *, provider: str) -> dict[str, float]:
        if provider == "gdeval" and measure.NAME == "nDCG":
            measure = ir_measures.nDCG(**{**measure.params, "dcg": "exp-log2"})
        judged = ir_measures.util.QrelsConverter(qrels).as_dict_of_dict()
        ranked = ir_measures.util.RunConverter(run).as_dict_of_dict()
        hits = {
            query: trec_eval_order([Hit(doc, score) for doc, score in scores.items()])
            for query, scores in ranked.items()
        }
        with self.theirs():
            (found,) = measure_queries(judged, hits, [str(measure)]).values()
        return found

    def install(self) -> None:
        """Put the answers in the place of the providers', and the counting in unittest's."""
        base, judge = providers.Provider, self
        real_iter, real_all, real_evaluator = base.iter_calc, base.calc_aggregate, base.evaluator

        def iter_calc(self: Any, measures: Any, qrels: Any, run: Any) -> Iterator[Any]:
            if judge.inside:
                yield from real_iter(self, measures, qrels, run)
                return
            ranked = ir_measures.util.RunConverter(run).as_dict_of_dict()
            for measure in measures:
                found = judge.values(measure, qrels, ranked, provider=getattr(self, "NAME", ""))
                for query in ranked:
                    if query in found:
                        yield ir_measures.Metric(query, measure, found[query])

        def calc_aggregate(self: Any, measures: Any, qrels: Any, run: Any) -> dict[Any, float]:
            if judge.inside:
                whole: dict[Any, float] = real_all(self, measures, qrels, run)
                return whole
            found = {
                m: judge.values(m, qrels, run, provider=getattr(self, "NAME", "")) for m in measures
            }
            return {m: aggregate(str(m), list(values.values())) for m, values in found.items()}

        class Evaluator:
            def __init__(self, provider: Any, measures: Any, qrels: Any) -> None:
                self.asked = provider, measures, qrels

            def iter_calc(self, run: Any) -> Iterator[Any]:
                return iter_calc(*self.asked, run)

            def calc_aggregate(self, run: Any) -> dict[Any, float]:
                return calc_aggregate(*self.asked, run)

        def evaluator(self: Any, measures: Any, qrels: Any) -> Any:
            if judge.inside:
                return real_evaluator(self, measures, qrels)
            return Evaluator(self, measures, qrels)

        base.iter_calc, base.calc_aggregate, base.evaluator = iter_calc, calc_aggregate, evaluator

    def compare(self, where: str, one: float, other: float, tolerance: float) -> None:
        equal = abs(one - other) <= tolerance
        self.counts["equal" if equal else "different"] += 1
        if not equal:
            print(f"  {where}: {one} and {other}", file=sys.stderr)


def ir_measures_suite(folder: Path) -> Counter[str]:
    """The numbers that the tests of ir_measures compare, but those of cwl_eval and pyndeval."""
    judge = Judge()
    judge.install()
    sys.path.insert(0, str(folder))

    def equal(self: Any, one: Any, other: Any, msg: Any = None) -> None:
        del msg
        if isinstance(one, float | int) and isinstance(other, float | int):
            judge.compare(self.id(), one, other, 5.1e-6)
        elif one != other:
            raise AssertionError(f"{one} and {other}")

    def almost(self: Any, one: Any, other: Any, places: int = 7, **kw: Any) -> None:
        if isinstance(one, str):  # the name of a measure, which is compared too
            return
        delta = kw.get("delta")
        tolerance = 0.51 * 10**-places + 1e-9 if delta is None else float(delta)
        judge.compare(self.id(), one, other, tolerance)

    unittest.TestCase.assertEqual = equal  # type: ignore[assignment]
    unittest.TestCase.assertAlmostEqual = almost  # type: ignore[assignment]
    others = ("cwl_eval", "pyndeval", "runtime")
    names = sorted(path.stem for path in (folder / "tests").glob("test_*.py"))
    chosen = [name for name in names if name.removeprefix("test_") not in others]
    suite = unittest.defaultTestLoader.loadTestsFromNames([f"tests.{name}" for name in chosen])
    with contextlib.redirect_stdout(io.StringIO()):
        result = unittest.TextTestRunner(stream=io.StringIO(), verbosity=0).run(suite)
    for test, error in [*result.errors, *result.failures]:
        judge.counts["tests that end in an error"] += 1
        print(f"  {test.id()}: {error.strip().splitlines()[-1][:120]}")
    return judge.counts


def ranx_measure(name: str) -> Any:
    """A function of ranx's name and form, by our values."""

    def measured(y_true: Any, y_pred: Any, k: float = 0, p: float | None = None) -> Any:
        if name == "rank_biased_precision":
            ours = f"RBP(rel=1,p={k if p is None else p})"
        elif name in RANX:
            ours = (
                RANX[name].format(int(k)) if k else SETS.get(RANX[name], RANX[name].split("@")[0])
            )
        else:
            raise XretError(f"there is no {name} here")
        depth = int(k) or None if name in ("f1", "hits") else None
        qrels, run = _ranx_rows(y_true, ranked=False), _ranx_rows(y_pred, ranked=True)
        hits = {
            query: trec_eval_order([Hit(doc, float(s)) for doc, s in scores.items()])[:depth]
            for query, scores in run.items()
        }
        judged: Qrels = {q: {d: int(g) for d, g in grades.items()} for q, grades in qrels.items()}
        (found,) = measure_queries(judged, hits, [ours]).values()
        return np.array([found[query] for query in qrels])

    return measured


def _ranx_rows(given: Any, *, ranked: bool) -> Mapping[str, Mapping[str, float]]:
    """Judgements or rankings as ranx's tests give them, by query and document."""
    if isinstance(given, dict):
        return given
    return {
        f"q{number}": {
            str(int(row[0])): float(len(rows) - place) if ranked else int(row[1])
            for place, row in reversed(list(enumerate(rows)))
        }
        for number, rows in enumerate(given)
    }


class RanxRows(dict[str, Any]):
    """Judgements or a run of ranx, as its tests pass them to a measure."""

    def __init__(self, rows: Mapping[str, Any], **_: Any) -> None:
        super().__init__(rows)

    def to_typed_list(self) -> RanxRows:
        return self


def ranx_suite(folder: Path) -> Counter[str]:
    """The tests of ranx's measures, each of which compares several values."""
    import pytest

    class Module(types.ModuleType):
        __path__: list[str] = []  # noqa: RUF012

        def __getattr__(self, name: str) -> Any:
            return ranx_measure(name)

    metrics, typed, numba = Module("ranx.metrics"), types.ModuleType("numba.typed"), Module("numba")
    root = types.ModuleType("ranx")
    root.metrics, root.__path__ = metrics, []  # type: ignore[attr-defined]
    root.Qrels = root.Run = RanxRows  # type: ignore[attr-defined]
    typed.List, numba.typed = list, typed  # type: ignore[attr-defined]
    sys.modules.update({"ranx": root, "ranx.metrics": metrics})
    sys.modules.update({"numba": numba, "numba.typed": typed})
    for name in ("bpref", "f1", "precision", "recall", "rank_biased_precision"):
        module = types.ModuleType(f"ranx.metrics.{name}")
        setattr(module, name, ranx_measure(name))
        sys.modules[module.__name__] = module
    counts: Counter[str] = Counter()

    class Outcomes:
        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.when != "call":
                return
            lacking = "there is no" in str(report.longrepr)
            counts["no such measure" if lacking else f"tests {report.outcome}"] += 1

    tests = folder / "tests/unit/ranx"
    how = [
        "-q",
        "--noconftest",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        "-o",
        "addopts=",
    ]
    pytest.main(
        [*how, str(tests / "metrics_test.py"), str(tests / "metrics")], plugins=[Outcomes()]
    )
    return counts


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    suites = {"trec_eval": trec_eval, "ranx": ranx_suite, "ir_measures": ir_measures_suite}
    for name in suites:
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, help=f"a checkout of {name}")
    given = vars(parser.parse_args(None if arguments is None else list(arguments)))
    for name, count in suites.items():
        if given[name] is not None:
            counts = count(given[name])
            print(f"{name}:", ", ".join(f"{n:,} {what}" for what, n in sorted(counts.items())))


if __name__ == "__main__":
    main()
