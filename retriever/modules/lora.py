"""LoRA adapters by language, read from PEFT's files and folded into the weights.

A LoRA adapter adds scale * B A to some weight matrices (Hu et al. 2022). Selecting one puts
the sums in place of the matrices, so that the forward costs what it costs without, an
export has the adapter in it, and PEFT need not be installed to use what it has trained.

    adapters/
      fr/       adapter_config.json, adapter_model.safetensors, as PEFT saves them
      zh-Hant/  and xret.json: the fingerprint of the model they were trained on
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from xret.errors import LanguageError, ModelError
from xret.retriever.languages.codes import language_code
from xret.retriever.models.layout import json_object
from xret.retriever.models.published import write_file
from xret.types import FloatArray

__all__ = ["LoraAdapters", "bind_adapter"]

CONFIG_FILE, WEIGHTS_FILE, BINDING_FILE = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "xret.json",
)
_KEY = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<part>[AB])(?:\.\w+)?\.weight")
_PREFIXES = ("", "model.", "auto_model.", "0.auto_model.", "0.model.")

# Settings of PEFT that make an adapter more than a sum of two products.
_PLAIN: Mapping[str, tuple[Any, ...]] = {
    "bias": (None, "none"),
    "modules_to_save": (None, []),
    "use_dora": (None, False),
    "lora_bias": (None, False),
    "layer_replication": (None, []),
    "trainable_token_indices": (None, [], {}),
    "target_parameters": (None, []),
    "fan_in_fan_out": (None, False),
}


@dataclass(frozen=True, slots=True)
class _Update:
    """What one adapter adds to one matrix: scale * b @ a; a: (r, in), b: (out, r)."""

    a: Tensor
    b: Tensor
    scale: float

    def added_to(self, weight: Tensor) -> Tensor:
        change = self.scale * (self.b.float() @ self.a.float())
        return (weight.float() + change.to(weight.device)).to(weight.dtype)


class LoraAdapters:
    """The adapters of one model; a `LanguageModules`. The model changes on `select`.

    One adapter is active at a time: forwards of two threads need a lock around `select`
    and the forward together.
    """

    def __init__(self, model: nn.Module, updates: Mapping[str, Mapping[str, _Update]]) -> None:
        self.adapters = tuple(sorted(updates))
        self._updates = updates
        self._layers = {
            name: model.get_submodule(name)
            for name in sorted({name for adapter in updates.values() for name in adapter})
        }
        self._base = {
            name: layer.get_parameter("weight").detach().clone()
            for name, layer in self._layers.items()
        }
        self._active: str | None = None

    @classmethod
    def load(cls, model: nn.Module, folder: Path, *, base: str | None = None) -> LoraAdapters:
        """Read a folder of adapter folders, named by language, for this model.

        base: the model's fingerprint; an adapter bound to another one is refused, and so is
        one whose matrices are not those of the model. The model itself is not changed.
        Raises ModelError naming the adapter and what is wrong with it, LanguageError for a
        folder name that is no language.
        """
        found = sorted(path.parent for path in folder.glob(f"*/{CONFIG_FILE}"))
        if not found:
            raise ModelError(f"{folder} has no LoRA adapters: no */{CONFIG_FILE} in it")
        updates: dict[str, dict[str, _Update]] = {}
        for path in found:
            lang = language_code(path.name)
            if lang in updates:
                raise ModelError(f"{folder} has two adapters for {lang}; {path.name} is the second")
            updates[lang] = _read(path, model, base)
        return cls(model, updates)

    def select(self, adapter: str) -> None:
        """Fold an adapter into the model, in place of the one before."""
        if adapter == self._active:
            return
        if adapter not in self._updates:
            raise LanguageError(
                f"there is no LoRA adapter {adapter!r}; there are {', '.join(self.adapters)}"
            )
        self._put(self._updates[adapter])
        self._active = adapter

    def remove(self) -> None:
        """Give the model its own weights back, bit for bit."""
        self._put({})
        self._active = None

    @contextmanager
    def selected(self, adapter: str) -> Iterator[None]:
        """The model with one adapter folded in, to export it; afterwards as it was before."""
        before = self._active
        self.select(adapter)
        try:
            yield
        finally:
            self.remove() if before is None else self.select(before)

    def transform(self, vectors: FloatArray, adapter: str) -> FloatArray:  # noqa: ARG002
        """The vectors as they are: the adapter has worked inside the model."""
        return vectors

    def _put(self, updates: Mapping[str, _Update]) -> None:
        with torch.no_grad():
            for name, layer in self._layers.items():
                weight, update = self._base[name], updates.get(name)
                parameter = layer.get_parameter("weight")
                parameter.copy_(weight if update is None else update.added_to(weight))


def bind_adapter(folder: Path, base: str) -> None:
    """Write beside an adapter which model it belongs to: the fingerprint of its base."""
    text = json.dumps({"base": base}, indent=2) + "\n"
    write_file(folder / BINDING_FILE, text)


def _read(folder: Path, model: nn.Module, base: str | None) -> dict[str, _Update]:
    """One adapter's updates by the name of the layer in this model."""
    config = json_object(folder / CONFIG_FILE)
    _check_config(folder, config)
    binding = folder / BINDING_FILE
    bound = json_object(binding).get("base") if binding.is_file() else None
    if base is not None and bound is not None and bound != base:
        raise ModelError(
            f"{folder} is an adapter of another model (base {bound}); this model is {base}"
        )
    tensors = _tensors(folder)
    pairs: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        match = _KEY.fullmatch(key)
        if match is None:
            raise ModelError(f"{folder}: {key!r} is no LoRA matrix of a linear layer")
        pairs.setdefault(match["module"], {})[match["part"]] = tensor
    if not pairs:
        raise ModelError(f"{folder}: {WEIGHTS_FILE} is empty")
    return {
        layer: _update(folder, model, module, layer, pair, config)
        for module, pair in pairs.items()
        for layer in [_layer_name(folder, model, module)]
    }


def _check_config(folder: Path, config: Mapping[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise ModelError(f"{folder} is a {config.get('peft_type')} adapter; only LORA is read")
    for name, plain in _PLAIN.items():
        if config.get(name) not in plain:
            raise ModelError(
                f"{folder}: {name} is {config[name]!r}; adapters are read that only add LoRA "
                "matrices to linear layers"
            )


def _tensors(folder: Path) -> dict[str, Tensor]:
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        pickled = folder / "adapter_model.bin"
        how = (
            f"; {pickled.name} is a pickle, which can run code and is not read: load it with PEFT "
            "where you trust it and save it with safe_serialization=True"
            if pickled.is_file()
            else ""
        )
        raise ModelError(f"{folder} has no {WEIGHTS_FILE}{how}")
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own and OSError
        raise ModelError(f"{path} cannot be read as safetensors: {error}") from error


def _layer_name(folder: Path, model: nn.Module, module: str) -> str:
    """The layer of this model that an adapter's key means.

    Adapters trained inside a larger model have its prefix (`bert.encoder...`), those for
    use inside one lack it.
    """
    own = f"{getattr(model, 'base_model_prefix', '')}."
    bare = [module, *(module.removeprefix(p) for p in (*_PREFIXES[1:], own) if p != ".")]
    for name in [f"{prefix}{name}" for name in bare for prefix in _PREFIXES]:
        try:
            layer = model.get_submodule(name)
        except AttributeError:
            continue
        if isinstance(layer, nn.Linear):
            return name
    raise ModelError(f"{folder} is an adapter of another model: no linear layer {module!r} here")


def _update(
    folder: Path,
    model: nn.Module,
    module: str,
    layer: str,
    pair: Mapping[str, Tensor],
    config: Mapping[str, Any],
) -> _Update:
    weight = model.get_submodule(layer).get_parameter("weight")
    if set(pair) != {"A", "B"}:
        raise ModelError(f"{folder}: {module} has only one of lora_A and lora_B")
    a, b = pair["A"], pair["B"]
    fits = a.ndim == b.ndim == 2 and len(a) == b.shape[-1]
    if not fits or (len(b), a.shape[1]) != tuple(weight.shape):
        raise ModelError(
            f"{folder} is an adapter of another model: {module} is {tuple(b.shape)} by "
            f"{tuple(a.shape)}, the layer {tuple(weight.shape)}"
        )
    try:
        alpha = _patterned(config.get("alpha_pattern") or {}, module, config.get("lora_alpha", 8))
    except (TypeError, ValueError, AttributeError, re.error) as error:
        raise ModelError(f"{folder}: lora_alpha or alpha_pattern is unusable: {error}") from error
    rank = len(a)
    return _Update(a, b, alpha / (math.sqrt(rank) if config.get("use_rslora") else rank))


def _patterned(patterns: Mapping[str, float], module: str, usual: float) -> float:
    """PEFT's own rule: the first pattern that is the end of the layer's name."""
    for pattern, value in patterns.items():
        if re.fullmatch(rf"(.*\.)?({pattern})", module):
            return float(value)
    return float(usual)
