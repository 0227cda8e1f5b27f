"""Time of reading a run of 2 million lines, beside trec_eval.

    python benchmarks/run_files.py --trec-eval ./trec_eval

Writes a run of 2,000 queries with 1,000 hits each and its judgements into a temporary folder.
CPU seconds, the best of the rounds, turn by turn: ours of reading the run into hits in order;
trec_eval's (built from its source by its own Makefile) with one count as its measure, which is
hardly more than reading, and as it runs by default.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from xret.eval.trec import read_run_file

QUERIES, HITS = 2_000, 1_000
LIMIT = 3.0
"""How many times trec_eval's CPU ours may take."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--trec-eval", type=Path, required=True)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, qrels = Path(folder, "run.trec"), Path(folder, "qrels")
        write_files(run, qrels)
        program = [str(chosen.trec_eval.resolve())]
        ways: dict[str, Callable[[], object]] = {
            "xret, read into hits": lambda: read_run_file(run),
            "trec_eval -m num_q": lambda: child([*program, "-m", "num_q", str(qrels), str(run)]),
            "trec_eval": lambda: child([*program, str(qrels), str(run)]),
        }
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(chosen.rounds):
            for name, way in ways.items():
                best[name] = min(best[name], cpu_s(way))
    ours = best["xret, read into hits"]
    print(f"| {QUERIES * HITS:,} lines | CPU s | ours over it |\n|---|--:|--:|")
    for name, seconds in best.items():
        print(f"| {name} | {seconds:.2f} | {ours / seconds:.1f} |")
    if ours > LIMIT * best["trec_eval -m num_q"]:
        sys.exit(f"slower than {LIMIT:g} x trec_eval's quickest")


def write_files(run: Path, qrels: Path) -> None:
    draw = random.Random(1)
    with run.open("w", encoding="ascii") as lines, qrels.open("w", encoding="ascii") as judged:
        for query in range(QUERIES):
            score = 20.0
            documents = draw.sample(range(10**7), HITS)
            for rank, document in enumerate(documents, start=1):
                score -= draw.random() / 100
                lines.write(f"q{query} Q0 doc{document:08d} {rank} {score:.6f} tag\n")
            for document in documents[:100:10]:
                judged.write(f"q{query} 0 doc{document:08d} 1\n")


def child(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def cpu_s(way: Callable[[], object]) -> float:
    """CPU seconds of this process and its children; forgetting the result is not counted."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN), time.process_time()
    result = way()
    after = resource.getrusage(resource.RUSAGE_CHILDREN), time.process_time()
    del result
    children = sum(
        getattr(after[0], name) - getattr(before[0], name) for name in ("ru_utime", "ru_stime")
    )
    return after[1] - before[1] + children


if __name__ == "__main__":
    main()
