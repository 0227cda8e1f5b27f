"""Checkpoints of Stanford's ColBERT, read as its own code reads them."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from transformers import AddedToken

from xret.retriever.encoder import EncoderOptions
from xret.retriever.models.layout import read_json

__all__ = ["restore_stanford"]


def restore_stanford(folder: Path, model: MultiVectorEncoder, options: EncoderOptions) -> None:
    """Markers and mask as Stanford's ColBERT makes them, also where the tokenizer is not BERT's.

    It puts in the *id* of the marker, and XLM-R's tokenizer, which has no `[unused0]`, answers
    with that of <unk>: so published X-MOD checkpoints were trained. It skips the *first* id
    of each punctuation mark, which for XLM-R is often the bare word boundary.
    """
    metadata = read_json(folder / "artifact.metadata")
    tokenizer: Any = model.tokenizer
    vocabulary = tokenizer.get_vocab()
    given = options.prompts or {}
    for task, key, default in (
        ("query", "query_token_id", "[unused0]"),
        ("document", "doc_token_id", "[unused1]"),
    ):
        if task in given:
            continue
        marker = str(metadata.get(key) or default)
        if marker not in vocabulary:
            marker = str(tokenizer.unk_token)
        elif tokenizer.tokenize(marker) != [marker]:
            tokenizer.add_special_tokens(
                {"additional_special_tokens": [AddedToken(marker, normalized=False, special=True)]}
            )
        model.prompts[task] = marker + " "
    if metadata.get("mask_punctuation", True):
        marks = [tokenizer.encode(mark, add_special_tokens=False) for mark in string.punctuation]
        tokens = tokenizer.convert_ids_to_tokens([ids[0] for ids in marks if ids])
        for module in model:
            if isinstance(module, MultiVectorMask):
                module.skiplist_words = list(dict.fromkeys(tokens))
                module.resolve_with_tokenizer(tokenizer)
