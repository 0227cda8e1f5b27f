"""Masks folded into a model folder: a model that needs neither masks nor xret to have them.

The folder's files are taken as they are and only the touched tensors are written anew.
Rows in int8 become float16, in which small changes are not lost.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from xret.errors import ModelError
from xret.index.storage.files import folder_bytes
from xret.retriever.models.fingerprints import LANGUAGE_MODULES, WEIGHTS
from xret.retriever.models.published import published_folder
from xret.retriever.modules.sparse import SparseChange, SparseMask

__all__ = ["fold_masks"]

SCALE = "_scale"
# Of the model as it was: exports, modules of its languages, its revision, its training's work.
_BOUND = frozenset({"onnx", "pin.json", "work", *LANGUAGE_MODULES})


def fold_masks(folder: Path, mask: SparseMask, output: Path) -> int:
    """Write a copy of a model with a mask added to its weights; returns the copy's bytes.

    output: a folder that does not exist yet; it appears when it is whole. Exports and language
    modules beside the model are left out: they belong to the weights as they were.
    Raises ModelError where the mask does not fit the files, OSError where the disk refuses.
    """
    if output.exists():
        raise ModelError(f"{output} exists already; name a folder that does not")
    try:
        with published_folder(output) as part:
            shutil.copytree(folder, part, ignore=_left_out(folder), dirs_exist_ok=True)
            _fold(part, mask)
            n_bytes = folder_bytes(part)
    except OSError as error:  # of a copied tree it is an error of many files
        reason = f"{error.strerror or error}; nothing of it was kept"
        raise OSError(error.errno, reason, str(output)) from error
    except SafetensorError as error:
        raise _designed(error, output) from error
    return n_bytes


def _designed(error: SafetensorError, output: Path) -> Exception:
    """safetensors wraps the system's errors in its own."""
    if "space left" in str(error):
        return OSError(errno.ENOSPC, "No space left on device; nothing of it was kept", str(output))
    return ModelError(f"the weights cannot be folded: {error}")


def _left_out(folder: Path) -> Callable[[str, list[str]], Iterable[str]]:
    """What of the model's own folder is not copied."""

    def left_out(inside: str, names: list[str]) -> Iterable[str]:
        top = _BOUND if Path(inside) == folder else frozenset()
        return [name for name in names if name in top or name.startswith(".")]

    return left_out


def _fold(folder: Path, mask: SparseMask) -> None:
    """Write the touched files anew, in place. Raises ModelError for a tensor in none of them."""
    left = dict(mask.changes)
    for path, prefix in _files(folder):
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            metadata = file.metadata()
        places = {_place(name, prefix, names): name for name in left}
        touched = {place: left.pop(name) for place, name in places.items() if place is not None}
        if not touched:
            continue
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name).clone() for name in names}
        for place, change in touched.items():
            _add(tensors, place, change)
        save_file(tensors, path, metadata)
        path.chmod(0o644)  # safetensors writes for the owner alone
    if left:
        raise ModelError(
            f"the mask is of another model: its files have no {sorted(left)[0]!r}"
            + (f" and {len(left) - 1} others" if len(left) > 1 else "")
        )


def _files(folder: Path) -> list[tuple[Path, str]]:
    """Files of weights, each with what its tensors' names in a mask begin with."""
    found = [(path, "") for path in sorted(folder.glob(f"*{WEIGHTS}"))]
    listed = folder / "modules.json"
    rows = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else []
    for position, row in enumerate(rows):
        if row.get("path"):
            inside = sorted((folder / row["path"]).glob(f"*{WEIGHTS}"))
            found += [(path, f"{position}.") for path in inside]
    return found


def _place(name: str, prefix: str, stored: list[str]) -> str | None:
    """How a file spells a tensor: as it is, or below what wraps the transformer (`bert.`)."""
    bare = name.removeprefix(prefix)
    if prefix and bare == name:
        return None
    if bare in stored:
        return bare
    wrapped = [spelling for spelling in stored if spelling.partition(".")[2] == bare]
    return wrapped[0] if len(wrapped) == 1 else None


def _add(tensors: dict[str, Tensor], name: str, change: SparseChange) -> None:
    weight = tensors[name]
    if tuple(weight.shape) != change.shape:
        raise ModelError(
            f"the mask is of another model: {name} was {change.shape} where it was learnt and is "
            f"{tuple(weight.shape)} here"
        )
    if weight.dtype == torch.int8:
        scale = tensors.pop(name + SCALE).float()
        weight = (weight.float() * scale[:, None]).half()
    flat = weight.flatten()
    flat[change.indices] = change.added_to(flat[change.indices])
    if not bool(flat.isfinite().all()):
        raise ModelError(f"the masks take {name} beyond the range of {weight.dtype}")
    tensors[name] = flat.view(change.shape)
