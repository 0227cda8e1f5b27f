"""Tiny models of the shapes that the int8 kernels run, in sentence-transformers' layout.

    tiny_encoder(folder, "bert" or "xmod", head="mean" or "tokens")

Heads are 16 wide, the inner layer 96, and an adapter's bottleneck 12, which is no multiple of
the kernels' blocks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tiny_models import random_xmod, randomise, tiny_tokenizer
from transformers import BertConfig, BertModel

__all__ = ["TEXTS", "tiny_encoder"]

HIDDEN = 48
TEXTS = [
    "the coral reefs are warming and the fish leave",
    "",
    "miamba",
    "a" * 700,
    "les récifs de corail se réchauffent et les poissons partent " * 6,
    "query: miamba ya matumbawe",
]
"""Of uneven lengths: none, one token, more than a model reads."""


def tiny_encoder(
    folder: Path, kind: str, *, head: str = "mean", precision: str = "fp32", **config: Any
) -> Path:
    """A random model, saved; config: settings of its transformer in place of the plain ones."""
    vocabulary = tiny_tokenizer(folder)
    if kind == "bert":
        model: Any = BertModel(BertConfig(**(_bert(vocabulary) | config))).eval()
        randomise(model)
    else:
        model = random_xmod(vocabulary, hidden=HIDDEN, **(_xmod() | config))
    model.save_pretrained(folder)
    ours = "xret.retriever.encoders."
    first = ours + "word_model.XmodTransformer" if kind == "xmod" else None
    plain = "sentence_transformers.models."
    if head == "mean":
        modules = [plain + "Transformer", plain + "Pooling", plain + "Normalize"]
        paths = ["", "1_Pooling", "2_Normalize"]
        (folder / "2_Normalize").mkdir()
    else:
        modules = [first or plain + "Transformer", ours + "token_vectors.TokenVectors"]
        paths = ["", "1_TokenVectors"]
        _token_vectors(folder / "1_TokenVectors", precision)
    _write(
        folder / "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": module}
            for i, (path, module) in enumerate(zip(paths, modules, strict=True))
        ],
    )
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 512})
    kind_of_model = "SentenceTransformer" if head == "mean" else "MultiVectorEncoder"
    prompts = {"query": "query: ", "document": "passage: "}
    _write(
        folder / "config_sentence_transformers.json",
        {"model_type": kind_of_model, "prompts": prompts, "similarity_fn_name": None},
    )
    if head == "mean":
        (folder / "1_Pooling").mkdir()
        pooling = {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True}
        _write(folder / "1_Pooling" / "config.json", pooling)
    return folder


def _bert(vocabulary: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 96,
        "max_position_embeddings": 512,
        "pad_token_id": 1,
    }


def _xmod() -> dict[str, Any]:
    return {
        "num_attention_heads": 3,
        "pre_norm": False,
        "adapter_reduction_factor": 4,
        "languages": ["en", "fr", "sw"],
        "default_language": None,
        "pad_token_id": 1,
    }


def _token_vectors(folder: Path, precision: str) -> None:
    from xret.retriever.encoders.token_vectors import TokenVectors

    head = TokenVectors(HIDDEN, ["query: "], precision=precision)
    head.mean.copy_(torch.linspace(-0.5, 0.5, HIDDEN))
    head.save(str(folder))


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
