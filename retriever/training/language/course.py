"""The course of one language: what is trained, on what, judged by what, and what came out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash
from torch import Tensor

from xret.errors import ConfigError, TrainingError
from xret.retriever.training.common.checkpoint import WorkFolder
from xret.retriever.training.language.adapted import NONE, OWN, AdaptedModel
from xret.retriever.training.language.alignment import MOST_PAIRS, MOST_PAIRS_DEEP, AlignmentLoss
from xret.retriever.training.language.learning import Learning, LearningSettings
from xret.retriever.training.language.masked import (
    Candidates,
    MaskedHead,
    MaskedLines,
    masked_loss,
    masked_losses,
)
from xret.retriever.training.language.measures import PairRetrieval, mean_retrieval
from xret.retriever.training.language.report import (
    MASKED,
    AdditionReport,
    Measure,
    compared,
    judged,
)
from xret.retriever.training.language.script import Script
from xret.retriever.training.language.text import LanguageText
from xret.retriever.xmod.fingerprints import shared_fingerprint
from xret.retriever.xmod.language_adapter import EMPHASIS, WORD_ROWS, LanguageAdapter
from xret.types import FloatArray, Progress

__all__ = ["Addition", "CourseSettings", "learn_language"]

PRETRAINED_STRENGTH = 0.3
"""Such an encoder knows most languages somewhat. Adapters of Yoruba that found 13 points more of
the held-out translations lost 1 on FLORES and 4 on Belebele; with three tenths of them kept they
gained 1 and 1.5 there (docs/languages.md)."""

_ROUNDS, _FEWEST_STEPS, _MOST_STEPS = 8, 300, 1_200


@dataclass(frozen=True, slots=True)
class CourseSettings:
    """steps: None for a number by the size of the data. batch_size: pairs; masked_batch: lines.

    strength: the share of what was learnt that the adapter keeps, None for all of it, or for
    `PRETRAINED_STRENGTH` where it started from nothing in a pretrained encoder.
    """

    steps: int | None = None
    seed: int = 0
    batch_size: int = 96
    masked_batch: int = 48
    strength: float | None = None

    def __post_init__(self) -> None:
        if self.strength is not None and not 0 < self.strength <= 1:
            raise ConfigError(f"strength is {self.strength}; 1 keeps all that was learnt, .3 less")

    def steps_for(self, text: LanguageText, *, most_pairs: int = MOST_PAIRS) -> int:
        """`_ROUNDS` times over the pairs, or over the lines where there are none."""
        if self.steps is not None:
            return self.steps
        size = (
            (min(len(text.pairs), most_pairs), self.batch_size)
            if text.pairs
            else (len(text.lines), self.masked_batch)
        )
        return min(max(_ROUNDS * size[0] // size[1], _FEWEST_STEPS), _MOST_STEPS)


@dataclass(frozen=True, slots=True)
class Addition:
    """What came out: the adapter, with the report in its card."""

    adapter: LanguageAdapter
    report: AdditionReport


def learn_language(
    folder: Path,
    text: LanguageText,
    *,
    relative: str,
    reason: str,
    work: Path,
    made: list[Addition],
    settings: CourseSettings,
    source: Mapping[str, str],
) -> Iterator[Progress]:
    """Train an adapter for the language of a text; at the end one `Addition` joins `made`.

    folder: a model with X-MOD adapters, only read. relative: whose adapter it starts as.
    source: what the card says of the text beside the report, such as its licence.
    work: a folder for what is finished so far; the same call with the same one goes on from
    there, to the same adapter as an unbroken run. Raises ModelError for a model that will
    not do, TrainingError for a loss that is no number and for a full disk.
    """
    began = time.monotonic()
    torch.manual_seed(settings.seed)
    base = shared_fingerprint(folder)
    model = AdaptedModel.load(folder, lang=text.lang, relative=relative, english=bool(text.pairs))
    held = PairRetrieval(model, text.held_pairs) if text.held_pairs else None
    retrieval = {a: held.measured(a) for a in (NONE, relative)} if held else {}
    script = Script.of(model, text)
    if script.pieces:
        model.grow(script.pieces, script.rows, script.emphasis)
    steps = settings.steps_for(text, most_pairs=_most_pairs(model))
    course = _Course(model, text, folder, settings=settings, steps=steps)
    untouched = _digest(model)
    yield from course.prepare()
    learning = course.learning(_work_folder(work, base, text, settings, relative, steps))
    yield from learning.run()
    course.weaken()
    if _digest(model) != untouched:
        raise TrainingError("more than the new adapter has changed in training; nothing is kept")
    yield Progress("report", 0, 1, "languages")
    minutes = (time.monotonic() - began) / 60
    report = _report(
        text,
        compared(course.values(held, retrieval)),
        script=script,
        learning=learning,
        settings=settings,
        relative=relative,
        reason=reason,
        steps=steps,
        minutes=minutes,
        notes=course.notes,
    )
    card = {**source, **report.described()}
    made.append(Addition(_adapter(model, base, card, script), report))
    yield Progress("report", 1, 1, "languages")


class _Course:
    """Losses and scores of a model over a text."""

    def __init__(
        self,
        model: AdaptedModel,
        text: LanguageText,
        folder: Path,
        *,
        settings: CourseSettings,
        steps: int,
    ) -> None:
        self._model, self._text, self._settings, self._steps = model, text, settings, steps
        self._head = MaskedHead(folder, model.width, eps=model.backbone.config.layer_norm_eps)
        self._hides_words = model.predicts_words or self._head.is_given
        if self._hides_words:
            self._lines = self._masked(text.lines)
            self._candidates = Candidates(model, self._lines)
            self._choosing = self._masked(text.choosing_lines)
        elif not text.pairs:
            raise TrainingError(
                f"{folder} cannot learn from text alone: it has no head that predicts words, and "
                "its states are not made to; give sentences with their English translations "
                "(--parallel)"
            )
        self._alignment: AlignmentLoss | None = None
        self._development: PairRetrieval | None = None
        self.notes: list[str] = []
        if model.adds_nothing(model.relative):
            self.notes.append(
                f"the model's adapter of {model.relative} adds nothing: the new one has started "
                "from none"
            )
        if text.pairs:
            pairs = self._aligned_pairs(text)
            self._alignment = AlignmentLoss(
                model, pairs, batch_size=settings.batch_size, seed=settings.seed
            )
            self._development = PairRetrieval(model, text.choosing_pairs)

    def prepare(self) -> Iterator[Progress]:
        """What is computed once."""
        if self._alignment is not None:
            yield from self._alignment.prepare()
        if self._development is not None:
            yield from self._development.keep()
        if self._hides_words:
            _, sharpness = self._masked_values(self._choosing, self._model.relative)
            self._head.sharpness.data.fill_(sharpness)

    def learning(self, work: WorkFolder) -> Learning:
        """The training, which goes on from what is in the work folder."""
        parameters = {**self._model.parameters(), **self._model.grown()}
        if self._hides_words:
            parameters |= self._head.learnt()
        return Learning(
            parameters,
            settings=LearningSettings(steps=self._steps, seed=self._settings.seed),
            masked=self._masked_loss if self._hides_words else None,
            aligned=self._alignment.loss if self._alignment else None,
            score=self._score,
            work=work,
        )

    def weaken(self) -> None:
        """Take back of what was learnt what the settings say, or the model needs."""
        strength = self._settings.strength
        if strength is None:
            deep = self._model.keeps and self._model.adds_nothing(self._model.relative)
            strength = PRETRAINED_STRENGTH if deep else 1.0
        if strength < 1:
            self._model.weaken(strength)
            self.notes.append(
                f"{strength:.0%} of what was learnt is kept: more finds more in text like the "
                "one given, and less elsewhere (--strength)"
            )

    def values(
        self, held: PairRetrieval | None, before: dict[str, dict[str, FloatArray]]
    ) -> dict[str, dict[str, FloatArray]]:
        """For the report: retrieval of the model as it was and is, losses of masked words.

        before: retrieval through no adapter and the relative's, before pieces were added.
        """
        model = self._model
        columns = {"none": NONE, "relative": model.relative, "own": OWN}
        values: dict[str, dict[str, FloatArray]] = {}
        for column, adapter in columns.items():
            values[column] = {}
            if self._hides_words:
                lines = self._masked(self._text.held_lines)
                values[column][MASKED] = self._masked_values(lines, adapter)[0]
            if held is not None:
                found = before[adapter] if column != "own" else held.measured(adapter)
                values[column] |= found
        if held is not None and model.grown():
            alone = mean_retrieval(held.measured(model.relative))
            self.notes.append(
                f"with the new pieces and the relative's adapter, the mean of the retrieval "
                f"measures is {alone:.3f}"
            )
        return values

    def _masked_loss(self, step: int) -> Tensor:
        rng = np.random.default_rng([self._settings.seed, 9, step])
        size = min(self._settings.masked_batch, len(self._lines))
        rows = rng.choice(len(self._lines), size, replace=False).tolist()
        batch = self._lines.batch(rows, rng)
        return masked_loss(self._model, self._head, batch, self._candidates, rng)

    def _score(self) -> float:
        if self._development is not None:
            return mean_retrieval(self._development.measured(OWN))
        return -float(self._masked_values(self._choosing, OWN)[0].mean())

    def _masked_values(self, lines: MaskedLines, adapter: str) -> tuple[FloatArray, float]:
        return masked_losses(
            self._model,
            self._head,
            lines,
            self._candidates,
            adapter=adapter,
            seed=self._settings.seed,
        )

    def _masked(self, lines: Sequence[str]) -> MaskedLines:
        model = self._model
        return MaskedLines(model.tokens, lines, mask=model.mask_token, padding=model.padding_token)

    def _aligned_pairs(self, text: LanguageText) -> list[tuple[str, str]]:
        most = _most_pairs(self._model)
        if len(text.pairs) <= most:
            return list(text.pairs)
        self.notes.append(f"aligned on {most:,} of {len(text.pairs):,} pairs")
        rng = np.random.default_rng([self._settings.seed, 4])
        chosen = np.sort(rng.choice(len(text.pairs), most, replace=False))
        return [text.pairs[row] for row in chosen.tolist()]


def _most_pairs(model: AdaptedModel) -> int:
    return MOST_PAIRS_DEEP if model.keeps else MOST_PAIRS


def _report(
    text: LanguageText,
    measures: tuple[Measure, ...],
    *,
    script: Script,
    learning: Learning,
    settings: CourseSettings,
    relative: str,
    reason: str,
    steps: int,
    minutes: float,
    notes: Sequence[str],
) -> AdditionReport:
    better, verdict = judged(measures)
    return AdditionReport(
        lang=text.lang,
        relative=relative,
        reason=reason,
        measures=measures,
        better=better,
        verdict=verdict,
        steps=steps,
        best_step=learning.best_step,
        curve=tuple(learning.curve),
        seed=settings.seed,
        minutes=minutes,
        lines=len(text.lines),
        words=text.words,
        pairs=len(text.pairs),
        held_out_lines=len(text.held_lines),
        held_out_pairs=len(text.held_pairs),
        pieces_per_word=script.pieces_per_word,
        unknown_share=script.unknown_share,
        new_pieces=len(script.pieces),
        notes=(*text.notes, *script.notes, *notes),
    )


def _work_folder(
    path: Path, base: str, text: LanguageText, settings: CourseSettings, relative: str, steps: int
) -> WorkFolder:
    """The folder with what is finished of this very run; another run's is emptied."""
    content = repr((text.lang, text.lines, text.pairs, text.choosing_pairs, text.choosing_lines))
    described = asdict(settings) | {
        "base": base,
        "relative": relative,
        "steps": steps,
        "text": xxhash.xxh3_128(content.encode("utf-8", "surrogatepass")).hexdigest(),
    }
    run = json.dumps(described, sort_keys=True)
    marker = path / "run.json"
    same = marker.is_file() and marker.read_text(encoding="utf-8") == run
    return WorkFolder.open(path, run, resume=same)


def _digest(model: AdaptedModel) -> str:
    """Of everything that must not change."""
    digest = xxhash.xxh3_128()
    for name, tensor in model.frozen():
        digest.update(name.encode())
        plain = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        digest.update(plain.numpy().tobytes())
    return digest.hexdigest()


def _adapter(
    model: AdaptedModel, base: str, card: Mapping[str, Any], script: Script
) -> LanguageAdapter:
    rows = {WORD_ROWS: rows.detach().clone() for rows in model.grown().values()}  # noqa: B035
    if script.pieces and model.weighs_words:
        rows[EMPHASIS] = script.emphasis
    tensors = {name: parameter.detach().clone() for name, parameter in model.adapter().items()}
    return LanguageAdapter(
        lang=model.lang,
        base=base,
        tensors=tensors,
        card=card,
        pieces=script.pieces,
        rows=rows,
    )
