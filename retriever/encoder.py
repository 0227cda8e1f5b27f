"""What an encoder is: the protocol that every one follows, and how one can be run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from xret.errors import ConfigError
from xret.types import Document, Embeddings, EncoderSpec, FloatArray, Query

if TYPE_CHECKING:
    from xret.retriever.languages.router import Route

__all__ = ["Encoder", "EncoderOptions", "PlacedVectors", "PlacingEncoder", "passages_of"]


@dataclass(frozen=True, slots=True)
class PlacedVectors:
    """The vectors of one text, and what each of them stands for in it.

    text: as it was read, a document's with its title before it. vectors: (t, d) float32, each
    token's own, before any are pooled. places: of each vector, (start, end) in the text, in code
    points; several where one vector is of a word that is there several times, none where it is
    of a mark or a prompt.
    """

    text: str
    vectors: FloatArray
    places: Sequence[Sequence[tuple[int, int]]]


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


@runtime_checkable
class PlacingEncoder(Protocol):
    """What an encoder has beside where its scores can be explained; see `explanation`.

    Both return None where the encoder makes one vector of a whole text. A query's vectors are
    those of `encode_queries`; a document's are those that `encode_documents` pools.
    """

    def placed_query(self, query: Query) -> PlacedVectors | None: ...

    def placed_document(self, document: Document) -> PlacedVectors | None: ...


def passages_of(encoder: Encoder, document: Document) -> list[tuple[int, int]]:
    """Where that encoder cuts a document; one passage where it cannot split texts."""
    split = getattr(encoder, "passages", None)
    spans: list[tuple[int, int]] = split(document) if split is not None else []
    return spans if len(spans) > 1 else [(0, len(document.text))]


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """How an encoder is used, beyond what its files say.

    dim: keep the first numbers of every vector, at unit length again (Matryoshka). pool_factor:
    keep one in so many of a document's token vectors, 1 for all; None is the model's own, and
    an encoder that is open says which that was. single_vector: one vector a text from a
    late-interaction model, its own where it makes one in the same pass, else its vectors' mean.
    prompts: by task, "query" and "document". max_tokens: of a document. lang_policy,
    default_lang, adapters: routing by language; adapters names those to load, None all.
    shared_words: the fingerprint of the table by which words that a language shares with English
    are read in its own meaning, None for as they are. These shape vectors and are recorded in the
    index.

    code_switching: a query whose language nobody gave is read token by token, each through
    the adapter of the language that its part of the query is in (X-MOD only).

    backend: "onnx" answers with an exported graph, "kernels" with our own for int8, which need
    no torch, "torch" with neither; "auto" takes the kernels for precision int8 where they can run
    the model, else a graph for queries where there is one. precision: "auto", "fp32", "bf16",
    "int8"; None is int8 for a model made for it, fp32 for others. device: as torch names it, None
    for a GPU where there is one. batch_tokens: tokens of a batch.

    These are not recorded: an index takes vectors of any precision. bf16 and the kernels change
    ranks less than the sample of an evaluation does; torch's int8 changes more than speed, and by
    how much should be measured.
    """

    dim: int | None = None
    pool_factor: float | None = None
    single_vector: bool = False
    prompts: Mapping[str, str] | None = None
    max_tokens: int | None = None
    lang_policy: Literal["strict", "nearest", "default"] = "nearest"
    default_lang: str | None = None
    adapters: tuple[str, ...] | None = None
    shared_words: str | None = None
    code_switching: bool = False
    backend: Literal["auto", "torch", "onnx", "kernels"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] | None = None
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
        if self.pool_factor is not None and not 1 <= self.pool_factor < 1000:
            raise ConfigError(f"pool_factor is {self.pool_factor}; 1 keeps every token, 2 half")

    @classmethod
    def of(cls, options: EncoderOptions | None, named: Mapping[str, Any]) -> EncoderOptions:
        """The options with those that are named in their place.

        Raises ConfigError for a name that is none of them.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in named:
            if name not in known:
                raise ConfigError(f"no option is called {name!r}; use {', '.join(known)}")
        return dataclasses.replace(options or cls(), **named)

    def recorded(self) -> dict[str, Any]:
        """Those that shape vectors and are not the defaults, as JSON values."""
        shaping = (
            "dim",
            "pool_factor",
            "single_vector",
            "prompts",
            "max_tokens",
            "lang_policy",
            "default_lang",
            "adapters",
            "shared_words",
        )
        plain = EncoderOptions()
        found = {name: getattr(self, name) for name in shaping}
        return {name: value for name, value in found.items() if value != getattr(plain, name)}

    def with_recorded(self, recorded: Mapping[str, Any]) -> EncoderOptions:
        """These options with the recorded ones of an index in their place."""
        known = {field.name for field in dataclasses.fields(self)}
        # 3 and 3.0 are equal but not in a hash: what is equal stays as it was written first.
        changes = {
            name: value
            for name, value in recorded.items()
            if name in known and value != getattr(self, name)
        }
        if changes.get("adapters") is not None:
            changes["adapters"] = tuple(changes["adapters"])
        return dataclasses.replace(self, **changes)
