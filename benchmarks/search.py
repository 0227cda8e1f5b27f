"""Late-interaction search side by side with other engines, on synthetic token vectors.

    python benchmarks/search.py table --bench ../shared/bench --docs 10000 \\
        --engines exact-blas maxsim-cpu tachiom lemur+rerank xret-balanced xret-compact xret-exact
    python benchmarks/search.py figures --bench ../shared/bench --docs 10000
    python benchmarks/search.py simulate

The bench folder makes the corpus and its exact answers and runs every engine in processes of
their own (its README says how); our engines are registered from here. `figures` are those
of ours alone: several queries in one pass, two threads, documents added later, opening.
`simulate` computes memory and time at sizes that were not run, and prints what it assumes.
CPU time is the figure to read on a shared machine.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
BENCH = "XRET_BENCH"
ENGINES = {
    "xret-balanced": ("search_adapter", "Balanced"),
    "xret-compact": ("search_adapter", "Compact"),
    "xret-exact": ("search_adapter", "Exact"),
}
ADDED = 1_000
BYTES_CATALOG = 140
"""A document of the catalog without its text, measured: 0.96 MB for 10,000."""


def main() -> None:
    if os.environ.get(BENCH) and "--child" in sys.argv:
        bench_module(os.environ[BENCH], "run").main()
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("table", "figures", "simulate"))
    parser.add_argument("--bench", type=Path)
    parser.add_argument("--docs", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--engines", nargs="+", default=["exact-blas", *ENGINES])
    asked = parser.parse_args()
    if asked.what == "simulate":
        simulate()
        return
    if asked.bench is None:
        parser.error("name the bench folder: --bench FOLDER")
    if asked.what == "table":
        table(asked.bench, asked.docs, asked.queries, asked.engines)
    else:
        figures(asked.bench, asked.docs, asked.queries)


def bench_module(folder: str | Path, name: str) -> Any:
    """A module of the bench, with our engines in its registry."""
    sys.path[:0] = [str(HERE), str(Path(folder).resolve())]
    importlib.import_module("adapters").REGISTRY.update(ENGINES)
    module = importlib.import_module(name)
    if name == "run":  # its processes start from here, so that they know our engines
        module.__file__ = str(Path(__file__).resolve())
        module.HERE = str(Path(folder).resolve())
    return module


def table(bench: Path, docs: int, queries: int, engines: list[str]) -> None:
    """One line an engine: the table that the README quotes."""
    os.environ[BENCH] = str(bench.resolve())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PEERBENCH_OUT"] = folder
        run = bench_module(bench, "run")
        sys.argv = [
            "run",
            "--docs",
            str(docs),
            "--queries",
            str(queries),
            "--threads",
            "1",
            "--engines",
            *engines,
        ]
        with contextlib.redirect_stdout(io.StringIO()):
            run.main()
        lines = Path(folder, "results.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    tokens = len(importlib.import_module("corpus").Corpus(docs).tok_type)
    print("| engine | CPU ms | R@10 | R@100 | bytes/vector | build CPU s | build, serve RSS MB |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for row in rows:
        size = row.get("index_mb", 0) * 2**20 / tokens
        print(
            f"| {row['engine']} | {row.get('t1_cpu_ms', float('nan')):.2f}"
            f" | {row.get('t1_recall10', float('nan')):.3f}"
            f" | {row.get('t1_recall100', float('nan')):.3f} | {size:.1f}"
            f" | {row.get('build_cpu_s', float('nan')):.1f}"
            f" | {row.get('build_rss_mb', 0):.0f}, {row.get('t1_serve_rss_mb', 0):.0f} |"
        )


def figures(bench: Path, docs: int, n_queries: int) -> None:
    """Batches, threads, additions and opening, by the default preset."""
    corpus = bench_module(bench, "corpus").Corpus(docs)
    adapter = importlib.import_module("search_adapter")
    queries = corpus.q[:n_queries]
    with tempfile.TemporaryDirectory() as folder:
        whole, half = Path(folder, "whole"), Path(folder, "half")
        build_s = cpu_s(lambda: adapter.add_documents(corpus, whole, 0, docs))
        added_s = cpu_s(lambda: add_copies(adapter, corpus, whole, ADDED))
        print(
            f"build {build_s:.1f} CPU s; {ADDED} documents added in {added_s:.2f} "
            f"({added_s / build_s:.1%} of it)"
        )
        engine = adapter.Balanced(threads=1)
        opened_s = wall_s(lambda: engine.load(corpus, str(whole)))
        first_s = wall_s(lambda: engine.search(queries[0], None, 100))
        print(f"open {opened_s * 1e3:.0f} ms, first search {first_s * 1e3:.0f} ms (wall)")
        one = median_cpu_s(lambda i: engine.batch(queries[i : i + 1], 100), len(queries))
        eight = median_cpu_s(lambda i: engine.batch(queries[i : i + 8], 100), len(queries) - 8)
        print(f"one query {one * 1e3:.2f} CPU ms, eight in one call {eight * 1e3:.2f}")
        rates = []
        for threads in (1, 2):
            engine = adapter.Balanced(threads=threads)
            engine.load(corpus, str(whole))
            rates.append(min(wall_s(lambda e=engine: e.batch(queries[:50], 100)) for _ in range(5)))
        print(f"50 queries: 2 threads {rates[0] / rates[1]:.2f} times as fast as 1 (wall)")
        adapter.add_documents(corpus, half, 0, docs * 2 // 3)
        adapter.add_documents(corpus, half, docs * 2 // 3, docs)
        adapter.add_documents(corpus, Path(folder, "fresh"), 0, docs)
        for name, how in (("half", "two thirds, then half as many"), ("fresh", "built at once")):
            engine.load(corpus, str(Path(folder, name)))
            found = [engine.search(query, None, 100)[:10] for query in queries]
            hits = [
                len(set(ids) & set(best[:10].tolist()))
                for ids, best in zip(found, corpus.gt, strict=False)
            ]
            print(f"R@10 {statistics.mean(hits) / 10:.3f}: {how}")


def add_copies(adapter: Any, corpus: Any, folder: Path, n: int) -> None:
    """n documents more, of new ids."""
    shifted = type("Copies", (), {})()
    shifted.vecs = corpus.vecs
    last = corpus.n + n
    offsets = np.zeros(last + 1, np.int64)
    offsets[corpus.n :] = corpus.offs[: n + 1]
    shifted.offs = offsets
    adapter.add_documents(shifted, folder, corpus.n, last)


def simulate() -> None:
    """Sizes and times from per-vector costs, for one core and the default preset."""
    print("Assumed: 128 dimensions, 69 vectors a document, 36 bytes a vector (32 codes, 2 scale,")
    print(
        "2 centroid), 8 bytes of offsets and the catalog a document, 2.1 MB of codec, 1.35 bytes a"
    )
    print(
        "vector of lists in memory. A search takes 3.5 ms for tables and everything else that does"
    )
    print(
        "not grow, 1 ns a vector for the scan, or from 2 M vectors on, by growth.py at 100,000 and"
    )
    print(
        "1 M documents: 3.4 ns a document for lists, 3.8 us a segment of 262,144 vectors, and 7 us"
    )
    print("a document scored in full, 300 and twice as many for every 16 times beyond 16,384")
    print("documents (2.9 us for the scan's). 9 us a vector to build. Beyond 70 M nothing was run.")
    print("| vectors | index GB | without catalog | lists GB | search ms | build CPU h |")
    print("|--:|--:|--:|--:|--:|--:|")
    from xret.index.search.candidates import default_candidates
    from xret.index.search.listed import LISTED_ROWS
    from xret.index.writing.writer import SEGMENT_ROWS

    for millions in (0.7, 7, 70, 600):
        vectors = millions * 1e6
        documents = vectors / 69
        arrays = vectors * 36 + documents * 8 + 2.1e6
        scored = default_candidates(100, int(documents))
        listed = vectors >= LISTED_ROWS
        grown_ms = vectors * 1.0e-6 + scored * 2.9e-3
        if listed:
            grown_ms = documents * 3.4e-6 + vectors / SEGMENT_ROWS * 3.8e-3 + scored * 7e-3
        print(
            f"| {millions:g} M | {(arrays + documents * BYTES_CATALOG) / 1e9:.2f}"
            f" | {arrays / 1e9:.2f} | {vectors * 1.35e-9 if listed else 0:.2f}"
            f" | {3.5 + grown_ms:.1f} | {vectors * 9e-6 / 3600:.2f} |"
        )


def cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def wall_s(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_cpu_s(work: Callable[[int], object], n: int) -> float:
    return statistics.median(cpu_s(lambda i=i: work(i)) for i in range(n))


if __name__ == "__main__":
    main()
