"""A translation table's card: what it was made of, by what terms it may be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from xret.retriever.languages.codes import language_name
from xret.retriever.lexical.analysis import analysis_version
from xret.retriever.training.common.licences import LICENCES
from xret.retriever.training.translation.rows import TermRow
from xret.retriever.training.translation.settings import TranslationTraining

__all__ = ["TableFacts", "table_card"]


@dataclass(slots=True)
class TableFacts:
    """Of a run. sources: pairs drawn; overlapping: rows left out as evaluation text; languages:
    by code pairs, terms and translations; seconds: of one core."""

    settings: TranslationTraining
    overlapping: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    languages: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    targets: int = 0
    n_bytes: int = 0
    seconds: float = 0.0

    def add(self, lang: str, sources: Counter[str], rows: Mapping[str, TermRow]) -> None:
        """Of one language that is done."""
        self.sources.update(sources)
        translations = sum(len(row) for _, row in rows.values())
        self.languages[lang] = (sources.total(), len(rows), translations)


def table_card(facts: TableFacts) -> str:
    """Markdown."""
    settings = facts.settings
    lines = [
        "# Translation table to English",
        "",
        f"Which English terms the terms of {len(facts.languages)} languages translate to, with"
        " their probabilities: for probabilistic structured queries, and for translation word by"
        " word. Made by `xret train translation-table` by word alignment of parallel text, both"
        " ways (IBM model 1 with fast_align's prior for places, sparse by variational EM; the"
        " geometric mean of both).",
        "",
        f"- Terms are those of text analysis {analysis_version()}; {facts.targets:,} of English",
        f"- At most {settings.sentences:,} sentences and {settings.entries:,} entries of word lists"
        f" a language, {settings.iterations} rounds each way, seed {settings.seed}",
        f"- Kept: the {settings.terms:,} most frequent terms, translations from"
        f" {settings.least:g}, up to {settings.cumulative:g} of the probability, at most"
        f" {settings.most}",
        "- Licence of the table: CC BY-SA 4.0, the strictest term among the texts below"
        if not _unknown(facts.sources)
        else "- Licence: that of the texts below, which is not recorded for all of them",
        "",
        "## Languages",
        "",
        "| language | | pairs | terms | translations |",
        "|---|---|--:|--:|--:|",
        *(
            f"| {lang} | {language_name(lang)} | {pairs:,} | {terms:,} | {translations:,} |"
            for lang, (pairs, terms, translations) in facts.languages.items()
        ),
        "",
        "## Text",
        "",
        "| source | pairs | licence |",
        "|---|--:|---|",
        *(
            f"| {name} | {n:,} | {LICENCES.get(name, 'not recorded')} |"
            for name, n in sorted(facts.sources.items())
        ),
        "",
        *_left_out(facts),
        "",
    ]
    return "\n".join(lines)


def _unknown(sources: Mapping[str, int]) -> list[str]:
    return [name for name in sources if name not in LICENCES]


def _left_out(facts: TableFacts) -> list[str]:
    lines = []
    if facts.settings.leave_out:
        lines = [f"Not used: {', '.join(facts.settings.leave_out)}.", ""]
    if not facts.overlapping:
        return [*lines, "No row shares a sentence or eight words in a row with an evaluation set."]
    return [
        *lines,
        "Rows left out because they share a sentence or eight words in a row with an evaluation"
        " set:",
        "",
        "| source | rows |",
        "|---|--:|",
        *(f"| {name} | {n:,} |" for name, n in sorted(facts.overlapping.items())),
    ]
