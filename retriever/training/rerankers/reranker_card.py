"""The card of a cross-encoder that was trained: what was done, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xret.retriever.training.recipes.facts import hardware, versions
from xret.retriever.training.recipes.records import ReadFile
from xret.retriever.training.rerankers.pair_student import PairStudent
from xret.retriever.training.rerankers.settings import RerankTraining

__all__ = ["reranker_card"]

_ROWS = 12


def reranker_card(
    training: RerankTraining,
    files: Sequence[ReadFile],
    student: PairStudent,
    notes: Mapping[str, object],
    *,
    losses: Mapping[str, Mapping[str, float]],
) -> str:
    """The card as Markdown. notes: of the work folder. losses: by stage and last step of ten."""
    parts = {
        "full": "all weights that are not frozen",
        "adapter": f"a ranking adapter of reduction {training.reduction}, and the head",
        "mask": f"a sparse mask ({training.keep} of the weights), and the head",
    }
    learnt = notes.get("n_trainable")
    frozen = ""
    if student.languages is not None:
        frozen = f"; frozen: the language adapters {', '.join(student.languages.adapters)}"
    elif student.router is not None:
        frozen = "; embeddings and language adapters frozen"
    routing = student.routing or "none: the model has no language adapters"
    teacher = training.teacher or "none: labels, or the scores of the rows"
    read = f" reading {training.teacher_lang}" if training.teacher_lang else ""
    rows = [f"| {f.name} | {f.lines:,} | {f.skipped:,} | {f.checksum} |" for f in files]
    return "\n".join(
        [
            f"# {training.output.name}",
            "",
            "A cross-encoder of one score a pair, made by `xret train rerank`.",
            "",
            f"- Started from: {_shown(training.model)}",
            f"- What learnt: {parts[training.part]}{frozen}; {learnt:,} numbers",
            f"- Loss: {training.loss}; teacher: {_shown(teacher)}{read}",
            f"- Pair routing: {routing}",
            f"- Steps: {training.steps or 'all'} of {training.batch_size} questions, AdamW, peak "
            f"rate {training.peak_rate:g}, seed {training.seed}, at most {training.max_tokens} "
            "tokens a pair",
            f"- Hardware: {hardware('cpu' if training.device is None else training.device)}",
            f"- {', '.join(f'{name} {version}' for name, version in versions().items())}",
            f"- Licence of the training text: {training.licence or 'not stated'}",
            "",
            "| file | lines | left out as unreadable | xxh3-128 |",
            "|---|--:|--:|---|",
            *rows,
            "",
            "| stage | step | mean loss of the ten before |",
            "|---|--:|--:|",
            *(line for stage, found in losses.items() for line in _loss_rows(stage, found)),
            "",
        ]
    )


def _loss_rows(stage: str, losses: Mapping[str, float]) -> list[str]:
    """At most a dozen lines, the last among them."""
    steps = sorted(losses.items(), key=lambda row: int(row[0]))
    every = max(1, -(-len(steps) // _ROWS))
    return [f"| {stage} | {step} | {loss:.4f} |" for step, loss in steps[::-1][::every][::-1]]


def _shown(place: str) -> str:
    """A file or folder by its last name: where it lay on the machine is nobody's business."""
    return place.rstrip("/").rsplit("/", 1)[-1] if place.startswith(("/", ".", "~")) else place
