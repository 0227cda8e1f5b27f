"""X-MOD: one transformer, and a small module of its own for each of 81 languages.

Every layer of X-MOD (Pfeiffer et al., NAACL 2022) ends in a bottleneck that belongs to a
language; everything else is shared. transformers' `XmodModel` runs it, and four things are
put right here: each layer loops over every installed language (ours: over those of the
batch, grouped once a forward); an id out of range skips the adapter without a word (ours
refuses); the freezing method fails on a bare encoder; a checkpoint is read whole although
a language is 7.09 M parameters and few are in use.

Call the model with keywords only: its second
positional argument is `lang_ids`, and a mask given there would be taken for languages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import XmodModel
from transformers.models.xmod.modeling_xmod import XmodOutput

from xret.errors import LanguageError
from xret.retriever.xmod.grouping import group_adapters
from xret.retriever.xmod.spellings import XMOD_ADAPTERS, adapter_name, adapter_spelling

__all__ = [
    "XMOD_ADAPTERS",
    "XmodAdapters",
    "adapter_name",
    "adapter_spelling",
    "freeze_for_retrieval",
    "prepare_xmod",
]


class XmodAdapters:
    """The languages installed in one prepared model."""

    def __init__(self, model: XmodModel) -> None:
        self._model = model

    @property
    def spellings(self) -> tuple[str, ...]:
        """As the checkpoint writes them; the position is the id."""
        return tuple(_outputs(self._model)[0].adapter_modules)

    @property
    def adapters(self) -> tuple[str, ...]:
        """BCP 47 codes; the position is the id."""
        return tuple(adapter_name(spelling) for spelling in self.spellings)

    @property
    def parameters_each(self) -> int:
        """How many parameters one language has: 7.09 M at base size."""
        return sum(
            parameter.numel()
            for output in _outputs(self._model)
            for parameter in next(iter(output.adapter_modules.values())).parameters()
        )

    def ids(self, adapters: Sequence[str]) -> Tensor:
        """(n,) int64 ids of n adapter names, for `lang_ids`.

        Raises LanguageError for an adapter that is not installed.
        """
        positions = {name: i for i, name in enumerate(self.adapters)}
        if missing := [name for name in adapters if name not in positions]:
            adapter_spelling(missing[0], self.spellings)
        return torch.tensor([positions[name] for name in adapters], dtype=torch.int64)

    def keep(self, adapters: Sequence[str]) -> None:
        """Drop every other adapter and its memory; ids change, numbers do not.

        Raises LanguageError for an adapter that is not installed, and for none at all.
        """
        if not adapters:
            raise LanguageError("at least one adapter must be kept")
        kept = [adapter_spelling(name, self.spellings) for name in dict.fromkeys(adapters)]
        for output in _outputs(self._model):
            output.adapter_modules = nn.ModuleDict(
                {spelling: output.adapter_modules[spelling] for spelling in kept}
            )
        self._model.config.languages = kept
        if self._model.config.default_language not in kept:
            self._model.config.default_language = None


def prepare_xmod(model: XmodModel) -> XmodAdapters:
    """Make a loaded model group its adapters and check its ids; in place, and once is enough.

    `lang_ids` is then (b,), one adapter a text, or (b, t), one a token, and must be given
    where several adapters are installed: no text goes through a default unasked.
    """
    group_adapters(model)
    return XmodAdapters(model)


def freeze_for_retrieval(model: XmodModel) -> int:
    """Freeze embeddings and adapters of a bare encoder, so that training on one language
    carries over to the others (Louis et al. 2024); returns how many parameters still learn.
    """
    frozen: set[Tensor] = set(model.embeddings.parameters())
    for output in _outputs(model):
        frozen.update(output.adapter_modules.parameters())
        if output.adapter_layer_norm is not None:
            frozen.update(output.adapter_layer_norm.parameters())
    for parameter in model.parameters():
        parameter.requires_grad = parameter not in frozen
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _outputs(model: XmodModel) -> list[XmodOutput]:
    """The end of each layer, where the adapters are."""
    layers: list[Any] = list(model.encoder.layer)
    return [layer.output for layer in layers]
