"""Time of measuring 1,000 queries with 1,000 hits each, beside ir_measures alone.

    python benchmarks/evaluation.py

Both in one process and turn by turn, in CPU seconds; the best of five rounds counts, as the
machine may be shared. ir_measures is given what it is fastest with, dictionaries of floats in
falling order; ours begins with hits as a search or a run file gives them, puts them into
trec_eval's order and returns the value of every query. The last lines are what a report adds:
intervals, tests and the measures between languages.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import ir_measures
import numpy as np

from xret.eval.measures import measure_fairness, measure_queries
from xret.eval.randomisation import paired_randomisation
from xret.eval.significance import bootstrap_intervals
from xret.eval.trec import trec_eval_order
from xret.retriever.corpora.qrels import Qrels
from xret.types import Hit

MEASURES = (
    "nDCG@10",
    "nDCG@20",
    "nDCG",
    "AP",
    "R@10",
    "R@100",
    "R@1000",
    "RR",
    "RR@10",
    "P@10",
    "P@20",
    "Success@1",
    "Success@10",
    "Rprec",
    "Bpref",
    "Judged@10",
    "Judged@100",
)
"""What ir_measures can compute without another program; ERR it cannot, and it is added to ours."""

FAIRNESS = ("PEER@20", "AWRF@20", "OwnFirst@10", "alpha_nDCG_lang@20")
LANGUAGES = ("ar", "de", "en", "fr", "hi", "sw", "zh")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--queries", type=int, default=1_000)
    options.add_argument("--hits", type=int, default=1_000)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    qrels, hits = collection(chosen.queries, chosen.hits)
    scores = {query: {hit.doc_id: hit.score for hit in found} for query, found in hits.items()}
    parsed = [ir_measures.parse_measure(name) for name in MEASURES]
    langs = {f"d{n}": LANGUAGES[n % len(LANGUAGES)] for n in range(20 * chosen.hits)}
    query_langs = dict.fromkeys(qrels, "en")

    def theirs() -> Any:
        return list(ir_measures.iter_calc(parsed, qrels, scores))

    def ours() -> Any:
        ordered = {query: trec_eval_order(found) for query, found in hits.items()}
        return measure_queries(qrels, ordered, (*MEASURES, "ERR@20"))

    def between_languages() -> Any:
        return [
            measure_fairness(qrels, hits, name, doc_langs=langs, query_langs=query_langs)
            for name in FAIRNESS
        ]

    alone, own, fair = [], [], []
    for _ in range(chosen.rounds):
        alone.append(cpu_s(theirs))
        own.append(cpu_s(ours))
        fair.append(cpu_s(between_languages))
    check(theirs(), ours())
    values = np.array([list(v.values()) for v in ours().values()]).T
    rows = [
        (f"ir_measures alone, {len(MEASURES)} measures", min(alone)),
        (f"ours, those and ERR, in trec_eval's order: {min(own) / min(alone):.2f} x", min(own)),
        (f"{len(FAIRNESS)} measures between languages", min(fair)),
        (f"BCa intervals of {values.shape[1]} means", cpu_s(lambda: bootstrap_intervals(values))),
        ("one randomisation test", cpu_s(lambda: paired_randomisation(values[:, 0] - 0.5))),
    ]
    print(f"| {chosen.queries:,} queries x {chosen.hits:,} hits | CPU s |\n|---|---|")
    for name, seconds in rows:
        print(f"| {name} | {seconds:.2f} |")
    if min(own) > max(2.0, 1.5 * min(alone)):
        sys.exit("slower than 2 s and 1.5 x ir_measures")


def collection(n_queries: int, n_hits: int) -> tuple[Qrels, dict[str, list[Hit]]]:
    """60 judgements a query with grades 0 to 3; hits with ties, as scores of six decimals have."""
    random = np.random.default_rng(0)
    pool = 20 * n_hits
    qrels: Qrels = {}
    hits = {}
    for query in range(n_queries):
        judged = random.choice(pool, 60, replace=False)
        qrels[f"q{query}"] = {
            f"d{n}": int(g) for n, g in zip(judged, random.integers(0, 4, 60), strict=True)
        }
        others = random.choice(pool, n_hits, replace=False)
        others[random.choice(n_hits, 30, replace=False)] = judged[:30]
        ids = list(dict.fromkeys(others.tolist()))
        falling = np.sort(random.random(len(ids)))[::-1].round(6).tolist()
        hits[f"q{query}"] = [Hit(f"d{n}", score) for n, score in zip(ids, falling, strict=True)]
    return qrels, hits


def cpu_s(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def check(theirs: Any, ours: dict[str, dict[str, float]]) -> None:
    """trec_eval's own measures must agree; those of other providers order ties their own way."""
    for found in theirs:
        if found.measure.NAME != "Judged" and str(found.measure) != "RR@10":
            assert abs(ours[str(found.measure)][found.query_id] - found.value) < 1e-6, found


if __name__ == "__main__":
    main()
