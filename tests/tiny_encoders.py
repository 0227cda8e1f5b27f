"""Tiny encoders without language adapters, in the layouts that sentence-transformers reads.

tiny_bi_encoder(folder)    sentence-transformers: XLM-R, mean pooling, prompts
tiny_static(folder)        sentence-transformers: a StaticEmbedding
tiny_late(folder)          sentence-transformers: MultiVectorEncoder
tiny_token_vectors(folder) MultiVectorEncoder with a head of ours, without marks
tiny_pylate(folder)        PyLate: a Dense of its own class, flat settings
tiny_stanford(folder)      Stanford ColBERT over XLM-R
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tiny_models import randomise, tiny_tokenizer
from transformers import XLMRobertaConfig, XLMRobertaModel

__all__ = [
    "tiny_bi_encoder",
    "tiny_late",
    "tiny_pylate",
    "tiny_stanford",
    "tiny_static",
    "tiny_token_vectors",
    "tiny_xlmr",
]

HIDDEN, DIM = 32, 16
_ST = "sentence_transformers.models."


def tiny_xlmr(folder: Path, *, seed: int = 0, **config: Any) -> Path:
    """A bare XLM-R encoder and its tokenizer."""
    settings = {
        "vocab_size": tiny_tokenizer(folder),
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "type_vocab_size": 1,
        "max_position_embeddings": 514,
        "layer_norm_eps": 1e-5,
        "pad_token_id": 1,
    }
    model = XLMRobertaModel(XLMRobertaConfig(**(settings | config))).eval()
    randomise(model, seed=seed)
    weights = {name: w.contiguous() for name, w in model.state_dict().items() if "_ids" not in name}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(
        folder / "config.json", {**model.config.to_dict(), "architectures": ["XLMRobertaModel"]}
    )
    return folder


def tiny_bi_encoder(
    folder: Path,
    *,
    prompts: dict[str, str] | None = None,
    similarity: str | None = "cosine",
    max_tokens: int = 512,
    seed: int = 0,
) -> Path:
    tiny_xlmr(folder, seed=seed)
    _modules(folder, ("", _ST + "Transformer"), ("1_Pooling", _ST + "Pooling"))
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens})
    _settings(
        folder,
        model_type="SentenceTransformer",
        prompts=prompts or {},
        similarity_fn_name=similarity,
    )
    pooling = {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True}
    write_json(folder / "1_Pooling" / "config.json", pooling)
    return folder


def tiny_static(folder: Path, *, seed: int = 0) -> Path:
    rows = tiny_tokenizer(folder)
    (folder / "tokenizer_config.json").unlink()
    weights = torch.randn(rows, DIM, generator=torch.Generator().manual_seed(seed))
    save_file({"embedding.weight": weights}, folder / "model.safetensors")
    _modules(folder, ("", _ST + "StaticEmbedding"))
    _settings(folder, model_type="SentenceTransformer", similarity_fn_name="cosine")
    return folder


def tiny_late(folder: Path, *, prompts: dict[str, str] | None = None, seed: int = 0) -> Path:
    tiny_xlmr(folder, seed=seed)
    late = "sentence_transformers.multi_vector_encoder.modules."
    base = "sentence_transformers.base.modules."
    _modules(
        folder,
        ("", base + "transformer.Transformer"),
        ("1_Dense", base + "dense.Dense"),
        ("2_MultiVectorMask", late + "multi_vector_mask.MultiVectorMask"),
        ("3_Normalize", base + "normalize.Normalize"),
    )
    _dense(
        folder / "1_Dense",
        seed,
        "torch.nn.modules.linear.Identity",
        module_input_name="token_embeddings",
        module_output_name="token_embeddings",
    )
    write_json(folder / "2_MultiVectorMask" / "config.json", {"skiplist_words": [","]})
    write_json(folder / "3_Normalize" / "config.json", {"module_input_name": "token_embeddings"})
    _settings(
        folder,
        model_type="MultiVectorEncoder",
        similarity_fn_name="maxsim",
        prompts=prompts or {"query": "query: ", "document": "passage: "},
    )
    return folder


def tiny_token_vectors(
    folder: Path, *, pool_factor: float = 1.0, preset: str = "", seed: int = 0
) -> Path:
    """A late-interaction model without marks, which may say how its documents are pooled."""
    tiny_xlmr(folder, seed=seed)
    head = "xret.retriever.encoders.token_vectors.TokenVectors"
    transformer = "sentence_transformers.base.modules.transformer.Transformer"
    _modules(folder, ("", transformer), ("1_TokenVectors", head))
    config = {"dim": HIDDEN, "prompts": [], "pool_factor": pool_factor, "preset": preset}
    write_json(folder / "1_TokenVectors" / "config.json", config)
    save_file({"mean": torch.zeros(HIDDEN)}, folder / "1_TokenVectors" / "model.safetensors")
    _settings(
        folder,
        model_type="MultiVectorEncoder",
        similarity_fn_name="maxsim",
        prompts={"query": "query: ", "document": "passage: "},
    )
    return folder


def tiny_pylate(folder: Path, *, seed: int = 0) -> Path:
    tiny_xlmr(folder, seed=seed)
    _modules(folder, ("", _ST + "Transformer"), ("1_Dense", "pylate.models.Dense.Dense"))
    _dense(folder / "1_Dense", seed, "torch.nn.modules.linear.Identity")
    write_json(
        folder / "sentence_bert_config.json", {"max_seq_length": 179, "do_lower_case": False}
    )
    _settings(
        folder,
        model_type="ColBERT",
        query_prefix="[Q] ",
        document_prefix="[D] ",
        query_length=32,
        document_length=180,
        attend_to_expansion_tokens=False,
        skiplist_words=[",", "."],
        similarity_fn_name="MaxSim",
    )
    return folder


def tiny_stanford(folder: Path, *, seed: int = 0) -> Path:
    tiny_xlmr(folder, seed=seed)
    weights = {f"roberta.{n}": w for n, w in load_file(folder / "model.safetensors").items()}
    weights["linear.weight"] = _drawn(seed, DIM, HIDDEN)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    write_json(folder / "config.json", {**config, "architectures": ["HF_ColBERT"]})
    write_json(
        folder / "artifact.metadata",
        {
            "query_token_id": "[unused0]",
            "doc_token_id": "[unused1]",
            "query_maxlen": 32,
            "doc_maxlen": 180,
            "mask_punctuation": True,
            "attend_to_mask_tokens": False,
            "dim": DIM,
        },
    )
    return folder


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")


def _drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + 1))


def _dense(folder: Path, seed: int, activation: str, **more: Any) -> None:
    settings = {"in_features": HIDDEN, "out_features": DIM, "bias": False}
    write_json(folder / "config.json", {**settings, "activation_function": activation, **more})
    save_file({"linear.weight": _drawn(seed, DIM, HIDDEN)}, folder / "model.safetensors")


def _modules(folder: Path, *modules: tuple[str, str]) -> None:
    rows = [
        {"idx": i, "name": str(i), "path": path, "type": name}
        for i, (path, name) in enumerate(modules)
    ]
    write_json(folder / "modules.json", rows)


def _settings(folder: Path, **settings: Any) -> None:
    version = {"sentence_transformers": "6.2.0"}
    write_json(folder / "config_sentence_transformers.json", {"__version__": version, **settings})
