"""The trainers: broken anywhere they end as unbroken ones do, and never on a bad checkpoint."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import (
    EmbedDistillLoss,
    MultipleNegativesRankingLoss,
)
from tiny_encoders import tiny_bi_encoder
from torch import Tensor, nn
from transformers import TrainerCallback

from xret.errors import TrainingError
from xret.retriever.models.quiet import quiet_libraries
from xret.retriever.training.common import trainer as module
from xret.retriever.training.common.trainer import (
    BiEncoderTrainer,
    LanguageCollator,
    designed_error,
    in_order,
    last_checkpoint,
    run_trainer,
)

STEPS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    with quiet_libraries():
        return tiny_bi_encoder(tmp_path_factory.mktemp("base"))


def made(
    folder: Path, output: Path, loss: Any = MultipleNegativesRankingLoss, **changes: Any
) -> BiEncoderTrainer:
    with quiet_libraries():
        model = SentenceTransformer(str(folder), device="cpu")
    settings = {
        "output_dir": str(output),
        "max_steps": STEPS,
        "per_device_train_batch_size": 2,
        "learning_rate": 1e-2,
        "warmup_steps": 1,
        "save_strategy": "steps",
        "save_steps": 2,
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "batch_sampler": in_order,
        "logging_steps": 1,
        "optim": "adamw_torch",
    }
    rows = {name: [f"{name} {i} in the sea" for i in range(2 * STEPS)] for name in ("a", "b")}
    if loss is EmbedDistillLoss:
        torch.manual_seed(0)
        made_loss: nn.Module = EmbedDistillLoss(model, projection_dim=8)
        rows["label"] = [[float(i + j) for j in range(8)] for i in range(2 * STEPS)]
    else:
        made_loss = loss(model)
    return BiEncoderTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(**(settings | changes)),
        train_dataset=Dataset.from_dict(rows),
        loss=made_loss,
    )


def weights(trainer: Any) -> dict[str, Tensor]:
    return {n: t.detach().clone() for n, t in trainer.loss.state_dict().items()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different


@pytest.fixture(scope="module")
def unbroken(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights before and after a run that nothing disturbed."""
    trainer = made(folder, tmp_path_factory.mktemp("unbroken"))
    before = weights(trainer)
    steps = list(run_trainer(trainer))
    assert [step.done for step in steps] == list(range(1, STEPS + 1))
    return before, weights(trainer)


class Killed(BaseException):
    """What ends a process without a word."""


def test_training_changes_the_weights_and_drops_out(
    folder: Path, unbroken: tuple[dict[str, Tensor], dict[str, Tensor]]
) -> None:
    before, after = unbroken
    assert any(not torch.equal(before[name], after[name]) for name in before)
    model = SentenceTransformer(str(folder), device="cpu")
    assert any(isinstance(m, nn.Dropout) and m.p > 0 for m in model.modules())


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_run_killed_at_any_step_ends_with_the_weights_of_an_unbroken_one(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    unbroken: tuple[dict[str, Tensor], dict[str, Tensor]],
) -> None:
    learn = module._SafeTrainer.training_step

    def until(self: Any, *args: Any, **named: Any) -> Tensor:
        if self.state.global_step + 1 == step:
            raise Killed
        return learn(self, *args, **named)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module._SafeTrainer, "training_step", until)
        list(run_trainer(made(folder, tmp_path)))
    trainer = made(folder, tmp_path)
    steps = [progress.done for progress in run_trainer(trainer)]
    assert steps[0] == (step - 1) // 2 * 2 + 1  # the step after the last checkpoint
    assert_same(weights(trainer), unbroken[1])


@pytest.mark.parametrize("step", [1, 4])
def test_closing_a_run_keeps_the_step_in_hand(
    folder: Path,
    tmp_path: Path,
    step: int,
    unbroken: tuple[dict[str, Tensor], dict[str, Tensor]],
) -> None:
    run = run_trainer(made(folder, tmp_path))
    while next(run).done < step:
        pass
    run.close()  # type: ignore[attr-defined]
    kept = last_checkpoint(tmp_path)
    assert kept is not None and int(kept.name.rpartition("-")[2]) >= step
    trainer = made(folder, tmp_path)
    list(run_trainer(trainer))
    assert_same(weights(trainer), unbroken[1])


def test_what_a_loss_learns_is_resumed_too(folder: Path, tmp_path: Path) -> None:
    whole = made(folder, tmp_path / "whole", EmbedDistillLoss)
    before = weights(whole)
    list(run_trainer(whole))
    assert not torch.equal(before["projection.weight"], weights(whole)["projection.weight"])
    run = run_trainer(made(folder, tmp_path / "broken", EmbedDistillLoss))
    next(run)
    run.close()  # type: ignore[attr-defined]
    trainer = made(folder, tmp_path / "broken", EmbedDistillLoss)
    list(run_trainer(trainer))
    assert_same(weights(trainer), weights(whole))


@pytest.mark.parametrize("file", ["weights", "optimizer"])
def test_full_disk_leaves_the_checkpoint_before_and_the_run_goes_on_when_there_is_room(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    unbroken: tuple[dict[str, Tensor], dict[str, Tensor]],
) -> None:
    save, calls = module.save_file, []

    def full(tensors: Any, path: Path) -> None:
        calls.append(path)
        if len([one for one in calls if one.name.startswith(file)]) == 2:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(tensors, path)

    with monkeypatch.context() as patch, pytest.raises(TrainingError, match="no space left"):
        patch.setattr(module, "save_file", full)
        list(run_trainer(made(folder, tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]
    trainer = made(folder, tmp_path)
    list(run_trainer(trainer))
    assert_same(weights(trainer), unbroken[1])


class Unlucky(nn.Module):
    """A loss that is no number at one of its calls."""

    def __init__(self, model: Any, at: int = 4) -> None:
        super().__init__()
        self.model, self.at, self.calls = model, at, 0
        self.real = MultipleNegativesRankingLoss(model)

    def forward(self, columns: Any, labels: Tensor) -> Tensor:
        self.calls += 1
        value: Tensor = self.real(columns, labels)
        return value * float("nan") if self.calls == self.at else value


def test_loss_that_is_no_number_stops_before_it_reaches_a_weight(
    folder: Path, tmp_path: Path
) -> None:
    trainer = made(folder, tmp_path, Unlucky)
    with pytest.raises(TrainingError, match=r"loss of step 4 is nan.*checkpoint stays"):
        list(run_trainer(trainer))
    assert all(torch.isfinite(t).all() for t in trainer.model.state_dict().values())
    kept = last_checkpoint(tmp_path)
    assert kept is not None and kept.name == "checkpoint-2"


def test_weights_that_are_no_numbers_are_never_a_checkpoint(folder: Path, tmp_path: Path) -> None:
    class Spoilt(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, *_: Any, **__: Any) -> None:  # noqa: ARG002
            if state.global_step == 4:
                next(trainer.model.parameters()).data[0] = float("inf")

    trainer = made(folder, tmp_path)
    trainer.add_callback(Spoilt())
    with pytest.raises(TrainingError, match=r"after step 4 .* no number"):
        list(run_trainer(trainer))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]


def test_another_rate_holds_from_the_checkpoint_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = module._SafeTrainer.training_step

    def until(self: Any, *args: Any, **named: Any) -> Tensor:
        if self.state.global_step == 3:
            raise Killed
        return learn(self, *args, **named)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module._SafeTrainer, "training_step", until)
        list(run_trainer(made(folder, tmp_path)))
    trainer = made(folder, tmp_path, learning_rate=1e-3)
    list(run_trainer(trainer))
    rows = [row for row in trainer.state.log_history if "loss" in row]
    rates = {row["step"]: row["learning_rate"] for row in rows}
    # Rising for 1 of 5 steps, then falling linearly to 0; broken after the checkpoint of step 2.
    assert rates[2] == pytest.approx(1e-2)
    assert rates[3] == pytest.approx(1e-3 * 3 / 4)
    assert rates[4] == pytest.approx(1e-3 * 2 / 4)


def test_checkpoints_hold_no_pickle_and_old_ones_go(folder: Path, tmp_path: Path) -> None:
    list(run_trainer(made(folder, tmp_path, save_steps=1)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-4", "checkpoint-5"]
    files = {path.name for path in (tmp_path / "checkpoint-5").iterdir()}
    assert files == {
        "weights.safetensors",
        "optimizer.safetensors",
        "optimizer.json",
        "trainer_state.json",
    }
    assert load_file(tmp_path / "checkpoint-5" / "weights.safetensors")


def test_nothing_is_printed_and_no_card_is_made(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = made(folder, tmp_path)
    list(run_trainer(trainer))
    assert capsys.readouterr().out == ""
    assert not trainer.model.model_card_data.widget
    assert not trainer.model.model_card_data.train_datasets


def test_languages_reach_the_model_beside_their_own_texts() -> None:
    class Texts:
        valid_label_columns = ("label",)

        def __call__(self, rows: Any) -> dict[str, Any]:
            assert all(set(row) == {"query", "positive"} for row in rows)
            return {"query_input_ids": torch.zeros(len(rows), 2)}

    rows = [{"query": "a", "positive": "b", "query_lang": i, "positive_lang": 5} for i in (3, 1)]
    batch = LanguageCollator(Texts())(rows)
    assert batch["query_lang_ids"].tolist() == [3, 1]
    assert batch["positive_lang_ids"].tolist() == [5, 5]


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    import threading

    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "training"]


def test_one_module_trains_in_a_thread() -> None:
    folder = Path(str(module.__file__)).parents[1]
    threads = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if "threading.Thread(" in path.read_text(encoding="utf-8")
    ]
    assert threads == ["common/thread.py"]


def test_memory_that_is_too_small_is_no_traceback(tmp_path: Path) -> None:
    error = torch.OutOfMemoryError("CUDA out of memory")
    assert isinstance(designed_error(error, tmp_path), TrainingError)
