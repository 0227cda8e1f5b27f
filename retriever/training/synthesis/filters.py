"""Questions that are kept: in their language, of some length, each once, and found again."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from xret.retriever.corpus_build import build_steps
from xret.retriever.languages.identification import identify_language
from xret.retriever.models.registry import DEFAULT_ENCODER
from xret.retriever.searcher import Searcher
from xret.retriever.training.synthesis.asked_file import AskedLine
from xret.retriever.training.synthesis.settings import Synthesis
from xret.retriever.training.synthesis.source_passages import SourcePassage
from xret.types import Progress, Query, Work

__all__ = ["fit_questions", "round_trip_steps"]

SURE = 0.6
"""Confidence from which the identifier's word counts: keywords are short."""

_BATCH = 64


def fit_questions(
    asked: Sequence[AskedLine], settings: Synthesis, dropped: Counter[str]
) -> list[AskedLine]:
    """Those that can be read; what the others lack is counted in `dropped`."""
    langs = {each.lang for each in asked}
    kept: dict[str, AskedLine] = {}
    for each in asked:
        text = " ".join(each.question.text.split())
        plain = text.casefold()
        if not text:
            dropped["no question"] += 1
        elif not settings.min_characters <= len(text) <= settings.max_characters:
            dropped["length"] += 1
        elif not _is_in(text, each.lang, langs):
            dropped["language"] += 1
        elif plain in kept:
            dropped["duplicate"] += 1
        else:
            kept[plain] = each
    return list(kept.values())


def _is_in(text: str, lang: str, langs: set[str]) -> bool:
    told, confidence = identify_language(text, candidates=langs | {"en"})
    return confidence < SURE or told.partition("-")[0] == lang.partition("-")[0]


def round_trip_steps(
    asked: Sequence[AskedLine],
    passages: Mapping[str, SourcePassage],
    settings: Synthesis,
    dropped: Counter[str],
) -> Work[list[AskedLine]]:
    """Those whose passage is among the first of a search through all passages.

    passages: by id. Dai et al. 2023 (Promptagator) call this consistency; a question that does
    not find its passage is most often about something else.
    """
    if not settings.round_trip or not asked:
        return list(asked)
    kept: list[AskedLine] = []
    with tempfile.TemporaryDirectory(prefix="xret-round-trip-") as folder:
        corpus, index = Path(folder) / "passages.jsonl", Path(folder) / "index"
        with corpus.open("w", encoding="utf-8") as file:
            for passage in passages.values():
                file.write(json.dumps(_record(passage), ensure_ascii=False) + "\n")
        yield from build_steps(corpus, index, encoder=settings.encoder or DEFAULT_ENCODER)
        with Searcher.open(index) as searcher:
            for first in range(0, len(asked), _BATCH):
                batch = asked[first : first + _BATCH]
                queries = [Query(str(n), a.question.text, a.lang) for n, a in enumerate(batch)]
                rankings = searcher.rank(queries, settings.round_trip)
                for each, hits in zip(batch, rankings, strict=True):
                    if each.passage_id in {hit.doc_id for hit in hits}:
                        kept.append(each)
                yield Progress("round trip", first + len(batch), len(asked), "questions")
    dropped["round trip"] += len(asked) - len(kept)
    return kept


def _record(passage: SourcePassage) -> dict[str, str]:
    fields = {"id": passage.passage_id, "title": passage.title, "text": passage.text}
    return fields if passage.lang == "und" else {**fields, "lang": passage.lang}
