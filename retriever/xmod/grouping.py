"""X-MOD's forward without its waste: adapters by group, and no arithmetic on padding.

transformers' loop visits every installed adapter in every layer, with a mask over the batch
each, and computes padding like text. Here a batch is planned once: rows of one adapter are
brought together, each adapter of the batch runs once, and where the batch has padding the
layers see only its real tokens (attention alone is padded again). Each token meets the same
operations as before, so that the numbers are those of transformers up to rounding.

Sorting rows was the fastest of three ways on a CPU (12 texts of 16 tokens in 6 languages, 81
installed, one layer: 2.6 ms; a mask for each adapter of the batch 2.8, one batched product
over gathered weights 8.1, transformers' loop 4.7).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from transformers import XmodModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.xmod.modeling_xmod import (
    XmodEncoder,
    XmodOutput,
    XmodSelfAttention,
    eager_attention_forward,
)

from xret.errors import LanguageError

__all__ = ["AdapterPlan", "ChosenAdapter", "group_adapters"]

MIN_PADDING = 0.05
"""Share of padding from which taking it out pays."""


@dataclass(frozen=True, slots=True)
class AdapterPlan:
    """How the layers go over one batch of (b, t) tokens.

    adapters: ids that occur, ascending; sizes: how many rows each has. order: (rows,) int64
    brings the rows of one adapter together, inverse takes them back; both None where they
    already lie together. kept: positions of the real tokens in the flattened batch, None
    where padding stays in. A row is a text; a token where per_token or where kept is given.
    """

    shape: tuple[int, int]
    adapters: tuple[int, ...]
    sizes: tuple[int, ...]
    order: Tensor | None = None
    inverse: Tensor | None = None
    kept: Tensor | None = None
    per_token: bool = False

    @classmethod
    def of(
        cls,
        lang_ids: Tensor,
        *,
        n_adapters: int,
        shape: tuple[int, int],
        real: Tensor | None = None,
        device: torch.device | None = None,
    ) -> AdapterPlan:
        """The plan for ids (b,), one a text, or (b, t), one a token.

        real: (b, t) bool, on the CPU, which tokens are no padding; None keeps it in. device:
        where the model computes, by default where the ids are.
        Raises LanguageError for an id out of range and for ids of another shape.
        """
        if lang_ids.shape not in (shape[:1], shape):
            raise LanguageError(
                f"lang_ids of shape {tuple(lang_ids.shape)} for a batch of shape {shape}; "
                f"give one id a text {shape[:1]} or one a token {shape}"
            )
        ids = lang_ids.detach().to("cpu", torch.int64)
        _check_range(ids, n_adapters)
        if ids.dim() == 2 and bool((ids == ids[:, :1]).all()):
            ids = ids[:, 0]
        kept = None
        if real is not None and real.numel() * (1 - MIN_PADDING) > int(real.sum()):
            kept = real.flatten().nonzero().squeeze(1)
            ids = (ids if ids.dim() == 2 else ids[:, None].expand(shape)).flatten()[kept]
        present, sizes = torch.unique(ids, return_counts=True)
        order = inverse = None
        rows = ids.flatten()
        if bool((rows[1:] < rows[:-1]).any()):
            sorting = torch.argsort(rows, stable=True)
            device = device or lang_ids.device
            order, inverse = sorting.to(device), torch.argsort(sorting).to(device)
        counts = tuple(sizes.tolist())
        return cls(shape, tuple(present.tolist()), counts, order, inverse, kept, ids.dim() == 2)

    def apply(self, modules: Sequence[nn.Module], hidden: Tensor) -> Tensor:
        """Each row of hidden through the module of its adapter; same shape."""
        if len(self.adapters) == 1:
            alone: Tensor = modules[self.adapters[0]](hidden)
            return alone
        rows = hidden.flatten(0, 1) if self.per_token else hidden
        if self.order is not None:
            rows = rows.index_select(0, self.order)
        groups = zip(self.adapters, torch.split(rows, list(self.sizes)), strict=True)
        adapted = torch.cat([modules[adapter](group) for adapter, group in groups])
        if self.inverse is not None:
            adapted = adapted.index_select(0, self.inverse)
        return adapted.view_as(hidden)

    def pack(self, padded: Tensor) -> Tensor:
        """(b, t, …) to the real tokens alone, (n, …)."""
        assert self.kept is not None  # noqa: S101
        return padded.flatten(0, 1).index_select(0, self.kept)

    def pad(self, packed: Tensor) -> Tensor:
        """(n, …) back to (b, t, …), zeros where padding was."""
        assert self.kept is not None  # noqa: S101
        b, t = self.shape
        padded = packed.new_zeros((b * t, *packed.shape[1:]))
        return padded.index_copy(0, self.kept, packed).view(b, t, *packed.shape[1:])


def group_adapters(model: XmodModel) -> None:
    """Make a loaded model plan its batches, in place; a second time changes nothing.

    The model then refuses ids out of range, and a call that leaves the adapter open.
    """
    # The model's own class stays, by which transformers knows what states it can give out.
    vars(model)["forward"] = MethodType(_grouped_forward, model)
    model.encoder.__class__ = _GroupedEncoder
    layers: list[Any] = list(model.encoder.layer)
    for layer in layers:
        layer.output.__class__ = _GroupedOutput
        layer.attention.self.__class__ = _PackedSelfAttention


@functools.wraps(XmodModel.forward)  # sentence-transformers reads the signature
def _grouped_forward(model: XmodModel, *args: Any, **named: Any) -> Any:
    """Put the plan where the model expects lang_ids, which it hands down unread."""
    named["lang_ids"] = _plan_batch(model, args, named)
    return XmodModel.forward(model, *args, **named)


def _plan_batch(model: XmodModel, args: tuple[Any, ...], named: dict[str, Any]) -> AdapterPlan:
    """Raises LanguageError for lang_ids that are missing or wrong."""
    if len(args) > 1:
        raise TypeError(
            "call an X-MOD model with keywords: its second positional argument is lang_ids"
        )
    texts = args[0] if args else named.get("input_ids")
    if texts is None:
        texts = named["inputs_embeds"]
    shape = (texts.shape[0], texts.shape[1])
    first: Any = model.encoder.layer[0]
    adapters = first.output.adapter_modules
    lang_ids = named.get("lang_ids")
    if lang_ids is None:
        if len(adapters) > 1:
            raise LanguageError(
                f"the model has {len(adapters)} language adapters and was not told which to use; "
                "give lang_ids, one for each text"
            )
        lang_ids = torch.zeros(shape[0], dtype=torch.int64)
    real = _real_tokens(model, texts, named)
    return AdapterPlan.of(
        lang_ids, n_adapters=len(adapters), shape=shape, real=real, device=texts.device
    )


def _real_tokens(model: XmodModel, texts: Tensor, named: dict[str, Any]) -> Tensor | None:
    """(b, t) bool, or None where padding stays: on a GPU, whose kernels want full batches,
    and where each layer's states are asked for. A token that nobody attends to but that is
    no padding, as in ColBERT's query expansion, is real: its vector is used.
    """
    config: Any = model.config
    mask = named.get("attention_mask")
    wants_all = named.get("output_hidden_states") or named.get("output_attentions")
    if config.output_hidden_states or config.output_attentions or wants_all:
        return None
    if mask is None or mask.dim() != 2 or texts.is_floating_point() or config.is_decoder:
        return None
    if texts.device.type != "cpu" or config._attn_implementation not in ("sdpa", "eager"):
        return None
    real: Tensor = (mask != 0) | (texts != config.pad_token_id)
    return real


def _check_range(ids: Tensor, n_adapters: int) -> None:
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < n_adapters:
        wrong = sorted({i for i in ids.flatten().tolist() if not 0 <= i < n_adapters})
        raise LanguageError(
            f"adapter ids {wrong} do not exist: the model has {n_adapters} adapters, "
            f"ids 0 to {n_adapters - 1}"
        )


class _GroupedEncoder(XmodEncoder):
    """The stack of layers; lang_ids is the plan of the batch."""

    def forward(self, *args: Any, **named: Any) -> Any:
        plan: AdapterPlan = named["lang_ids"]
        if plan.kept is None:
            return super().forward(*args, **named)
        named["plan"] = plan
        output: Any = super().forward(plan.pack(args[0]), *args[1:], **named)
        output.last_hidden_state = plan.pad(output.last_hidden_state)
        return output


class _PackedSelfAttention(XmodSelfAttention):
    """Projections over real tokens, attention over the padded batch between them."""

    def forward(self, *args: Any, **named: Any) -> Any:
        plan: AdapterPlan | None = named.pop("plan", None)
        if plan is None:
            return super().forward(*args, **named)
        heads = (self.num_attention_heads, self.attention_head_size)
        attend: Any = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        projections = (self.query, self.key, self.value)
        padded = [plan.pad(projection(args[0])) for projection in projections]
        context, weights = attend(
            self,
            *(states.view(*plan.shape, *heads).transpose(1, 2) for states in padded),
            named.pop("attention_mask"),
            dropout=self.dropout.p if self.training else 0.0,
            scaling=self.scaling,
            **named,
        )
        return plan.pack(context.flatten(2)), weights


class ChosenAdapter(XmodOutput):
    """The end of a layer, whatever chooses the adapters."""

    def chosen(self, lang_ids: Any, hidden: Tensor) -> Tensor:
        """What the adapters make of states that are normalised already."""
        raise NotImplementedError

    def lang_adapter(self, lang_ids: Any, hidden_states: Tensor) -> Tensor:
        residual = hidden_states
        if self.adapter_layer_norm is not None:
            hidden_states = self.adapter_layer_norm(hidden_states)
        elif self.adapter_reuse_layer_norm:
            hidden_states = self.LayerNorm(hidden_states)
        if self.ln_before_adapter:
            residual = hidden_states
        adapted: Tensor = self.dropout(self.chosen(lang_ids, hidden_states))
        return adapted + residual


class _GroupedOutput(ChosenAdapter):
    """The end of a layer: the adapters of this batch and no others."""

    def chosen(self, lang_ids: Any, hidden: Tensor) -> Tensor:
        adapted: Tensor = lang_ids.apply(list(self.adapter_modules.values()), hidden)
        return adapted
