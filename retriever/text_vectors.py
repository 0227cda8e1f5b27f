"""Texts that are in no index, as vectors: one a text, from an encoder that makes one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from xret.deadline import Deadline
from xret.errors import QueryError
from xret.retriever.encoder import Encoder
from xret.retriever.languages.codes import language_code
from xret.retriever.languages.identification import identify_language
from xret.types import UNDETERMINED, Document, FloatArray, Query

__all__ = ["TextVectors", "encode_texts", "identified", "makes_one_vector", "text_tokens_read"]

BATCH = 16
"""Texts that are encoded between two looks at the clock."""

_SEVERAL_WORDS = Document("", "several words of which each could have a vector", "en")


@dataclass(frozen=True, slots=True)
class TextVectors:
    """vectors: (m, d) float32, of the first m texts. tokens: of those texts, all together."""

    vectors: FloatArray
    tokens: int


def makes_one_vector(encoder: Encoder) -> bool:
    """Whether an encoder makes one vector of a whole text; a late-interaction one makes many."""
    return bool(encoder.spec.dim) and len(encoder.encode_documents([_SEVERAL_WORDS]).values) == 1


def identified(text: str, lang: str | None = None) -> str:
    """The language that is given, else the one that a text is in, as far as it tells.

    Raises LanguageError for one that is none.
    """
    return language_code(lang) if lang else identify_language(text)[0]


def encode_texts(
    encoder: Encoder,
    texts: Sequence[str],
    *,
    task: Literal["query", "document"] = "document",
    lang: str | None = None,
    dim: int | None = None,
    deadline: Deadline | None = None,
) -> TextVectors:
    """One vector of each text, which goes through the adapter of its own language.

    task: whether texts are read as questions or as documents are. lang: of all of them, BCP 47;
    None identifies each one's where the encoder has adapters. dim: keep that many numbers of
    each vector, at unit length again (Matryoshka; Kusupati 2022). deadline: fewer vectors than
    texts come back where it passes before all are encoded. Raises QueryError for a dim that is
    more than the encoder's.
    """
    width = encoder.spec.dim
    if dim is not None and not 1 <= dim <= width:
        raise QueryError(f"{dim} dimensions were asked for; {encoder.spec.name} has {width}")
    vectors: list[FloatArray] = []
    done = 0
    for start in range(0, len(texts), BATCH):
        if deadline is not None and deadline.passed:
            break
        batch = texts[start : start + BATCH]
        langs = [_language(encoder, text, lang) for text in batch]
        vectors.append(_encoded(encoder, batch, langs, task))
        done += len(batch)
    made = np.concatenate([np.empty((0, width), np.float32), *vectors])
    if dim is not None and dim < width:
        made = made[:, :dim]
        made = made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
    return TextVectors(made, text_tokens_read(encoder, texts[:done]))


def text_tokens_read(encoder: Encoder, texts: Sequence[str]) -> int:
    """How many tokens an encoder's tokenizer makes of texts, marks not counted; words where it
    does not tell."""
    count = getattr(encoder, "count_tokens", None)
    counts = [len(text.split()) for text in texts] if count is None else count(texts)
    return sum(counts)


def _language(encoder: Encoder, text: str, lang: str | None) -> str:
    if lang is not None or encoder.spec.language_adapters:
        return identified(text, lang)
    return UNDETERMINED


def _encoded(encoder: Encoder, texts: Sequence[str], langs: Sequence[str], task: str) -> FloatArray:
    pairs = list(zip(texts, langs, strict=True))
    if task == "query":
        made = encoder.encode_queries([Query("", text, lang) for text, lang in pairs])
    else:
        made = encoder.encode_documents([Document("", text, lang) for text, lang in pairs])
    if len(made.values) != len(texts):
        raise QueryError(
            f"{encoder.spec.name} makes one vector of each word or token, not one of a whole text"
        )
    return made.values
