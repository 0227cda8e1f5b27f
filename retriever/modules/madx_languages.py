"""MAD-X's language adapters at work in a model: each text, or each token, through its own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from xret.errors import LanguageError, ModelError
from xret.retriever.modules.madx import MadxAdapter, MadxModule, last_norms
from xret.retriever.modules.named_weights import LANGUAGE_ADAPTERS, transformer_of
from xret.retriever.xmod.grouping import AdapterPlan
from xret.types import FloatArray

__all__ = ["MadxLanguages"]


class MadxLanguages:
    """The language adapters attached to one model; a `LanguageModules`.

    adapters: BCP 47 codes, sorted; the position is the id. The model then takes `lang_ids`,
    (b,), one adapter a text, or (b, t), one a token. Without them texts go through the adapter
    that was selected, or the only one. Forwards of two threads need a lock around them.
    """

    def __init__(self, model: nn.Module, adapters: Mapping[str, MadxAdapter]) -> None:
        self.adapters = tuple(sorted(adapters))
        self._model = model
        self._values = adapters
        self._modules: list[MadxModule] = []
        self._hooks: list[Any] = []
        self._plan: AdapterPlan | None = None
        self._selected: int | None = None

    @classmethod
    def attach(cls, model: nn.Module, adapters: Mapping[str, MadxAdapter]) -> MadxLanguages:
        """Put the adapters into a model, in place. model: the transformer or what wraps it.

        Raises ModelError where one does not fit, or where there are some already; the model is
        then as before.
        """
        if not adapters:
            raise ModelError("there are no language adapters to attach")
        transformer = transformer_of(model)
        if hasattr(transformer, LANGUAGE_ADAPTERS):
            raise ModelError("the model has language adapters attached already")
        if "forward" in vars(model):
            raise ModelError(f"this {type(model).__name__} has a forward of its own already")
        if not isinstance(getattr(transformer, "embeddings", None), nn.Module):
            raise ModelError(f"a {type(transformer).__name__} has no embeddings to adapt")
        for lang, adapter in adapters.items():
            try:
                adapter.check_fits(model)
            except ModelError as error:
                raise ModelError(f"{lang}: {error}") from error
        attached = cls(model, adapters)
        attached._put_in()
        return attached

    def detach(self) -> None:
        """Take them away: the model is its own again, bit for bit."""
        for hook in self._hooks:
            hook.remove()
        delattr(transformer_of(self._model), LANGUAGE_ADAPTERS)
        vars(self._model).pop("forward")
        self._hooks, self._modules = [], []

    def value(self, adapter: str) -> MadxAdapter:
        """An adapter as it was when it was attached."""
        return self._values[adapter]

    def module(self, adapter: str) -> MadxModule:
        """An adapter as it computes, which training may change."""
        return self._modules[self._number(adapter)]

    def select(self, adapter: str) -> None:
        """Send texts through one adapter that are given without `lang_ids`."""
        self._selected = self._number(adapter)

    def transform(self, vectors: FloatArray, adapter: str) -> FloatArray:  # noqa: ARG002
        """The vectors as they are: the adapter has worked inside the model."""
        return vectors

    def _number(self, adapter: str) -> int:
        if adapter not in self.adapters:
            raise LanguageError(
                f"there is no language adapter {adapter!r}; there are {', '.join(self.adapters)}"
            )
        return self.adapters.index(adapter)

    def _put_in(self) -> None:
        norms = last_norms(self._model)
        transformer: Any = transformer_of(self._model)
        self._modules = [self._values[lang].module() for lang in self.adapters]
        weight = norms[0].weight
        whole = nn.ModuleList(self._modules).to(weight.device, weight.dtype)
        transformer.add_module(LANGUAGE_ADAPTERS, whole)
        vars(self._model)["forward"] = self._planned(self._model.forward)
        self._hooks = [
            norm.register_forward_hook(self._in_layer(i)) for i, norm in enumerate(norms)
        ]
        if any(module.coupling is not None for module in self._modules):
            self._hooks.append(transformer.embeddings.register_forward_hook(self._bent))
            output: Any = getattr(self._model, "get_output_embeddings", lambda: None)()
            if output is not None:
                self._hooks.append(output.register_forward_pre_hook(self._unbent))

    def _planned(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """The forward of the model with the plan of its batch made before it.

        No hook could do it: sentence-transformers calls the method, not the module.
        """

        @functools.wraps(forward)  # whose signature is read, too
        def planned(*args: Any, **named: Any) -> Any:
            texts = args[0] if args else named["input_ids"]
            ids = named.pop("lang_ids", None)
            if ids is None:
                ids = torch.full(texts.shape[:1], self._default(), dtype=torch.int64)
            self._plan = AdapterPlan.of(
                ids, n_adapters=len(self.adapters), shape=tuple(texts.shape), device=texts.device
            )
            return forward(*args, **named)

        return planned

    def _default(self) -> int:
        if self._selected is not None:
            return self._selected
        if len(self.adapters) > 1:
            raise LanguageError(
                f"the model has {len(self.adapters)} language adapters and was not told which to "
                "use; give lang_ids, one for each text"
            )
        return 0

    def _in_layer(self, number: int) -> Any:
        """A forward hook of the norm that ends a layer."""

        def behind(norm: nn.LayerNorm, inputs: tuple[Tensor, ...], normed: Tensor) -> Tensor:
            added = self._apply([module.layers[number] for module in self._modules], normed)
            return functional.layer_norm(
                inputs[0] + added, norm.normalized_shape, norm.weight, norm.bias, norm.eps
            )

        return behind

    def _bent(self, _embeddings: Any, _inputs: Any, embedded: Tensor) -> Tensor:
        return self._apply([one.coupling or nn.Identity() for one in self._modules], embedded)

    def _unbent(self, _output: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        inverses = [_Inverse(one) for one in self._modules]
        return (self._apply(inverses, inputs[0]), *inputs[1:])

    def _apply(self, modules: Sequence[nn.Module], hidden: Tensor) -> Tensor:
        if self._plan is None:
            raise LanguageError("call the model that the language adapters were attached to")
        return self._plan.apply(modules, hidden)


class _Inverse(nn.Module):
    """What undoes an adapter's coupling; nothing where it has none."""

    def __init__(self, adapter: MadxModule) -> None:
        super().__init__()
        self._adapter = [adapter]  # in a list, so that its weights are not counted twice

    def forward(self, hidden: Tensor) -> Tensor:
        coupling = self._adapter[0].coupling
        return hidden if coupling is None else coupling.inverse(hidden)
