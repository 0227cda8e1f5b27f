"""Language adapters as AdapterHub's library saves them: a folder with a configuration and weights.

sw/  adapter_config.json   {"config": {"reduction_factor": 2, "inv_adapter": "nice", …}, …}
     adapter.safetensors   bert.encoder.layer.0.output.adapters.sw.adapter_down.0.weight, …
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from xret.errors import ModelError
from xret.retriever.models.layout import json_object
from xret.retriever.models.module_card import ModelBase, ModuleCard
from xret.retriever.modules.madx import MadxAdapter, madx_flaw

__all__ = ["HUB_CONFIG", "read_hub_adapter"]

HUB_CONFIG = "adapter_config.json"
_WEIGHTS, _PICKLED = "adapter.safetensors", "pytorch_adapter.bin"
_LAYER = re.compile(
    r"(?:.+\.)?layer\.(\d+)\.(?:output\.)?(?:adapters|layer_text_(?:lang|task)_adapters)\.[^.]+\."
    r"adapter_(down\.0|up)\.(weight|bias)"
)
_INVERTIBLE = re.compile(
    r"(?:.+\.)?invertible_(?:lang_)?adapters\.[^.]+\.([FG])\.([02])\.(weight|bias)"
)
# Where a bottleneck stands and what is added to what; all else computes something else.
_READ: Mapping[str, tuple[Any, ...]] = {
    "mh_adapter": (False,),
    "output_adapter": (True,),
    "original_ln_before": (True,),
    "original_ln_after": (True,),
    "residual_before_ln": (True,),
    "adapter_residual_before_ln": (False,),
    "ln_before": (False,),
    "ln_after": (False,),
    "non_linearity": ("relu",),
    "is_parallel": (None, False),
    "phm_layer": (None, False),
    "use_gating": (None, False),
    "scaling": (None, 1, 1.0),
    "leave_out": (None, []),
    "inv_adapter": (None, "nice"),
}


def read_hub_adapter(folder: Path, *, lang: str, base: ModelBase | None) -> MadxAdapter:
    """The adapter in a folder, bound to the model that it is read for.

    Such a folder names its model by no more than a name, so that layers and width alone can be
    checked. Raises ModelError for pickled weights and for adapters of another construction.
    """
    described = json_object(folder / HUB_CONFIG)
    config = described.get("config")
    if not isinstance(config, dict):
        raise ModelError(f"{folder / HUB_CONFIG} has no `config`; it is no adapter of AdapterHub's")
    for name, readable in _READ.items():
        if config.get(name) not in readable:
            raise ModelError(
                f"{folder}: {name} is {config.get(name)!r}; language adapters are read that were "
                f"made as MAD-X's (seq_bn or seq_bn_inv), with {name} {readable[0]!r}"
            )
    layers, coupling = _named(folder, _tensors(folder))
    if flaw := madx_flaw(layers, coupling):
        raise ModelError(f"{folder} is damaged: {flaw}")
    card = ModuleCard(
        "language",
        base.fingerprint if base else "",
        lang=lang,
        data=f"AdapterHub: {described.get('name')}, of {described.get('model_name')}",
        vocabulary=base.vocabulary if base else None,
    )
    return MadxAdapter(layers, coupling, card)


def _named(
    folder: Path, tensors: Mapping[str, Tensor]
) -> tuple[list[dict[str, Tensor]], dict[str, Tensor] | None]:
    """By layer and for the coupling, under the names that they have here."""
    layers: dict[int, dict[str, Tensor]] = {}
    coupling: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if match := _LAYER.fullmatch(name):
            part = f"{match[2].removesuffix('.0')}.{match[3]}"
            layers.setdefault(int(match[1]), {})[part] = tensor.float()
        elif match := _INVERTIBLE.fullmatch(name):
            step = "down" if match[2] == "0" else "up"
            coupling[f"{match[1].lower()}.{step}.{match[3]}"] = tensor.float()
        else:
            raise ModelError(f"{folder}: {name!r} is no part of a language adapter")
    if sorted(layers) != list(range(len(layers))):
        raise ModelError(f"{folder} has adapters for layers {sorted(layers)} and not for each")
    return [layers[n] for n in sorted(layers)], coupling or None


def _tensors(folder: Path) -> dict[str, Tensor]:
    path = folder / _WEIGHTS
    if not path.is_file():
        pickled = (folder / _PICKLED).is_file()
        how = (
            f"; {_PICKLED} is a pickle, which can run code and is not read: load it with the "
            "library `adapters` where you trust it, and save it with use_safetensors=True"
        )
        raise ModelError(f"{folder} has no {_WEIGHTS}{how if pickled else ''}")
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own and OSError
        raise ModelError(f"{path} cannot be read as safetensors: {error}") from error
