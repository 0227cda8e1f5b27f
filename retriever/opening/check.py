"""Does an encoder work: one text in each of its languages, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xret.errors import ModelError
from xret.retriever.encoder import Encoder
from xret.retriever.languages.codes import autonym
from xret.types import UNDETERMINED, Document, Query

__all__ = ["Checked", "check_encoder"]


@dataclass(frozen=True, slots=True)
class Checked:
    """A language: vectors of a text in it, milliseconds, the adapter where it is not its own."""

    lang: str
    vectors: int
    ms: float
    adapter: str


def check_encoder(encoder: Encoder) -> Iterator[Checked]:
    """Encode a language's own name as document and as query, language by language.

    Raises ModelError where vectors are not finite, of another width, or the same text gives
    other vectors the second time.
    """
    name = encoder.spec.name
    for lang in encoder.spec.languages or (UNDETERMINED,):
        text = autonym(lang) or "xret"
        start = time.perf_counter()
        made = encoder.encode_documents([Document("", text, lang)])
        ms = round((time.perf_counter() - start) * 1000, 3)
        asked = encoder.encode_queries([Query("", text, lang)])
        for values in (made.values, asked.values):
            if values.shape[1] != encoder.spec.dim or not np.isfinite(values).all():
                raise ModelError(f"{name} gives no sound vectors for {text!r} ({lang})")
        again = encoder.encode_documents([Document("", text, lang)])
        if not np.array_equal(again.values, made.values):
            raise ModelError(f"{name} gives other vectors for {text!r} the second time")
        route = encoder.route(lang) if encoder.spec.language_adapters else None
        yield Checked(lang, len(made.values), ms, "" if route is None else route.describe())
