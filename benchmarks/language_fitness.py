"""How well estimates from parallel sentences foretell the quality measured with judgements.

    python benchmarks/language_fitness.py --data ../shared/data/eval

For every language of FLORES-200 there: the estimates of `xret lang check` on 200 sentences, and
MRR@10 of English questions to the Belebele passages of that language. Then the rank
correlations (Spearman) over all of them but English, and what the verdicts amount to.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
from encoder_quality import ENGLISH, PRETRAINED, belebele_mrr, texts_of
from scipy.stats import spearmanr

from xret.eval.fertility import read_tokenizer
from xret.eval.fitness import LanguageFitness, check_languages
from xret.eval.parallel_sentences import draw_sentences
from xret.retriever.encoders.static import StaticEncoder
from xret.retriever.languages.codes import language_code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path, default=PRETRAINED)
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--sentences", type=int, default=200)
    arguments = parser.parse_args()
    encoder = StaticEncoder.load(arguments.model)
    flores = arguments.data / "flores200-sent" / "corpus.jsonl.gz"
    with gzip.open(flores, "rt", encoding="utf-8") as lines:
        names = sorted({json.loads(line)["lang"] for line in lines} - {ENGLISH})
    estimates = estimated(encoder, arguments.model, flores, names, arguments.sentences)
    measured = belebele_mrr(encoder, arguments.data, names, None)
    report(estimates, {name: measured[name] / 100 for name in names}, measured[ENGLISH] / 100)


def estimated(
    encoder: StaticEncoder, model: Path, flores: Path, names: list[str], n: int
) -> dict[str, LanguageFitness]:
    texts = texts_of(flores, [*names, ENGLISH])
    ids = sorted(texts[ENGLISH])
    by_code = {language_code(name): name for name in names}
    pairs = {
        code: [(texts[name][each], texts[ENGLISH][each]) for each in ids]
        for code, name in by_code.items()
    }
    tokenizer = read_tokenizer(model, static=True)
    return {
        by_code[found.lang]: found
        for found in check_languages(encoder, draw_sentences(pairs, n=n), tokenizer=tokenizer)
    }


def report(estimates: dict[str, LanguageFitness], mrr: dict[str, float], english: float) -> None:
    print("| language | MRR@10 | verdict | retrieval | MEXA | parity | unknown |")
    print("|---|--:|---|--:|--:|--:|--:|")
    names = sorted(estimates, key=lambda name: mrr[name])
    columns: dict[str, list[float]] = {"retrieval": [], "MEXA": [], "parity": [], "unknown": []}
    for name in names:
        found = estimates[name]
        assert found.fertility is not None
        values = (
            found.alignment.retrieval,
            found.alignment.mexa.mean,
            found.fertility.parity,
            found.fertility.unknown,
        )
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
        cells = " | ".join(f"{value:.2f}" for value in values)
        print(f"| {name} | {mrr[name]:.2f} | {found.verdict} | {cells} |")
    print(f"\nEnglish to English {english:.2f}; {len(names)} languages\n")
    for title, values in columns.items():
        rho = spearmanr(values, [mrr[name] for name in names]).statistic
        print(f"Spearman of {title} with MRR@10: {rho:+.2f}")
    for verdict in ("unfit", "weak", "fit"):
        of_it = [mrr[name] for name in names if estimates[name].verdict == verdict]
        spread = f"{min(of_it):.2f} to {max(of_it):.2f}, median {np.median(of_it):.2f}"
        print(f"{verdict}: {len(of_it)} languages, MRR@10 {spread}")


if __name__ == "__main__":
    main()
