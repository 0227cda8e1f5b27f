"""A fast index with a better encoder over its first documents: what it brings, and what it costs.

    python benchmarks/reranking.py --data ../shared/data/eval
    python benchmarks/reranking.py --data ../shared/data/eval --every 3

Belebele: English question to the passage in another language, MRR@10 over the passages of that
language, by the first encoder's index alone, with the second over its first documents, and what
an index of the second gives (exact MaxSim, `encoder_quality.py`). Then all languages in one
list, and the time of a search alone: cold (every document is encoded) and warm (none is).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from encoder_quality import MAIN, belebele_mrr, read_belebele

from xret.retriever.build import IndexBuild
from xret.retriever.languages.codes import language_code
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.rerankers.loading import load_reranker
from xret.retriever.searcher import Searcher
from xret.types import Document, Hit, Query, SearchRequest

Relevant = dict[str, set[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--first", default="xret-static")
    parser.add_argument("--second", default="xret-modular")
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--every", type=int, default=1, help="take every n-th question")
    parser.add_argument("--timed", type=int, default=20, help="searches that are timed")
    parser.add_argument("--goal", type=float, help="MRR@10 of the second's index, if known")
    arguments = parser.parse_args()
    questions, passages, relevant = read_belebele(arguments.data, MAIN)
    queries = [Query(name, text, "en") for name, text in questions.items()][:: arguments.every]
    documents = [
        Document(f"{name}:{language}", text, language_code(language))
        for language, texts in passages.items()
        for name, text in sorted(texts.items())
    ]
    rerank = f"{arguments.second}@{arguments.depth}"
    with tempfile.TemporaryDirectory() as folder:
        encoder = load_encoder(arguments.first)
        for _ in IndexBuild(documents, Path(folder) / "index", encoder).run():
            pass
        with Searcher.open(Path(folder) / "index", encoder=arguments.first) as searcher:
            print_times(searcher, queries, rerank, arguments.timed)
            means = print_languages(searcher, queries, relevant, rerank)
            print_mixed(searcher, queries, relevant, rerank)
    goal = arguments.goal
    if goal is None:
        table = belebele_mrr(load_encoder(arguments.second), arguments.data, MAIN, None)
        goal = float(np.mean([table[language] for language in MAIN]))
    share = (means[1] - means[0]) / (goal - means[0])
    print(f"\nindex of {arguments.second}: {goal:.1f}; {share:.1%} of its gain by {rerank}")


def print_languages(
    searcher: Searcher, queries: list[Query], relevant: Relevant, rerank: str
) -> tuple[float, float]:
    print(f"\n| language | first | {rerank} | CPU ms a question |\n|---|--:|--:|--:|")
    rows = []
    for language in MAIN:
        lang, values = language_code(language), []
        for how in (None, rerank):
            start = time.process_time()
            ranked = searcher.rank(queries, 10, doc_langs=[lang], rerank=how)
            spent_ms = 1000 * (time.process_time() - start) / len(queries)
            values.append(mean_reciprocal_rank(queries, ranked, relevant))
        rows.append(values)
        print(f"| {language} | {values[0]:.1f} | {values[1]:.1f} | {spent_ms:.0f} |", flush=True)
    first, second = np.mean(rows, axis=0)
    print(f"| **mean** | **{first:.1f}** | **{second:.1f}** | |")
    return float(first), float(second)


def print_mixed(searcher: Searcher, queries: list[Query], relevant: Relevant, rerank: str) -> None:
    """All languages in one list; every translation of the passage is relevant."""
    print("\n| all languages in one list | nDCG@10 |\n|---|--:|")
    for how in (None, rerank):
        ranked = searcher.rank(queries, 10, rerank=how)
        gains = [
            [hit.doc_id.split(":")[0] in relevant[query.query_id] for hit in hits]
            for query, hits in zip(queries, ranked, strict=True)
        ]
        discounts = 1 / np.log2(np.arange(2, 12))
        values = [discounts[: len(row)] @ np.array(row) / discounts.sum() for row in gains]
        print(f"| {how or 'first'} | {100 * float(np.mean(values)):.1f} |", flush=True)


def print_times(searcher: Searcher, queries: list[Query], rerank: str, n: int) -> None:
    """One search at a time over all languages; the first of all is not counted."""
    name = rerank.rpartition("@")[0]
    searcher.answer(SearchRequest(queries[-1].text, "en"))
    print("| search | ms (median) | of it reranking | CPU ms |\n|---|--:|--:|--:|")
    for label, how, times in (("first", None, 1), ("cold", rerank, 1), ("warm", rerank, 2)):
        rows = []
        for query in queries[:n]:
            if how is not None and times == 1:  # a reranker that has read nothing yet
                searcher.rerankers.add(name, load_reranker(name))
                load_once(searcher, rerank)
            for _ in range(times):
                spent = time.process_time()
                answer = searcher.answer(SearchRequest(query.text, "en", rerank=how))
                spent = 1000 * (time.process_time() - spent)
            rows.append((answer.took_ms, answer.timings.rerank_ms, spent))
        medians = [statistics.median(column) for column in zip(*rows, strict=True)]
        print(f"| {label} | {medians[0]:.0f} | {medians[1]:.0f} | {medians[2]:.0f} |", flush=True)


def load_once(searcher: Searcher, rerank: str) -> None:
    """Have the weights read, over one document that nobody asks for."""
    stage = searcher.rerankers.stage(rerank, {})
    assert stage is not None
    nothing = Document("", "nothing", "en")
    stage.reranker.scores(Query("", "nothing", "en"), [nothing])


def mean_reciprocal_rank(
    queries: list[Query], ranked: list[list[Hit]], relevant: Relevant
) -> float:
    """In percent, 0 beyond rank 10."""
    values = [
        next((1 / r for r, hit in enumerate(hits, 1) if hit.doc_id.split(":")[0] in right), 0.0)
        for query, hits in zip(queries, ranked, strict=True)
        for right in (relevant[query.query_id],)
    ]
    return 100 * float(np.mean(values))


if __name__ == "__main__":
    main()
