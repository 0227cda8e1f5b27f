"""The card of a model that a recipe trained: what was done and measured, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xret.retriever.training.recipes.records import ReadFile
from xret.retriever.training.recipes.settings import Recipe

__all__ = ["RunFacts", "recipe_card"]

_TASKS = {
    "contrastive": "contrastive learning with negatives in the batch and hard ones",
    "scores": "distillation of a teacher's scores",
    "vectors": "distillation of a teacher's vectors",
    "align": "alignment on parallel text, in both directions",
}
_UNSAID = "not stated"
_ROWS = 24


@dataclass(slots=True)
class RunFacts:
    """What a run knows of itself at its end.

    model_fingerprint: of the model that it started from. best_step: the step whose weights
    were kept for their figures on the development set, None for the last. losses: (step,
    mean loss since the one before). rates: in the order in which they were used. energy_j:
    None where no counter was readable.
    """

    kind: str
    dim: int
    model_fingerprint: str
    n_trainable: int
    n_examples: int
    steps: int
    examples_seen: int
    loss: str
    rates: Sequence[float]
    precision: str
    device: str
    hardware: str
    files: Sequence[ReadFile]
    losses: Sequence[tuple[int, float]]
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    frozen: str = ""
    energy_j: float | None = None
    before: Mapping[str, float] = field(default_factory=dict)
    development: Sequence[tuple[int, Mapping[str, float]]] = ()
    best_step: int | None = None
    base_licence: str = ""
    languages: Sequence[str] = ()
    overlapping: int = 0


def recipe_card(recipe: Recipe, facts: RunFacts) -> str:
    """The card as Markdown."""
    return "\n".join(
        [
            f"# {recipe.output.name}",
            "",
            f"A {facts.kind} model of {facts.dim} dimensions, made by `xret train` by "
            f"{_TASKS[recipe.task]}.",
            "",
            *_start(recipe, facts),
            "",
            "## Training text",
            "",
            *_text(recipe, facts),
            "",
            "## Run",
            "",
            *_run(recipe, facts),
            "",
            "## Loss",
            "",
            *_losses(facts),
            "",
            "## Results",
            "",
            *_results(recipe, facts),
            "",
        ]
    )


def _start(recipe: Recipe, facts: RunFacts) -> list[str]:
    lines = [
        f"- Started from: {_shown(recipe.model)} (fingerprint {facts.model_fingerprint}; licence: "
        f"{facts.base_licence or _UNSAID})",
    ]
    if recipe.teacher is not None:
        lines.append(f"- Teacher: {_shown(recipe.teacher)}")
    return [*lines, f"- Licence of the training text: {recipe.licence or _UNSAID}"]


def _text(recipe: Recipe, facts: RunFacts) -> list[str]:
    """Every file that was read: data, development set, lexicons."""
    rows = [
        f"| {file.name} | {file.lines:,} | {file.skipped:,} | {file.checksum} |"
        for file in facts.files
    ]
    lines = [
        "| file | lines | left out as unreadable | xxh3-128 |",
        "|---|--:|--:|---|",
        *rows,
        "",
        f"{facts.n_examples:,} training examples.",
    ]
    if facts.languages:
        lines.append(f"Languages, as named or identified: {', '.join(facts.languages)}.")
    if recipe.switch:
        lines.append(
            f"English queries code-switched from lexicons: a share of {recipe.switch_share:g}."
        )
    if recipe.cross_lingual:
        lines.append(f"Cross-lingual batches: a share of {recipe.cross_lingual:g}.")
    return lines


def _run(recipe: Recipe, facts: RunFacts) -> list[str]:
    shared = f"{facts.seconds.get('training_s', 0.0):,.1f} s"
    mini = f", {recipe.mini_batch:,} at once" if recipe.mini_batch else ""
    energy = (
        "not measured"
        if facts.energy_j is None
        else (f"{facts.energy_j:,.0f} J by the processors' counters (whole machine, no GPU)")
    )
    return [
        f"- {facts.steps:,} steps of at most {recipe.batch_size:,} examples{mini}; "
        f"{facts.examples_seen:,} examples seen",
        f"- Loss: {facts.loss}; AdamW, rate {' then '.join(f'{rate:g}' for rate in facts.rates)}, "
        f"rising for {recipe.warm_up:.0%} of the steps, then falling to 0 linearly",
        f"- Seed {recipe.seed}; at most {recipe.max_tokens:,} tokens a text; {facts.precision}",
        f"- {facts.n_trainable:,} parameters learnt{'; ' + facts.frozen if facts.frozen else ''}",
        f"- Hardware: {facts.hardware}; trained on {facts.device}",
        f"- Time in training steps, checkpoints and measuring: {shared}",
        f"- Energy: {energy}",
        f"- {', '.join(f'{name} {version}' for name, version in facts.versions.items())}",
    ]


def _losses(facts: RunFacts) -> list[str]:
    if not facts.losses:
        return ["No loss was written down in so few steps."]
    every = max(1, -(-len(facts.losses) // _ROWS))
    kept = [*facts.losses[every - 1 :: every]]
    if kept[-1] != facts.losses[-1]:
        kept.append(facts.losses[-1])
    rows = [f"| {step:,} | {loss:.4f} |" for step, loss in kept]
    return ["| step | mean loss since the step before |", "|--:|--:|", *rows]


def _results(recipe: Recipe, facts: RunFacts) -> list[str]:
    if not recipe.held_out:
        return ["No development set was given; nothing was measured."]
    names = list(facts.before)
    rows = [("before", facts.before), *((f"{step:,}", found) for step, found in facts.development)]
    kept = "the last" if facts.best_step is None else f"step {facts.best_step:,}"
    return [
        f"On {', '.join(_shown(str(path)) for path in recipe.held_out)}: all its passages ranked "
        f"for each of its queries, scored exactly. Queries of it that are also among the training "
        f"text: {facts.overlapping:,}. Kept: {kept}.",
        "",
        f"| step | {' | '.join(names)} |",
        f"|---|{'--:|' * len(names)}",
        *(f"| {step} | {' | '.join(f'{found[n]:.4f}' for n in names)} |" for step, found in rows),
    ]


def _shown(place: str) -> str:
    """A file or folder by its last name: where it lay on the machine is nobody's business."""
    return place.rstrip("/").rsplit("/", 1)[-1] if place.startswith(("/", ".", "~")) else place
