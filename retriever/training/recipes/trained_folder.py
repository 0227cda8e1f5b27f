"""The folders of a run: its work beside the output, and the model, put in place whole."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import filelock

from xret.errors import TrainingError
from xret.retriever.models.published import publish
from xret.retriever.training.common.checkpoint import WorkFolder

__all__ = ["STEPS", "Saved", "is_finished", "open_work", "publish_model"]

STEPS = "steps"
"""Of the work, the trainer's folder: its checkpoints."""

_RUN = ".training"  # hidden, so that it is no part of what the model is
_LOCK, _MODEL = "lock", "model"
_OF_MODELS = (_RUN, "modules.json")


@contextmanager
def open_work(output: Path, run: str, *, resume: bool) -> Iterator[WorkFolder]:
    """The folder beside the output in which a run keeps what is done.

    run: equal for the same run. Raises TrainingError where another process works in it, where
    it or the output belongs to another run, and where it cannot be made; with `resume` false
    an earlier run is deleted instead, and an output that is a model is replaced at the end.
    """
    taken = output.exists() and (not output.is_dir() or any(output.iterdir()))
    if taken and not resume and not any((output / name).is_file() for name in _OF_MODELS):
        raise TrainingError(
            f"{output} is there already and is no trained model; --anew replaces nothing else: "
            "name another --output"
        )
    if taken and resume:
        raise TrainingError(
            f"{output} is there already and is not of this run; name another --output, or "
            "--anew to replace it when the new model is done"
        )
    place = output.resolve()
    path = place.with_name(f"{place.name}.work")
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path / _LOCK)
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise TrainingError(f"another process is training in {path}") from error
    except OSError as error:
        raise TrainingError(f"{path} cannot be made: {error.strerror or error}") from error
    try:
        if not resume or not _is_begun(path):
            for old in path.iterdir():
                if old.name != _LOCK:
                    shutil.rmtree(old) if old.is_dir() else old.unlink()
        yield WorkFolder.open(path, run, resume=True)
    finally:
        lock.release()


def _is_begun(path: Path) -> bool:
    """Whether a run has anything to go on from: a file that was mended is no reason to refuse."""
    small = {_LOCK, "run.json", "notes.json"}
    names = {old.name for old in path.iterdir()} - small
    return bool(names - {STEPS}) or any((path / STEPS).glob("checkpoint-*"))


def is_finished(output: Path, run: str) -> bool:
    """Whether the model in a folder is what that run made."""
    marker = output / _RUN
    return marker.is_file() and marker.read_text(encoding="utf-8") == run


class Saved(Protocol):
    """A model that writes its own files."""

    def save(self, folder: Path) -> None: ...


def publish_model(student: Saved, output: Path, work: WorkFolder, *, card: str, run: str) -> None:
    """Write the model and its card aside, durably, then put it in place; the work goes.

    Raises TrainingError where the disk refuses; what is trained is kept, and running again
    writes it.
    """
    made = work.path / _MODEL
    try:
        shutil.rmtree(made, ignore_errors=True)
        student.save(made)
        (made / "README.md").write_text(card, encoding="utf-8")
        (made / _RUN).write_text(run, encoding="utf-8")
        for path in made.rglob("*.safetensors"):
            path.chmod(0o644)  # safetensors writes for the owner alone
        publish(made, output)
    except Exception as error:  # safetensors wraps the system's errors in its own
        shutil.rmtree(made, ignore_errors=True)
        if getattr(error, "errno", None) == errno.ENOSPC or "space left" in str(error):
            raise TrainingError(
                f"no space left for {output}; make room and run the same command again: what is "
                "trained is kept"
            ) from error
        if isinstance(error, OSError):
            raise TrainingError(f"{output} cannot be written: {error}") from error
        raise
    shutil.rmtree(work.path, ignore_errors=True)
