"""A recipe run from files to a model folder: read, ask the teacher, train, measure, write."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from xret.errors import ConfigError, MissingLibraryError
from xret.retriever.corpora.rows import Example
from xret.retriever.encoders.precision import Precision, choose_precision
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.hashes import file_hash
from xret.retriever.models.location import model_location
from xret.retriever.models.quiet import quiet_libraries
from xret.retriever.models.registry import ENCODERS
from xret.retriever.training.common.checkpoint import WorkFolder
from xret.retriever.training.common.mean_state import MEAN_TEXTS
from xret.retriever.training.common.trainer import run_trainer
from xret.retriever.training.recipes.alignment import alignment_objective
from xret.retriever.training.recipes.contrastive import contrastive_objective
from xret.retriever.training.recipes.development import (
    BestMoment,
    DevelopmentSet,
    check_gain,
    development_curve,
    load_best,
)
from xret.retriever.training.recipes.distillation import scores_objective, vectors_objective
from xret.retriever.training.recipes.drawing import Draw, with_languages, with_negatives
from xret.retriever.training.recipes.facts import hardware, versions
from xret.retriever.training.recipes.fitting import Meter, make_trainer
from xret.retriever.training.recipes.model_card import RunFacts, recipe_card
from xret.retriever.training.recipes.objective import Objective
from xret.retriever.training.recipes.plan import BatchPlan, plan_batches
from xret.retriever.training.recipes.records import ExampleReader, ReadFile
from xret.retriever.training.recipes.settings import Recipe
from xret.retriever.training.recipes.student import Student, student_kind
from xret.retriever.training.recipes.switching import Lexicon
from xret.retriever.training.recipes.teaching import taught_scores, taught_vectors
from xret.retriever.training.recipes.trained_folder import (
    STEPS,
    is_finished,
    open_work,
    publish_model,
)
from xret.types import UNDETERMINED, FloatArray, Progress

__all__ = ["run_recipe"]

_NEEDED = ("datasets", "accelerate")
_FEW, _MANY = 4, 8
_BEFORE, _RATES = "before", "rates"


def run_recipe(recipe: Recipe, *, resume: bool = True) -> Generator[Progress, None, None]:
    """Train, as it is iterated over, and write a model folder that `load_encoder` opens.

    The work is kept beside the output until the model is written: a run that was killed or
    closed, started again, ends with the same weights as an unbroken one. With `resume` false
    an earlier run or model in the same place is replaced. Raises ConfigError and LanguageError
    (settings), CorpusError (file:line), ModelError (the model or its teacher),
    MissingLibraryError, and TrainingError (another run in that place, no space, a loss that is
    no number: the last good checkpoint stays; no gain where one is asked for).
    """
    _check_libraries()
    folder = model_location(recipe.model)
    kind = student_kind(folder, recipe.kind)
    run = recipe.describe(model_fingerprint(folder, _taught(recipe)))
    if resume and is_finished(recipe.output, run):
        yield Progress("written", 1, 1, "model")
        return
    device = _device(recipe)
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    with open_work(recipe.output, run, resume=resume) as work, quiet_libraries():
        texts = yield from _read(recipe)
        student = Student.load(
            folder,
            kind=kind,
            device=device,
            train_adapters=recipe.train_adapters,
        )
        yield from student.set_mean(_sample(texts.examples, recipe.seed))
        training = yield from _prepare(recipe, texts, student, work)
        if training.held_out is not None and _BEFORE not in work.notes():
            yield Progress("development set", 0, None, "queries")
            work.note(_BEFORE, training.held_out.measure(student))
        yield from _fit(recipe, training, student, work, device)
        if recipe.only_if_better:
            notes: dict[str, Any] = work.notes()
            check_gain(notes[_BEFORE], work)
        card = recipe_card(recipe, _facts(recipe, training, student, work, device))
        publish_model(student, recipe.output, work, card=card, run=run)
    yield Progress("written", 1, 1, "model")


def _sample(examples: Sequence[Example], seed: int) -> list[str]:
    """Passages for the mean state of a late-interaction model that is made anew."""
    order = np.random.default_rng([seed, 17]).permutation(len(examples))[:MEAN_TEXTS]
    return [examples[place].positive for place in order]


@dataclass(slots=True)
class _Texts:
    """What was read."""

    examples: list[Example]
    held_out: list[Example]
    lexicon: Lexicon | None
    files: list[ReadFile]


@dataclass(slots=True)
class _Training:
    """All that stands before the first step."""

    examples: Sequence[Example]
    plan: BatchPlan
    draw: Draw
    objective: Objective
    held_out: DevelopmentSet | None
    overlapping: int
    files: list[ReadFile]


def _check_libraries() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingLibraryError(
            f"training needs {' and '.join(missing)}; install with: pip install xret[train]"
        )


def _taught(recipe: Recipe) -> dict[str, str]:
    if recipe.teacher is None:
        return {}
    return {"teacher": model_fingerprint(model_location(recipe.teacher), {})}


def _device(recipe: Recipe) -> str:
    device = recipe.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device not in ("cpu", "cuda"):
        raise ConfigError(
            f"--device {device}: training runs on cpu or cuda; which of several GPUs that is, the "
            "environment says: CUDA_VISIBLE_DEVICES"
        )
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"--device {device} is not to be had here: {error}") from error
    choose_precision(Precision(recipe.precision), device)
    return device


def _read(recipe: Recipe) -> Generator[Progress, None, _Texts]:
    reader = ExampleReader(
        parallel=recipe.parallel,
        source_lang=recipe.source_lang,
        target_lang=recipe.target_lang,
        on_error=recipe.on_error,
    )
    yield from reader.read(recipe.data)
    held_out = dataclasses.replace(reader, examples=[], files=[])
    if recipe.held_out:
        yield from held_out.read(recipe.held_out)
    lexicon = None
    if recipe.switch:
        yield Progress("lexicons", 0, None, "entries")
        lexicon = Lexicon.read(recipe.switch)
    files = [*reader.files, *held_out.files]
    for path, lines in (lexicon.lines if lexicon else {}).items():
        files.append(ReadFile(path.name, file_hash(path), lines))
    return _Texts(reader.examples, held_out.examples, lexicon, files)


def _prepare(
    recipe: Recipe, texts: _Texts, student: Student, work: WorkFolder
) -> Generator[Progress, None, _Training]:
    """Languages, negatives, the teacher's word, and which example stands in which step."""
    examples, held_out = texts.examples, texts.held_out
    if student.router is not None or texts.lexicon is not None or recipe.cross_lingual:
        yield Progress("languages", 0, len(examples), "examples")
        examples, held_out = with_languages(examples), with_languages(held_out)
    examples, n_negatives = _with_negatives(recipe, examples)
    objective = yield from _objective(recipe, examples, student, work, n_negatives)
    plan = plan_batches(
        examples,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        steps=recipe.steps,
        epochs=recipe.epochs,
        distinct=recipe.task in ("contrastive", "align"),
    )
    draw = Draw(
        examples,
        plan,
        seed=recipe.seed,
        n_negatives=n_negatives,
        switch=texts.lexicon,
        cross_lingual=recipe.cross_lingual,
        switch_share=recipe.switch_share,
    )
    asked = {one.query for one in examples}
    overlapping = sum(one.query in asked for one in held_out)
    development = DevelopmentSet.of(held_out) if held_out else None
    return _Training(examples, plan, draw, objective, development, overlapping, texts.files)


def _with_negatives(recipe: Recipe, examples: list[Example]) -> tuple[list[Example], int]:
    """The examples with negatives enough, and how many each batch takes of them."""
    if recipe.parallel:
        return [dataclasses.replace(one, negatives=(), negative_langs=()) for one in examples], 0
    scored = recipe.task == "scores"
    if scored and recipe.teacher is None:
        if unscored := sum(not one.scores or not one.negatives for one in examples):
            raise ConfigError(
                f"{unscored:,} of {len(examples):,} examples have no scores of a positive and of "
                "negatives; name a model that scores them with --teacher"
            )
        fewest = min(len(one.negatives) for one in examples)
        return examples, min(recipe.n_negatives or _MANY, fewest)
    most = max(len(one.negatives) for one in examples)
    default = (min(_MANY, most) or _FEW) if scored else min(_FEW, most)
    wanted = default if recipe.n_negatives is None else recipe.n_negatives
    filled = with_negatives(examples, wanted, seed=recipe.seed)
    n = min(wanted, min(len(one.negatives) for one in filled))
    if scored and n == 0:
        raise ConfigError("scores are compared among passages: each query needs a negative or two")
    return filled, n


def _objective(
    recipe: Recipe,
    examples: Sequence[Example],
    student: Student,
    work: WorkFolder,
    n_negatives: int,
) -> Generator[Progress, None, Objective]:
    if recipe.task == "contrastive":
        return contrastive_objective(student, n_negatives=n_negatives, mini_batch=recipe.mini_batch)
    if recipe.task == "align":
        return alignment_objective(student, mini_batch=recipe.mini_batch)
    torch.manual_seed(recipe.seed)  # a projection may be drawn
    if recipe.task == "vectors":
        vectors = yield from taught_vectors(
            examples, work, recipe.teacher or "", device=recipe.device
        )
        return vectors_objective(
            student, vectors, loss="cosine" if recipe.loss == "cosine" else "mse"
        )
    if recipe.teacher is None:
        scores: list[FloatArray] = [torch.tensor(one.scores).numpy() for one in examples]
    else:
        scores = yield from taught_scores(examples, work, recipe.teacher, device=recipe.device)
    return scores_objective(
        student,
        scores,
        n_negatives=n_negatives,
        mini_batch=recipe.mini_batch,
        loss="margin" if recipe.loss == "margin" else "kl",
    )


def _fit(
    recipe: Recipe, training: _Training, student: Student, work: WorkFolder, device: str
) -> Iterator[Progress]:
    """All steps from the last checkpoint on; the best weights, or the last, are the model's."""
    used = work.notes().get(_RATES)
    rate = recipe.rate_for(student.kind)
    rates = [*(used if isinstance(used, list) else []), rate]
    work.note(_RATES, [r for i, r in enumerate(rates) if i == 0 or r != rates[i - 1]])
    callbacks: list[Any] = [Meter(work)]
    if training.held_out is not None:
        callbacks.append(BestMoment(student, training.held_out, work))
    trainer = make_trainer(
        recipe,
        student,
        training.draw,
        training.objective,
        folder=work.path / STEPS,
        device=device,
        callbacks=callbacks,
    )
    yield from run_trainer(trainer)
    losses = [(row["step"], row["loss"]) for row in trainer.state.log_history if "loss" in row]
    work.note("losses", losses)


def _facts(
    recipe: Recipe, training: _Training, student: Student, work: WorkFolder, device: str
) -> RunFacts:
    best = load_best(student, work)
    notes: dict[str, Any] = work.notes()
    registered = ENCODERS.get(recipe.model)
    languages = {one.query_lang for one in training.examples} - {UNDETERMINED}
    languages |= {one.positive_lang for one in training.examples} - {UNDETERMINED}
    frozen = ""
    if student.router is not None:
        frozen = "embeddings" if recipe.train_adapters else "embeddings and language adapters"
    bf16 = choose_precision(Precision(recipe.precision), device) is Precision.BF16
    return RunFacts(
        kind=student.kind.replace(" ", "-"),
        dim=student.texts.dim,
        model_fingerprint=model_fingerprint(model_location(recipe.model), {}),
        n_trainable=student.n_trainable,
        n_examples=len(training.examples),
        steps=len(training.plan),
        examples_seen=len(training.plan.rows),
        loss=type(training.objective.loss).__name__,
        rates=notes[_RATES],
        precision="bf16 arithmetic over fp32 weights" if bf16 else "fp32",
        device=device,
        hardware=hardware(device),
        files=training.files,
        losses=notes["losses"],
        seconds={name: value for name, value in notes.items() if name.endswith("_s")},
        versions=versions(),
        frozen=frozen and f"{frozen} frozen",
        energy_j=notes.get("energy_j"),
        before=notes.get(_BEFORE, {}),
        development=development_curve(work),
        best_step=best[0] if best else None,
        languages=sorted(languages),
        overlapping=training.overlapping,
        base_licence=registered.licence if registered is not None else "",
    )
