"""Models that were pulled from the Hugging Face hub: where they lie, and which they are.

A pulled model is a plain folder under $XRET_HOME/models with the files themselves, so it is
carried to another machine by copying it. `pin.json` in it says which commit it is. Only
`pull_from_hub` opens a connection; loading never does.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from xret.config import home
from xret.errors import ModelError, UnknownModelError
from xret.index.storage.files import prepare_folder
from xret.retriever.models.layout import check_loadable, read_json
from xret.retriever.models.published import sync_tree, write_file
from xret.retriever.models.registry import ENCODERS
from xret.retriever.models.reranker_registry import RERANKERS

__all__ = ["Pin", "find_model", "model_folder", "pinned", "pull_from_hub"]

PIN = "pin.json"
# Data only: weights as safetensors, tokenizers, configurations. Never a pickle, never code.
ALLOWED = ("*.safetensors", "*.json", "*.model", "vocab.txt", "merges.txt", "artifact.metadata")
IGNORED = ("onnx/*", "openvino/*", "coreml/*", "*/onnx/*", "training_args*", "trainer_state*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Pin:
    """Which commit of which repository a folder holds."""

    name: str
    repo: str
    revision: str


def model_folder(name: str) -> Path:
    """Where the model of that name or hub id is kept, whether it is there or not."""
    return home() / "models" / name.replace("/", "--")


def pinned(name: str) -> Pin | None:
    """The pin of a pulled model, None where it was not pulled."""
    found = read_json(model_folder(name) / PIN)
    if not found:
        return None
    try:
        return Pin(**found)
    except TypeError as error:
        raise ModelError(f"{model_folder(name) / PIN} is no pin: {error}") from error


def find_model(name: str, *, revision: str | None = None) -> Path:
    """The folder of a pulled model.

    Raises ModelError saying what is missing, how to pull it on a connected machine and how
    to carry it over; and where another revision than the one asked for was pulled.
    """
    folder = model_folder(name)
    pin = pinned(name)
    if pin is None:
        what = "is not on this machine" if not folder.is_dir() else "was pulled only in part"
        raise ModelError(
            f"{name} {what}: no {PIN} in {folder}. On a machine with a connection run: "
            f"xret model pull {name}; then copy that folder from its $XRET_HOME/models "
            f"to {folder} here"
        )
    registered = ENCODERS.get(name) or RERANKERS.get(name)
    wanted = revision or (registered.revision if registered else None)
    if wanted is not None and wanted != pin.revision:
        raise ModelError(
            f"{folder} holds revision {pin.revision} of {pin.repo}, not {wanted}; "
            f"pull it: xret model pull {name} --revision {wanted}"
        )
    return folder


def pull_from_hub(name: str, *, revision: str | None = None) -> Pin:
    """Download a model's data files and record the commit that they are of.

    revision: a commit, branch or tag. None takes the registered one, else the one recorded by an
    earlier pull, else the newest, which is then recorded. A pull that was cut short goes on.
    Raises UnknownModelError for a name without a repository, ModelError where the hub
    cannot be reached, or holds nothing that xret would load.
    """
    repo = _repository(name)
    registered, earlier = ENCODERS.get(name) or RERANKERS.get(name), pinned(name)
    wanted = revision or (registered.revision if registered else None)
    wanted = wanted or (earlier.revision if earlier else None)
    folder = model_folder(name)
    commit = _download(repo, wanted, folder)
    check_loadable(folder)
    pin = Pin(name, repo, commit)
    sync_tree(folder)  # the pin says that all of it is there
    write_file(folder / PIN, json.dumps(asdict(pin), indent=2) + "\n")
    return pin


def _repository(name: str) -> str:
    registered = ENCODERS.get(name) or RERANKERS.get(name)
    if registered is None:
        if name.count("/") == 1:
            return name
        known = ", ".join([*(key for key, row in ENCODERS.items() if row.repo), *RERANKERS])
        raise UnknownModelError(f"no encoder is called {name!r}; known: {known}")
    if registered.repo is None:
        raise UnknownModelError(f"{name} comes with the package; there is nothing to pull")
    return registered.repo


def _download(repo: str, wanted: str | None, folder: Path) -> str:
    """Fetch the files of a commit into a folder; returns the commit."""
    # The client asks the environment once, at import; telemetry is nobody's business.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from huggingface_hub import HfApi, snapshot_download

    try:
        found = HfApi().model_info(repo, revision=wanted)
        commit = str(found.sha)
        if not _COMMIT.fullmatch(commit):
            raise ModelError(f"the hub names {commit!r} as the commit of {repo}, which is none")
        _check_files(repo, [file.rfilename for file in found.siblings or []])
        prepare_folder(folder)
        (folder / PIN).unlink(missing_ok=True)  # no pin while files of two commits may lie there
        snapshot_download(
            repo,
            revision=commit,
            local_dir=folder,
            allow_patterns=list(ALLOWED),
            ignore_patterns=list(IGNORED),
        )
    except ModelError:
        raise
    except Exception as error:  # the client raises its own, its HTTP library's and OSError
        raise ModelError(
            f"{repo} cannot be pulled: {_first_line(error)}. Check the connection and the name "
            "(HF_ENDPOINT names another hub, HF_HUB_OFFLINE=1 forbids all of them); or pull it "
            f"elsewhere and copy the folder to {folder}"
        ) from error
    return commit


def _check_files(repo: str, files: Sequence[str]) -> None:
    """Refuse before anything is downloaded."""
    if any(name.endswith(".safetensors") for name in files):
        return
    pickles = [name for name in files if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    what = f"only pickled weights ({pickles[0]})" if pickles else "no weights"
    raise ModelError(
        f"{repo} holds {what}, and xret reads safetensors only; use a converted copy of it, "
        "as https://huggingface.co/spaces/safetensors/convert makes them"
    )


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), repr(error))
