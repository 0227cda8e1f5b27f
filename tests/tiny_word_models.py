"""A tiny model of words over X-MOD with random weights, as `xret-modular` lies in its folder.

tiny_word_model(folder)                 in float32
tiny_word_model(folder, compact=True)   word vectors in int8 with scales, the rest in float16
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from tiny_models import random_xmod
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from xret.retriever.encoders.word_pooling import WordPooling

__all__ = ["SENTENCES", "pieces_of_latin", "tiny_word_model", "wordpiece_tokenizer"]

SENTENCES = {
    "en": "the coral reefs are warming and the fish leave",
    "fr": "les récifs de corail se réchauffent et les poissons partent",
    "sw": "miamba ya matumbawe inapata joto na samaki wanaondoka",
    "zh-Hant": "coral reefs 12",
}
"""A sentence in each language of the model, by BCP 47 code, in the order of their ids."""

_MARK = "\u2581"


def pieces_of_latin() -> list[str]:
    """Special tokens, then letters and some longer pieces, at the start of words and inside."""
    letters = [*"abcdefghijklmnopqrstuvwxyzéêè0123456789"]
    longer = ["the", "fish", "poisson", "samaki", "ing", "ons", "wana", "ta"]
    starts = [f"{_MARK}{piece}" for piece in [*letters, *longer]]
    return ["[PAD]", "[UNK]", "[MASK]", _MARK, *starts, *(f"##{p}" for p in [*letters, *longer])]


def wordpiece_tokenizer(pieces: Sequence[str]) -> Tokenizer:
    """Words marked at their start, cut into the longest pieces that fit."""
    described = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 64,
            "vocab": {p: row for row, p in enumerate(pieces)},
        },
    }
    tokenizer = Tokenizer.from_str(json.dumps(described))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\p{L}\p{Nd}]+"), behavior="removed", invert=True),
            pre_tokenizers.Metaspace(_MARK, prepend_scheme="always", split=False),
        ]
    )
    return tokenizer


def tiny_word_model(folder: Path, *, compact: bool = False, seed: int = 0, **config: Any) -> Path:
    """Write the folder; every weight is drawn from the seed."""
    pieces = pieces_of_latin()
    model = random_xmod(
        len(pieces),
        languages=list(SENTENCES),
        hidden=16,
        layers=2,
        seed=seed,
        pad_token_id=0,
        pre_norm=True,
        ln_before_adapter=False,
        adapter_reuse_layer_norm=True,
        max_position_embeddings=66,
        **config,
    )
    backbone = folder.parent / f"{folder.name}-backbone"
    model.save_pretrained(backbone)
    PreTrainedTokenizerFast(
        tokenizer_object=wordpiece_tokenizer(pieces),
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        model_max_length=64,
    ).save_pretrained(backbone)
    pooling = WordPooling(len(pieces), 16, 1.5)
    generator = torch.Generator().manual_seed(seed)
    pooling.emphasis.data.copy_(torch.randn(len(pieces), generator=generator) / 2)
    pooling.context.data.copy_(torch.randn(16, generator=generator) / 4)
    transformer: Any = Transformer(str(backbone), max_seq_length=64)
    MultiVectorEncoder(modules=[transformer, pooling, MultiVectorMask()]).save(
        str(folder), create_model_card=False
    )
    if compact:
        _make_compact(folder)
    return folder


def _make_compact(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = {name: weight.clone() for name, weight in load_file(path).items()}
    words = weights.pop("embeddings.word_embeddings.weight")
    stored = {name: weight.half() for name, weight in weights.items()}
    scales = (words.abs().amax(dim=1) / 127).clamp_min(2.0**-14).half()
    codes = (words / scales.float()[:, None]).round().clamp(-127, 127).to(torch.int8)
    stored["embeddings.word_embeddings.weight"] = codes
    stored["embeddings.word_embeddings.weight_scale"] = scales
    path.unlink()
    save_file(stored, path, metadata={"format": "pt"})
