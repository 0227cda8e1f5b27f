"""A tiny BERT bi-encoder with random weights, laid out as multilingual-e5-small is.

A Unigram tokenizer with the marks and the order of XLM-R's, mean pooling, prompts.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

__all__ = ["PROMPTS", "tiny_bert", "unigram_tokenizer"]

PROMPTS = {"query": "query: ", "document": "passage: "}
_MARKS = ["<s>", "<pad>", "</s>", "<unk>"]
_MARK = "\u2581"


def unigram_tokenizer(words: Iterable[str]) -> Tokenizer:
    """Whole words with their mark, the prompts' words, and every letter."""
    known = sorted({*words, "query", "passage"})
    letters = sorted({letter for word in known for letter in word} | {":", _MARK})
    pieces = [(f"{_MARK}{word}", -4.0) for word in known]
    pieces += [(letter, -9.0) for letter in letters if letter not in dict(pieces)]
    vocabulary = [(mark, 0.0) for mark in _MARKS] + pieces + [("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(_MARK)]
    )
    tokenizer.decoder = decoders.Metaspace(_MARK)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return tokenizer


def tiny_bert(
    folder: Path, words: Iterable[str], *, hidden: int = 32, layers: int = 2, seed: int = 0
) -> Path:
    """Write the folder of a `SentenceTransformer`; every weight is drawn from the seed."""
    tokenizer = unigram_tokenizer(words)
    torch.manual_seed(seed)
    backbone = folder.parent / f"{folder.name}-backbone"
    model = BertModel(
        BertConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=2,
            intermediate_size=2 * hidden,
            max_position_embeddings=66,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.3,
            pad_token_id=1,
        )
    )
    for name, weight in model.named_parameters():
        if name.endswith("bias"):  # zero in a fresh model, and then easily lost unseen
            torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(backbone)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=64,
    ).save_pretrained(backbone)
    transformer: Any = Transformer(str(backbone), max_seq_length=64)
    SentenceTransformer(
        modules=[transformer, Pooling(hidden, "mean"), Normalize()],
        prompts=PROMPTS,
        similarity_fn_name="cosine",
    ).save(str(folder), create_model_card=False)
    return folder
