"""An encoder whose documents are encoded on a Ray cluster, ahead of the index that takes them.

The corpus is read in the batches that `IndexBuild` takes. Each goes, whole, to an actor that holds
the encoder, several ahead of the one that is written: a batch's vectors are the same wherever it
is encoded, and it is written in its turn, so that the index is that of one process, byte for byte.
An actor that dies is started again, where there is room, and its batches with it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import xxhash

from xret.errors import ConfigError, EncoderMismatchError, MissingLibraryError
from xret.retriever.build import BATCH
from xret.retriever.encoder import Encoder, EncoderOptions, passages_of
from xret.retriever.indexing import next_batch, passage_parts, passages, with_language
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Embeddings, EncoderSpec, Query

__all__ = ["RayEncoder"]

KNOCK_S = 5.0

AHEAD = 2
"""Batches that wait for each actor, beside the one that it encodes."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Encoded:
    """Vectors of a part of a batch. key: of its passages. cut: the places of truncated ones."""

    key: bytes
    embeddings: Embeddings
    truncated: int
    cut: tuple[int, ...]


class _Worker:
    """What an actor holds and does."""

    def __init__(self, name: str, options: EncoderOptions, fingerprint: str) -> None:
        self._encoder = load_encoder(name, options=options)
        found = self._encoder.spec.fingerprint
        if found != fingerprint:
            raise EncoderMismatchError(
                f"a node of the cluster has another {name} ({found[:12]}) than this machine "
                f"({fingerprint[:12]}); give all of them the same model"
            )

    def pid(self) -> int:
        return os.getpid()

    def encode(self, documents: list[Document]) -> list[_Encoded]:
        """A batch of documents as they are in the corpus, in the parts that are encoded at once."""
        parts = passage_parts(_passages(self._encoder, documents))
        return [self.encode_passages(part) for part in parts]

    def encode_passages(self, parts: list[Document]) -> _Encoded:
        before = self._encoder.truncated
        embeddings = self._encoder.encode_documents(parts)
        cut = tuple(sorted(getattr(self._encoder, "last_cut", ())))
        return _Encoded(_key(parts), embeddings, self._encoder.truncated - before, cut)


class RayEncoder:
    """See `Encoder`; all but the encoding of documents is done by the encoder that it is made of.

    `ahead` goes around the documents of a build. `close` stops the actors.
    """

    def __init__(self, encoder: Encoder, ray: Any, workers: Sequence[Any], *, own: bool) -> None:
        self._encoder = encoder
        self._ray = ray
        self._own = own
        self._waiting: deque[tuple[frozenset[str], Any]] = deque()
        self._fetched: tuple[Any, dict[bytes, _Encoded]] = None, {}
        self._next = 0
        self.workers = tuple(workers)
        self.truncated = 0
        self.last_cut: tuple[int, ...] = ()

    @classmethod
    def start(
        cls,
        encoder: Encoder,
        name: str,
        options: EncoderOptions,
        *,
        address: str,
        workers: int | None = None,
    ) -> RayEncoder:
        """Actors on the cluster at an address ("auto" for that of this machine, "local" for one of
        this process), each with the encoder of that name and those options.

        workers: how many; None is one a CPU, or a GPU where the options name one. Raises
        ConfigError where the cluster cannot be reached or has no room, MissingLibraryError
        without ray.
        """
        ray = _library()
        own = not ray.is_initialized()
        if own:
            try:
                _knock(address)
                ray.init(address=address, log_to_driver=False, logging_level="ERROR")
            except (OSError, ValueError, RuntimeError) as error:
                raise ConfigError(f"no Ray cluster answers at {address}: {error}") from error
        on_gpu = (options.device or "").startswith("cuda")
        room = int(ray.cluster_resources().get("GPU" if on_gpu else "CPU", 0))
        count = min(workers or room, room)
        if count < 1:
            raise ConfigError(
                f"the Ray cluster at {address} has no free {'GPU' if on_gpu else 'CPU'}"
            )
        kind = ray.remote(_Worker).options(
            num_cpus=1, num_gpus=int(on_gpu), max_restarts=-1, max_task_retries=-1
        )
        asked = (name, options, encoder.spec.fingerprint)
        return cls(encoder, ray, [kind.remote(*asked) for _ in range(count)], own=own)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    @property
    def spec(self) -> EncoderSpec:
        return self._encoder.spec

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings:
        return self._encoder.encode_queries(queries)

    def ahead(
        self, documents: Iterable[Document], stored: Callable[[str], bool]
    ) -> Iterator[Document]:
        """The same documents, whose batches are sent to the actors before they are asked for.

        stored: whether the index has a document of that id already; a batch with one is left to
        be encoded as it is asked for, so that a build that goes on encodes nothing twice.
        """
        corpus = iter(documents)
        batches: deque[list[Document]] = deque()
        window = len(self.workers) * (1 + AHEAD)
        while True:
            while len(batches) < window and (batch := next_batch(corpus, BATCH)):
                batches.append(batch)
                ids = frozenset(document.doc_id for document in batch)
                if not any(map(stored, ids)):
                    self._waiting.append((ids, self._worker().encode.remote(batch)))
            if not batches:
                return
            yield from batches.popleft()

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings:
        """Of passages: what an actor has encoded already, else what one is sent now."""
        sent = self._sent_with(documents[0].doc_id) if documents else None
        key = _key(documents)
        encoded = None if sent is None else self._parts_of(sent).get(key)
        if encoded is None:
            encoded = self._result(self._worker().encode_passages.remote(list(documents)))
        return self._taken(encoded)

    def close(self) -> None:
        """Stop the actors, and leave the cluster where this has joined it."""
        for worker in self.workers:
            self._ray.kill(worker)
        if self._own:
            self._ray.shutdown()

    def _sent_with(self, doc_id: str) -> Any:
        """The batch in which a document was sent; those before it are asked for no more."""
        place = next((n for n, (ids, _) in enumerate(self._waiting) if doc_id in ids), None)
        if place is None:
            return None
        for _ in range(place):
            self._waiting.popleft()
        return self._waiting[0][1]

    def _parts_of(self, sent: Any) -> dict[bytes, _Encoded]:
        """The parts of a batch by their keys, fetched once."""
        if self._fetched[0] is not sent:
            self._fetched = sent, {part.key: part for part in self._result(sent)}
        return self._fetched[1]

    def _worker(self) -> Any:
        """The actors in turn."""
        self._next += 1
        return self.workers[self._next % len(self.workers)]

    def _taken(self, encoded: _Encoded) -> Embeddings:
        self.truncated += encoded.truncated
        self.last_cut = encoded.cut
        return encoded.embeddings

    def _result(self, sent: Any) -> Any:
        """Raises what the encoder raised there, ConfigError where the cluster is gone."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(sent)
        except errors.RayTaskError as error:
            raise error.cause from error
        except errors.RayError as error:
            raise ConfigError(
                f"the Ray cluster lost a batch ({type(error).__name__}: {error}); what was "
                "committed stays, run it again to go on"
            ) from error


def _passages(encoder: Encoder, documents: Sequence[Document]) -> list[Document]:
    """As `DocumentIndexer.add` hands them to an encoder."""
    labelled = [with_language(document) for document in documents]
    return list(passages(labelled, [passages_of(encoder, document) for document in labelled]))


def _key(parts: Sequence[Document]) -> bytes:
    """Of what an encoder reads of passages."""
    read = [(one.doc_id, one.lang, one.title, one.text) for one in parts]
    return xxhash.xxh3_128_digest(json.dumps(read).encode())


def _knock(address: str) -> None:
    """Raises OSError where nothing listens at host:port: ray itself tries for minutes."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=KNOCK_S).close()


def _library() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingLibraryError(
            "ray is not installed: pip install 'xret[distributed]'"
        ) from error
    return ray
