"""The model's card, from what a run noted."""

from __future__ import annotations

from collections.abc import Mapping

from xret.retriever.training.common.licences import LICENCES
from xret.retriever.training.static.settings import StaticTraining

__all__ = ["model_card"]


def model_card(settings: StaticTraining, notes: Mapping[str, object]) -> str:
    """Markdown. notes: facts of the run as the work folder keeps them.

    Quality is not written here: `benchmarks/encoder_quality.py` measures it.
    """
    sources = notes.get("sources", {})
    left_out = _rows(notes.get("overlapping", {}))
    times = {name: value for name, value in notes.items() if name.endswith("_s")}
    lines = [
        "# xret-static",
        "",
        "Static multilingual word vectors for late interaction (MaxSim), made by"
        " `xret train static`.",
        "",
        f"- Languages: en, {', '.join(settings.languages)}",
        f"- {settings.vocabulary_size:,} pieces, {settings.dim} dimensions, 4 bits a value",
        f"- Seed {settings.seed}; {settings.pooled_steps:,} pooled steps of"
        f" {settings.pooled_batch:,} pairs, {settings.maxsim_steps:,} late-interaction steps of"
        f" {settings.maxsim_batch:,} pairs; {settings.threads} threads",
        f"- Teacher for English: {settings.teacher.name if settings.teacher else 'none'}",
        *([f"- Mean loss of the last 100 steps: {notes['loss']}"] if "loss" in notes else []),
        "",
        "## Training text",
        "",
        "| source | rows | licence |",
        "|---|--:|---|",
        *_sources(sources),
        "",
        "Rows left out because they share a sentence or eight words in a row with an"
        " evaluation set:",
        "",
        *(["| source | rows |", "|---|--:|", *left_out] if left_out else ["None."]),
        "",
        "## Time",
        "",
        "| stage | seconds |",
        "|---|--:|",
        *(
            f"| {name.removesuffix('_s')} | {value:,.0f} |"
            for name, value in times.items()
            if isinstance(value, float)
        ),
        "",
    ]
    return "\n".join(lines)


def _sources(counts: object) -> list[str]:
    if not isinstance(counts, dict):
        return []
    return [
        f"| {name} | {count:,} | {LICENCES.get(name, 'not recorded')} |"
        for name, count in counts.items()
        if count
    ]


def _rows(counts: object) -> list[str]:
    if not isinstance(counts, dict):
        return []
    return [f"| {name} | {count:,} |" for name, count in counts.items()]
