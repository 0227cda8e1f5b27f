"""BM25 beside bm25s (and Lucene): time of a query, of building, bytes, and the same hits.

    python benchmarks/lexical.py --documents 10000            bm25s: pip install bm25s
    python benchmarks/lexical.py --documents 1000 --lucene    needs the extra [lucene]

The corpus is made from a seed: words of a Zipf-Mandelbrot law, documents of 69 words on
average, every tenth word drawn from the document's topic; a query is eight different words
of one document, half of them of its topic. All engines see the same words, cut at white
space, k1 = 0.9, b = 0.4, Lucene's idf. Times are CPU milliseconds of one thread, the best of
five rounds, to the 10 best hits with their ids.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402

from xret.index.words.bm25 import Bm25  # noqa: E402
from xret.index.words.lexical import LexicalSegment, segment_arrays  # noqa: E402
from xret.retriever.lexical.analysis import analyse  # noqa: E402

K = 10
QUERIES = 200
ROUNDS = 5
VOCABULARY = 60_000
TOPICS, TOPIC_WORDS = 200, 50

Texts = list[list[str]]
Ranking = list[tuple[str, float]]


def corpus(n_documents: int, *, seed: int = 7) -> tuple[Texts, Texts]:
    """Documents and queries as lists of words."""
    rng = np.random.default_rng(seed)
    law = 1 / (np.arange(VOCABULARY) + 2.7) ** 1.05
    common = rng.choice(VOCABULARY, 2_000_000, p=law / law.sum())
    topics = rng.choice(VOCABULARY, (TOPICS, TOPIC_WORDS))
    documents: Texts = []
    subjects = []
    for length in np.maximum(8, rng.normal(69, 25, n_documents)).astype(int):
        words = common[rng.integers(0, len(common), length)]
        topic = topics[rng.integers(TOPICS)]
        own = rng.random(length) < 0.1
        words[own] = rng.choice(topic, own.sum())
        documents.append([f"w{word}" for word in words])
        subjects.append([f"w{word}" for word in words[own]])
    queries = []
    for document in rng.integers(0, n_documents, QUERIES):
        words_of = dict.fromkeys(subjects[document][:4])
        drawn = rng.permutation(documents[document])
        queries.append(list(dict.fromkeys([*words_of, *drawn.tolist()]))[:8])
    return documents, queries


def best(bm25: Bm25, query: list[str], doc_ids: Sequence[str]) -> Ranking:
    """As the reader ranks: the k best and their ties, by score, then id."""
    found, scores = bm25.best(query, K)
    named = [(-score, doc_ids[i]) for i, score in zip(found.tolist(), scores.tolist(), strict=True)]
    return [(doc_id, -score) for score, doc_id in sorted(named)[:K]]


def cpu_ms(search: Callable[[list[str]], object], queries: Texts) -> float:
    """Median CPU milliseconds of a query, the best round's."""
    medians = []
    for _ in range(ROUNDS):
        times = []
        for query in queries:
            start = time.process_time()
            search(query)
            times.append(time.process_time() - start)
        medians.append(float(np.median(times)))
    return min(medians) * 1e3


def same(ours: list[Ranking], theirs: list[Ranking]) -> str:
    """How often the ten best are the same: but for ties with the tenth, in float32."""
    count = 0
    for a, b in zip(ours, theirs, strict=True):
        scores = np.allclose([s for _, s in a], [s for _, s in b], rtol=1e-4)
        last = a[-1][1] * 1.0001 if a else 0.0
        above = {doc_id for doc_id, score in a if score > last}
        count += scores and above <= {doc_id for doc_id, _ in b}
    return f"{count} of {len(ours)}"


def report(name: str, query_ms: float, build_s: float, size: float, agreement: str) -> None:
    bytes_text = f"{size:,.0f}" if size else "-"
    print(f"| {name} | {query_ms:.3f} | {build_s:.2f} | {bytes_text} | {agreement} |", flush=True)


def run_ours(documents: Texts, queries: Texts) -> list[Ranking]:
    start = time.process_time()
    arrays = segment_arrays(documents)
    build_s = time.process_time() - start
    segment = LexicalSegment.from_arrays(arrays, len(documents))
    bm25 = Bm25([segment], [None])
    doc_ids = [str(i) for i in range(len(documents))]
    found = [best(bm25, query, doc_ids) for query in queries]
    query_ms = cpu_ms(lambda query: best(bm25, query, doc_ids), queries)
    size = sum(array.nbytes for array in arrays.values()) / len(documents)
    report("xret", query_ms, build_s, size, "")
    return found


def run_bm25s(documents: Texts, queries: Texts, ours: list[Ranking]) -> None:
    import bm25s

    start = time.process_time()
    peer = bm25s.BM25(method="lucene", k1=0.9, b=0.4, backend="numpy")
    peer.index(documents, show_progress=False)
    build_s = time.process_time() - start

    def search(query: list[str]) -> Ranking:
        ids, scores = peer.retrieve([query], k=K, show_progress=False, n_threads=0)
        return [(str(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True)]

    found = [search(query) for query in queries]
    size = sum(peer.scores[name].nbytes for name in ("data", "indices", "indptr"))
    size += sum(len(term) + 8 for term in peer.vocab_dict)
    report(
        f"bm25s {bm25s.__version__}",
        cpu_ms(search, queries),
        build_s,
        size / len(documents),
        same(ours, found),
    )


def run_lucene(documents: Texts, queries: Texts, ours: list[Ranking]) -> None:
    from xret.retriever.lexical.lucene import LuceneIndex
    from xret.types import Document

    corpus = [Document(str(i), " ".join(words), "und") for i, words in enumerate(documents)]
    with TemporaryDirectory() as folder:
        start = time.process_time()
        index = LuceneIndex.build(corpus, Path(folder) / "index", lang="und", analysis="xret")
        build_s = time.process_time() - start

        def search(query: list[str]) -> Ranking:
            return [(hit.doc_id, hit.score) for hit in index.search(" ".join(query), K)]

        found = [search(query) for query in queries]
        shared = [
            len({d for d, _ in a} & {d for d, _ in b}) / K for a, b in zip(ours, found, strict=True)
        ]
        files = Path(folder).rglob("*")
        size = sum(file.stat().st_size for file in files if file.is_file()) / len(documents)
        report(
            "Lucene (Anserini)",
            cpu_ms(search, queries),
            build_s,
            size,
            f"overlap {np.mean(shared):.3f}",
        )
        index.close()


def run_analysis(documents: Texts) -> None:
    text = [" ".join(document) for document in documents]
    start = time.process_time()
    for one in text:
        analyse(one, "en")
    seconds = time.process_time() - start
    print(f"\nanalysis: {sum(map(len, text)) / seconds / 1e6:.1f} MB/s of this corpus as English")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--lucene", action="store_true", help="compare with Lucene as well")
    parser.add_argument("--no-bm25s", action="store_true", help="leave bm25s away")
    chosen = parser.parse_args()
    documents, queries = corpus(chosen.documents)
    print(f"{chosen.documents:,} documents, {sum(map(len, documents)):,} words\n")
    print("| engine | CPU ms/query | build CPU s | bytes/document | same 10 best as xret |")
    print("|---|--:|--:|--:|---|")
    ours = run_ours(documents, queries)
    if not chosen.no_bm25s:
        run_bm25s(documents, queries, ours)
    if chosen.lucene:
        run_lucene(documents, queries, ours)
    run_analysis(documents)


if __name__ == "__main__":
    main()
