"""What an encoder is, and how one is had by its name or its folder."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from xret.errors import ConfigError, ModelError, UnknownModelError
from xret.retriever.models.folder_change import finish_change
from xret.retriever.models.registry import (
    DEFAULT_ENCODER,
    ENCODERS,
    RegisteredEncoder,
    languages_of,
)
from xret.types import Document, Embeddings, EncoderSpec, Query

if TYPE_CHECKING:
    from xret.retriever.languages.router import Route

__all__ = [
    "DEFAULT_ENCODER",
    "ENCODERS",
    "Encoder",
    "EncoderOptions",
    "RegisteredEncoder",
    "languages_of",
    "load_encoder",
    "model_location",
    "passages_of",
]

_CLASSES = {
    "static": "xret.retriever.encoders.static:StaticEncoder",
    "bi-encoder": "xret.retriever.opening.bi_encoder:BiEncoder",
    "late interaction": "xret.retriever.opening.late_interaction:LateInteractionEncoder",
}


WORDS_ONLY = "bm25"
"""The encoder of an index without vectors."""


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

    def passages(self, document: Document) -> list[tuple[int, int]]:
        """Where to cut a document's text so that nothing of it is left out: (start, end).

        Each part, with the document's title, is within what `encode_documents` reads; one
        part for a document that is. Together they cover the text.
        """
        ...

    def cuts_query(self, query: Query) -> bool:
        """Whether a query is longer than what `encode_queries` reads of it."""
        ...

    def route(self, lang: str) -> Route | None:
        """The adapter that texts in a language go through; None: the encoder does not route."""
        ...


def passages_of(encoder: Encoder, document: Document) -> list[tuple[int, int]]:
    """Where that encoder cuts a document; one passage where it cannot split texts."""
    split = getattr(encoder, "passages", None)
    spans: list[tuple[int, int]] = split(document) if split is not None else []
    return spans if len(spans) > 1 else [(0, len(document.text))]


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """How an encoder is used, beyond what its files say.

    dim: keep the first numbers of every vector, at unit length again (Matryoshka). pool_factor:
    keep one in so many of a document's token vectors. single_vector: one vector a text from a
    late-interaction model, its own where it makes one in the same pass, else its vectors' mean.
    prompts: by task, "query" and "document". max_tokens: of a document. lang_policy,
    default_lang, adapters: routing by language; adapters names those to load, None all. These
    shape vectors and are recorded in the index.

    code_switching: a query whose language nobody gave is read token by token, each through
    the adapter of the language that its part of the query is in (X-MOD only).

    backend: "onnx" answers with an exported graph, "torch" never does, "auto" does so for
    queries where there is one. precision: "auto", "fp32", "bf16", "int8". device: as torch
    names it, None for a GPU where there is one. batch_tokens: tokens of a batch. These
    change speed only.
    """

    dim: int | None = None
    pool_factor: float = 1.0
    single_vector: bool = False
    prompts: Mapping[str, str] | None = None
    max_tokens: int | None = None
    lang_policy: Literal["strict", "nearest", "default"] = "nearest"
    default_lang: str | None = None
    adapters: tuple[str, ...] | None = None
    code_switching: bool = False
    backend: Literal["auto", "torch", "onnx"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "fp32"
    device: str | None = None
    batch_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.dim is not None and self.dim < 1:
            raise ConfigError(f"a vector cannot have {self.dim} dimensions")
        if self.max_tokens is not None and self.max_tokens < 3:
            raise ConfigError(
                f"max_tokens is {self.max_tokens}; the marks alone need 2, so 3 or more"
            )
        if self.batch_tokens is not None and self.batch_tokens < 1:
            raise ConfigError(f"a batch of {self.batch_tokens} tokens holds no text")
        if self.lang_policy not in ("strict", "nearest", "default"):
            raise ConfigError(
                f"no language policy is called {self.lang_policy!r}; use strict, nearest or default"
            )
        if not 1 <= self.pool_factor < 1000:
            raise ConfigError(f"pool_factor is {self.pool_factor}; 1 keeps every token, 2 half")

    def recorded(self) -> dict[str, Any]:
        """Those that shape vectors and are not the defaults, as JSON values."""
        shaping = ("dim", "pool_factor", "single_vector", "prompts", "max_tokens", "lang_policy",
                   "default_lang", "adapters")  # fmt: skip
        plain = EncoderOptions()
        found = {name: getattr(self, name) for name in shaping}
        return {name: value for name, value in found.items() if value != getattr(plain, name)}

    def with_recorded(self, recorded: Mapping[str, Any]) -> EncoderOptions:
        """These options with the recorded ones of an index in their place."""
        known = {field.name for field in dataclasses.fields(self)}
        changes = {name: value for name, value in recorded.items() if name in known}
        if changes.get("adapters") is not None:
            changes["adapters"] = tuple(changes["adapters"])
        return dataclasses.replace(self, **changes)


def load_encoder(
    name: str, *, options: EncoderOptions | None = None, revision: str | None = None
) -> Encoder:
    """The encoder of that registered name or hub id, or the one saved in that folder.

    Nothing is downloaded: `xret model pull` does that. revision: a commit of a model that
    was pulled, None for the one that is pinned. Raises UnknownModelError for a name that is
    neither, ModelError for a folder that holds no model, for weights that are missing or
    pickled, and for a model that needs foreign code.
    """
    if name == WORDS_ONLY:
        from xret.retriever.encoders.words_only import WordsOnly

        return WordsOnly()
    registered = ENCODERS.get(name)
    wanted = options or EncoderOptions()
    folder = _folder(name, registered, revision)
    if registered is not None:
        _warn_of_licence(name, registered)
        if wanted.prompts is None and registered.prompts:
            wanted = dataclasses.replace(wanted, prompts=dict(registered.prompts))
    kind = _kind(folder, registered)
    if registered is not None and kind != "static" and kind != registered.kind:
        raise ModelError(
            f"{name} is a model of {registered.kind}, and {folder} holds a {kind}"
            + (f"; {registered.note}" if registered.note else "")
        )
    module, _, attribute = _CLASSES[kind].partition(":")
    loader = getattr(importlib.import_module(module), attribute)
    encoder: Encoder
    if kind == "static":
        shaping = set((options or EncoderOptions()).recorded()) - {"lang_policy"}
        if shaping:
            raise ConfigError(f"{name} is a table of words; it has no {', '.join(sorted(shaping))}")
        encoder = loader.load(folder, name=name)
    else:
        encoder = loader.load(folder, name=name, options=wanted)
    return encoder


def model_location(name: str, *, revision: str | None = None) -> Path:
    """The folder of a registered name, a hub id that was pulled, or a folder itself.

    Raises UnknownModelError and ModelError as `load_encoder` does.
    """
    return _folder(name, ENCODERS.get(name), revision)


def _folder(name: str, registered: RegisteredEncoder | None, revision: str | None) -> Path:
    if registered is not None and registered.folder is not None:
        return registered.folder
    if registered is None and Path(name).is_dir():
        finish_change(Path(name))
        return Path(name)
    if registered is None and not _is_hub_id(name):
        if Path(name).is_absolute():
            raise UnknownModelError(
                f"there is no model at {name}; where it lies now is said with --encoder FOLDER"
            )
        close = difflib.get_close_matches(name, ENCODERS, n=3, cutoff=0.4) or list(ENCODERS)
        raise UnknownModelError(
            f"no encoder is called {name!r} and there is no such folder; known: {', '.join(close)}"
        )
    from xret.retriever.models.hub import find_model

    return find_model(name, revision=revision)


def _kind(folder: Path, registered: RegisteredEncoder | None) -> str:
    if registered is not None and registered.folder is not None and not registered.shipped:
        raise ModelError(f"{folder} is not there: this installation of xret is not whole")
    from xret.retriever.models.layout import model_kind

    return model_kind(folder)


def _is_hub_id(name: str) -> bool:
    owner, _, model = name.partition("/")
    return bool(owner and model) and not any(c in name for c in "\\ ") and name.count("/") == 1


def _warn_of_licence(name: str, registered: RegisteredEncoder) -> None:
    if not registered.commercial:
        warnings.warn(
            f"{name} is under {registered.licence}: for non-commercial use only",
            UserWarning,
            stacklevel=3,
        )
