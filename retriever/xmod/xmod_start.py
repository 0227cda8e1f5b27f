"""A pretrained BERT as an X-MOD model: the same function, with an adapter a language to learn.

BERT's layers are X-MOD's with the normalisation behind each block. An adapter whose last
product is zero adds nothing, so that at the start every language's model is the BERT model
itself. X-MOD counts positions from behind the padding's id; the table is moved by as much.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, XmodConfig, XmodModel

from xret.errors import ModelError
from xret.retriever.xmod.xmod_checkpoint import assemble_xmod

__all__ = ["xmod_of_bert"]


@torch.no_grad()
def xmod_of_bert(
    bert: BertModel, languages: Sequence[str], *, pad_id: int, reduction: int, seed: int = 0
) -> XmodModel:
    """An X-MOD model that gives what `bert` gives, whichever of its languages is asked for.

    languages: BCP 47 codes. pad_id: the tokenizer's row of padding. reduction: hidden size by
    an adapter's bottleneck. Segments other than the first, which single texts never have, and
    the pooler are left behind. Raises ModelError for a BERT that is a decoder or has positions
    relative to each other.
    """
    config: BertConfig = bert.config
    if config.is_decoder or getattr(config, "position_embedding_type", "absolute") != "absolute":
        raise ModelError(
            "an X-MOD model is made from an encoder with absolute positions; this BERT has others"
        )
    made = XmodConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        intermediate_size=config.intermediate_size,
        hidden_act=config.hidden_act,
        hidden_dropout_prob=config.hidden_dropout_prob,
        attention_probs_dropout_prob=config.attention_probs_dropout_prob,
        max_position_embeddings=config.max_position_embeddings + pad_id + 1,
        type_vocab_size=1,
        layer_norm_eps=config.layer_norm_eps,
        pad_token_id=pad_id,
        pre_norm=False,
        adapter_reduction_factor=reduction,
        adapter_layer_norm=False,
        adapter_reuse_layer_norm=True,
        ln_before_adapter=False,
        languages=list(languages),
    )
    weights = {
        name: tensor.float().clone()
        for name, tensor in bert.state_dict().items()
        if not name.startswith("pooler.") and not name.endswith(("position_ids", "token_type_ids"))
    }
    positions = weights["embeddings.position_embeddings.weight"]
    before = positions.new_zeros((pad_id + 1, positions.shape[1]))
    weights["embeddings.position_embeddings.weight"] = torch.cat([before, positions])
    kinds = weights["embeddings.token_type_embeddings.weight"]
    weights["embeddings.token_type_embeddings.weight"] = kinds[:1].clone()
    weights |= _still_adapters(made, seed)
    return assemble_xmod(made, weights, spellings=list(languages))


def _still_adapters(config: XmodConfig, seed: int) -> dict[str, Tensor]:
    """Adapters that add nothing yet: the first product drawn, alike for all, the second zero."""
    inner = int(config.hidden_size // config.adapter_reduction_factor)
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for layer in range(config.num_hidden_layers):
        first = torch.empty(inner, config.hidden_size)
        nn.init.normal_(first, std=config.initializer_range, generator=generator)
        for language in config.languages:
            prefix = f"encoder.layer.{layer}.output.adapter_modules.{language}."
            tensors |= {
                f"{prefix}dense1.weight": first.clone(),
                f"{prefix}dense1.bias": torch.zeros(inner),
                f"{prefix}dense2.weight": torch.zeros(config.hidden_size, inner),
                f"{prefix}dense2.bias": torch.zeros(config.hidden_size),
            }
    return tensors
