"""The modular encoder's card, from what its run noted."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sentence_transformers
import torch
import transformers

from xret.retriever.training.modular.settings import ModularTraining
from xret.retriever.training.static.card import LICENCES

__all__ = ["machine", "modular_card"]


def machine() -> str:
    """Processor, threads and libraries, as one line."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (cpuinfo.read_text(encoding="utf-8") if cpuinfo.is_file() else "").splitlines()
        if line.startswith("model name")
    ]
    processor = names[0] if names else platform.processor() or platform.machine()
    graphics = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{processor}, {os.cpu_count()} cores{graphics}; torch {torch.__version__}, transformers "
        f"{transformers.__version__}, sentence-transformers {sentence_transformers.__version__}"
    )


def modular_card(
    settings: ModularTraining, notes: Mapping[str, Any], *, languages: Sequence[str]
) -> str:
    """Markdown. notes: facts of the run as the work folder keeps them.

    Quality is not written here: `benchmarks/encoder_quality.py` measures it.
    """
    shape, losses = settings.shape, notes.get("losses", [])
    examples = notes.get("examples", {})
    lines = [
        "# xret-modular",
        "",
        "A small X-MOD transformer with an adapter for each language, over the static encoder's"
        " vocabulary; late interaction with a vector a word, and a single vector from the same"
        " pass. Made by `xret train modular`.",
        "",
        f"- Languages: {', '.join(languages)}",
        f"- {shape.layers} layers, {shape.heads} heads, feed-forward {shape.feed_forward:,},"
        f" adapters of 1/{shape.reduction} of the width; started as the static encoder",
        f"- Seed {settings.seed}; {settings.steps:,} steps of {settings.batch_size} pairs"
        f" ({', '.join(f'{name} {n:,}' for name, n in examples.items())})",
        f"- AdamW, rates {settings.rate:g} (transformer) and {settings.words_rate:g} (word"
        f" vectors), linear decay after {settings.warm_up} steps; texts cut to"
        f" {settings.query_tokens} and {settings.document_tokens} pieces",
        f"- In-batch negatives at scale {settings.scale:g}, single vectors with weight"
        f" {settings.single_weight:g}, the static encoder's English scores with weight"
        f" {settings.teacher_weight:g}, distance of English from it with weight"
        f" {settings.anchor_weight:g}",
        f"- Carried on along the way from the start to {settings.extrapolation:g} times its length",
        "- Weights: word vectors int8 with a scale a row, the rest float16",
        f"- Hardware: {notes.get('machine', 'not recorded')}, {settings.threads} threads;"
        " energy not measured",
        *(
            [
                f"- Loss of the first and last 50 steps: {float(losses[0]['loss']):.2f},"
                f" {float(losses[-1]['loss']):.2f}"
            ]
            if losses
            else []
        ),
        "",
        "## Training text",
        "",
        "| source | rows | licence |",
        "|---|--:|---|",
        *(
            f"| {name} | {count:,} | {LICENCES.get(name, 'not recorded')} |"
            for name, count in notes.get("sources", {}).items()
            if count
        ),
        "",
        "Rows left out because they share a sentence or eight words in a row with an evaluation"
        " set: "
        + (
            ", ".join(f"{name} {count:,}" for name, count in notes["overlapping"].items())
            if notes.get("overlapping")
            else "none"
        )
        + ".",
        "",
        "## Time",
        "",
        "| stage | seconds |",
        "|---|--:|",
        *(
            f"| {name.removesuffix('_s')} | {value:,.0f} |"
            for name, value in notes.items()
            if name.endswith("_s") and isinstance(value, float)
        ),
        "",
    ]
    return "\n".join(lines)
