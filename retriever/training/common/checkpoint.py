"""The work folder of a training run: what is finished stays, so that a killed run goes on."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file as save_tensors

from xret.errors import TrainingError
from xret.retriever.models.hashes import file_hash
from xret.retriever.models.published import published_file

__all__ = ["WorkFolder", "describe_run"]

_RUN, _NOTES, _STATE = "run.json", "notes.json", "state.safetensors"


def describe_run(settings: str, data: Path, folders: Sequence[Path]) -> str:
    """A text that is equal for equal settings and equal content of what a run reads.

    data: folder with the parallel text in `train` and `lexicon`. folders: of models that the
    run learns from and of texts that it leaves out. Files are known by name and xxh3-128: one
    that was corrected is another, whatever its size.
    """
    paths = sorted((*data.glob("train/*.tsv.gz"), *data.glob("lexicon/*.tsv.gz")))
    files = {path.name: file_hash(path) for path in paths}
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            files[f"{folder.name}/{path.relative_to(folder).as_posix()}"] = file_hash(path)
    return json.dumps({"settings": settings, "files": files}, sort_keys=True)


class WorkFolder:
    """Files of one run. Every file is written aside and renamed: it is whole or absent."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: Path, run: str, *, resume: bool) -> WorkFolder:
        """Make the folder, or take up the run that is in it.

        run: text that is equal for equal settings and data. With `resume` false an earlier
        run is deleted. Raises TrainingError when the folder holds another run.
        """
        work = cls(path)
        marker = path / _RUN
        if not resume and marker.is_file():
            for file in path.iterdir():
                file.unlink()
        path.mkdir(parents=True, exist_ok=True)
        if not marker.is_file():
            work.write_text(_RUN, run)
        elif marker.read_text(encoding="utf-8") != run:
            raise TrainingError(
                f"{path} holds a run with other settings or data; start anew (--anew where there"
                " is one, else delete that folder), or choose another output folder"
            )
        return work

    def has(self, name: str) -> bool:
        """Whether that file was finished."""
        return (self.path / name).is_file()

    def write_text(self, name: str, text: str) -> None:
        """Write one small file."""
        self._write(name, lambda part: part.write_text(text, encoding="utf-8"))

    def save_arrays(self, name: str, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Write numpy arrays as safetensors."""
        self._write(name, lambda part: save_arrays(dict(arrays), part))

    def load_arrays(self, name: str) -> dict[str, npt.NDArray[np.generic]]:
        """Read what `save_arrays` wrote."""
        arrays: dict[str, npt.NDArray[np.generic]] = load_arrays(self.path / name)
        return arrays

    def save_state(self, step: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Keep the parameters after `step` steps."""
        whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
        whole["step"] = torch.tensor(step)
        self._write(_STATE, lambda part: save_tensors(whole, part))

    def load_state(self) -> tuple[int, dict[str, torch.Tensor]]:
        """The last kept step and its tensors; 0 and nothing when there is none."""
        if not self.has(_STATE):
            return 0, {}
        tensors = load_tensors(self.path / _STATE)
        return int(tensors.pop("step")), tensors

    def note(self, name: str, value: object) -> None:
        """Remember a fact about the run for its card, in place of an earlier one."""
        facts = {**self.notes(), name: value}
        self.write_text(_NOTES, json.dumps(facts, ensure_ascii=False, indent=1))

    def add_seconds(self, name: str, seconds: float) -> None:
        """Add to the time noted for a stage, which may have been cut and resumed."""
        before = self.notes().get(name)
        self.note(name, seconds + (before if isinstance(before, float) else 0.0))

    def notes(self) -> dict[str, object]:
        """All facts noted so far, over every part of the run."""
        path = self.path / _NOTES
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    def _write(self, name: str, write: Callable[[Path], object]) -> None:
        try:
            with published_file(self.path / name) as part:
                write(part)
        except Exception as error:  # safetensors wraps the system's errors in its own
            full = getattr(error, "errno", None) == errno.ENOSPC or "space left" in str(error)
            if full:
                raise TrainingError(
                    f"no space left for {self.path / name}; the run can go on from its last"
                    " checkpoint when there is"
                ) from error
            if isinstance(error, OSError):
                raise TrainingError(f"cannot write {self.path / name}: {error}") from error
            raise
