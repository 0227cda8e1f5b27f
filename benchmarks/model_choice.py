"""Whether `xret model choose` chooses what judgements would: regret and rank correlation.

    python benchmarks/model_choice.py ../shared/data/eval/belebele-flores204

Each development set is English questions over the passages of one language. The choice sees the
passages alone; then every setting is measured with the questions and their judgements.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from xret.eval.model_choice import ChoiceQuestions, choose_model, setting_scores_steps
from xret.types import Document, Query, finish

ENCODERS = ("bm25", "xret-static", "xret-modular")
LANGS = ("zho_Hans", "swh_Latn", "rus_Cyrl", "arb_Arab", "fra_Latn", "eng_Latn")
CODES = ("zh", "sw", "ru", "ar", "fr", "en")
PASSAGES, QUESTIONS = 120, 120


def development_set(folder: Path, lang: str, code: str, question: str) -> ChoiceQuestions:
    """The first passages of a language that English questions are answered by."""
    with gzip.open(folder / "qrels.tsv.gz", "rt", encoding="utf-8") as lines:
        rows = (line.rstrip("\n").split("\t") for line in lines)
        judged = {
            query_id: {doc_id: 1}
            for query_id, _, doc_id, _ in rows
            if doc_id.endswith(f":{lang}") and query_id.endswith(f":{question}")
        }
    wanted = set(sorted({next(iter(grades)) for grades in judged.values()})[:PASSAGES])
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = (json.loads(line) for line in lines)
        documents = tuple(
            Document(record["_id"], record["text"], code)
            for record in records
            if record["_id"] in wanted
        )
    with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
        texts = {record["_id"]: record["text"] for record in map(json.loads, lines)}
    kept = {q: grades for q, grades in judged.items() if next(iter(grades)) in wanted}
    kept = dict(islice(kept.items(), QUESTIONS))
    queries = tuple(Query(query_id, texts[query_id], "en") for query_id in kept)
    return ChoiceQuestions(documents, queries, kept)


def rank_correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Spearman's, without ties."""
    ranks = [np.argsort(np.argsort(values)) for values in (left, right)]
    return float(np.corrcoef(*ranks)[0, 1])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--only", nargs="*", default=LANGS)
    chosen = options.parse_args()
    print("| documents | chosen | best | regret@1 | Spearman | LogME on encoders |")
    print("|---|---|---|--:|--:|--:|")
    for lang, code in zip(LANGS, CODES, strict=True):
        if lang in chosen.only:
            print(row(chosen.folder, lang, code), flush=True)


def row(folder: Path, lang: str, code: str) -> str:
    real = development_set(folder, lang, code, "eng_Latn")
    with tempfile.TemporaryDirectory() as made:
        corpus = Path(made) / "docs.jsonl"
        records = [{"id": d.doc_id, "text": d.text, "lang": d.lang} for d in real.documents]
        corpus.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
        choice = choose_model(ENCODERS, str(corpus), langs=("en",), n_passages=PASSAGES)
    truth = {
        (score.encoder, score.mode): score.score
        for encoder in ENCODERS
        for score in finish(setting_scores_steps(encoder, real))
    }
    settings = [(score.encoder, score.mode) for score in choice.ranked]
    best = max(truth, key=lambda setting: truth[setting])
    regret = 100 * (truth[best] - truth[settings[0]])
    correlation = rank_correlation(
        [score.score for score in choice.ranked], [truth[setting] for setting in settings]
    )
    dense = [score for score in choice.ranked if score.mode == "dense"]
    by_logme = max(dense, key=lambda score: score.logme or -np.inf)
    good = max(dense, key=lambda score: truth[score.encoder, "dense"])
    agrees = "right" if by_logme.encoder == good.encoder else "wrong"
    return (
        f"| {code} | {' '.join(settings[0])} | {' '.join(best)} | {regret:.1f} | "
        f"{correlation:.2f} | {agrees} |"
    )


if __name__ == "__main__":
    main()
