"""The files of a model, written anew with fewer rows in the vocabulary and fewer adapters."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from xret.errors import ModelError
from xret.retriever.models.fingerprints import LANGUAGE_MODULES, WEIGHTS
from xret.retriever.models.layout import read_json
from xret.retriever.trim.settings import REWRITTEN, TOKENIZER, Change, is_kept

__all__ = ["FileBytes", "left_out", "model_entries", "table_rows", "write_trimmed"]

# Tables with a row for each piece, by the end of their name, and vectors beside them.
_TABLE = re.compile(
    r"(^|\.)(word_embeddings|embed_tokens|tok_embeddings|wte|shared|embedding)\.weight$"
    r"|^(codes|mapping|embeddings)$"
)
_BESIDE = re.compile(
    r"(^|\.)((word_embeddings|embed_tokens|tok_embeddings|wte|shared|embedding)\.weight_scale"
    r"|(lm_head|decoder|predictions|lm_head\.decoder)\.(weight|bias|weight_scale)"
    r"|emphasis|scales|weights)$"
)

# Other spellings of the vocabulary: they would say otherwise than tokenizer.json.
_VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "*.spm", "*.model", "*.tiktoken")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")
_EXPORTS = ("onnx", "openvino", "coreml")
_WHY = {
    "vocabulary": "says the old vocabulary; tokenizer.json has the new one",
    "pickle": "no safetensors: it can run code when it is opened",
    "export": "exported from the whole model; export again with: xret model export",
    "pin": "says which commit the whole model is",
}


@dataclass(frozen=True, slots=True)
class FileBytes:
    """A file of the model and its size in the whole and in the trimmed model."""

    name: str
    before: int
    after: int


def model_entries(folder: Path) -> list[Path]:
    """Every file that a trimmed model has too, relative to the folder, sorted.

    Language modules are left aside: they are bound to the model, and written after it.
    """
    return [path for path, why in _entries(folder) if not why]


def left_out(folder: Path) -> dict[str, str]:
    """Files and folders that a copy does not have, each with the reason."""
    found: dict[str, str] = {}
    for path, why in _entries(folder):
        if why in _WHY:
            found.setdefault(path.parts[0] if why == "export" else path.as_posix(), _WHY[why])
    return found


def table_rows(folder: Path) -> int:
    """Rows of the model's tables of pieces.

    Raises ModelError where there is none, or two of different sizes.
    """
    sizes: dict[str, int] = {}
    for path in model_entries(folder):
        if path.suffix == WEIGHTS:
            with _opened(folder / path) as file:
                names = set(file.keys()) - _shared(file.keys())
                sizes |= {
                    f"{path}: {name}": file.get_slice(name).get_shape()[0]
                    for name in names
                    if _TABLE.search(name)
                }
    if len(set(sizes.values())) != 1:
        found = ", ".join(f"{name} ({rows} rows)" for name, rows in sizes.items()) or "none"
        raise ModelError(f"{folder} should have one table of pieces; found {found}")
    return next(iter(sizes.values()))


def write_trimmed(source: Path, target: Path, name: Path, change: Change) -> FileBytes:
    """One file of the model with what is kept of it; same bytes where it says nothing of that.

    Raises ModelError for a tensor that may have a row a piece and is of no known name.
    """
    before, after = source / name, target / name
    after.parent.mkdir(parents=True, exist_ok=True)
    if name.suffix == WEIGHTS:
        _write_weights(before, after, change, _sizes(before.parent))
    elif name.name not in REWRITTEN or not _rewrite(before, after, change):
        shutil.copyfile(before, after)
    return FileBytes(name.as_posix(), before.stat().st_size, after.stat().st_size)


def _entries(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each file, relative to the folder, and why it is not copied: empty where it is."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in inside.parts):
            continue
        if inside.parts[0] == "work":  # what a training run keeps to go on
            continue
        if inside.parts[0] in LANGUAGE_MODULES:
            yield inside, "module"
        elif inside.parts[0] in _EXPORTS:
            yield inside, "export"
        elif inside.name == "pin.json":
            yield inside, "pin"
        elif any(inside.match(pattern) for pattern in _VOCABULARIES):
            yield inside, "vocabulary"
        elif any(inside.match(pattern) for pattern in _PICKLES):
            yield inside, "pickle"
        else:
            yield inside, ""


def _rewrite(before: Path, after: Path, change: Change) -> bool:
    """Whether a JSON file says something of what changes, and was written anew."""
    content = _content(before)
    try:
        made = REWRITTEN[before.name](content, change)
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{before} does not fit the tokenizer as it is loaded: {error!r}; save the model "
            "anew with transformers"
        ) from error
    if made == content:
        return False
    after.write_bytes(orjson.dumps(made, option=_options(before)))
    return True


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} cannot be read as safetensors: {error}") from error


def _write_weights(before: Path, after: Path, change: Change, sizes: set[int]) -> None:
    order = torch.as_tensor(list(change.order))
    tensors: dict[str, Tensor] = {}
    with _opened(before) as file:
        names = [name for name in file.keys() if is_kept(name, change)]  # noqa: SIM118
        for name in names:
            tensor = file.get_tensor(name)
            if name not in _shared(names) and tensor.shape[:1] == (change.rows,):
                tensor = _cut(name, tensor, order, sizes, before)
            tensors[name] = tensor.contiguous()
        metadata = file.metadata()
    try:
        save_file(tensors, after, metadata=metadata)
    except SafetensorError as error:  # what it says of a disk that is full
        raise OSError(f"{after.name} cannot be written: {error}") from error
    after.chmod(0o644)


def _shared(names: Collection[str]) -> set[str]:
    """Tables without a row a piece: with a mapping, pieces share rows (model2vec)."""
    return {"embeddings"} if "mapping" in names else set()


def _cut(name: str, tensor: Tensor, order: Tensor, sizes: set[int], path: Path) -> Tensor:
    if _TABLE.search(name) or _BESIDE.search(name):
        return tensor[order]
    if len(tensor) in sizes:
        return tensor  # as long as a layer is wide
    raise ModelError(
        f"{path}: {name!r} has as many rows as the vocabulary, and nothing says whether they "
        "are its pieces'; the model cannot be trimmed safely"
    )


def _sizes(folder: Path) -> set[int]:
    """Numbers of the configuration other than the vocabulary's size."""
    return {
        value
        for name, value in read_json(folder / "config.json").items()
        if isinstance(value, int) and not name.startswith("vocab")
    }


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}") from error


def _options(name: Path) -> int:
    return orjson.OPT_APPEND_NEWLINE | (0 if name.name == TOKENIZER else orjson.OPT_INDENT_2)
