"""A tiny model of words, and toy languages that it can learn: English, word by word.

bilingual_model(folder)   adapters for en, sv, fr; Danish rows are the English ones turned,
                          so that an adapter can turn them back; no Georgian letter is known
pairs_of(DANISH)          (sentence, English) pairs of six words
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from tiny_models import random_xmod
from tiny_word_models import wordpiece_tokenizer
from transformers import PreTrainedTokenizerFast

from xret.retriever.encoders.word_pooling import WordPooling

__all__ = ["DANISH", "ENGLISH", "GEORGIAN", "bilingual_model", "pairs_of", "write_pairs"]

_ENGLISH = (
    "the and not with very house water dog child book mother father bread fish bird tree road "
    "school friend winter summer morning evening country city door window horse boat garden "
    "small large old young red green black white cold warm reads eats sees finds buys sells "
    "writes drinks opens closes loves knows"
)
ENGLISH = _ENGLISH.split()
_DANISH = (
    "den og ikke med meget hus vand hund barn bog mor far brød fisk fugl træ vej skole ven "
    "vinter sommer morgen aften land by dør vindue hest båd have lille stor gammel ung rød grøn "
    "sort hvid kold varm læser spiser ser finder køber sælger skriver drikker åbner lukker "
    "elsker kender"
)
DANISH = _DANISH.split()
GEORGIAN = [
    "".join(chr(0x10D0 + (7 * n + 5 * k * k + 3 * k) % 33) for k in range(3 + n % 4))
    for n in range(len(ENGLISH))
]
_WIDTH, _MARK = 32, "\u2581"
_LIKE_ENGLISH = 0.15


def pairs_of(words: list[str], n: int = 420, *, seed: int = 0) -> list[tuple[str, str]]:
    """Different sentences of six words with their translations."""
    rng = np.random.default_rng(seed)
    rows = [rng.choice(len(ENGLISH), 6, replace=False) for _ in range(n)]
    return [(" ".join(words[w] for w in row), " ".join(ENGLISH[w] for w in row)) for row in rows]


def write_pairs(folder: Path, pairs: list[tuple[str, str]]) -> tuple[Path, Path]:
    """(text file, parallel file) as `xret lang add` reads them."""
    text, parallel = folder / "text.txt", folder / "parallel.tsv"
    text.write_text("".join(f"{own}\n" for own, _ in pairs), encoding="utf-8")
    lines = [f"{own}\t{english}\n" for own, english in pairs]
    parallel.write_text("".join(lines), encoding="utf-8")
    return text, parallel


def bilingual_model(folder: Path) -> Path:
    """Write the model as a folder; every weight of it is drawn from one seed."""
    letters = [*"abcdefghijklmnopqrstuvwxyzæøå"]
    pieces = ["[PAD]", "[UNK]", "[MASK]", _MARK, *(_MARK + c for c in letters)]
    pieces += [f"##{c}" for c in letters]
    words = len(pieces)
    pieces += [_MARK + word for word in (*ENGLISH, *DANISH)]
    backbone: Any = random_xmod(
        len(pieces),
        languages=["en", "sv", "fr"],
        hidden=_WIDTH,
        layers=2,
        pad_token_id=0,
        pre_norm=True,
        ln_before_adapter=False,
        adapter_reuse_layer_norm=True,
        max_position_embeddings=66,
        adapter_reduction_factor=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(len(pieces), _WIDTH, generator=generator)
    turn = torch.linalg.qr(torch.randn(_WIDTH, _WIDTH, generator=generator))[0]
    english = rows[words : words + len(ENGLISH)]
    rows[words + len(ENGLISH) :] = _LIKE_ENGLISH * english + english @ turn
    backbone.embeddings.word_embeddings.weight.data.copy_(rows)
    _quieten(backbone)
    saved = folder.parent / f"{folder.name}-backbone"
    backbone.save_pretrained(saved)
    PreTrainedTokenizerFast(
        tokenizer_object=wordpiece_tokenizer(pieces),
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        model_max_length=64,
    ).save_pretrained(saved)
    transformer: Any = Transformer(str(saved), max_seq_length=64)
    pooling = WordPooling(len(pieces), _WIDTH, 1.5)
    MultiVectorEncoder(modules=[transformer, pooling, MultiVectorMask()]).save(
        str(folder), create_model_card=False
    )
    return folder


@torch.no_grad()
def _quieten(backbone: Any) -> None:
    """Let the layers add little, so that a word's state is near its row, but for the first
    attention, which gives each word something of all the others."""
    backbone.embeddings.position_embeddings.weight.mul_(0.02)
    backbone.embeddings.token_type_embeddings.weight.zero_()
    for layer in backbone.encoder.layer:
        ends = [layer.attention.output.dense, layer.output.dense]
        ends += [adapter.dense2 for adapter in layer.output.adapter_modules.values()]
        for end in ends:
            end.weight.mul_(0.02)
            end.bias.zero_()
    first = backbone.encoder.layer[0].attention
    for part in (first.self.query, first.self.key):
        part.weight.zero_()
    first.self.value.weight.copy_(torch.eye(_WIDTH))
    first.output.dense.weight.copy_(0.4 * torch.eye(_WIDTH))
    for name, parameter in backbone.named_parameters():
        if "LayerNorm" in name:
            parameter.fill_(1.0 if name.endswith("weight") else 0.0)
