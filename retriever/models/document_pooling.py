"""What a model folder says of pooling its documents' vectors, without loading the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xret.errors import ModelError
from xret.index.coding.recoding import PRESETS
from xret.retriever.models.layout import listed_modules, read_json

__all__ = ["DocumentPooling", "document_pooling"]

_HEAD = "TokenVectors"
"""The module whose settings may name a factor: `xret.retriever.encoders.token_vectors`."""


@dataclass(frozen=True, slots=True)
class DocumentPooling:
    """factor: one in so many of a document's vectors is kept, 1 for all of them.

    keep_first: whether the first is that of a mark, which speaks for the whole text. preset: of
    an index of such vectors, empty for the index's own default.
    """

    factor: float = 1.0
    keep_first: bool = True
    preset: str = ""


def document_pooling(folder: Path) -> DocumentPooling:
    """The pooling that a model was made for; every model without a say keeps all vectors.

    Raises ModelError for a factor or a preset that is none, and for files that cannot be read.
    """
    heads = [path for name, path in listed_modules(folder) if name.rpartition(".")[2] == _HEAD]
    if not heads:
        return DocumentPooling()
    config = folder / heads[0] / "config.json"
    settings = read_json(config)
    factor, preset = settings.get("pool_factor", 1.0), settings.get("preset", "")
    if preset and preset not in PRESETS:
        raise ModelError(f"{config} has the preset {preset!r}; use {', '.join(PRESETS)}")
    if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not 1 <= factor < 1000:
        raise ModelError(
            f"{config} has pool_factor {factor!r}; it is a number from 1, which keeps every "
            "vector, to below 1000"
        )
    return DocumentPooling(float(factor), keep_first=False, preset=preset)
