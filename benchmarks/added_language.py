"""What an added language gains: its texts through its own adapter and through others'.

    xret lang add da --text da.txt --parallel da.tsv --model xret-modular --output with-da
    python benchmarks/added_language.py with-da --base xret-modular --lang dan_Latn \
        --data ../shared/data/eval

FLORES-200, sentence to its translation among 1,012, Success@1 both ways, and Belebele, English
question to passage, MRR@10: the language's texts through its own adapter, through that of the
nearest relative among the other languages, through English's and through none; where all other
adapters are alike, as in a model whose adapters add nothing yet, only the own one and none. The
vectors of the base's languages are compared bit by bit with those of the base.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from encoder_quality import ENGLISH, MAIN, read_belebele, texts_of
from language_routing import interval, reciprocal_ranks, scores, silenced

from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.languages.codes import language_code
from xret.retriever.languages.relatives import nearest_language
from xret.retriever.models.location import model_location
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, FloatArray, Query

SAMPLE = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--base", required=True, help="the model before the language was added")
    parser.add_argument("--lang", required=True, help="as FLORES spells it, such as dan_Latn")
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--backend", choices=["auto", "kernels", "torch"], default="auto")
    arguments = parser.parse_args()
    start = time.perf_counter()
    folder, lang = model_location(arguments.model), language_code(arguments.lang)
    options = EncoderOptions(backend=arguments.backend)
    own, base = (
        load_encoder(str(path), options=options)
        for path in (folder, model_location(arguments.base))
    )
    others = [known for known in own.spec.languages if known != lang]
    relative, _ = nearest_language(lang, others)
    with tempfile.TemporaryDirectory() as scratch:
        silent = load_encoder(str(silenced(folder, Path(scratch) / "silent")), options=options)
        through = {
            f"own ({lang})": (own, lang),
            f"nearest relative ({relative})": (own, relative),
            "English": (own, "en"),
            "none": (silent, "en"),
        }
        if len({content for code, content in own.spec.adapters.items() if code != lang}) == 1:
            through = {f"own ({lang})": (own, lang), "none": (silent, "en")}
        print_table(through, arguments)
    print_unchanged(own, base, arguments)
    print(f"\n{time.perf_counter() - start:.0f} s")


def print_table(through: dict[str, tuple[Encoder, str]], arguments: argparse.Namespace) -> None:
    """One row an adapter, with the own adapter's gain over it and its 95 % interval."""
    texts = texts_of(
        arguments.data / "flores200-sent" / "corpus.jsonl.gz", [arguments.lang, ENGLISH]
    )
    questions, passages, relevant = read_belebele(arguments.data, [arguments.lang])
    names = sorted(texts[ENGLISH])
    first: FloatArray | None = None
    print(
        f"| {arguments.lang} through | to English | from English | own minus it | Belebele en-X |"
    )
    print("|---|--:|--:|--:|--:|")
    for name, (encoder, adapter) in through.items():
        said = [texts[arguments.lang][n] for n in names]
        english = [texts[ENGLISH][n] for n in names]
        right = (
            np.stack(
                [
                    found(encoder, said, english, (adapter, "en")),
                    found(encoder, english, said, ("en", adapter)),
                ]
            ).astype(np.float32)
            * 100
        )
        first = right if first is None else first
        gap = (first - right).mean(axis=0)
        low, high = interval(gap)
        gain = f"{gap.mean():+.1f} [{low:+.1f}, {high:+.1f}]" if first is not right else "–"
        mrr = reciprocal_ranks(
            encoder, questions, passages[arguments.lang], relevant, ("en", adapter)
        )
        to, back = right.mean(axis=1)
        print(f"| {name} | {to:.1f} | {back:.1f} | {gain} | {mrr:.1f} |", flush=True)


def found(
    encoder: Encoder, asked: list[str], told: list[str], through: tuple[str, str]
) -> FloatArray:
    """(n,) 1 where the first hit is the translation."""
    queries = [Query(str(n), text, through[0]) for n, text in enumerate(asked)]
    documents = [Document(str(n), text, through[1]) for n, text in enumerate(told)]
    best = scores(encoder, queries, documents).argmax(axis=1)
    return np.asarray(best == np.arange(len(asked)), np.float32)


def print_unchanged(own: Encoder, base: Encoder, arguments: argparse.Namespace) -> None:
    """Whether every vector of the base's languages is what it was."""
    texts = texts_of(arguments.data / "flores200-sent" / "corpus.jsonl.gz", [*MAIN, ENGLISH])
    documents = [
        Document(name, said[name], language_code(lang))
        for lang, said in texts.items()
        for name in sorted(said)[:SAMPLE]
    ]
    before, after = base.encode_documents(documents), own.encode_documents(documents)
    same = np.array_equal(before.values, after.values)
    print(
        f"\n{len(documents)} texts in {len(texts)} other languages, {len(before.values)} vectors:"
        f" {'equal bit for bit' if same else 'CHANGED'}"
    )


if __name__ == "__main__":
    main()
