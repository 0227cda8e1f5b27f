"""Licences of the parallel text and word lists that models are trained on."""

from __future__ import annotations

__all__ = ["LICENCES"]

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
"""Licences of the sources that the project's own models are trained on, by name."""
