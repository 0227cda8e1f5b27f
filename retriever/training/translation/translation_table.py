"""Training a translation table: parallel text to aligned words, aligned words to one file."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from pathlib import Path

from xret.errors import TrainingError
from xret.retriever.languages.codes import ENGLISH
from xret.retriever.models.published import published_folder
from xret.retriever.training.common.held_out import HeldOut
from xret.retriever.training.common.parallel import PairReader, ParallelText
from xret.retriever.training.translation.alignment import aligned_words
from xret.retriever.training.translation.bitext import Bitext
from xret.retriever.training.translation.card import TableFacts, table_card
from xret.retriever.training.translation.rows import TermRow, numbered_rows, probes_of, term_rows
from xret.retriever.training.translation.settings import TranslationTraining
from xret.retriever.translation.table import TABLE_FILE, write_table
from xret.types import Progress, Work, finished

__all__ = ["train_translation_table", "train_translation_table_steps"]

_ALSO = {"zh": ("zh", "zh-hant")}
"""Codes of the text whose terms are one language's."""


def train_translation_table_steps(
    data: Path, output: Path, *, settings: TranslationTraining | None = None
) -> Work[TableFacts]:
    """Align `data/train` and `data/lexicon` word by word and write a table folder to `output`.

    Sentences of the evaluation sets below `data/eval` are kept out unless the settings name
    others. Equal settings and text give equal bytes. Raises TrainingError where there is no text
    of a language, CorpusError (file:line) for a file that is none.
    """
    began = time.process_time()
    settings = settings or TranslationTraining()
    if settings.held_out is None and (data / "eval").is_dir():
        settings = dataclasses.replace(settings, held_out=data / "eval")
    text = yield from _read(data, settings)
    rows: dict[str, dict[str, TermRow]] = {}
    facts = TableFacts(settings, overlapping=text.overlapping)
    probes: dict[str, list[tuple[str, list[str]]]] = {}
    english: Counter[str] = Counter()
    for number, lang in enumerate(settings.languages):
        yield Progress("align", number, len(settings.languages), "languages", note="")
        bitext = Bitext.of(text, _ALSO.get(lang, (lang,)), settings)
        if not len(bitext.pairs.weights):
            raise TrainingError(
                f"{data} has no pair of English with {lang}; name other languages with --lang"
            )
        links = aligned_words(bitext.pairs, iterations=settings.iterations)
        rows[lang] = term_rows(bitext, links, settings)
        probes[lang] = probes_of(bitext.words[lang], lang)
        english.update(bitext.words[ENGLISH])
        facts.add(lang, bitext.sources, rows[lang])
    probes[ENGLISH] = probes_of(english, ENGLISH)
    targets, numbered = numbered_rows(rows)
    facts.seconds = time.process_time() - began
    with published_folder(output) as part:
        write_table(part / TABLE_FILE, ENGLISH, targets, numbered, probes=probes)
        facts.n_bytes = (part / TABLE_FILE).stat().st_size
        facts.targets = len(targets)
        (part / "README.md").write_text(table_card(facts), encoding="utf-8")
    yield Progress("align", len(settings.languages), len(settings.languages), "languages")
    return facts


train_translation_table = finished(train_translation_table_steps)


def _read(data: Path, settings: TranslationTraining) -> Work[ParallelText]:
    codes = tuple(
        dict.fromkeys(code for lang in settings.languages for code in _ALSO.get(lang, (lang,)))
    )
    held_out = None
    if settings.held_out is not None:
        held_out = HeldOut.read(settings.held_out, (ENGLISH, *codes))
    reader = PairReader(codes, held_out)
    for number, _ in enumerate(reader.read(data, leave_out=settings.leave_out), 1):
        yield Progress("read", number, None, "files")
    return reader.text
