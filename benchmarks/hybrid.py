"""What BM25 adds to dense rankings, within one language and across: nDCG@10 in percent.

    python benchmarks/hybrid.py --data ../shared/data/eval

Belebele questions, in English and German, against its passages in one language, in both, and
in several (FLORES); the shipped static encoder, exact MaxSim in float32, 100 documents of each
ranking. "all": the BM25 ranking of all documents is fused with the dense one. "within": BM25
ranks the documents in the query's language, and the fused order of these stands in the places
that the dense ranking gave to documents in that language (`xret.retriever.fusion`).
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from xret.index.words.bm25 import Bm25
from xret.index.words.lexical import LexicalSegment, segment_arrays
from xret.retriever.fusion import Fusion, fuse_within
from xret.retriever.languages.codes import language_code
from xret.retriever.lexical.analysis import analyse, analyse_query
from xret.retriever.lexical.words import langs_sharing_words
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Hit, Query

DEPTH = 100
FLOORS = (None, 0.0)
FUSIONS = {
    "RRF": Fusion("rrf"),
    "z .5": Fusion("z-score"),
    "min-max .3": Fusion("min-max", (0.7, 0.3), FLOORS),
    "min-max .5": Fusion("min-max", (0.5, 0.5), FLOORS),
}
SETS = [
    ("belebele-en-de", "en"),
    ("belebele-en-de", "de"),
    ("belebele-en-de", "en de"),
    ("belebele-flores204", "fra_Latn"),
    ("belebele-flores204", "eng_Latn fra_Latn zho_Hans"),
    (
        "belebele-flores204",
        "eng_Latn deu_Latn fra_Latn spa_Latn rus_Cyrl zho_Hans arb_Arab swh_Latn",
    ),
]

Judgements = Mapping[str, Mapping[str, int]]


def lines(path: Path) -> Iterator[str]:
    zipped = path.with_name(path.name + ".gz")
    if zipped.exists():
        yield from gzip.decompress(zipped.read_bytes()).decode().split("\n")[:-1]
    else:
        yield from path.read_text(encoding="utf-8").split("\n")[:-1]


def read(folder: Path, langs: set[str]) -> tuple[list[Document], list[Query], Judgements]:
    """The documents in these languages, and the queries that are judged on them."""
    records = map(json.loads, lines(folder / "corpus.jsonl"))
    documents = [
        Document(record["_id"], record["text"], language_code(record["lang"]))
        for record in records
        if record["lang"] in langs or language_code(record["lang"]) in langs
    ]
    ids = {document.doc_id for document in documents}
    relevant: dict[str, dict[str, int]] = defaultdict(dict)
    for line in lines(folder / "qrels.tsv"):
        query_id, _, doc_id, relevance = line.split()
        if doc_id in ids and int(relevance) > 0:
            relevant[query_id][doc_id] = int(relevance)
    queries = [
        Query(record["_id"], record["text"], language_code(record["lang"]))
        for record in map(json.loads, lines(folder / "queries.jsonl"))
        if record["_id"] in relevant
    ]
    return documents, queries, relevant


def ndcg(hits: list[Hit], relevant: Mapping[str, int]) -> float:
    gain = sum(relevant.get(h.doc_id, 0) / math.log2(i + 2) for i, h in enumerate(hits[:10]))
    ideal = sorted(relevant.values(), reverse=True)[:10]
    return gain / sum(value / math.log2(i + 2) for i, value in enumerate(ideal))


def top(scores: np.ndarray, ids: list[str]) -> list[Hit]:
    best = np.argsort(-scores, kind="stable")[:DEPTH]
    return [Hit(ids[i], float(scores[i])) for i in best.tolist() if scores[i] != 0]


def measure(
    documents: list[Document], queries: list[Query], relevant: Judgements
) -> dict[str, dict[str, list[float]]]:
    """nDCG@10 of each query, by the queries' language and the way of ranking."""
    documents = sorted(documents, key=lambda document: document.doc_id)
    ids = [document.doc_id for document in documents]
    encoder = load_encoder("xret-static")
    vectors = encoder.encode_documents(documents)
    arrays = segment_arrays([analyse(one.text, one.lang) for one in documents])
    bm25 = Bm25([LexicalSegment.from_arrays(arrays, len(documents))], [None])
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for query, values in zip(queries, encoder.encode_queries(queries), strict=True):
        similarities = values @ vectors.values.T
        maxima = np.maximum.reduceat(similarities, vectors.offsets[:-1], axis=1)
        dense = top(maxima.sum(axis=0), ids)
        terms = analyse_query(query.text, query.lang)
        own = np.isin([document.lang for document in documents], langs_sharing_words(query.lang))
        every, lexical = (
            top(bm25.scores(terms, keep=[keep]), ids) for keep in (np.ones(len(ids), bool), own)
        )
        within = {ids[i] for i in np.flatnonzero(own)}
        rankings = {"dense": dense, "BM25": every}
        for name, fusion in FUSIONS.items():
            rankings[f"{name} all"] = fusion.fuse([dense, every])
            rankings[f"{name} within"] = fuse_within(dense, lexical, within, fusion=fusion)
        for name, hits in rankings.items():
            found[query.lang][name].append(ndcg(hits, relevant[query.query_id]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    data = parser.parse_args().data
    header: list[str] = []
    for name, langs in SETS:
        for lang, rankings in measure(*read(data / name, set(langs.split()))).items():
            if not header:
                header = ["queries", "documents", *rankings]
                print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}", flush=True)
            means = [f"{100 * np.mean(values):.1f}" for values in rankings.values()]
            print(f"| {' | '.join([lang, langs, *means])} |", flush=True)


if __name__ == "__main__":
    main()
