"""Many commits, additions, threads and memory: what an index costs that is written to often.

    python benchmarks/commits.py commits --commits 1000
    python benchmarks/commits.py adding --documents 20000
    python benchmarks/commits.py threads --documents 20000
    python benchmarks/commits.py memory --documents 6000
    python benchmarks/commits.py memory --long 8

`commits` builds the same documents twice, at once and in one commit each, and asks both the
same questions in turn. `memory` builds in a process of its own. Times are CPU time of one
thread, but those of `threads`, which are wall-clock time and want an idle machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from indexing import passages  # noqa: E402

from xret.retriever.build import BuildSummary, IndexBuild  # noqa: E402
from xret.retriever.opening.encoder import load_encoder  # noqa: E402
from xret.retriever.searcher import Searcher  # noqa: E402
from xret.retriever.writer import DocumentWriter  # noqa: E402
from xret.types import Document, Query, SearchParams  # noqa: E402

ENCODER = "xret-static"
QUERIES = 40
LONG_CHARACTERS = 12_600_000


def build(documents: Iterable[Document], folder: Path) -> BuildSummary:
    made = IndexBuild(documents, folder, load_encoder(ENCODER))
    for _ in made.run():
        pass
    return made.summary


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def questions(documents: list[Document]) -> list[tuple[str, str]]:
    return [(one.text[:40], one.lang) for one in documents[:QUERIES]]


def commits(n: int, folder: Path) -> None:
    documents = passages(n)
    build(documents, folder / "once")
    build(documents[:1], folder / "often")
    encoder = load_encoder(ENCODER)
    most, times = 0, []
    for document in documents[1:]:
        start = time.process_time()
        with DocumentWriter.open(folder / "often", encoder) as writer:
            writer.add([document])
        times.append(time.process_time() - start)
        most = max(most, len(list((folder / "often" / "segments").iterdir())))
    print(f"{n:,} commits of one document, {ENCODER}")
    print(f"segments at most            {most}")
    print(f"a commit, CPU ms            {1000 * statistics.mean(times):.1f}")
    before = descriptors()
    with closing(Searcher.open(folder / "often")) as often:
        often.search("water", lang="en")
        print(f"descriptors of an open one  {descriptors() - before}")
        with closing(Searcher.open(folder / "once")) as once:
            compare(once, often, questions(documents))


def compare(once: Searcher, often: Searcher, asked: list[tuple[str, str]]) -> None:
    """CPU of both, asked in turn, and whether they answer the same."""
    times: dict[int, list[float]] = {0: [], 1: []}
    same = 0
    for text, lang in [*asked[:5], *asked, *asked, *asked]:
        answers = []
        for number, searcher in enumerate((once, often)):
            start = time.thread_time()
            hits = searcher.search(text, lang=lang)
            times[number].append(time.thread_time() - start)
            answers.append([(hit.doc_id, hit.score) for hit in hits])
        same += answers[0] == answers[1]
    one, many = (1000 * statistics.median(times[number][5:]) for number in (0, 1))
    print(f"a search, CPU ms            {many:.2f}, {one:.2f} of one segment: {many / one:.2f} x")
    print(f"same hits and scores        {same} of {len(times[0])}")


def adding(n: int, folder: Path) -> None:
    documents = passages(n + 1000)
    start = time.process_time()
    build(documents[:n], folder / "index")
    whole = time.process_time() - start
    start = time.process_time()
    build(documents[n:], folder / "index")
    added = time.process_time() - start
    print(f"building {n:,} documents, CPU s   {whole:.1f}")
    print(f"adding 1,000 more, CPU s          {added:.2f}: {100 * added / whole:.1f} %")
    print(f"by the document                   {added / 1000 / (whole / n):.2f} x")


def threads(n: int, folder: Path) -> None:
    documents = passages(n)
    build(documents, folder / "index")
    with closing(Searcher.open(folder / "index")) as searcher:
        queries = [Query(str(i), text, lang) for i, (text, lang) in enumerate(questions(documents))]
        vectors = searcher.encoder.encode_queries(queries * 4)
        for exact in (False, True):
            took: dict[int, list[float]] = {1: [], 2: []}
            for _ in range(4):
                for number, times in took.items():
                    start = time.perf_counter()
                    params = SearchParams(threads=number, exact=exact)
                    searcher.reader.search(vectors, 100, params=params)
                    times.append(time.perf_counter() - start)
            one, two = (min(times) for times in took.values())
            how = "exact" if exact else "default"
            print(f"{how:8} {len(vectors)} queries, ms: {1000 * one:.0f} with one thread, ", end="")
            print(f"{1000 * two:.0f} with two: {one / two:.2f} x")


def long_documents(n: int) -> Iterator[Document]:
    text = " ".join(one.text for one in passages(1500) if one.lang != "zh")
    for i in range(n):
        yield Document(f"long{i}", text * (LONG_CHARACTERS // len(text)), "en")


def memory(n: int, long: int, folder: Path) -> None:
    """Run in a process of its own, so that its peak is that of the build."""
    documents = long_documents(long) if long else iter(passages(n))
    load_encoder(ENCODER).encode_documents([Document("warm", "warm up", "en")])
    base = peak()
    summary = build(documents, folder / "i")
    vectors = summary.vectors // long if long else min(summary.vectors, 1 << 18)
    raw = vectors * load_encoder(ENCODER).spec.dim * 2 / 2**20
    print(f"documents {long or n:,}, vectors {summary.vectors:,}")
    print(f"peak MiB {peak():.0f}, {base:.0f} of it before the first document")
    print(
        f"a segment's vectors, fp16, MiB {raw:.0f}: beyond the base {(peak() - base) / raw:.2f} x"
    )


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=["commits", "adding", "threads", "memory"])
    parser.add_argument("--commits", type=int, default=1000)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--long", type=int, default=0, help="documents of 12.6 million characters")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if chosen.part == "commits":
            commits(chosen.commits, folder)
        elif chosen.part == "adding":
            adding(chosen.documents, folder)
        elif chosen.part == "threads":
            threads(chosen.documents, folder)
        elif chosen.child:
            memory(chosen.documents, chosen.long, folder)
        else:
            subprocess.run([sys.executable, *sys.argv, "--child"], check=True)


if __name__ == "__main__":
    main()
