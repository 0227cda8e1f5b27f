"""Every path that a GPU has, run there and checked against the CPU: one table, within 8 minutes.

    python benchmarks/gpu.py                  on cuda; without a GPU it says so and ends
    python benchmarks/gpu.py --device cuda:1
    python benchmarks/gpu.py --cpu            the same code on the CPU, on small sizes

Times are wall time, the best of three for searches. "agrees" is what is compared: vectors by
their largest difference, scores and codes to the last bit, single vectors by recall@10 of what is
found for 100 hits. The exit status is 1 where something disagrees or fails.

What to expect of the exact scan of a million documents, 69 million vectors of 128 dimensions and
their scales, 9.1 GB, by questions of 32 vectors, on an H200 (4.3 TB/s, 1,979 int8 TOPS): reading
takes 2.1 ms a batch; the products, 565 G operations a question, .3 ms at the roof, and since 72 %
of a tile's rows are a passage's own, .4 ms; a kernel that reaches a third of the roof takes 1.3 ms
a question in batches, and 2 to 4 ms for one alone. Without the fused kernel, torch writes and reads
16 bytes for each vector and lane, 35 GB a question: 8 ms.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from dense import clustered, int8_vectors

import xret
from xret.errors import XretError
from xret.index.coding.clustering import train_codec
from xret.index.scoring.devices import torch_device
from xret.index.scoring.maxsim import query_codes, score_passages
from xret.index.scoring.query_codes import QueryCodes
from xret.index.search.dense import ann
from xret.index.search.dense.dense_vectors import Int8Vectors
from xret.index.search.dense.device_vectors import CODE_ROW_BYTES, DeviceVectors
from xret.index.search.device.gpu import DeviceScan, ScanSegment
from xret.index.search.device.maxima import is_fused
from xret.types import FloatArray, IntArray

LIMIT_S = 330
"""No path is begun later than this: one takes two minutes at most."""

K, FOUND = 10, 100
QUERY_ROWS = 32
MAX_DIFFERENCE = 2e-3
LEAST_RECALL = {"float16": 0.999, "product codes": 0.9}
QUESTIONS = ("how do coral reefs protect the coast", "vaccines for children")


@dataclass(frozen=True)
class Sizes:
    """How much of each there is."""

    texts: int
    documents: int
    dim: int
    checked: int
    vectors: int
    coded: int
    trained: int
    centroids: int
    batches: tuple[int, ...]


GPU = Sizes(2_000, 1_000_000, 128, 20_000, 1_000_000, 200_000, 2**17, 2**13, (1, 8, 64))
DRY = Sizes(24, 3_000, 32, 500, 20_000, 20_000, 4_000, 64, (1, 8))


@dataclass(frozen=True)
class Row:
    path: str
    size: str
    there: str
    cpu: str
    agrees: str
    failed: bool = False


Path_ = Callable[[str, Sizes], Iterator[Row]]


def timed(work: Callable[[], object], *, times: int = 1) -> float:
    """Seconds, the least of so many times."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def encoding(device: str, sizes: Sizes) -> Iterator[Row]:
    """The embedded transformer, with adapters by language, by torch in both places."""
    corpus = xret.open_corpus("demo")
    documents = list(islice(corpus.documents(on_reject=print), sizes.texts))
    few = documents[:24]
    vectors, rates = [], []
    for place, texts in ((device, documents), ("cpu", few)):
        options = xret.EncoderOptions(device=place, backend="torch", precision="fp32")
        encoder = xret.load_encoder("xret-modular", options=options)
        vectors.append(encoder.encode_documents(few).values)
        start = time.perf_counter()
        encoder.encode_documents(texts)
        rates.append(len(texts) / (time.perf_counter() - start))
    there, cpu = (f"{rate:,.0f} texts/s" for rate in rates)
    worst = float(np.abs(vectors[0] - vectors[1]).max())
    bad = worst > MAX_DIFFERENCE
    yield Row(
        "encoder (xret-modular)", f"{len(documents):,} texts", there, cpu, f"{worst:.1e}", bad
    )


def late_segment(n: int, dim: int) -> ScanSegment:
    """Documents of 40 to 98 random vectors; a block of them is drawn and repeated."""
    rng = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(40, 99, n))])
    rows = int(offsets[-1])
    block = rng.integers(-127, 128, (min(rows, 2**21 + 1), dim), dtype=np.int8)
    codes = np.resize(block, (rows, dim))
    scales = rng.integers(0x3B80, 0x3C00, rows).astype(np.uint16)
    return ScanSegment(Int8Vectors(codes, scales), offsets)


def late_queries(n: int, dim: int) -> QueryCodes:
    rng = np.random.default_rng(n)
    values = rng.standard_normal((n * QUERY_ROWS, dim), dtype=np.float32)
    return query_codes(values, np.arange(0, n * QUERY_ROWS + 1, QUERY_ROWS))


def exact_scan(device: str, sizes: Sizes) -> Iterator[Row]:
    """Late interaction, every document scored; hits of a part and all scores bit for bit."""
    segment = late_segment(sizes.documents, sizes.dim)
    vectors = segment.vectors
    assert isinstance(vectors, Int8Vectors)
    n = sizes.checked
    part = segment.offsets[: n + 1]
    few = Int8Vectors(vectors.codes[: part[-1]], vectors.scales[: part[-1]])
    queries = late_queries(2, sizes.dim)
    scores = score_passages(queries, few.codes, few.scales, part)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :FOUND]
    found, values = DeviceScan.open([ScanSegment(few, part)], device=device).search(queries, FOUND)
    same = all(map(np.array_equal, found, best))
    same &= all(np.array_equal(scores[i, found[i]], values[i]) for i in range(2))
    cpu = timed(lambda: score_passages(queries, few.codes, few.scales, part)) / 2
    scan = DeviceScan.open([segment], device=device)
    how = " (fused)" if is_fused(scan.device) else ""
    size = f"{sizes.documents:,} documents, {len(vectors):,} × {sizes.dim}"
    for batch in sizes.batches:
        asked = late_queries(batch, sizes.dim)
        ms = timed(lambda asked=asked: scan.search(asked, FOUND), times=3) / batch * 1e3
        ours = f"{cpu * sizes.documents / n * 1e3:,.1f} ms a query (of {n:,})"
        said = "to the last bit" if same else "DIFFERS"
        yield Row(
            f"exact scan{how}, {batch} at once", size, f"{ms:.2f} ms a query", ours, said, not same
        )


def recall(found: list[IntArray], wanted: IntArray) -> float:
    return float(np.mean([np.isin(w, f).mean() for f, w in zip(found, wanted, strict=True)]))


def faiss_rows(device: str, sizes: Sizes) -> Iterator[Row]:
    """Single vectors in float16 and, as if memory were short, as product codes."""
    ann.faiss_device(device)
    for kind, n in (("float16", sizes.vectors), ("product codes", sizes.coded)):
        values, asked = clustered(n, 384 if n > 10**5 else 64, 64)
        segment = ScanSegment(int8_vectors(values), np.arange(n + 1))
        wanted = np.argsort(-(asked @ values.T), axis=1)[:, :K]
        room = n * CODE_ROW_BYTES if kind == "product codes" else 2**60
        yield from _searched(kind, segment, asked, wanted, room, device)


def _searched(
    kind: str, segment: ScanSegment, asked: FloatArray, wanted: IntArray, room: int, device: str
) -> Iterator[Row]:
    queries = query_codes(asked, np.arange(len(asked) + 1))
    recalls, rates = [], []
    for place in (device, "cpu"):
        index = DeviceVectors.open([segment], device=place, memory_bytes=room)
        assert index is not None
        answer = index.search(queries, FOUND)
        assert answer is not None
        recalls.append(recall(answer[0], wanted))
        rates.append(timed(lambda index=index: index.search(queries, FOUND)) / len(asked) * 1e3)
    there, cpu = (f"{ms:.3f} ms a query" for ms in rates)
    size = f"{len(segment.vectors):,} × {asked.shape[1]}, {len(asked)} at once"
    said = f"recall@10 {recalls[0]:.4f}, CPU {recalls[1]:.4f}"
    bad = recalls[0] < min(LEAST_RECALL[kind], recalls[1] - 0.01)
    yield Row(f"FAISS, {kind}", size, there, cpu, said, bad)


def clustering(device: str, sizes: Sizes) -> Iterator[Row]:
    """The codec of late interaction by torch."""
    values = clustered(sizes.trained, sizes.dim, 1)[0]
    codecs = []

    def train(place: str | None) -> None:
        codecs.append(train_codec(values, bits=4, n_centroids=sizes.centroids, device=place))

    seconds = [timed(lambda place=place: train(place)) for place in (device, None)]
    arrays = [codec.arrays() for codec in codecs]
    same = all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])
    there, cpu = (f"{one:.2f} s" for one in seconds)
    size = f"{sizes.trained:,} × {sizes.dim}, {sizes.centroids:,} centroids"
    said = "to the last bit" if same else "DIFFERS"
    yield Row("codec training", size, there, cpu, said, not same)


def faiss_clustering(device: str, sizes: Sizes) -> Iterator[Row]:
    """k-means by FAISS, whose sums are of integers."""
    ann.faiss_device(device)
    values = clustered(sizes.trained, sizes.dim, 1)[0]
    centroids = []

    def train(place: str) -> None:
        k = sizes.centroids // 8
        centroids.append(ann.train_centroids(values, k, device=place, max_points=256))

    there, cpu = (f"{timed(lambda place=place: train(place)):.2f} s" for place in (device, "cpu"))
    same = np.array_equal(*centroids)
    size = f"{sizes.trained:,} × {sizes.dim}, {sizes.centroids // 8:,} centroids"
    said = (
        "to the last bit"
        if same
        else f"largest off {np.abs(centroids[0] - centroids[1]).max():.1e}"
    )
    yield Row("k-means by FAISS", size, there, cpu, said, not same)


def command(*words: str) -> str:
    program = "from xret.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout


def commands(device: str, _: Sizes) -> Iterator[Row]:
    """`xret index` and `xret search` of the demo, there and on the CPU."""
    hits, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, place in enumerate((device, "cpu")):
            own = str(Path(folder) / str(number))
            start = time.perf_counter()
            command("index", "--corpus", "demo", "--no-lexical", "--output", own, "--device", place)
            seconds.append(time.perf_counter() - start)
            for question in QUESTIONS:
                words = ("--lang", "en", "--mode", "dense", "--json", "--device", place)
                answer = json.loads(command("search", own, question, *words))
                hits.append([(hit["id"], round(hit["score"], 5)) for hit in answer["hits"]])
    there, cpu = (f"{one:.1f} s to index" for one in seconds)
    same = hits[: len(QUESTIONS)] == hits[len(QUESTIONS) :]
    said = "same hits" if same else "OTHER HITS"
    yield Row("xret index, xret search", "the demo", there, cpu, said, not same)


PATHS: tuple[Path_, ...] = (
    encoding,
    exact_scan,
    faiss_rows,
    clustering,
    faiss_clustering,
    commands,
)


def rows(device: str, sizes: Sizes) -> Iterator[Row]:
    """Of every path; one that cannot be run says why."""
    start = time.perf_counter()
    for path in PATHS:
        name = path.__name__.replace("_", " ")
        if time.perf_counter() - start > LIMIT_S:
            yield Row(name, "", "", "", f"skipped: {LIMIT_S} s are over")
            continue
        try:
            yield from path(device, sizes)
        except XretError as error:
            yield Row(name, "", "", "", f"skipped: {error}")
        except Exception as error:  # the other paths are run all the same
            yield Row(name, "", "", "", f"FAILED: {error!r}", failed=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda or cuda:1")
    parser.add_argument("--cpu", action="store_true", help="a dry run of it all on the CPU")
    options = parser.parse_args()
    device, sizes = ("cpu", DRY) if options.cpu else (options.device, GPU)
    try:
        place = torch_device(device)
    except XretError as error:
        print(f"skipped: {error}; try --cpu")
        return 0
    start, failed = time.perf_counter(), False
    if place.type == "cuda":
        import torch

        print(f"{torch.cuda.get_device_name(place)}, torch {torch.__version__}\n")
    print(f"| path | size | {device} | CPU | agrees |\n|---|---|--:|--:|---|")
    for row in rows(device, sizes):
        failed |= row.failed
        print(f"| {row.path} | {row.size} | {row.there} | {row.cpu} | {row.agrees} |", flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
