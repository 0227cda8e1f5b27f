"""The modular encoder before its first step: the static encoder, written as a transformer.

Layers whose outputs are zero add nothing to a residual stream, and layer normalisation comes
before each of them, so the model starts as its word vectors: training sets out from something
that already crosses languages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, XmodConfig, XmodModel

from xret.errors import ModelError
from xret.retriever.encoders.static import (
    CONFIG_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    StaticConfig,
    WordTable,
)
from xret.retriever.encoders.word_pooling import WordPooling
from xret.retriever.encoders.wordpieces import UNKNOWN, WordPieces
from xret.retriever.training.modular.settings import ModularShape
from xret.retriever.training.modular.wordpiece import MASK, PADDING, portable_tokenizer

__all__ = ["write_start"]

_POSITION_DIMS = 16
"""Of the stream, kept for where a token stands: the last ones, in which words differ least."""

_WEIGHT_DIM = -_POSITION_DIMS - 1
"""Of the stream, where a piece's weight among others stands: the logarithm of its length."""

_SHORTEST_WAVE, _LONGEST_WAVE = 2.1, 600.0
_NEIGHBOURS = (-1, 1)
_SHARPNESS = 2.5


def write_start(
    static: Path, output: Path, *, languages: tuple[str, ...], shape: ModularShape, seed: int
) -> None:
    """Write a `MultiVectorEncoder` folder that encodes nearly as the static encoder does.

    static: a folder of the static encoder. languages: BCP 47 codes, one adapter each.
    Raises ModelError for a folder that is none, or whose vectors are too short for the heads.
    """
    config = StaticConfig.read(static / CONFIG_FILE)
    if config.dim % shape.heads or config.dim // shape.heads < _POSITION_DIMS:
        raise ModelError(
            f"{static} has {config.dim} dimensions, too few for {shape.heads} heads of at least "
            f"{_POSITION_DIMS}"
        )
    table = WordTable.load(static / WEIGHTS_FILE, rows=config.vocabulary_size, dim=config.dim)
    tokenizer, origins = portable_tokenizer(WordPieces.load(static / TOKENIZER_FILE).tokenizer)
    known = np.array([max(origin, 0) for origin in origins])
    vectors = table.rows(known)
    lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-6)
    vectors *= (np.sqrt(config.dim) / lengths)[:, None]
    emphasis = table.emphasis[known].astype(np.float32)
    weights = np.log(lengths) - np.median(np.log(lengths))
    lost = np.array(origins) < 0
    vectors[lost], emphasis[lost], weights[lost] = 0, 0, 0
    vectors[:, -_POSITION_DIMS:] = 0
    vectors[:, _WEIGHT_DIM] = weights

    torch.manual_seed(seed)
    model = XmodModel(_config(shape, len(origins), config.dim, languages), add_pooling_layer=False)
    _set_still(model)
    _set_positions(model)
    model.embeddings.word_embeddings.weight.data.copy_(torch.from_numpy(vectors))
    backbone = output / "backbone"
    model.save_pretrained(backbone)
    fast: Any = PreTrainedTokenizerFast
    fast(
        tokenizer_object=tokenizer,
        pad_token=PADDING,
        unk_token=UNKNOWN,
        mask_token=MASK,
        model_max_length=shape.max_tokens,
    ).save_pretrained(backbone)
    transformer: Any = Transformer(str(backbone), max_seq_length=shape.max_tokens)
    pooling = WordPooling(len(origins), config.dim, config.query_power)
    pooling.emphasis.data.copy_(torch.from_numpy(emphasis))
    pooling.gain.data[_WEIGHT_DIM:] = 0
    pooling.context.data[_WEIGHT_DIM] = np.sqrt(config.dim)
    pooling.text_shares.data.copy_(
        torch.tensor(
            [config.query_text / config.query_token, config.document_text / config.document_token]
        )
    )
    MultiVectorEncoder(modules=[transformer, pooling, MultiVectorMask()]).save(
        str(output / "model"), create_model_card=False
    )


def _config(
    shape: ModularShape, vocabulary_size: int, dim: int, languages: tuple[str, ...]
) -> XmodConfig:
    return XmodConfig(
        vocab_size=vocabulary_size,
        hidden_size=dim,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.max_tokens + 2,
        type_vocab_size=1,
        adapter_reduction_factor=shape.reduction,
        languages=list(languages),
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
        pre_norm=True,
        ln_before_adapter=False,
        adapter_reuse_layer_norm=True,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=1e-6,
    )


def _set_still(model: XmodModel) -> None:
    """No layer adds anything to the stream yet."""
    layers: list[Any] = list(model.encoder.layer)
    for layer in layers:
        for last in (layer.attention.output.dense, layer.output.dense):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        first = next(iter(layer.output.adapter_modules.values())).state_dict()
        for adapter in layer.output.adapter_modules.values():
            adapter.load_state_dict(first)
            nn.init.zeros_(adapter.dense2.weight)
            nn.init.zeros_(adapter.dense2.bias)
    nn.init.zeros_(model.embeddings.token_type_embeddings.weight)


def _set_positions(model: XmodModel) -> None:
    """Positions as sines in dimensions of their own, which the pooling shuts out.

    In each layer one head looks at the token before and one at the token behind, so that the
    pieces of a word meet from the first step on; the product of two sines depends on their
    distance alone (Vaswani et al. 2017).
    """
    n_waves = _POSITION_DIMS // 2
    waves = torch.from_numpy(np.geomspace(_SHORTEST_WAVE, _LONGEST_WAVE, n_waves)).float()
    table = model.embeddings.position_embeddings.weight
    angles = torch.arange(len(table))[:, None] * (2 * torch.pi / waves)
    nn.init.zeros_(table)
    table.data[1:, -_POSITION_DIMS:-n_waves] = angles.sin()[1:]
    table.data[1:, -n_waves:] = angles.cos()[1:]
    encoder: Any = model.encoder
    for layer in encoder.layer:
        attention = layer.attention.self
        size = attention.attention_head_size
        for head, offset in enumerate(_NEIGHBOURS[: attention.num_attention_heads]):
            rows = slice(head * size, head * size + _POSITION_DIMS)
            for linear, turned in ((attention.query, 0), (attention.key, -offset)):
                nn.init.zeros_(linear.weight[head * size : (head + 1) * size])
                linear.weight.data[rows, -_POSITION_DIMS:] = _SHARPNESS * _turn(waves, turned)


def _turn(waves: Tensor, steps: int) -> Tensor:
    """(2w, 2w): what takes the sines of a position to those of the position `steps` on."""
    angles = 2 * torch.pi * steps / waves
    sines, cosines = torch.diag(angles.sin()), torch.diag(angles.cos())
    return torch.cat([torch.cat([cosines, sines], 1), torch.cat([-sines, cosines], 1)])
