"""What an index's bytes buy: pooling of documents' vectors x dimensions x bits.

    python benchmarks/pooling.py MODEL --data ../shared/data --cache FOLDER --general 1500

Belebele over FLORES-200 in four languages (or those of `--languages`), English questions, MRR@10
over the 281 passages of each, and how much that is below the exact scores of all vectors in
float32, with a 95 % interval over questions; the index holds general text besides (tico19,
MLQE), on which alone the smaller dimensions are fitted (PCA). Every line but those of float32 is
an index of its own, written and searched by the engine's own codecs as a large one is, though it
is smaller: so `CODEC_ROWS` is set down. Bytes are those of the segments for a passage of 125
vectors (128 tokens without marks and prompt); ms are CPU time of one thread over the whole
index. The cache keeps the model's vectors between runs.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from encoder_quality import maxsim, read_belebele
from language_routing import interval

from xret.index.coding import recoding
from xret.index.search.filters import Condition
from xret.index.search.reader import IndexReader
from xret.index.writing.writer import IndexWriter
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.pooling import pool_tokens
from xret.retriever.languages.codes import language_code
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Embeddings, EncoderSpec, FloatArray, Query, SearchParams

LANGUAGES = ["fra_Latn", "rus_Cyrl", "zho_Hans", "arb_Arab"]
GENERAL = ("tico19_health.tsv.gz", "mlqe_pe_wikipedia.tsv.gz")
PRESETS = {8: "exact", 4: "four", 2: "balanced", 1: "compact"}
CODEC_ROWS = 4096
PASSAGE_VECTORS = 125
CHARACTERS = 480

Texts = dict[str, Embeddings]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="late-interaction encoder: a name or a folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of eval/ and train/")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--general", type=int, default=1500, help="passages of general text")
    parser.add_argument("--dims", type=int, nargs="+", default=[384, 256, 192])
    parser.add_argument("--factors", type=float, nargs="+", default=[1, 2, 3, 4, 6])
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 4, 2, 1])
    parser.add_argument("--languages", nargs="+", default=LANGUAGES, help="as FLORES spells them")
    asked = parser.parse_args()
    recoding.CODEC_ROWS = CODEC_ROWS
    recoding.PRESETS = {**recoding.PRESETS, "four": 4}
    texts, relevant, names = vectors(asked)
    print(
        "| dimensions | pooled by | bits | bytes a passage | MRR@10 | lost | of each | search, ms |"
    )
    print("|--:|--:|--:|--:|--:|--:|---|--:|", flush=True)
    whole = by_question({lang: exact_ranking(texts, lang, names) for lang in names}, relevant)
    for dim, factor in itertools.product(asked.dims, asked.factors):
        held = pooled(projected(texts, dim), factor)
        found = {lang: exact_ranking(held, lang, names) for lang in names}
        size = 4 * dim * int(PASSAGE_VECTORS // factor)
        print_line(dim, factor, "float32", size, found, relevant, whole, float("nan"))
        for bits in asked.bits:
            measure(held, dim, factor, bits, names, relevant, whole)


def measure(
    held: Texts,
    dim: int,
    factor: float,
    bits: int,
    names: dict[str, list[str]],
    relevant: list[set[str]],
    whole: FloatArray,
) -> None:
    """One index: built, weighed and searched."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "index"
        write_index(folder, held, names, preset=PRESETS[bits], dim=dim)
        size = passage_bytes(folder, held, factor, dim * bits // 8 + (2 if bits == 8 else 4))
        reader = IndexReader.open(folder)
        queries = held["queries"]
        found = {
            lang: [
                [hit.doc_id.partition(":")[2] for hit in hits]
                for hits in reader.search(
                    queries,
                    10,
                    params=SearchParams(threads=1),
                    filter=Condition("lang", "==", lang),
                )
            ]
            for lang in names
        }
        ms = search_ms(reader, queries)
        print_line(dim, factor, str(bits), size, found, relevant, whole, ms)
        reader.close()


def print_line(
    dim: int,
    factor: float,
    bits: str,
    size: float,
    found: dict[str, list[list[str]]],
    relevant: list[set[str]],
    whole: FloatArray,
    ms: float,
) -> None:
    reciprocal = by_question(found, relevant)
    means = reciprocal.mean(axis=1)
    each = " ".join(f"{lang} {mean:.1f}" for lang, mean in zip(found, means, strict=True))
    lost = (whole - reciprocal).mean(axis=0)
    low, high = interval(lost)
    print(
        f"| {dim} | {factor:g} | {bits} | {size:,.0f} | {means.mean():.1f} "
        f"| {lost.mean():.2f} [{low:.2f}, {high:.2f}] | {each} | {ms:.2f} |",
        flush=True,
    )


def by_question(found: dict[str, list[list[str]]], relevant: list[set[str]]) -> FloatArray:
    """(languages, questions) reciprocal ranks, 0 beyond rank 10, in percent."""
    return np.array(
        [
            [
                next((100 / r for r, name in enumerate(ranking[:10], 1) if name in right), 0.0)
                for ranking, right in zip(rankings, relevant, strict=True)
            ]
            for rankings in found.values()
        ],
        np.float32,
    )


def exact_ranking(held: Texts, lang: str, names: dict[str, list[str]]) -> list[list[str]]:
    scores = maxsim(held["queries"], held[lang])
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    return [[names[lang][place] for place in row] for row in best]


def write_index(
    folder: Path, held: Texts, names: dict[str, list[str]], *, preset: str, dim: int
) -> None:
    """All passages in one commit; those of general text are in no language that is asked for."""
    spec = EncoderSpec("pooling", "0" * 32, dim, ("en",), language_adapters=False)
    general = {"und": [str(number) for number in range(len(held["general"]))]}
    with IndexWriter.open(folder, spec, preset=preset) as writer:
        for lang, ids in {**names, **general}.items():
            documents = [Document(f"{lang}:{name}", "", lang) for name in ids]
            writer.add(documents, held["general" if lang == "und" else lang])


def passage_bytes(folder: Path, held: Texts, factor: float, vector_bytes: int) -> float:
    """Of a passage of PASSAGE_VECTORS before pooling, from what the segments weigh."""
    passages = [texts for name, texts in held.items() if name != "queries"]
    total = sum(path.stat().st_size for path in (folder / "segments").rglob("*") if path.is_file())
    rest = total - vector_bytes * sum(len(texts.values) for texts in passages)
    return vector_bytes * int(PASSAGE_VECTORS // factor) + rest / sum(map(len, passages))


def search_ms(reader: IndexReader, queries: Embeddings) -> float:
    """Median CPU time of one query, ten hits."""
    times = []
    for number in range(min(len(queries), 100)):
        one = queries[number]
        packed = Embeddings(one, np.array([0, len(one)]))
        start = time.process_time()
        reader.search(packed, 10, params=SearchParams(threads=1))
        times.append(1e3 * (time.process_time() - start))
    return statistics.median(times)


def projected(texts: Texts, dim: int) -> Texts:
    """The largest principal components of general text's vectors, at unit length again."""
    sample = texts["general"].values
    if dim >= sample.shape[1]:
        return texts
    _, axes = np.linalg.eigh(sample.T @ sample)
    kept = axes[:, ::-1][:, :dim].astype(np.float32)
    return {name: Embeddings(unit(e.values @ kept), e.offsets) for name, e in texts.items()}


def pooled(texts: Texts, factor: float) -> Texts:
    """Every document's vectors pooled; the questions' stay."""
    if factor == 1:
        return texts
    made = {"queries": texts["queries"]}
    for name, embeddings in texts.items():
        if name != "queries":
            rows = [pool_tokens(vectors, factor, keep_first=False) for vectors in embeddings]
            offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
            made[name] = Embeddings(np.concatenate(rows), offsets)
    return made


def vectors(
    asked: argparse.Namespace,
) -> tuple[Texts, list[set[str]], dict[str, list[str]]]:
    """Vectors by "queries", language and "general"; each question's passages; names by language."""
    questions, passages, relevant = read_belebele(asked.data / "eval", asked.languages)
    names = {language_code(language): sorted(texts) for language, texts in passages.items()}
    texts = {"queries": list(questions.values())}
    for language, by_name in passages.items():
        texts[language_code(language)] = [by_name[name] for name in sorted(by_name)]
    texts["general"] = list(itertools.islice(general_passages(asked.data / "train"), asked.general))
    found = {
        name: cached(asked.model, asked.cache / f"{name}.npz", name, texts[name]) for name in texts
    }
    return found, [relevant[query_id] for query_id in questions], names


def cached(model: str, path: Path, name: str, texts: list[str]) -> Embeddings:
    if not path.is_file():
        encoder = load_encoder(model, options=EncoderOptions(pool_factor=1))
        if name == "queries":
            made = encoder.encode_queries([Query(text, text, "en") for text in texts])
        else:
            lang = "en" if name == "general" else name
            made = encoder.encode_documents([Document(text, text, lang) for text in texts])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, values=made.values, offsets=made.offsets)
    with np.load(path) as arrays:
        found = Embeddings(unit(arrays["values"].astype(np.float32)), arrays["offsets"])
    if len(found) != len(texts):
        raise SystemExit(f"{path} holds {len(found)} texts, not {len(texts)}; remove it")
    return found


def general_passages(folder: Path) -> Iterator[str]:
    """Sentences that follow each other in one language, a few joined, languages in turn."""
    sentences: dict[str, list[str]] = {}
    for name in GENERAL:
        with gzip.open(folder / name, "rt", encoding="utf-8") as lines:
            for line in lines:
                _, lang, _, text = line.rstrip("\n").split("\t")
                sentences.setdefault(lang, []).append(text)
    for parts in itertools.zip_longest(*(joined(texts) for texts in sentences.values())):
        yield from (part for part in parts if part)


def joined(sentences: list[str]) -> Iterator[str]:
    text = ""
    for sentence in dict.fromkeys(sentences):
        text = f"{text} {sentence}".strip()
        if len(text) >= CHARACTERS:
            yield text
            text = ""


def unit(values: FloatArray) -> FloatArray:
    lengths: FloatArray = np.linalg.norm(values, axis=1, keepdims=True)
    found: FloatArray = values / np.maximum(lengths, 1e-12)
    return found


if __name__ == "__main__":
    main()
