"""How search grows with the documents: the bench's index, and one of several times as many.

    python benchmarks/growth.py grow INDEX FOLDER --times 10
    python benchmarks/growth.py grow INDEX FOLDER --times 1 --languages 8
    python benchmarks/growth.py figures INDEX --bench ../shared/bench --docs 100000

`grow` makes a large index of a built one (`add_documents` of `search_adapter.py`) in minutes: its
coded documents, and copies of them in which a quarter of the vectors are those of other documents
of the segment. `figures` prints processor time a query (the median of three, of one thread), its
stages, and the share of the 10 and 100 best by the same codes that candidates find; --exact
queries are scored against every document. The queries are those of the corpus of --docs, of
which INDEX or what it was grown from was built.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from xret.index import _kernels
from xret.index.coding.recoding import CODEC_ROWS, write_codec
from xret.index.search.reader import IndexReader
from xret.index.storage.catalog import Catalog
from xret.index.storage.files import prepare_folder
from xret.index.storage.segment import Coded, Segment, write_segment
from xret.index.storage.stored import SegmentRecord
from xret.types import Document, Embeddings, SearchParams

LANGS = ("de", "en", "es", "fr", "it", "nl", "pl", "sv")
EXCHANGED = 0.25
STAGES = ("tables", "extremes", "bytes", "choose", "lists", "gather", "scan", "score")
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("grow", "figures"))
    parser.add_argument("index", type=Path)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--languages", type=int, default=1, choices=range(1, len(LANGS) + 1))
    parser.add_argument("--bench", type=Path)
    parser.add_argument("--docs", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--exact", type=int, default=20)
    asked = parser.parse_args()
    if asked.what == "grow":
        if asked.folder is None:
            parser.error("name the folder of the new index")
        grow(asked.index, asked.folder, asked.times, LANGS[: asked.languages])
        return
    if asked.bench is None:
        parser.error("name the bench folder: --bench FOLDER")
    sys.path.insert(0, str(asked.bench.resolve()))
    queries = __import__("corpus").Corpus(asked.docs).q[: asked.queries]
    figures(asked.index, queries, asked.exact)


def grow(source: Path, folder: Path, times: int, langs: tuple[str, ...]) -> None:
    """An index of so many times the documents, segment by segment, one commit each."""
    reader = IndexReader.open(source)
    segments, codecs = reader._commit.segments, reader._commit.codecs
    (codec,) = codecs.values()
    folder.mkdir()
    for room in ("segments", "codec"):
        prepare_folder(folder / room)
    catalog, rng = Catalog.open_or_create(folder, reader.settings), np.random.default_rng(0)
    with catalog.transaction():
        catalog.write_codec(1, CODEC_ROWS, write_codec(folder, 1, codec))
        catalog.count_commit()
    first = 0
    for copy in range(times):
        for segment in segments:
            number = max(catalog.segments(), default=0) + 1
            rows = np.arange(len(segment.coded))
            if copy:
                others = rng.integers(0, len(rows), len(rows))
                rows = np.where(rng.random(len(rows)) < EXCHANGED, others, rows)
            add_segment(catalog, folder, number, segment, rows, first, langs)
            first += segment.n_documents
    catalog.close()
    reader.close()


def add_segment(
    catalog: Catalog,
    folder: Path,
    number: int,
    segment: Segment,
    rows: np.ndarray,
    first: int,
    langs: tuple[str, ...],
) -> None:
    """The documents of a segment with these of its vectors, called by numbers from `first`."""
    near = segment.coded.centroids
    assert near is not None
    coded = Coded(
        segment.coded.codes[rows], segment.coded.scales[rows], near[rows], segment.coded.means
    )
    n = segment.n_documents
    record = SegmentRecord(number, 1, n, segment.n_passages, len(rows))
    arrays = {"offsets": segment.offsets, "documents": segment.documents, "spans": segment.spans}
    files = write_segment(folder, record, coded, arrays)
    lengths = np.diff(segment.offsets)
    of = np.argsort(np.argsort(lengths, kind="stable"), kind="stable") * len(langs) // n
    documents = [
        (i, Document(str(first + i), f"document {first + i}", langs[lang]))
        for i, lang in enumerate(of.tolist())
    ]
    with catalog.transaction():
        catalog.write_segment(record, files)
        catalog.documents.add(number, documents)
        catalog.count_commit()


def figures(folder: Path, queries: np.ndarray, n_exact: int) -> None:
    reader = IndexReader.open(folder)
    info = reader.info()

    mixed = len(info.languages) > 1

    def best(query: np.ndarray, *, exact: bool = False) -> list[str]:
        embeddings = Embeddings(query, np.array([0, len(query)]))
        (hits,) = reader.search(
            embeddings,
            100,
            params=SearchParams(threads=1, exact=exact),
            calibrate="z" if mixed else "off",
            query_langs=("en",),
        )
        return [hit.doc_id for hit in hits]

    first_s = cpu_s(lambda: best(queries[0]))
    print(f"{info.documents:,} documents, {info.vectors:,} vectors, {info.segments} segments")
    print(f"{mean_cpu_ms(best, queries):.2f} CPU ms a query; the first {first_s * 1e3:.0f}")
    found = [best(query) for query in queries]
    with_stages: defaultdict[str, float] = defaultdict(float)
    for name in STAGES:
        setattr(_kernels, name, timed(getattr(_kernels, name), name, with_stages))
    total_s = cpu_s(lambda: [best(query) for query in queries])
    stages = {name: with_stages[name] / len(queries) * 1e3 for name in STAGES}
    print(", ".join(f"{name} {ms:.2f}" for name, ms in stages.items()), end=", ")
    print(f"the rest {total_s / len(queries) * 1e3 - sum(stages.values()):.2f}")
    wanted = [best(query, exact=True) for query in queries[:n_exact]]
    print_shares(found, wanted, "by the same codes")
    if mixed:
        reader._lists.of = lambda *_: None
        scan_ms = mean_cpu_ms(best, queries)
        print(f"by a scan {scan_ms:.2f} CPU ms a query")
        scanned = [best(query) for query in queries]
        print_shares(found, scanned, "that a scan finds")
        print_shares(scanned, wanted, "by the same codes, found by a scan")


def mean_cpu_ms(best: Callable[[np.ndarray], object], queries: np.ndarray) -> float:
    """Of the queries' medians."""
    times = [[cpu_s(lambda q=q: best(q)) for q in queries] for _ in range(ROUNDS)]
    return statistics.mean(map(statistics.median, zip(*times, strict=True))) * 1e3


def print_shares(found: list[list[str]], wanted: list[list[str]], of: str) -> None:
    for k in (10, 100):
        pairs = zip(found, wanted, strict=False)
        shares = [len({*ids[:k]} & {*best[:k]}) / k for ids, best in pairs]
        if shares:
            print(f"{statistics.mean(shares):.3f} of the {k} best {of}")


def timed(work: Callable[..., Any], name: str, seconds: dict[str, float]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        start = time.process_time()
        answer = work(*arguments)
        seconds[name] += time.process_time() - start
        return answer

    return run


def cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
