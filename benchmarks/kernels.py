"""The late-interaction kernels on every path of this machine, beside maxsim-cpu and torch.

    python benchmarks/kernels.py
    python benchmarks/kernels.py --passages 2000 --paths vnni numpy

One thread, CPU milliseconds, medians of runs that take turns. Random passages of 69 vectors
of 128 dimensions and queries of 32: speed does not depend on what the vectors say. `pip
install maxsim-cpu` for that peer; what is not installed is left out and said.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402

from xret.index.scoring.kernel_path import VARIABLE, kernel_reasons  # noqa: E402
from xret.index.scoring.maxsim import (  # noqa: E402
    centroid_scan,
    centroid_tables,
    fine_scores,
    nearest_centroids,
    query_codes,
    scan_tables,
    score_passages,
)

VECTORS, DIM, QUERY, RERANKED, CENTROIDS = 69, 128, 32, 400, 4096
ONE = 0x3F80  # 1.0 as bfloat16
SHORT_S, SHORT_REPEATS = 0.005, 20
Work = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=7)
    paths = [path for path, reason in kernel_reasons().items() if not reason]
    parser.add_argument("--paths", nargs="+", choices=paths, default=paths)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    values = rng.standard_normal((arguments.passages * VECTORS, DIM), dtype=np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    queries = rng.standard_normal((50 * QUERY, DIM), dtype=np.float32)
    peers = peer_work(values, queries[:QUERY])
    works = {path: path_work(rng, values, queries) for path in arguments.paths}
    found = measure(peers, works, runs=arguments.runs)
    print_peers(found, peers)
    print_paths(found, works, peers, arguments.passages * VECTORS)
    print_threads(values, queries, arguments.paths[0], runs=arguments.runs)


def path_work(
    rng: np.random.Generator, values: np.ndarray[Any, Any], queries: np.ndarray[Any, Any]
) -> dict[str, Work]:
    """What is timed on each path, by the name of its row."""
    rows = len(values)
    offsets = np.arange(0, rows + 1, VECTORS)
    codes, scales = coded(values)
    one = query_codes(queries[:QUERY])
    eight = query_codes(queries[: 8 * QUERY], np.arange(9) * QUERY)
    fine = query_codes(queries[:QUERY], fine=True)
    some = np.arange(RERANKED) * 7919 % (len(offsets) - 1)
    centroids, units = coded(values[:CENTROIDS])
    near = rng.integers(0, len(centroids), rows).astype(np.uint16)
    table = centroid_tables(one, centroids, units)
    small = scan_tables(one, table)
    works: dict[str, Work] = {
        "8 bits, scan": lambda: score_passages(one, codes, scales, offsets),
        "8 bits, scan of 8 queries": lambda: score_passages(eight, codes, scales, offsets),
        f"8 bits, rerank of {RERANKED}": lambda: score_passages(
            one, codes, scales, offsets, which=some
        ),
        "8 bits, fine scores of 100": lambda: fine_scores(
            fine, codes, scales, offsets, which=some[:100]
        ),
    }
    for bits in (4, 2, 1):
        narrow = rng.integers(0, 256, (rows, DIM * bits // 8)).astype(np.uint8)
        levels = np.linspace(-127, 127, 2**bits).astype(np.int8)
        works[f"{bits} bits + centroids, scan"] = lambda narrow=narrow, bits=bits, levels=levels: (  # type: ignore[misc]
            score_passages(
                one, narrow, scales, offsets, bits=bits, levels=levels, centroids=near, tables=table
            )
        )
    works[f"tables of {CENTROIDS} centroids"] = lambda: centroid_tables(one, centroids, units)
    works["the same in bytes"] = lambda: scan_tables(one, table)
    works["centroid scan"] = lambda: centroid_scan(one, small, near, offsets)
    works[f"nearest of {CENTROIDS} centroids, a tenth"] = lambda: nearest_centroids(
        values[: rows // 10], centroids, units
    )
    return works


def peer_work(values: np.ndarray[Any, Any], query: np.ndarray[Any, Any]) -> dict[str, Work | None]:
    """The same scan by others, None for one that is not installed."""
    peers: dict[str, Work | None] = {"maxsim-cpu, fp32": None, "torch, fp32": None}
    try:
        import maxsim_cpu

        documents = list(values.reshape(-1, VECTORS, DIM))
        peers["maxsim-cpu, fp32"] = lambda: maxsim_cpu.maxsim_scores_variable(query, documents)
    except ImportError:
        pass
    try:
        import torch

        torch.set_num_threads(1)
        blocks = torch.from_numpy(values.reshape(-1, VECTORS, DIM)).split(512)
        across = torch.from_numpy(query).T.contiguous()
        peers["torch, fp32"] = lambda: [(block @ across).amax(1).sum(1) for block in blocks]
    except ImportError:
        pass
    return peers


def coded(
    values: np.ndarray[Any, Any],
) -> tuple[np.ndarray[Any, np.dtype[np.int8]], np.ndarray[Any, np.dtype[np.uint16]]]:
    """int8 codes of unit vectors; what the scales are does not matter here."""
    codes = np.rint(values * (127 / np.abs(values).max(axis=1, keepdims=True))).astype(np.int8)
    return codes, np.full(len(values), ONE, dtype=np.uint16)


def measure(
    peers: dict[str, Work | None], works: dict[str, dict[str, Work]], *, runs: int
) -> dict[tuple[str, str], float]:
    """Median CPU seconds by (path, row), peers under path "".

    Slow work runs fewer times; short work runs many times over, from a warm cache.
    """
    times: dict[tuple[str, str], list[float]] = {}
    for run in range(runs):
        for path, rows in {"": peers, **works}.items():
            if path:
                os.environ[VARIABLE] = path
            for row, work in rows.items():
                taken = times.setdefault((path, row), [])
                if work is None or (run > 2 and statistics.median(taken) > 1):
                    continue
                repeats = SHORT_REPEATS if taken and taken[0] < SHORT_S else 1
                start = time.process_time()
                for _ in range(repeats):
                    work()
                taken.append((time.process_time() - start) / repeats)
    os.environ.pop(VARIABLE, None)
    return {key: statistics.median(taken) for key, taken in times.items() if taken}


def print_peers(found: dict[tuple[str, str], float], peers: dict[str, Work | None]) -> None:
    print("| scan of all passages, one query | CPU ms |\n|---|--:|")
    for peer in peers:
        taken = found.get(("", peer))
        print(f"| {peer} | {'not installed' if taken is None else f'{taken * 1e3:.1f}'} |")


def print_paths(
    found: dict[tuple[str, str], float],
    works: dict[str, dict[str, Work]],
    peers: dict[str, Work | None],
    n_vectors: int,
) -> None:
    """One row a measurement; scans with their share of the peers' time and ns a vector."""
    print(f"\n| CPU ms | {' | '.join(works)} |\n|---|{'--:|' * len(works)}")
    rows = next(iter(works.values()))
    for row in rows:
        cells = [f"{found[path, row] * 1e3:.3g}" for path in works]
        print(f"| {row} | {' | '.join(cells)} |")
    scan = "8 bits, scan"
    for peer in peers:
        if ("", peer) in found:
            shares = [f"{found[path, scan] / found['', peer]:.3f}" for path in works]
            print(f"| {scan}: share of {peer} | {' | '.join(shares)} |")
    for row in (scan, "2 bits + centroids, scan", "1 bits + centroids, scan", "centroid scan"):
        cells = [f"{found[path, row] / n_vectors * 1e9:.2f}" for path in works]
        print(f"| {row}: ns a vector | {' | '.join(cells)} |")
    eight = [f"{found[p, '8 bits, scan of 8 queries'] / found[p, scan]:.2f}" for p in works]
    print(f"| 8 queries in one pass: times one | {' | '.join(eight)} |")


def print_threads(
    values: np.ndarray[Any, Any], queries: np.ndarray[Any, Any], path: str, *, runs: int
) -> None:
    """Wall time of 50 queries in one pass, with one thread and with two."""
    os.environ[VARIABLE] = path
    codes, scales = coded(values)
    offsets = np.arange(0, len(values) + 1, VECTORS)
    fifty = query_codes(queries, np.arange(51) * QUERY)
    wall: dict[int, list[float]] = {1: [], 2: []}
    cpu: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(runs):
        for threads in wall:
            start, spent = time.perf_counter(), time.process_time()
            score_passages(fifty, codes, scales, offsets, threads=threads)
            wall[threads].append(time.perf_counter() - start)
            cpu[threads].append(time.process_time() - spent)
    one, two = (1e3 * statistics.median(wall[threads]) for threads in wall)
    work = statistics.median(cpu[2]) / statistics.median(cpu[1])
    print(
        f"\n50 queries on {path}: {one:.0f} ms with 1 thread, {two:.0f} ms with 2, "
        f"{one / two:.2f} times as fast; CPU time with 2 threads {work:.2f} times that of 1, "
        f"so {2 / work:.2f} times as fast where both cores are free"
    )


if __name__ == "__main__":
    main()
