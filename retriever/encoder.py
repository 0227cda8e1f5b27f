"""What an encoder is, and the table of encoders by name."""

from __future__ import annotations

import difflib
import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from xret.errors import UnknownModelError
from xret.types import Document, Embeddings, EncoderSpec, Query

__all__ = ["ENCODERS", "Encoder", "RegisteredEncoder", "languages_of", "load_encoder"]

PRETRAINED = Path(__file__).parent / "pretrained"
DEFAULT_ENCODER = "xret-static"


class Encoder(Protocol):
    """Texts in, packed vectors out, in input order and independent of the batch."""

    @property
    def spec(self) -> EncoderSpec: ...

    @property
    def truncated(self) -> int:
        """How many documents have been cut to the encoder's length so far."""
        ...

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings: ...

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings: ...


@dataclass(frozen=True, slots=True)
class RegisteredEncoder:
    """A row of the registry: where the class and its files are, and what people ask first."""

    target: str
    kind: str
    licence: str
    revision: str
    folder: Path

    @property
    def shipped(self) -> bool:
        return self.folder.is_dir()


ENCODERS: dict[str, RegisteredEncoder] = {
    "xret-static": RegisteredEncoder(
        target="xret.retriever.static:StaticEncoder",
        kind="late interaction over static token vectors",
        licence="CC-BY-SA-4.0",
        revision="0.1.0",
        folder=PRETRAINED / "xret-static",
    ),
}


def languages_of(registered: RegisteredEncoder) -> list[str]:
    """BCP 47 codes from the encoder's configuration, without loading its weights."""
    config = json.loads((registered.folder / "config.json").read_text(encoding="utf-8"))
    return [str(code) for code in config["languages"]]


def load_encoder(name: str) -> Encoder:
    """The encoder of that registered name, or the one saved in that folder.

    Raises UnknownModelError for a name that is neither, ModelError for a folder that
    holds no model.
    """
    registered = ENCODERS.get(name)
    folder = registered.folder if registered else Path(name)
    if registered is None and not folder.is_dir():
        close = difflib.get_close_matches(name, ENCODERS, n=3, cutoff=0.4) or list(ENCODERS)
        raise UnknownModelError(
            f"no encoder is called {name!r} and there is no such folder; known: {', '.join(close)}"
        )
    target = registered.target if registered else ENCODERS[DEFAULT_ENCODER].target
    module, _, attribute = target.partition(":")
    encoder: Encoder = getattr(importlib.import_module(module), attribute).load(folder)
    return encoder
