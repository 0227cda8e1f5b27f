"""Finished evaluations of any size, made up but whole, for tests of what is drawn from them."""

import random
from collections.abc import Sequence

from xret.eval.evaluation import (
    Comparison,
    CorpusFacts,
    Environment,
    Evaluation,
    Interval,
    Latency,
    MeasureFacts,
    PairCell,
    SystemResult,
    WorstQuery,
)

_CODES = """
en fr ar zh hi sw de es fa ru ja ko he th vi tr yo am bn ur pt it nl pl uk cs el fi hu id ta
te ml kn mr gu pa ne si my km lo ka hy az kk ky uz tg ps sd ug bo mn eu ca gl cy ga is lv lt
"""
LANGS = _CODES.split()
TEXTS = {"ar": "كيف تدرّب اللقاحات الجهاز المناعي؟", "zh": "疫苗如何训练免疫系统"}
ENGLISH = "how do vaccines train the immune system"


def example_evaluation(
    systems: Sequence[str] = ("xret-static", "bm25.trec"),
    *,
    n_langs: int = 3,
    n_queries: int = 12,
    measures: Sequence[str] = ("nDCG@10", "R@100"),
) -> Evaluation:
    """Systems over a corpus; the pair of the last language's queries and the second's documents
    is not judged, and every system but the first differs significantly by the first measure."""
    rng = random.Random(0)
    langs = tuple(LANGS[:n_langs])
    ids = [f"q{place}" for place in range(n_queries)]
    queries = {
        query: (TEXTS.get(langs[place % n_langs], ENGLISH), langs[place % n_langs])
        for place, query in enumerate(ids)
    }
    results = tuple(
        _system(name, place, langs, queries, measures, rng) for place, name in enumerate(systems)
    )
    return Evaluation(
        title="demo",
        corpus=CorpusFacts(
            "demo",
            400,
            dict.fromkeys(langs, 50),
            n_queries + 1,
            n_queries,
            {0: 4, 1: 8},
            licence="CC BY-NC 4.0",
            checksums={"qrels.tsv": "ab" * 32},
        ),
        measures=(*map(MeasureFacts, measures), MeasureFacts("PEER@20", "fairness", False)),
        systems=results,
        comparisons=tuple(
            Comparison(
                measure,
                systems[0],
                name,
                0.4,
                0.5,
                Interval(0.1, 0.02, 0.18, n_queries),
                p,
                p,
                p,
                p,
                0.8,
                4,
                1,
                1,
                False,
                10_000,
            )
            for name in systems[1:]
            for measure, p in zip(measures, (0.02, *[0.5] * len(measures)), strict=False)
        ),
        queries=queries,
        query_langs=langs,
        doc_langs=langs,
        baseline=systems[0],
        environment=Environment(
            "0.1.0",
            "3.11.9",
            "Linux",
            "a processor",
            2,
            24 << 30,
            {"numpy": "2.4.6"},
            "xret eval demo",
            7,
            "2026-11-21T01:00:00Z",
            3.2,
        ),
        interval="95 % percentile bootstrap over queries",
        correction="Holm over all comparisons",
        warnings=("compared on the 12 queries of both",),
    )


def _interval(mean: float, queries: int) -> Interval:
    return Interval(mean, max(0.0, mean - 0.1), min(1.0, mean + 0.1), queries)


def _system(
    name: str,
    place: int,
    langs: tuple[str, ...],
    queries: dict[str, tuple[str, str]],
    measures: Sequence[str],
    rng: random.Random,
) -> SystemResult:
    per_query = {m: {query: rng.random() for query in queries} for m in (*measures, "PEER@20")}
    unjudged = (langs[-1], langs[1]) if len(langs) > 2 else None
    matrix = [
        PairCell(
            asked,
            doc,
            2,
            {m: _interval(0.8 if asked == doc else rng.uniform(0.2, 0.7), 2) for m in measures},
        )
        for asked in langs
        for doc in langs
        if (asked, doc) != unjudged
    ]
    mixed = [
        PairCell(asked, None, 4, {m: _interval(0.3 + 0.1 * place, 4) for m in per_query})
        for asked in (*langs, None)
    ]
    worst = tuple(
        WorstQuery(query, lang, text, 0.1, 2, None, (("d1", "en", 0), ("d<2>", "", None)))
        for query, (text, lang) in list(queries.items())[:3]
    )
    ranked = not name.endswith(".trec")
    return SystemResult(
        name,
        "index" if ranked else "run",
        per_query,
        (*matrix, *mixed),
        recall=((1, 0.2), (10, 0.6), (100, 0.9), (1000, 1.0)),
        share_ranks=(1, 10),
        language_share={lang: (1 / len(langs), 1 / len(langs)) for lang in langs},
        relevant_share={lang: 1 / len(langs) for lang in langs},
        worst_queries=worst,
        answered=len(queries),
        encoder=name if ranked else "",
        index="demo" if ranked else "",
        run_file="" if ranked else name,
        index_bytes=1_234_567 if ranked else None,
        documents=400 if ranked else None,
        latency=Latency(6, 4.2, 4.0, 6.1, 6.5) if ranked else None,
        metadata={"tag": name},
    )
