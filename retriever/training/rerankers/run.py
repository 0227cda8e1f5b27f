"""A cross-encoder trained from files to a folder that `--rerank FOLDER` opens."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xret.errors import ConfigError, TrainingError
from xret.retriever.corpora.rows import Example
from xret.retriever.encoders.precision import multiplies_bf16
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.location import model_location
from xret.retriever.models.module_card import ModuleCard
from xret.retriever.models.quiet import quiet_libraries
from xret.retriever.modules.base import model_base
from xret.retriever.modules.named_weights import RANKING, transformer_of
from xret.retriever.modules.ranking import RankingAdapter
from xret.retriever.modules.sparse import SparseMask
from xret.retriever.training.common.checkpoint import WorkFolder
from xret.retriever.training.common.kept_weights import kept_weights
from xret.retriever.training.modules.sparse import learn_sparse_mask
from xret.retriever.training.recipes.drawing import Draw, with_languages, with_negatives
from xret.retriever.training.recipes.plan import BatchPlan, plan_batches
from xret.retriever.training.recipes.records import ExampleReader, ReadFile
from xret.retriever.training.recipes.trained_folder import is_finished, open_work, publish_model
from xret.retriever.training.rerankers.losses import rank_loss
from xret.retriever.training.rerankers.pair_fitting import PairSteps, fit_pairs
from xret.retriever.training.rerankers.pair_student import PairStudent
from xret.retriever.training.rerankers.reranker_card import reranker_card
from xret.retriever.training.rerankers.settings import RerankTraining
from xret.retriever.training.rerankers.taught_rows import taught_rows
from xret.retriever.training.rerankers.written import TrainedReranker
from xret.types import FloatArray, Progress

__all__ = ["train_reranker"]

_MOST_NEGATIVES = 4
_TASK = "ranking"


def train_reranker(
    training: RerankTraining, *, resume: bool = True
) -> Generator[Progress, None, None]:
    """Train, as it is iterated over, and write a folder that `load_reranker` opens.

    The work is kept beside the output until the model is written: a run that was killed or
    closed, started again, ends with the same weights as an unbroken one. With `resume` false
    an earlier run or model in the same place is replaced. Raises ConfigError and LanguageError
    (settings), CorpusError (file:line), ModelError (the model or its teacher), and TrainingError
    (rows that say nothing, another run in that place, no space, a loss that is no number).
    """
    folder = model_location(training.model)
    named = {} if training.teacher is None else {"teacher": _fingerprint(training.teacher)}
    run = training.describe(model_fingerprint(folder, named))
    if resume and is_finished(training.output, run):
        yield Progress("written", 1, 1, "model")
        return
    device = _device(training)
    if training.threads is not None:
        torch.set_num_threads(training.threads)
    with open_work(training.output, run, resume=resume) as work, quiet_libraries():
        student = PairStudent.load(
            folder,
            routing=training.pair_routing,
            max_tokens=training.max_tokens,
            seed=training.seed,
            adapters=training.language_adapters,
        )
        student.model.to(device)
        rows = yield from _rows(training, work)
        module = yield from _learn(training, student, rows, work, device)
        trained = TrainedReranker(student, module, model_base(folder))
        losses: dict[str, Any] = {
            place.parent.name: WorkFolder(place.parent).notes().get("losses", {})
            for place in sorted(work.path.glob("*/notes.json"))
        }
        card = reranker_card(training, rows.files, student, work.notes(), losses=losses)
        publish_model(trained, training.output, work, card=card, run=run)
    yield Progress("written", 1, 1, "model")


@dataclass(slots=True)
class _Rows:
    """What is learnt from. scores: of each example, None for labels."""

    draw: Draw
    plan: BatchPlan
    scores: list[FloatArray] | None
    files: list[ReadFile]

    def labels(self, places: range, like: Tensor) -> Tensor | None:
        """(b, m) a teacher's scores of what is drawn at some places."""
        if self.scores is None:
            return None
        drawn = [self.draw.at(place) for place in places]
        rows = [(self.scores[one.row], one.picked) for one in drawn]
        return torch.tensor(
            [[float(found[0]), *(float(found[1 + i]) for i in picked)] for found, picked in rows],
            device=like.device,
        )


def _fingerprint(name: str) -> str:
    return model_fingerprint(model_location(name), {})


def _device(training: RerankTraining) -> str:
    device = training.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise ConfigError(f"--device {device} is not to be had here; use cpu or cuda")
    return device


def _rows(training: RerankTraining, work: WorkFolder) -> Generator[Progress, None, _Rows]:
    """Texts, languages, negatives, the teacher's word, and which row stands in which step."""
    reader = ExampleReader(
        source_lang=training.source_lang,
        target_lang=training.target_lang,
        on_error=training.on_error,
    )
    yield from reader.read(training.data)
    yield Progress("languages", 0, len(reader.examples), "rows")
    examples, n_negatives = _with_negatives(training, with_languages(reader.examples))
    scores: list[FloatArray] | None = None
    if training.teacher is not None:
        scores = yield from taught_rows(
            examples, work, training.teacher, lang=training.teacher_lang, device=training.device
        )
    elif all(one.scores for one in examples):
        scores = [torch.tensor(one.scores).numpy() for one in examples]
    if scores is not None and all(float(one.max() - one.min()) == 0 for one in scores):
        raise TrainingError(
            "every question's passages have equal scores: there is nothing to rank by; check the "
            "scores of the rows, or the teacher"
        )
    plan = plan_batches(
        examples,
        batch_size=training.batch_size,
        seed=training.seed,
        steps=training.steps,
        epochs=training.epochs,
        distinct=False,
    )
    draw = Draw(
        examples,
        plan,
        seed=training.seed,
        n_negatives=n_negatives,
        cross_lingual=training.cross_lingual,
    )
    return _Rows(draw, plan, scores, reader.files)


def _with_negatives(training: RerankTraining, examples: list[Example]) -> tuple[list[Example], int]:
    """The rows with negatives enough, and how many each step takes of them."""
    most = max(len(one.negatives) for one in examples)
    wanted = training.n_negatives or min(most, _MOST_NEGATIVES) or 1
    kept = training.teacher is None and all(one.scores for one in examples)
    filled = examples if kept else with_negatives(examples, wanted, seed=training.seed)
    n = min(wanted, min(len(one.negatives) for one in filled))
    if n == 0:
        raise TrainingError(
            "there is a question without any passage that does not answer it: give it negatives "
            "(xret train mine finds hard ones), or more rows with other passages"
        )
    return filled, n


def _learn(
    training: RerankTraining, student: PairStudent, rows: _Rows, work: WorkFolder, device: str
) -> Generator[Progress, None, RankingAdapter | SparseMask | None]:
    """Train what is to be trained; the module that it became, None for all weights."""
    fast = device == "cuda" or multiplies_bf16()
    bf16 = training.precision == "bf16" or (training.precision == "auto" and fast)
    steps = PairSteps(
        len(rows.plan),
        training.peak_rate,
        training.warm_up,
        training.seed,
        training.checkpoint_steps,
        bf16,
    )

    def loss_at(step: int) -> Tensor:
        places = range(int(rows.plan.starts[step]), int(rows.plan.starts[step + 1]))
        scores = student.scores([rows.draw.at(place) for place in places])
        return rank_loss(training.loss, scores, rows.labels(places, scores))

    def train(model: nn.Module, stage: str) -> Iterator[Progress]:
        place = work.path / stage.replace(" ", "-")
        yield from fit_pairs(
            model, loss_at, steps, work=WorkFolder.open(place, "", resume=True), stage=stage
        )

    if training.part == "full":
        work.note("n_trainable", student.n_trainable)
        yield from train(student.model, "all weights")
        return None
    card = _module_card(training, rows, student)
    if training.part == "adapter":
        return (yield from _adapter(training, student, train, work, card))
    mask = yield from learn_sparse_mask(
        student.model,
        train,
        keep=kept_weights(training.keep),
        card=card,
        l1=training.l1,
        whole=tuple(student.head),
    )
    work.note("n_trainable", len(mask))
    return mask


def _adapter(
    training: RerankTraining, student: PairStudent, train: Any, work: WorkFolder, card: ModuleCard
) -> Generator[Progress, None, RankingAdapter]:
    model = student.model
    width = int(model.config.hidden_size)
    if width % training.reduction:
        raise ConfigError(f"--reduction {training.reduction} does not divide the width {width}")
    head = {name: weight.detach().clone() for name, weight in student.head.items()}
    start = RankingAdapter.start(
        model, bottleneck=width // training.reduction, seed=training.seed, card=card
    )
    start.attach(model)
    model.requires_grad_(False)
    for weight in student.head.values():
        weight.requires_grad_(True)
    getattr(transformer_of(model), RANKING).requires_grad_(True)
    work.note("n_trainable", student.n_trainable)
    yield from train(model, "ranking adapter")
    learnt = RankingAdapter.learnt(model, card, head=head)
    start.detach(model)
    with torch.no_grad():
        for name, weight in student.head.items():
            weight.copy_(head[name])
    return learnt


def _module_card(training: RerankTraining, rows: _Rows, student: PairStudent) -> ModuleCard:
    base = model_base(student.folder)
    names = ", ".join(f"{file.name} ({file.checksum})" for file in rows.files)
    return ModuleCard(
        "ranking" if training.part == "adapter" else "mask",
        base.fingerprint,
        task=_TASK,
        data=f"{len(rows.draw.examples):,} rows of {names}",
        steps=len(rows.plan),
        seed=training.seed,
        vocabulary=base.vocabulary,
    )
