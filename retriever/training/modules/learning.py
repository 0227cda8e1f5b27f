"""A module learnt from files and written: what `xret module learn` does."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xret.errors import ConfigError
from xret.retriever.languages.codes import language_code
from xret.retriever.models.hashes import file_hash
from xret.retriever.models.module_card import ModuleCard, ModuleKind
from xret.retriever.modules.base import model_base
from xret.retriever.modules.madx import MadxAdapter
from xret.retriever.modules.ranking import RankingAdapter
from xret.retriever.modules.sparse import SparseMask
from xret.retriever.training.common.fitting import FitSettings
from xret.retriever.training.modules.base import open_base
from xret.retriever.training.modules.masked_text import (
    learn_language_adapter,
    learn_language_mask,
    read_texts,
)
from xret.retriever.training.modules.ranking import learn_ranking_adapter, learn_ranking_mask
from xret.retriever.training.modules.rows import read_ranking_rows
from xret.types import Progress

__all__ = ["ModuleLearning", "learn_module"]

RANKING_TASK = "ranking"
ADAPTER_RATE, MASK_RATE = 1e-4, 5e-5


@dataclass(frozen=True, slots=True)
class ModuleLearning:
    """What is learnt, on which model, and from what.

    data: rows for ranking; text: lines of `lang` for a language mask or adapter; one of the
    two. lang: the language of the data or text. keep: of a mask, a number or a share of the
    weights. bottleneck, invertible: of an adapter. rate: None for what suits the kind.
    """

    kind: ModuleKind
    model: Path
    data: Path | None = None
    text: Path | None = None
    lang: str | None = None
    keep: int | float = 0.05
    bottleneck: int = 48
    invertible: bool = False
    l1: float = 0.0
    rate: float | None = None
    fit: FitSettings = field(default_factory=FitSettings)


_Module = RankingAdapter | SparseMask | MadxAdapter


def learn_module(learning: ModuleLearning, output: Path) -> Iterator[Progress]:
    """Learn a module and write it to a file at the end; nothing is written before.

    Raises ConfigError for choices that contradict each other, and what reading, learning and
    writing raise.
    """
    _check(learning)
    if output.is_dir():
        raise ConfigError(f"{output} is a folder; name the file that the module becomes")
    module = yield from _learnt(learning)
    module.save(output)


def _check(learning: ModuleLearning) -> None:
    if (learning.data is None) == (learning.text is None):
        raise ConfigError(
            "a module is learnt from one of two: rows for ranking (--data FILE), or, for a "
            "language's mask or adapter, lines of text (--text FILE)"
        )
    if learning.text is not None and learning.kind == "ranking":
        raise ConfigError("a ranking adapter is learnt from rows: --data FILE instead of --text")
    if learning.data is not None and learning.kind == "language":
        raise ConfigError("a language is learnt from lines of text: --text FILE instead of --data")
    if learning.rate is not None and not 0 < learning.rate < math.inf:
        raise ConfigError(f"--rate is {learning.rate}; it must be above 0, as 1e-4 is")
    if learning.text is not None and learning.lang is None:
        raise ConfigError("name the language of the text by --lang, such as --lang sw")


def _learnt(learning: ModuleLearning) -> Generator[Progress, None, _Module]:
    lang = None if learning.lang is None else language_code(learning.lang)
    usual = MASK_RATE if learning.kind == "mask" else ADAPTER_RATE
    settings = dataclasses.replace(learning.fit, rate=learning.rate or usual)
    source = learning.text or learning.data
    assert source is not None  # noqa: S101
    of_text = learning.text is not None
    rows: Any = read_texts(source) if of_text else read_ranking_rows(source)
    base = model_base(learning.model)
    card = ModuleCard(
        learning.kind,
        base.fingerprint,
        lang=lang if of_text else None,
        task=None if of_text else RANKING_TASK,
        data=_described(source, len(rows), lang),
        steps=settings.steps,
        seed=settings.seed,
        vocabulary=base.vocabulary,
    )
    many: dict[str, Any] = {"settings": settings, "card": card}
    masked: dict[str, Any] = {"keep": learning.keep, "l1": learning.l1}
    if learning.kind == "language":
        made: dict[str, Any] = {"bottleneck": learning.bottleneck}
        made["invertible"] = learning.invertible
        return (yield from learn_language_adapter(learning.model, rows, **made, **many))
    if of_text:
        return (yield from learn_language_mask(learning.model, rows, **masked, **many))
    model = open_base(learning.model, lang=lang)
    if learning.kind == "mask":
        return (yield from learn_ranking_mask(model, rows, **masked, **many))
    bottleneck = learning.bottleneck
    return (yield from learn_ranking_adapter(model, rows, bottleneck=bottleneck, **many))


def _described(path: Path, n: int, lang: str | None) -> str:
    """The data in words, told apart by content."""
    spoken = f" in {lang}" if lang else ""
    return f"{path.name}: {n:,} rows{spoken}, xxh3-128 {file_hash(path)}"
