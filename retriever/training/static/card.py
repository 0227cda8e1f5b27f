"""The model's card, from what a run noted."""

from __future__ import annotations

from collections.abc import Mapping

from xret.retriever.training.static.settings import StaticTraining

__all__ = ["LICENCES", "model_card"]

_STORIES = "CC BY per story"
LICENCES = {
    "african_storybook": _STORIES,
    "android_aosp_strings": "Apache-2.0",
    "bible_ebible": "public domain",
    "cldr_annotations_keywords": "Unicode License V3",
    "cldr_names_annotations": "Unicode License V3",
    "coding_interview_univ": "CC BY-SA 4.0",
    "contributor_covenant": "CC BY 4.0",
    "django_docs": "BSD-3-Clause",
    "electron_docs": "MIT-style (repository's licence)",
    "fastapi_docs": "MIT",
    "gnome_user_docs": "CC BY 3.0",
    "godot_editor": "MIT",
    "hf_course": "Apache-2.0",
    "hornmt_news": "CC BY 4.0",
    "joshua_indian_wikipedia": "CC BY-SA 3.0",
    "kolibri_locale": "MIT",
    "korean_parallel_news": "CC BY-SA 3.0",
    "mdn_webdocs": "CC BY-SA 2.5",
    "mdn_webdocs_de_MT": "CC BY-SA 2.5 (machine-translated)",
    "microsoft_beginners_MT": "MIT and CC0 (machine-translated)",
    "mlqe_pe_wikipedia": "CC0 1.0",
    "mozilla_www_l10n": "MPL-2.0",
    "node_best_practices": "CC BY-SA 4.0",
    "nodejs_site": "MIT",
    "omw_wiktionary_wordnet": "Wiktionary CC BY-SA; each wordnet its own open licence",
    "opensource_guide": "CC BY 4.0",
    "owasp_top10": "CC BY-SA 4.0",
    "panlex_swadesh": "CC0 1.0",
    "pratham_stories": _STORIES,
    "privacy_guides": "CC BY-SA 4.0",
    "python_docs": "CC0 (translations), PSF (source)",
    "tanaka_enja": "CC BY 2.0 FR upstream; none in the repository read",
    "tico19_health": "CC0 1.0",
    "udhr": "UN text, free to reproduce",
    "wikipedia_titles": "CC0 1.0",
    "wiktionary_en_glosses": "CC BY-SA 3.0 / GFDL",
}
"""Licences of the sources that the project's own model is trained on."""


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
