"""A tiny cross-encoder with random weights, and rankings that it can learn in seconds.

tiny_cross_encoder(folder)   BERT with a classifier of one score
marked_rows(marker)          documents with that word rank above those without
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tiny_models import TEXTS, randomise, tiny_tokenizer
from transformers import BertConfig, BertForSequenceClassification

from xret.retriever.corpora.rows import Example
from xret.types import UNDETERMINED

__all__ = ["WORDS", "drain", "marked_rows", "tiny_bert_config", "tiny_cross_encoder", "write_rows"]

WORDS = (TEXTS["en"] + " " + TEXTS["sw"]).split()


def tiny_bert_config(vocab_size: int, **more: Any) -> BertConfig:
    settings = {
        "vocab_size": vocab_size,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "pad_token_id": 1,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
    }
    return BertConfig(**(settings | more))


def tiny_cross_encoder(folder: Path, *, seed: int = 0) -> Path:
    """As `BertForSequenceClassification.save_pretrained` leaves it, with a tokenizer."""
    config = tiny_bert_config(tiny_tokenizer(folder), num_labels=1)
    model = BertForSequenceClassification(config).eval()
    randomise(model, seed=seed)
    model.save_pretrained(folder)
    return folder


def marked_rows(marker: str, *, n: int = 200, seed: int = 0) -> list[Example]:
    """Rows whose positives have the marker among other words, and whose negatives have not."""
    rng = random.Random(f"{marker}{seed}")
    words = [word for word in WORDS if word != marker]
    rows = []
    for _ in range(n):
        query, good, bad = (rng.sample(words, 4) for _ in range(3))
        good[rng.randrange(4)] = marker
        rows.append(
            Example(
                " ".join(query), " ".join(good), (" ".join(bad),), negative_langs=(UNDETERMINED,)
            )
        )
    return rows


def write_rows(path: Path, rows: list[Example]) -> Path:
    """As JSON lines."""
    lines = [
        json.dumps({"query": row.query, "positive": row.positive, "negatives": row.negatives})
        for row in rows
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def drain(steps: Any) -> Any:
    """The value that a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value
