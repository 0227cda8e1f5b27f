"""Calibration between languages on pools of Belebele: nDCG@10 and the own language's share.

    python benchmarks/calibration.py xret-static xret-modular --data ../shared/data/eval
    python benchmarks/calibration.py xret-static --data ../shared/data/eval --mode hybrid

Questions in English and German over documents in ten languages in one list. The pools:

    even          every passage in every language
    few of seven  three languages whole (en, de, fr), 22 passages (8 %) of each of the others
    few of three  the reverse: 22 of en, de and fr, the others whole
    no answers    half the passages are asked about; they are in five languages (de, es, zh, ar,
                  sw) whole, and the other five have only the other half
    disjoint      no passage in two languages: the n-th is in the (n mod 10)-th only

Also printed: whether the list of each single language is the same bit for bit, and the
processor time a query. Vectors are cached in --cache, so that a second run takes a minute.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from encoder_quality import lines_of, texts_of

from xret.index.search.reader import IndexReader
from xret.index.writing.writer import IndexWriter
from xret.retriever.encoder import Encoder
from xret.retriever.languages.codes import language_code
from xret.retriever.lexical.analysis import analysis_version
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.retriever.writer import DocumentWriter
from xret.types import Calibrate, Document, Embeddings, Query

LANGUAGES = [
    *("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl"),
    *("zho_Hans", "jpn_Jpan", "arb_Arab", "hin_Deva", "swh_Latn"),
]
ASKED = ("eng_Latn", "deu_Latn")
SHARE = 0.08
SEED = 13
Pool = list[Document]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="encoders by name or folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "xret-vectors")
    parser.add_argument("--mode", default="dense", choices=("dense", "lexical", "hybrid"))
    parser.add_argument("--preset", default="balanced", help="of the indices")
    arguments = parser.parse_args()
    questions, passages, relevant = read_sets(arguments.data)
    for model in arguments.models:
        encoder = CachedEncoder(load_encoder(model), arguments.cache)
        print(f"\n## {model}, {arguments.mode}\n")
        print("| pool | questions | off | fixed | z | own share: off | fixed | z | even |")
        print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
        for name, (pool, asked) in pools(passages).items():
            with tempfile.TemporaryDirectory() as folder:
                searcher = built(Path(folder) / "pool", pool, encoder, arguments.preset)
                encoder.save()
                judged = {q: names & asked for q, names in relevant.items()}
                for row in measured(searcher, pool, questions, judged, arguments.mode):
                    print(f"| {name} | {row}")
                if name == "even":
                    said = speed(searcher, questions["eng_Latn"], arguments.mode)
                    same = unchanged(searcher, questions["eng_Latn"], arguments.mode)
                searcher.close()
        print(f"\n{said}; {same}")


def read_sets(
    data: Path,
) -> tuple[dict[str, list[Query]], dict[str, dict[str, str]], dict[str, set[str]]]:
    """Questions by language, passages by language and name, names relevant to each question."""
    folder = data / "belebele-flores204"
    passages = texts_of(folder / "corpus.jsonl.gz", LANGUAGES)
    questions: dict[str, list[Query]] = {lang: [] for lang in ASKED}
    for record in map(json.loads, lines_of(folder / "queries.jsonl")):
        query = Query(record["_id"], record["text"], language_code(record["lang"]))
        questions[record["lang"]].append(query)
    relevant: dict[str, set[str]] = defaultdict(set)
    for line in lines_of(folder / "qrels.tsv.gz"):
        query_id, _, doc_id, _ = line.split()
        relevant[query_id].add(doc_id.split(":")[0])
    return questions, passages, relevant


def pools(passages: dict[str, dict[str, str]]) -> dict[str, tuple[Pool, set[str]]]:
    """By name the documents, and the passages whose questions are asked."""
    names = sorted(passages[LANGUAGES[0]])
    rng = np.random.default_rng(SEED)
    few = {
        lang: {names[n] for n in rng.choice(len(names), round(SHARE * len(names)), replace=False)}
        for lang in LANGUAGES
    }
    every, asked = set(names), set(names[::2])
    first = set(LANGUAGES[:3])
    chosen: dict[str, dict[str, set[str]]] = {
        "even": dict.fromkeys(LANGUAGES, every),
        "few of seven": {lang: every if lang in first else few[lang] for lang in LANGUAGES},
        "few of three": {lang: few[lang] if lang in first else every for lang in LANGUAGES},
        "no answers": {
            lang: every if place % 2 else every - asked for place, lang in enumerate(LANGUAGES)
        },
        "disjoint": {
            lang: set(names[place :: len(LANGUAGES)]) for place, lang in enumerate(LANGUAGES)
        },
    }
    return {
        pool: (
            [
                Document(f"{name}:{lang}", passages[lang][name], language_code(lang))
                for lang, of_lang in by_lang.items()
                for name in sorted(of_lang)
            ],
            asked if pool == "no answers" else every,
        )
        for pool, by_lang in chosen.items()
    }


def built(folder: Path, pool: Pool, encoder: Encoder, preset: str) -> Searcher:
    writer = IndexWriter.open(folder, encoder.spec, preset=preset, lexical=analysis_version())
    with DocumentWriter(writer, encoder) as documents:
        documents.add(pool)
    return Searcher(folder.name, IndexReader.open(folder), encoder)


def measured(
    searcher: Searcher,
    pool: Pool,
    questions: dict[str, list[Query]],
    relevant: dict[str, set[str]],
    mode: Any,
) -> list[str]:
    """A row of the table for each language of the questions."""
    langs = {document.doc_id: document.lang for document in pool}
    rows = []
    for lang, queries in questions.items():
        code = language_code(lang)
        grades = {
            query.query_id: {d for d in langs if d.split(":")[0] in relevant[query.query_id]}
            for query in queries
        }
        asked = [query for query in queries if grades[query.query_id]]
        found, shares = [], []
        for how in get_args(Calibrate):
            ranked = searcher.rank(asked, 10, mode=mode, calibrate=how)
            hits = [[hit.doc_id for hit in ranking[:10]] for ranking in ranked]
            pairs = list(zip(asked, hits, strict=True))
            found.append(np.mean([ndcg(ids, grades[query.query_id]) for query, ids in pairs]))
            own = [np.mean([langs[d] == code for d in ids]) for ids in hits if ids]
            shares.append(np.mean(own))
        even = np.mean([other == code for other in langs.values()])
        cells = [f"{100 * value:.1f}" for value in found]
        cells += [f"{100 * share:.0f}" for share in (*shares, even)]
        rows.append(f"{code} | " + " | ".join(cells) + " |")
    return rows


def ndcg(ranking: Sequence[str], relevant: set[str]) -> float:
    gains = 1 / np.log2(np.arange(2, 12))
    hit = np.array([doc_id in relevant for doc_id in ranking], dtype=float)
    return float((hit * gains[: len(hit)]).sum() / gains[: len(relevant)].sum())


def speed(searcher: Searcher, queries: list[Query], mode: Any) -> str:
    """Processor milliseconds of a query, asked one by one, in the process as a whole."""
    said = []
    for how in get_args(Calibrate):
        searcher.rank(queries[:2], 10, mode=mode, calibrate=how)
        start = time.process_time()
        for query in queries:
            searcher.rank([query], 10, mode=mode, calibrate=how)
        said.append(f"{how} {1000 * (time.process_time() - start) / len(queries):.2f}")
    return "ms of processor a query: " + ", ".join(said)


def unchanged(searcher: Searcher, queries: list[Query], mode: Any) -> str:
    for lang in LANGUAGES:
        ranked = [
            searcher.rank(queries, 100, doc_langs=[lang], mode=mode, calibrate=how)
            for how in get_args(Calibrate)
        ]
        if ranked[0] != ranked[1] or ranked[0] != ranked[2]:
            return f"the list of {lang} alone differs"
    return "lists of single languages are the same bit for bit"


class CachedEncoder:
    """An encoder whose vectors are kept in a file from one run to the next."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self._encoder = encoder
        self.spec = encoder.spec
        self._path = folder / f"{encoder.spec.fingerprint}.npz"
        self._known: dict[str, Any] = dict(np.load(self._path)) if self._path.is_file() else {}
        self._size = len(self._known)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings:
        keys = [self._key(f"d\0{d.lang}\0{d.title}\0{d.text}") for d in documents]
        return self._encoded(keys, documents, self._encoder.encode_documents)

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings:
        keys = [self._key(f"q\0{query.lang}\0{query.text}") for query in queries]
        return self._encoded(keys, queries, self._encoder.encode_queries)

    def save(self) -> None:
        if len(self._known) > self._size:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(self._path, **self._known)
            self._size = len(self._known)

    def _encoded(self, keys: list[str], texts: Sequence[Any], encode: Any) -> Embeddings:
        new = [(key, text) for key, text in zip(keys, texts, strict=True) if key not in self._known]
        if new:
            fresh = encode([text for _, text in new])
            self._known.update({key: fresh[n] for n, (key, _) in enumerate(new)})
        values = [self._known[key] for key in keys]
        ends = np.cumsum([0, *map(len, values)]).astype(np.int64)
        return Embeddings(np.concatenate(values), ends)

    def _key(self, text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()[:32]


if __name__ == "__main__":
    main()
