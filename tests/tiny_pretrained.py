"""A tiny X-MOD model laid out as the modular encoder is: made from a BERT, and compact.

pretrained_model(folder)   normalisation behind each block, six layers, a Unigram tokenizer,
                           prompts, `TokenVectors`, 4-bit words, adapters for en, sv and fr of
                           nothing but zeros; Danish rows are partly the English ones
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Transformer
from tiny_bert import PROMPTS, tiny_bert
from tiny_bilingual import DANISH, ENGLISH
from transformers import AutoTokenizer, BertModel

from xret.retriever.encoders.token_vectors import TokenVectors
from xret.retriever.models.compact import compacted, save_compact
from xret.retriever.xmod.xmod import prepare_xmod
from xret.retriever.xmod.xmod_start import xmod_of_bert

__all__ = ["pretrained_model"]

_WORDS = "embeddings.word_embeddings.weight"
_WIDTH, _LIKE_ENGLISH = 32, 0.8


def pretrained_model(folder: Path, *, layers: int = 6) -> Path:
    """Write the model as a folder; every weight of it is drawn from one seed."""
    bert = tiny_bert(
        folder.parent / f"{folder.name}-bert", [*ENGLISH, *DANISH], hidden=_WIDTH, layers=layers
    )
    tokenizer = AutoTokenizer.from_pretrained(bert)
    weights = BertModel.from_pretrained(bert).train(False)
    _translate(weights, tokenizer)
    backbone = folder.parent / f"{folder.name}-backbone"
    xmod_of_bert(weights, ["en", "sv", "fr"], pad_id=1, reduction=2).save_pretrained(backbone)
    tokenizer.save_pretrained(backbone)
    transformer: Any = Transformer(str(backbone), max_seq_length=64)
    transformer.model.pooler = None
    prepare_xmod(transformer.model)
    vectors = TokenVectors(_WIDTH, list(PROMPTS.values()))
    MultiVectorEncoder(modules=[transformer, vectors], prompts=PROMPTS).save(
        str(folder), create_model_card=False
    )
    state = {
        name: torch.zeros_like(tensor) if ".adapter_modules." in name else tensor
        for name, tensor in transformer.model.state_dict().items()
    }
    save_compact(compacted(state, in_blocks=[_WORDS]), folder / "model.safetensors")
    return folder


@torch.no_grad()
def _translate(bert: Any, tokenizer: Any) -> None:
    """A Danish word is partly its translation; layers leave a token near its row."""
    rows = bert.embeddings.word_embeddings.weight
    generator = torch.Generator().manual_seed(1)
    rows.copy_(torch.randn(rows.shape, generator=generator))
    turn = torch.linalg.qr(torch.randn(_WIDTH, _WIDTH, generator=generator))[0]
    english, danish = (
        tokenizer.convert_tokens_to_ids([f"\u2581{word}" for word in words])
        for words in (ENGLISH, DANISH)
    )
    rows[danish] = _LIKE_ENGLISH * rows[english] + rows[english] @ turn
    bert.embeddings.position_embeddings.weight.mul_(0.02)
    for layer in bert.encoder.layer:
        for end in (layer.attention.output.dense, layer.output.dense):
            end.weight.mul_(0.1)
            end.bias.mul_(0.1)
