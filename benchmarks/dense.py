"""Search of single vectors: ours beside FAISS, in one process, one thread, CPU time.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/dense.py
    … --data ../shared/data/eval     sentences of FLORES-200 instead of clustered vectors
    … --device cuda                  instead: a million documents, exact, on a GPU

Recall@10 is against the exact inner product of the float32 vectors, ties counted as found.
Ours holds 8-bit codes: recall of its exact scan is what those codes can give. FAISS's pair
codes are the same candidate scan as ours with FAISS's own refinement: the difference is what
our layer adds to bare FAISS.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np

from xret.errors import XretError
from xret.index.scoring.maxsim import fine_scores, kernel_path, query_codes, score_passages
from xret.index.search.dense.dense_candidates import DENSE_CANDIDATES, DenseCandidates
from xret.index.search.dense.dense_vectors import Int8Vectors
from xret.index.search.device.gpu import DeviceScan, ScanSegment, torch_device
from xret.types import Document, FloatArray, IntArray, Query

K = 10
FINE = 20
IP = faiss.METRIC_INNER_PRODUCT
Search = Callable[[FloatArray], IntArray]


def clustered(n: int, dim: int, n_queries: int) -> tuple[FloatArray, FloatArray]:
    """Unit vectors: a common direction, topics of Zipf sizes in 100 areas, a falling spectrum."""
    rng = np.random.default_rng(0)
    spectrum = (1 / np.sqrt(1 + np.arange(dim) / 24)).astype(np.float32)

    def draw(count: int) -> FloatArray:
        return unit(rng.standard_normal((count, dim), dtype=np.float32) * spectrum)

    common, areas, n_topics = draw(1), draw(100), max(1, n // 25)
    topics = unit(0.7 * areas[rng.integers(0, 100, n_topics)] + 0.7 * draw(n_topics))
    shares = np.cumsum(np.arange(1, n_topics + 1) ** -0.7)
    topic = np.searchsorted(shares / shares[-1], rng.random(n)).clip(0, n_topics - 1)
    values = unit(0.4 * common + topics[topic] + 0.8 * draw(n))
    source = rng.choice(n, n_queries, replace=False)
    queries = unit(0.8 * values[source] + 0.3 * topics[topic[source]] + 0.6 * draw(n_queries))
    return values, queries


def sentences(data: Path, n_queries: int) -> tuple[FloatArray, FloatArray]:
    """FLORES-200 sentences, mean-pooled token vectors of xret-static, equal vectors once."""
    from xret.retriever.opening.encoder import load_encoder

    encoder, folder = load_encoder("xret-static"), data / "flores200-sent"

    def texts(name: str) -> list[str]:
        with gzip.open(folder / name, "rt", encoding="utf-8") as lines:
            return [json.loads(line)["text"] for line in lines]

    pooled = []
    corpus, questions = texts("corpus.jsonl.gz"), texts("queries.jsonl.gz")
    for first in range(0, len(corpus), 2_000):
        documents = [Document("", text, "en") for text in corpus[first : first + 2_000]]
        packed = encoder.encode_documents(documents)
        pooled.append(unit(np.add.reduceat(packed.values, packed.offsets[:-1], axis=0)))
    chosen = np.random.default_rng(0).choice(len(questions), n_queries, replace=False)
    packed = encoder.encode_queries([Query("", questions[i], "en") for i in chosen])
    queries = unit(np.add.reduceat(packed.values, packed.offsets[:-1], axis=0))
    values = np.concatenate(pooled)
    _, once = np.unique(values.round(4), axis=0, return_index=True)
    return np.ascontiguousarray(values[np.sort(once)]), queries


def unit(values: FloatArray) -> FloatArray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def int8_vectors(values: FloatArray) -> Int8Vectors:
    bits = ((np.abs(values).max(axis=1) / 127).view(np.uint32) + 0xFFFF) >> 16
    scales = (bits << 16).astype(np.uint32).view(np.float32)
    return Int8Vectors(np.rint(values / scales[:, None]).astype(np.int8), bits.astype(np.uint16))


def best(scores: FloatArray, k: int) -> IntArray:
    if len(scores) <= k:
        return np.argsort(-scores, kind="stable")
    found = np.argpartition(-scores, k)[:k]
    return found[np.argsort(-scores[found], kind="stable")]


class Ours:
    """Candidates, or the best of an int8 scan of all, by fine scores, as the reader does."""

    def __init__(self, vectors: Int8Vectors, n_candidates: int) -> None:
        self.vectors, self.n = vectors, n_candidates
        self.offsets = np.arange(len(vectors) + 1)
        self.candidates = DenseCandidates.build([vectors], threads=1) if n_candidates else None

    def __call__(self, query: FloatArray) -> IntArray:
        which = self.candidates.search(query[None], self.n)[0] if self.candidates else None
        arrays = (self.vectors.codes, self.vectors.scales, self.offsets)
        if which is None:
            scores = score_passages(query_codes(query[None]), *arrays)[0]
            which = np.sort(best(scores, FINE))
        fine = fine_scores(query_codes(query[None], fine=True), *arrays, which=which)[0]
        return which[best(fine, K)]


def peers(values: FloatArray, *, slow: bool) -> dict[str, Callable[[], Search]]:
    """FAISS indexes by name, each with its build."""
    dim = values.shape[1]
    sq8 = faiss.ScalarQuantizer.QT_8bit

    def filled(index: faiss.Index) -> Search:
        index.train(values[:: max(1, len(values) // 20_000)])
        index.add(values)
        return lambda query: index.search(query[None], K)[1][0]

    def lists(n_lists: int, n_probe: int) -> Search:
        coarse = faiss.IndexFlatIP(dim)
        index = faiss.IndexIVFScalarQuantizer(coarse, dim, n_lists, sq8, IP, False)
        index.nprobe, index.cp.niter = n_probe, 6
        return filled(index)

    def graph(ef: int) -> Search:
        index = faiss.IndexHNSWSQ(dim, sq8, 32, IP)
        index.hnsw.efConstruction, index.hnsw.efSearch = 80, ef
        return filled(index)

    def rabitq() -> Search:
        """Rotated 1-bit codes, FAISS's own 8-bit refinement of 400."""
        codes = faiss.IndexRaBitQFastScan(dim, IP)
        return filled(refined(faiss.IndexPreTransform(rotation(dim), codes)))

    def same() -> Search:
        coarse = faiss.IndexFlatIP(dim)
        codes = faiss.IndexIVFPQFastScan(coarse, dim, 1, dim // 2, 4, IP)
        codes.by_residual, codes.pq.cp.niter = False, 8
        return filled(refined(faiss.IndexPreTransform(rotation(dim), codes)))

    def rotation(dim: int) -> faiss.VectorTransform:
        transform = faiss.RandomRotationMatrix(dim, dim)
        transform.init(0)
        return transform

    def refined(base: faiss.Index) -> faiss.Index:
        index = faiss.IndexRefine(base, faiss.IndexScalarQuantizer(dim, sq8, IP))
        index.k_factor = DENSE_CANDIDATES / K
        return index

    found: dict[str, Callable[[], Search]] = {
        "faiss flat": lambda: filled(faiss.IndexFlatIP(dim)),
        "faiss SQ8": lambda: filled(faiss.IndexScalarQuantizer(dim, sq8, IP)),
        "faiss IVF512-SQ8, 16 probes": lambda: lists(512, 16),
        "faiss IVF512-SQ8, 64 probes": lambda: lists(512, 64),
        "faiss RaBitQ + SQ8 refine 400": rabitq,
        "faiss pair codes + SQ8 refine 400": same,
    }
    if slow:
        found["faiss HNSW32-SQ8, ef 64"] = lambda: graph(64)
        found["faiss HNSW32-SQ8, ef 256"] = lambda: graph(256)
    return found


def compare(values: FloatArray, queries: FloatArray, *, slow: bool) -> None:
    exact = queries @ values.T
    tenth = np.sort(exact, axis=1)[:, -K]
    vectors = int8_vectors(values)
    engines = peers(values, slow=slow)
    engines["xret exact"] = lambda: Ours(vectors, 0)
    for n in (100, 200, DENSE_CANDIDATES):
        engines[f"xret {n} candidates"] = lambda n=n: Ours(vectors, n)
    print(f"{len(values):,} × {values.shape[1]}, {len(queries)} queries, kernel {kernel_path()}\n")
    print("| index | CPU ms/query | × flat | recall@10 | build CPU s |\n|---|---|---|---|---|")
    flat = 0.0
    for name, make in engines.items():
        start = time.process_time()
        search = make()
        build = time.process_time() - start
        rounds = []
        for _ in range(3):
            start = time.thread_time()
            found = [search(query) for query in queries]
            rounds.append((time.thread_time() - start) / len(queries) * 1e3)
        ms = min(rounds)
        flat = flat or ms
        recall = np.mean(
            [(exact[i, row] >= tenth[i] - 1e-6).sum() / K for i, row in enumerate(found)]
        )
        print(f"| {name} | {ms:.3f} | {ms / flat:.3f} | {recall:.4f} | {build:.2f} |", flush=True)


def scan_on(device: str, n: int, dim: int, tokens: int) -> None:
    """Exact search of n random documents of `tokens` vectors, by wall time."""
    rng = np.random.default_rng(0)
    codes = rng.integers(-127, 128, (n * tokens, dim), dtype=np.int8)
    vectors = Int8Vectors(codes, np.full(n * tokens, 0x3C00, dtype=np.uint16))
    segment = ScanSegment(vectors, np.arange(0, n * tokens + 1, tokens))
    start = time.perf_counter()
    scan = DeviceScan.open([segment], device=device)
    opened = time.perf_counter() - start
    rows = 1 if tokens == 1 else 32
    print(f"{n:,} documents of {tokens} × {dim} on {scan.device}, {scan.n_resident:,} resident\n")
    print("| queries at once | ms/query | int8 TOPS |\n|---|---|---|")
    for batch in (1, 8, 64):
        values = rng.standard_normal((batch * rows, dim), dtype=np.float32)
        queries = query_codes(values, np.arange(0, batch * rows + 1, rows))
        scan.search(queries, 100)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            scan.search(queries, 100)
            times.append(time.perf_counter() - start)
        seconds = min(times) / batch
        tops = 2 * n * tokens * dim * rows / seconds / 1e12
        print(f"| {batch} | {seconds * 1e3:.3f} | {tops:.2f} |")
    print(f"\nopened in {opened:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, help="100,000, or a million with --device")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--data", type=Path, help="folder of evaluation sets")
    parser.add_argument("--slow", action="store_true", help="HNSW too, which builds slowly")
    parser.add_argument("--device", help="cpu, cuda or cuda:1: the exact scan there")
    parser.add_argument("--tokens", type=int, default=1, help="vectors a document, with --device")
    options = parser.parse_args()
    if options.device:
        try:
            torch_device(options.device)
        except XretError as error:
            parser.error(str(error))
        scan_on(options.device, options.documents or 1_000_000, options.dim, options.tokens)
        return
    faiss.omp_set_num_threads(1)
    if options.data:
        values, queries = sentences(options.data, options.queries)
    else:
        values, queries = clustered(options.documents or 100_000, options.dim, options.queries)
    compare(values, queries, slow=options.slow)


if __name__ == "__main__":
    main()
