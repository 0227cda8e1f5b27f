"""What a transformer encoder needs of a model: texts to batches, batches to vectors.

Neither torch nor onnxruntime is imported by this module.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from xret.retriever.passages import Tokens
from xret.types import Document, FloatArray, IntArray

__all__ = [
    "TEMPLATE",
    "Features",
    "Task",
    "TextModel",
    "Through",
    "document_text",
    "readable",
    "text_offsets",
    "without_surrogates",
]

Task = Literal["query", "document"]

TEMPLATE = "{title}\n{text}"
"""How a document with a title is read; one without is its text alone."""

_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Features:
    """n tokenised texts. lengths: (n,) tokens with special ones; cut: (n,) whether truncated.

    offsets: of each text's tokens, (start, end) in the text without its prompt, empty for
    tokens that stand for no part of it; None where the model does not tell.
    """

    batch: Any
    lengths: IntArray
    cut: npt.NDArray[np.bool_]
    offsets: Sequence[Sequence[tuple[int, int]]] | None = None


Through: TypeAlias = str | Sequence[str]
"""The adapter of a whole text, or those of its tokens one by one."""


class TextModel(Protocol):
    """A loaded model. `unit`: its vectors are compared by angle, so they have unit length."""

    dim: int
    max_tokens: int
    unit: bool
    batch_tokens: int

    @property
    def tokens(self) -> Tokens | None:
        """Its tokenizer, which cuts and pads nothing; None where texts cannot be split by it."""
        ...

    def features(self, texts: Sequence[str], task: Task) -> Features: ...

    def vectors(
        self, features: Features, rows: IntArray, adapters: Sequence[Through] | None, task: Task
    ) -> list[FloatArray]:
        """(k, d) float32 for each of these rows; k is 1 for a bi-encoder."""
        ...

    def spans(self, text: str, task: Task) -> list[tuple[int, int]] | None:
        """Where in a text, without its prompt, each of its k vectors stands, in code points.

        Empty for tokens that stand for no part of it; None for a bi-encoder.
        """
        ...


def document_text(document: Document) -> str:
    """What is read of a document."""
    if not document.title:
        return document.text
    return TEMPLATE.format(title=document.title, text=document.text)


def without_surrogates(text: str) -> str:
    """A text whose lone surrogates, which tokenizers refuse, are U+FFFD, as long as before."""
    return _SURROGATES.sub("\ufffd", text)


def readable(text: str, *, limit: int) -> tuple[str, bool]:
    """What a tokenizer can take of a text, and whether characters were cut off.

    Lone surrogates, which are no Unicode text and which tokenizers refuse, become U+FFFD.
    Beyond `limit` characters nothing could reach the model anyway.
    """
    kept = text[:limit]
    if not kept.isascii():
        kept = without_surrogates(kept)
    return kept, len(kept) < len(text)


def text_offsets(offsets: Sequence[tuple[int, int]], prompt: int) -> list[tuple[int, int]]:
    """Offsets into prompt and text together as offsets into the text; the prompt's are empty."""
    return [(max(a - prompt, 0), max(b - prompt, 0)) for a, b in offsets]
