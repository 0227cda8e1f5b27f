"""X-MOD checkpoints, read for the languages in use: an adapter is 7.09 M parameters of 81.

Only safetensors is read, whose table of contents says where each tensor lies, so that the
adapters of other languages cost neither time nor memory.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import XmodConfig, XmodModel

from xret.errors import ModelError
from xret.retriever.models.compact import restored, stored_zeros
from xret.retriever.xmod.xmod import adapter_name, adapter_spelling

__all__ = ["XmodCheckpoint", "assemble_xmod", "load_xmod"]

_ADAPTER = re.compile(r"\.adapter_modules\.([^.]+)\.")


@dataclass(frozen=True, slots=True)
class XmodCheckpoint:
    """The X-MOD encoder inside a model folder, before any weight is read.

    files: tensor name in `XmodModel` to (file, name in the file, bytes). The encoder may lie
    under a prefix and beside other weights: `roberta.` in facebook/xmod-base and, with
    `linear.weight`, in Stanford ColBERT's checkpoints; none in sentence-transformers' own.
    zeros: tensors that no file holds because they are nothing but zeros, name to shape.
    """

    folder: Path
    config: XmodConfig
    files: dict[str, tuple[Path, str, int]]
    zeros: dict[str, tuple[int, ...]]

    @classmethod
    def open(cls, folder: Path) -> XmodCheckpoint:
        """Read the configuration and the tables of contents.

        Raises ModelError for a folder without an X-MOD model in safetensors form.
        """
        config = _read_config(folder)
        contents = {}
        zeros: dict[str, tuple[int, ...]] = {}
        for path in _weight_files(folder):
            try:
                zeros |= stored_zeros(path)
                with safe_open(path, framework="pt") as file:
                    for name in file.keys():  # noqa: SIM118 (no mapping)
                        part = file.get_slice(name)
                        contents[name] = (path, name, _n_bytes(part.get_shape(), part.get_dtype()))
            except (SafetensorError, OSError) as error:
                raise ModelError(f"{path} is no readable safetensors file: {error}") from None
        words = "embeddings.word_embeddings.weight"
        prefixes = sorted(name.removesuffix(words) for name in contents if name.endswith(words))
        if not prefixes:
            raise ModelError(f"{folder} holds no X-MOD encoder: no tensor ends in {words}")
        kept = re.compile(re.escape(prefixes[0]) + r"(embeddings|encoder|pooler)\.")
        files = {
            name.removeprefix(prefixes[0]): place
            for name, place in contents.items()
            if kept.match(name) and not name.endswith(("position_ids", "token_type_ids"))
        }
        return cls(folder, config, files, zeros)

    @property
    def adapters(self) -> tuple[str, ...]:
        """BCP 47 codes of the installed languages, in checkpoint order."""
        return tuple(adapter_name(spelling) for spelling in self.config.languages)

    def tensors(self, adapters: Sequence[str]) -> list[str]:
        """Names of the tensors that a model with those adapters needs."""
        spelled = {adapter_spelling(name, self.config.languages) for name in adapters}
        owners = {name: _ADAPTER.search(name) for name in self.files}
        return [name for name, owner in owners.items() if not owner or owner[1] in spelled]

    def n_bytes(self, adapters: Sequence[str]) -> int:
        """How much is read for those adapters."""
        return sum(self.files[name][2] for name in self.tensors(adapters))

    def load(self, adapters: Sequence[str]) -> XmodModel:
        """A model with those adapters in that order, in evaluation mode; no others are read.

        Raises LanguageError for an adapter that the checkpoint lacks, ModelError for tensors
        that are missing or of another shape than the configuration's.
        """
        weights: dict[str, Tensor] = {}
        names = self.tensors(adapters)
        for path in sorted({self.files[name][0] for name in names}):
            with safe_open(path, framework="pt") as file:
                here = [name for name in names if self.files[name][0] == path]
                weights |= {name: file.get_tensor(self.files[name][1]) for name in here}
        languages = self.config.languages
        spellings = [adapter_spelling(name, languages) for name in dict.fromkeys(adapters)]
        zeros = {
            name: shape
            for name, shape in self.zeros.items()
            if (owner := _ADAPTER.search(name)) is None or owner[1] in spellings
        }
        return assemble_xmod(self.config, restored(weights, zeros), spellings=spellings)


def load_xmod(folder: Path, *, adapters: Sequence[str] | None = None) -> XmodModel:
    """The X-MOD encoder of a model folder with only those adapters, or with all of them.

    Raises as `XmodCheckpoint.open` and `XmodCheckpoint.load` do.
    """
    checkpoint = XmodCheckpoint.open(folder)
    return checkpoint.load(checkpoint.adapters if adapters is None else adapters)


def assemble_xmod(
    config: XmodConfig, weights: dict[str, Tensor], *, spellings: Sequence[str]
) -> XmodModel:
    """A model with those languages around the given tensors, without copying or drawing any.

    Raises ModelError for tensors that are missing or of another shape.
    """
    settings = config.to_dict() | {"languages": list(spellings)}
    if settings["default_language"] not in spellings:
        settings["default_language"] = None
    with torch.device("meta"):
        model = XmodModel(
            XmodConfig.from_dict(settings), add_pooling_layer="pooler.dense.weight" in weights
        )
    for name, wanted in model.state_dict().items():
        if name not in weights:
            raise ModelError(f"the weights lack {name}")
        if weights[name].shape != wanted.shape:
            raise ModelError(
                f"{name} has shape {tuple(weights[name].shape)}, the configuration says "
                f"{tuple(wanted.shape)}: these weights belong to another base model"
            )
    model.load_state_dict({name: weights[name] for name in model.state_dict()}, assign=True)
    positions = torch.arange(config.max_position_embeddings)[None]
    model.embeddings.register_buffer("position_ids", positions, persistent=False)
    model.embeddings.register_buffer("token_type_ids", 0 * positions, persistent=False)
    model.train(False)
    return model


def _read_config(folder: Path) -> XmodConfig:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder} is no model folder: it has no config.json") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'config.json'} cannot be read: {error}") from None
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind != "xmod":
        raise ModelError(f"{folder} holds a model of type {kind!r}, not 'xmod'")
    return XmodConfig.from_dict(config)


def _weight_files(folder: Path) -> list[Path]:
    """model.safetensors, or the parts that its index names."""
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if index.is_file():
        parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return sorted(folder / Path(part).name for part in parts)
    if (folder / "pytorch_model.bin").is_file():
        raise ModelError(
            f"{folder} has its weights in pickle form only (pytorch_model.bin), which can run "
            "code and is not read; convert them once, on a machine where the file is trusted: "
            "load the model with transformers and call save_pretrained, which writes safetensors"
        )
    raise ModelError(f"{folder} holds no model.safetensors")


def _n_bytes(shape: Sequence[int], dtype: str) -> int:
    bits = re.search(r"\d+", dtype)
    return math.prod(shape) * (int(bits[0]) if bits else 8) // 8
