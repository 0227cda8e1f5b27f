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

from xret.retriever.training.common.licences import LICENCES
from xret.retriever.training.modular.settings import ModularTraining

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
    settings: ModularTraining, notes: Mapping[str, Any], *, base: Path, languages: Sequence[str]
) -> str:
    """Markdown. notes: facts of the run as the work folder keeps them.

    Quality is not written here: `benchmarks/encoder_quality.py` measures it.
    """
    losses, examples = notes.get("losses", []), notes.get("examples", {})
    lines = [
        "# xret-modular",
        "",
        "An X-MOD transformer with an adapter for each language, from a pretrained multilingual"
        f" BERT ({base.name}); late interaction with a vector a token, and a single vector from"
        " the same pass. Made by `xret train modular`.",
        "",
        f"- Languages: {', '.join(languages)}",
        f"- Start: {base.name}, its vocabulary cut to the pieces of which a sample of the training"
        f" text has {settings.min_count} or more; adapters of 1/{settings.reduction} of the width"
        " that add nothing until `xret lang add` has taught them",
        f"- Vectors: last states, marks and prompts left out, minus the mean of"
        f" {settings.mean_texts:,} general texts; a document's joined to one in"
        f" {settings.pool_factor:g}, in indices of the preset {settings.preset}",
        f"- Seed {settings.seed}; {settings.steps:,} steps of {settings.batch_size} pairs"
        f" ({', '.join(f'{name} {n:,}' for name, n in examples.items())}); the upper"
        f" {settings.layers} layers learn",
        f"- AdamW, rate {settings.rate:g}, linear decay after {settings.warm_up} steps; texts cut"
        f" to {settings.query_tokens} and {settings.document_tokens} pieces",
        f"- In-batch negatives at scale {settings.scale:g} with weight"
        f" {settings.contrastive_weight:g}, the start's scores of the same texts in English with"
        f" weight {settings.teacher_weight:g}",
        "- Weights: word vectors and layers that did not learn in 4-bit blocks, layers that did in"
        " 8 bits with a scale a row, the rest float16",
        f"- Hardware: {notes.get('machine', 'not recorded')}, {settings.threads} threads;"
        " energy not measured",
        *(
            [
                f"- Loss of the first and last 20 steps: {float(losses[0]['loss']):.2f},"
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
