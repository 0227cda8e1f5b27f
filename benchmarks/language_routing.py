"""Which adapter should read a query, and which a document? The routing ablation, as a table.

    python benchmarks/language_routing.py xret-modular --data ../shared/data/eval

Late interaction and single vectors of one encoder, under five routings: each text through the
adapter of its own language, both through the document's, both through the query's, both
through English, and through none (every adapter silenced). Belebele: English and German
questions to the passages of 15 languages, MRR@10; FLORES: sentences of 15 languages to English
and from English, Success@1. Scores are exact.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from encoder_quality import ENGLISH, MAIN, lines_of, maxsim, read_belebele, texts_of
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.languages.codes import language_code
from xret.retriever.models.location import model_location
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Embeddings, FloatArray, Query

ROUTINGS: dict[str, Callable[[str, str], tuple[str, str]]] = {
    "own": lambda asked, told: (asked, told),
    "document's": lambda asked, told: (told, told),  # noqa: ARG005
    "query's": lambda asked, told: (asked, asked),  # noqa: ARG005
    "English": lambda asked, told: ("en", "en"),  # noqa: ARG005
    "none": lambda asked, told: ("en", "en"),  # noqa: ARG005
}
TASKS = ("Belebele en-X", "Belebele de-X", "FLORES X-en", "FLORES en-X")
RESAMPLES = 2_000
ENCODED: dict[tuple[int, str, str, str, int], Embeddings] = {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="xret-modular")
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--languages", nargs="*", default=MAIN)
    parser.add_argument("--every", type=int, default=4, help="take every n-th FLORES sentence")
    arguments = parser.parse_args()
    start = time.perf_counter()
    folder = model_location(arguments.model)
    with tempfile.TemporaryDirectory() as scratch:
        silent = silenced(folder, Path(scratch) / "silent")
        for single in (False, True):
            ENCODED.clear()
            options = EncoderOptions(backend="torch", single_vector=single, precision="auto")
            encoders = {
                name: load_encoder(str(silent if name == "none" else folder), options=options)
                for name in ("own", "none")
            }
            print(f"\n{'single vectors' if single else 'late interaction'}\n")
            print_table(encoders, arguments)
    print(f"\n{time.perf_counter() - start:.0f} s")


def silenced(folder: Path, target: Path) -> Path:
    """A copy of the model whose adapters add nothing."""
    shutil.copytree(folder, target)
    weights = target / "model.safetensors"
    tensors = load_file(weights)
    with safe_open(weights, framework="pt") as file:
        metadata = file.metadata()  # says which weights are in few bits
    for name, tensor in tensors.items():
        if ".adapter_modules." in name and ".dense2." in name:
            tensor.zero_()
    weights.chmod(0o644)
    save_file(tensors, weights, metadata=metadata)
    return target


def print_table(encoders: dict[str, Encoder], arguments: argparse.Namespace) -> None:
    """One row a routing: the mean over the languages of each task, and all tasks' mean."""
    found = {
        routing: [measured(task, routing, encoders, arguments) for task in TASKS]
        for routing in ROUTINGS
    }
    own = np.stack([np.stack(task) for task in found["own"]])
    print(f"| routing | {' | '.join(TASKS)} | mean | own minus it, 95 % interval over languages |")
    print(f"|---|{'--:|' * (len(TASKS) + 2)}")
    for routing, tasks in found.items():
        values = np.stack(tasks)  # (tasks, languages)
        cells = " | ".join(f"{task.mean():.2f}" for task in values)
        gap = (own - values).mean(axis=0)
        low, high = interval(gap)
        said = "–" if routing == "own" else f"{gap.mean():+.2f} [{low:+.2f}, {high:+.2f}]"
        print(f"| {routing} | {cells} | **{values.mean():.2f}** | {said} |", flush=True)


def measured(
    task: str, routing: str, encoders: dict[str, Encoder], arguments: argparse.Namespace
) -> FloatArray:
    """(languages,) percent."""
    encoder, route = encoders["none" if routing == "none" else "own"], ROUTINGS[routing]
    if task.startswith("Belebele"):
        asked = ENGLISH if "en-X" in task else "deu_Latn"
        questions, passages, relevant = belebele(arguments, asked)
        return np.array(
            [
                reciprocal_ranks(
                    encoder,
                    questions,
                    passages[lang],
                    relevant,
                    route(language_code(asked), language_code(lang)),
                )
                for lang in arguments.languages
            ]
        )
    texts = texts_of(
        arguments.data / "flores200-sent" / "corpus.jsonl.gz", [*arguments.languages, ENGLISH]
    )
    values = []
    for lang in arguments.languages:
        pair = (lang, ENGLISH) if task == "FLORES X-en" else (ENGLISH, lang)
        through = route(*map(language_code, pair))
        values.append(success(encoder, texts[pair[0]], texts[pair[1]], through, arguments.every))
    return np.array(values)


def belebele(
    arguments: argparse.Namespace, asked: str
) -> tuple[dict[str, str], dict[str, dict[str, str]], dict[str, set[str]]]:
    """As `read_belebele`, with the questions of that language."""
    english, passages, relevant = read_belebele(arguments.data, arguments.languages)
    if asked == ENGLISH:
        return english, passages, relevant
    path = arguments.data / "belebele-flores204" / "queries.jsonl"
    records = [json.loads(line) for line in lines_of(path)]
    return {r["_id"]: r["text"] for r in records if r["lang"] == asked}, passages, relevant


def reciprocal_ranks(
    encoder: Encoder,
    questions: dict[str, str],
    passages: dict[str, str],
    relevant: dict[str, set[str]],
    through: tuple[str, str],
) -> float:
    queries = [Query(query_id, text, through[0]) for query_id, text in questions.items()]
    names = sorted(passages)
    documents = [Document(name, passages[name], through[1]) for name in names]
    ranked = np.argsort(-scores(encoder, queries, documents), axis=1, kind="stable")[:, :10]
    return 100 * float(
        np.mean(
            [
                next(
                    (1 / r for r, n in enumerate(row, 1) if names[n] in relevant[query.query_id]), 0
                )
                for query, row in zip(queries, ranked, strict=True)
            ]
        )
    )


def success(
    encoder: Encoder,
    asked: dict[str, str],
    told: dict[str, str],
    through: tuple[str, str],
    every: int,
) -> float:
    names = sorted(told)
    right = np.arange(0, len(names), every)
    queries = [Query(names[n], asked[names[n]], through[0]) for n in right]
    documents = [Document(name, told[name], through[1]) for name in names]
    return 100 * float((scores(encoder, queries, documents).argmax(axis=1) == right).mean())


def scores(encoder: Encoder, queries: list[Query], documents: list[Document]) -> FloatArray:
    """(n, m); texts that one encoder has read through the same adapter are not read again."""
    return maxsim(
        encoded(encoder, "encode_queries", queries),
        encoded(encoder, "encode_documents", documents),
    )


def encoded(encoder: Encoder, method: str, texts: list[Query] | list[Document]) -> Embeddings:
    key = (id(encoder), method, texts[0].lang, texts[0].text, len(texts))
    if key not in ENCODED:
        ENCODED[key] = getattr(encoder, method)(texts)
    return ENCODED[key]


def interval(values: FloatArray) -> tuple[float, float]:
    """Bootstrap over languages."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


if __name__ == "__main__":
    main()
