"""The codec of passages beside the plain one: recall, bytes and CPU time of the same bench.

    python benchmarks/codecs.py --bench ../shared/bench --docs 10000

Both code residuals in 2 bits a dimension (`balanced`) and in 1 (`compact`). Queries are asked of
all four indexes in turn, so that a busy machine slows all alike.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from search import bench_module

from xret.index.coding import training
from xret.index.coding.clustering import train_codec

TIMED = 60
RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", type=Path, required=True)
    parser.add_argument("--docs", type=int, default=10_000)
    asked = parser.parse_args()
    corpus = bench_module(asked.bench, "corpus").Corpus(asked.docs)
    adapter = importlib.import_module("search_adapter")
    trainers = {"plain": train_codec, "trellis": training.train_passage_codec}
    engines, built = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for preset in ("balanced", "compact"):
            for kind, trainer in trainers.items():
                path = Path(folder, f"{preset}-{kind}")
                training.train_passage_codec = trainer  # what the writer calls
                started = time.process_time()
                adapter.add_documents(corpus, path, 0, corpus.n, preset=preset)
                built[path.name] = time.process_time() - started
                engines[path.name] = adapter.Balanced(threads=1)
                engines[path.name].load(corpus, str(path))
        times = timed(engines, corpus)
        print("| codec | CPU ms | R@10 | R@100 | bytes a vector | build, CPU s |")
        print("|---|--:|--:|--:|--:|--:|")
        for name, engine in engines.items():
            size = sum(f.stat().st_size for f in Path(folder, name).rglob("*") if f.is_file())
            print(
                f"| {name} | {times[name]:.2f} | {recalls(engine, corpus, 10)}"
                f" | {recalls(engine, corpus, 100)} | {size / len(corpus.vecs):.1f}"
                f" | {built[name]:.1f} |"
            )


def timed(engines: dict[str, Any], corpus: Any) -> dict[str, float]:
    """CPU ms a query: the mean over queries of the median over runs."""
    times = {name: np.empty((RUNS, TIMED)) for name in engines}
    for run in range(-1, RUNS):  # the first opens files
        for number in range(TIMED):
            for name, engine in engines.items():
                started = time.process_time()
                engine.search(corpus.q[number], None, 100)
                times[name][max(run, 0), number] = time.process_time() - started
    return {name: float(np.median(own, axis=0).mean() * 1e3) for name, own in times.items()}


def recalls(engine: Any, corpus: Any, k: int) -> str:
    """Recall at k against exact scores, over the first 50 queries and over all."""
    shares = []
    for query, best in zip(corpus.q, corpus.gt, strict=True):
        found = engine.search(query, None, 100)[:k]
        shares.append(len(set(found) & set(best[:k].tolist())) / k)
    return f"{np.mean(shares[:50]):.3f} / {np.mean(shares):.3f}"


if __name__ == "__main__":
    main()
