"""What words beside vectors add across languages: nDCG@10 in percent.

    python benchmarks/psq.py xret-static xret-modular --data ../shared/data/eval

Questions in English and German over documents in ten languages, as benchmarks/calibration.py has
them. Words go through a translation table when documents are indexed, and those of questions
that are not in its language when they are asked. First the lists of one language, then the
pools of several, with the own language's share of the first ten.

The last table chooses the share that words have in a list (`EncoderSpec.words_share`): of the even
pool, questions on every second passage, and beside it the others, on which nothing was chosen.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from calibration import LANGUAGES, CachedEncoder, Pool, ndcg, pools, read_sets

from xret.index.search.reader import IndexReader
from xret.index.writing.writer import IndexWriter
from xret.retriever.encoded_queries import EncodedQueries
from xret.retriever.languages.codes import language_code, language_name
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.retriever.translation.indexed import record_table, words_version
from xret.retriever.translation.named import SHIPPED_TABLE
from xret.retriever.translation.query_words import query_words
from xret.retriever.writer import DocumentWriter
from xret.types import Query

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
Grades = Mapping[str, set[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="encoders by name or folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "xret-vectors")
    parser.add_argument("--table", default=SHIPPED_TABLE, help="a translation table")
    arguments = parser.parse_args()
    questions, passages, relevant = read_sets(arguments.data)
    chosen = pools(passages)
    for model in arguments.models:
        encoder = CachedEncoder(load_encoder(model), arguments.cache)
        print(f"\n## {model}, share of words {encoder.spec.words_share:g}")
        even, _ = chosen["even"]
        with opened(even, encoder, arguments.table) as searcher:
            encoder.save()
            single_languages(searcher, questions, relevant, even)
            shares(searcher, questions, relevant, even)
        print("\n| pool | questions | vectors | words | both | own: vectors | both | even |")
        print("|---|---|--:|--:|--:|--:|--:|--:|")
        for name, (pool, asked) in chosen.items():
            judged = {query_id: names & asked for query_id, names in relevant.items()}
            with opened(pool, encoder, arguments.table) as searcher:
                mixed(name, searcher, questions, judged, pool)


@contextmanager
def opened(pool: Pool, encoder: Any, table: str) -> Iterator[Searcher]:
    version = words_version(table)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "pool"
        writer = IndexWriter.open(folder, encoder.spec, lexical=version)
        record_table(writer.catalog, version, table)
        with DocumentWriter(writer, encoder) as documents:
            documents.add(pool)
        with Searcher(folder.name, IndexReader.open(folder), encoder) as searcher:
            yield searcher


def single_languages(
    searcher: Searcher, questions: Mapping[str, list[Query]], relevant: Grades, pool: Pool
) -> None:
    print("\n| documents | questions | vectors | words | both | ms: vectors | both |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for lang in LANGUAGES:
        code = language_code(lang)
        ids = {document.doc_id for document in pool if document.lang == code}
        for asked, queries in questions.items():
            cells, times = [], []
            for mode in ("dense", "lexical", None):
                start = time.process_time()
                rankings = searcher.rank(queries, 100, mode=mode, doc_langs=[code])
                times.append(1000 * (time.process_time() - start) / len(queries))
                cells.append(f"{100 * np.mean(scored(rankings, queries, relevant, ids)):.1f}")
            cells += [f"{times[0]:.2f}", f"{times[2]:.2f}"]
            names = [language_name(code), language_code(asked)]
            print(f"| {' | '.join([*names, *cells])} |", flush=True)


def mixed(
    name: str,
    searcher: Searcher,
    questions: Mapping[str, list[Query]],
    relevant: Grades,
    pool: Pool,
) -> None:
    langs = {document.doc_id: document.lang for document in pool}
    for asked, queries in questions.items():
        code = language_code(asked)
        cells, own = [], []
        for mode in ("dense", "lexical", None):
            rankings = searcher.rank(queries, 100, mode=mode)
            cells.append(f"{100 * np.mean(scored(rankings, queries, relevant, set(langs))):.1f}")
            first = [[langs[hit.doc_id] == code for hit in hits[:10]] for hits in rankings if hits]
            own.append(100 * float(np.mean([np.mean(hits) for hits in first])))
        even = 100 * np.mean([lang == code for lang in langs.values()])
        cells += [f"{share:.0f}" for share in (own[0], own[2], even)]
        print(f"| {' | '.join([name, code, *cells])} |", flush=True)


def shares(
    searcher: Searcher, questions: Mapping[str, list[Query]], relevant: Grades, pool: Pool
) -> None:
    """What each share of words gives on the half it is chosen on, and on the other."""
    ids = {document.doc_id for document in pool}
    names = sorted({doc_id.split(":")[0] for doc_id in ids})
    print(f"\n| questions | on passages | 0 | {' | '.join(f'{share:g}' for share in SHARES)} |")
    print(f"|---|---|--:|{'--:|' * len(SHARES)}")
    for asked, queries in questions.items():
        encoded = searcher.encoded(queries, mode="dense")
        rows = [searcher.rank(encoded, 100)]
        for share in SHARES:
            words = query_words(queries, "hybrid", searcher.reader.settings, share=share)
            both = EncodedQueries(encoded.queries, "hybrid", encoded.embeddings, words)
            rows.append(searcher.rank(both, 100))
        for half, said in enumerate(("chosen on", "others")):
            own = {query_id: named & set(names[half::2]) for query_id, named in relevant.items()}
            cells = [f"{100 * np.mean(scored(row, queries, own, ids)):.1f}" for row in rows]
            print(f"| {' | '.join([language_code(asked), said, *cells])} |", flush=True)


def scored(
    rankings: Sequence[Sequence[Any]], queries: Sequence[Query], relevant: Grades, ids: set[str]
) -> list[float]:
    """nDCG@10 of each query that has a relevant document among these."""
    by_name: dict[str, set[str]] = {}
    for doc_id in ids:
        by_name.setdefault(doc_id.split(":")[0], set()).add(doc_id)
    values = []
    for query, hits in zip(queries, rankings, strict=True):
        wanted = set().union(*(by_name.get(name, set()) for name in relevant[query.query_id]))
        if wanted:
            values.append(ndcg([hit.doc_id for hit in hits[:10]], wanted))
    return values


if __name__ == "__main__":
    main()
