"""Tiny rerankers with random weights, laid out as the published ones are.

tiny_classifier(folder)   bge-reranker-v2-m3, mMiniLM (XLM-R), mxbai-rerank v1 (DeBERTa)
tiny_qwen3(folder)        Qwen3-Reranker: a decoder that says yes or no
tiny_monot5(folder)       monoT5: an encoder and a decoder that say true or false
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tiny_models import TEXTS, randomise, tiny_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

__all__ = ["tiny_classifier", "tiny_monot5", "tiny_qwen3"]

_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}


def tiny_classifier(folder: Path, *, kind: str = "XLMRoberta", labels: int = 1) -> Path:
    """`kind`ForSequenceClassification as transformers saves it, reading 94 tokens or more."""
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=tiny_tokenizer(folder),
        num_labels=labels,
        max_position_embeddings=96,
        pad_token_id=1,
        type_vocab_size=0 if kind == "DebertaV2" else 2 if kind == "Bert" else 1,
        **_SIZES,
    )
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()
    randomise(model, seed=3)
    model.save_pretrained(folder)
    if kind != "XLMRoberta":
        _change(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    return folder


def tiny_monot5(folder: Path) -> Path:
    """T5ForConditionalGeneration, whose vocabulary has ▁true and ▁false."""
    tiny_tokenizer(folder)
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    pieces = content["model"]["vocab"]
    mask = pieces.pop()
    content["model"]["vocab"] = [*pieces, ["▁true", -5.0], ["▁false", -5.0], mask]
    for token in content["added_tokens"]:
        if token["content"] == mask[0]:
            token["id"] += 2
    content["post_processor"] = None
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    _change(
        folder / "tokenizer_config.json",
        tokenizer_class="PreTrainedTokenizerFast",
        model_max_length=128,
    )
    config = transformers.T5Config(
        vocab_size=len(pieces) + 3,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    torch.manual_seed(5)
    model = transformers.T5ForConditionalGeneration(config).eval()
    randomise(model, seed=5)
    model.save_pretrained(folder)
    return folder


def tiny_qwen3(folder: Path) -> Path:
    """Qwen3ForCausalLM with a byte-level vocabulary that has yes and no."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = sorted({word for text in TEXTS.values() for word in text.split() if word.isascii()})
    vocabulary = {piece: n for n, piece in enumerate(letters)}
    merges: list[tuple[str, str]] = []
    for word in (*words, "yes", "no"):
        for start in ("", "Ġ") if word not in ("yes", "no") else ("",):
            _grow(vocabulary, merges, f"{start}{word}")
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 768,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    config = transformers.Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(),
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.token_to_id("<|endoftext|>"),
        **_SIZES,
    )
    model = transformers.Qwen3ForCausalLM(config).eval()
    randomise(model, seed=7)
    model.save_pretrained(folder)
    return folder


def _grow(vocabulary: dict[str, int], merges: list[tuple[str, str]], word: str) -> None:
    """Merge a word's bytes from the left until it is one piece."""
    so_far = word[0]
    for letter in word[1:]:
        if (so_far, letter) not in merges:
            merges.append((so_far, letter))
        so_far += letter
        vocabulary.setdefault(so_far, len(vocabulary))


def _change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}), encoding="utf-8")
