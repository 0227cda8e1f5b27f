"""Tiny models with random weights, in exactly the file layouts of the published ones.

    tiny_xmod(folder)         facebook/xmod-base as a bare encoder
    tiny_colbert_xm(folder)   antoinelouis/colbert-xm: Stanford ColBERT over X-MOD
    tiny_dpr_xm(folder)       antoinelouis/dpr-xm: a sentence-transformers bi-encoder over X-MOD
    tiny_tokenizer(folder)    the tokenizer of XLM-R, which all of them use

Every weight is drawn anew, biases and norms too, and large enough that another adapter, a
missing projection or a wrong mask changes the vectors by far more than any tolerance.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import XmodConfig, XmodModel

__all__ = [
    "LANGUAGES",
    "TEXTS",
    "random_xmod",
    "randomise",
    "take_weights",
    "tiny_colbert_xm",
    "tiny_dpr_xm",
    "tiny_tokenizer",
    "tiny_xmod",
]

LANGUAGES = ("en_XX", "fr_XX", "de_DE", "zh_CN", "ar_AR", "sw_KE")
"""Installed languages in checkpoint order: the position is the adapter's id."""

TEXTS = {
    "en": "the coral reefs are warming and the fish leave",
    "fr": "les récifs de corail se réchauffent et les poissons partent",
    "de": "die Korallenriffe erwärmen sich und die Fische ziehen fort",
    "zh": "珊瑚礁正在变暖",
    "ar": "الشعاب المرجانية تزداد دفئا",
    "sw": "miamba ya matumbawe inapata joto na samaki wanaondoka",
}
"""One sentence in each language, by BCP 47 code."""

_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_RANGES = ((0x21, 0x7F), (0xC0, 0x180), (0x410, 0x450), (0x621, 0x64B), (0x904, 0x93A))


def tiny_tokenizer(folder: Path) -> int:
    """Write tokenizer.json and tokenizer_config.json; returns the size of the vocabulary.

    As XLM-R's: Unigram over words marked with ▁, <s> 0, <pad> 1, </s> 2, <unk> 3 and
    <mask> last; here the pieces are single characters and the words of TEXTS.
    """
    folder.mkdir(parents=True, exist_ok=True)
    characters = [chr(c) for low, high in _RANGES for c in range(low, high)]
    characters += sorted(set(TEXTS["zh"]) - set(characters))
    words = sorted({"▁" + word for text in TEXTS.values() for word in text.split()})
    pieces = [(piece, 0.0) for piece in _SPECIAL]
    pieces += [("▁", -6.0), *((word, -5.0) for word in words), *((c, -8.0) for c in characters)]
    pieces.append(("<mask>", 0.0))
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([*_SPECIAL, "<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "XLMRobertaTokenizer",
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "sep_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "mask_token": "<mask>",
            "model_max_length": 512,
            "clean_up_tokenization_spaces": True,
        },
    )
    return tokenizer.get_vocab_size()


def tiny_xmod(
    folder: Path,
    *,
    languages: Sequence[str] = LANGUAGES,
    hidden: int = 32,
    layers: int = 2,
    seed: int = 0,
    **config: Any,
) -> Path:
    """A bare X-MOD encoder (`XmodModel.save_pretrained`) and its tokenizer, in the folder."""
    model = random_xmod(
        tiny_tokenizer(folder),
        languages=languages,
        hidden=hidden,
        layers=layers,
        seed=seed,
        **config,
    )
    model.save_pretrained(folder)
    return folder


def tiny_colbert_xm(
    folder: Path,
    *,
    languages: Sequence[str] = LANGUAGES,
    hidden: int = 32,
    layers: int = 2,
    dim: int = 16,
    seed: int = 0,
) -> Path:
    """Stanford ColBERT: class HF_ColBERT, backbone under `roberta.`, inline `linear.weight`."""
    tiny_xmod(folder, languages=languages, hidden=hidden, layers=layers, seed=seed)
    weights = {f"roberta.{name}": weight for name, weight in take_weights(folder).items()}
    generator = torch.Generator().manual_seed(seed + 1)
    weights["linear.weight"] = torch.randn(dim, hidden, generator=generator)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _edit_config(folder, architectures=["HF_ColBERT"], default_language=languages[0])
    _write_json(
        folder / "artifact.metadata",
        {
            "query_token_id": "[unused0]",
            "doc_token_id": "[unused1]",
            "query_token": "[Q]",
            "doc_token": "[D]",
            "checkpoint": "facebook/xmod-base",
            "dim": dim,
            "similarity": "cosine",
            "query_maxlen": 32,
            "doc_maxlen": 256,
            "mask_punctuation": True,
            "attend_to_mask_tokens": False,
            "nbits": 2,
            "amp": True,
        },
    )
    return folder


def tiny_dpr_xm(
    folder: Path,
    *,
    languages: Sequence[str] = LANGUAGES,
    hidden: int = 32,
    layers: int = 2,
    pooling: str = "mean",
    seed: int = 0,
) -> Path:
    """A sentence-transformers bi-encoder as its version 2 wrote it, which dpr-xm is."""
    tiny_xmod(folder, languages=languages, hidden=hidden, layers=layers, seed=seed)
    _edit_config(folder, default_language=languages[0])
    parts = (("", "Transformer"), ("1_Pooling", "Pooling"))
    _write_json(
        folder / "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(parts)
        ],
    )
    lengths = {"max_seq_length": 512, "do_lower_case": False}
    _write_json(folder / "sentence_bert_config.json", lengths)
    _write_json(
        folder / "config_sentence_transformers.json",
        {"__version__": {"sentence_transformers": "2.2.2", "transformers": "4.36.0"}},
    )
    (folder / "1_Pooling").mkdir(exist_ok=True)
    modes = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens"}
    _write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": hidden}
        | {f"pooling_mode_{name}": mode == pooling for mode, name in modes.items()},
    )
    return folder


def random_xmod(
    vocab_size: int,
    *,
    languages: Sequence[str] = LANGUAGES,
    hidden: int = 32,
    layers: int = 2,
    seed: int = 0,
    **config: Any,
) -> XmodModel:
    """An XmodModel in evaluation mode, every weight of it drawn from the seed."""
    settings = {
        "vocab_size": vocab_size,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 2 * hidden,
        "type_vocab_size": 1,
        "max_position_embeddings": 514,
        "layer_norm_eps": 1e-5,
        "languages": list(languages),
    }
    model = XmodModel(XmodConfig(**(settings | config))).eval()
    randomise(model, seed=seed)
    return model


def randomise(model: nn.Module, *, seed: int = 0) -> None:
    """Draw every parameter anew: matrices so that activations keep their size."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "LayerNorm.weight" in name or "layer_norm.weight" in name:
                parameter.copy_(1 + 0.1 * noise)
            elif parameter.dim() == 2 and "embeddings" not in name:
                parameter.copy_(noise * parameter.shape[1] ** -0.5)
            else:
                parameter.copy_(0.5 * noise)


def take_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of a folder, copied and their file removed: what is mapped into memory
    must not be written over."""
    path = folder / "model.safetensors"
    weights = {name: weight.clone() for name, weight in load_file(path).items()}
    path.unlink()
    return weights


def _edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    _write_json(path, json.loads(path.read_text(encoding="utf-8")) | changes)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
