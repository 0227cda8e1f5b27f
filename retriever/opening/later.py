"""The encoder of an index whose vectors nobody has asked for: opened at the first that are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from xret.errors import XretError
from xret.retriever.encoder import Encoder
from xret.types import Document, Embeddings, EncoderSpec, Query

__all__ = ["LaterEncoder"]


class LaterEncoder:
    """An encoder not opened yet, or one that could not be: a search by words needs none.

    spec: what the index records of it. fault: why it cannot be opened, once that is known; it
    is raised each time that vectors are asked for, and the index must be opened again to try anew.
    """

    def __init__(
        self, spec: EncoderSpec, load: Callable[[], Encoder], *, fault: XretError | None = None
    ) -> None:
        self.spec = spec
        self.truncated = 0
        self.fault = fault
        self._load = load
        self._encoder: Encoder | None = None
        self._turn = threading.Lock()

    def opened(self) -> Encoder:
        """The encoder itself. Raises what `load_encoder` raises, and EncoderMismatchError."""
        with self._turn:
            if self.fault is not None:
                raise self.fault.with_traceback(None)
            if self._encoder is None:
                try:
                    self._encoder = self._load()
                except XretError as error:
                    self.fault = error
                    raise
            return self._encoder

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings:
        return self.opened().encode_queries(queries)

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings:
        return self.opened().encode_documents(documents)

    def passages(self, document: Document) -> list[tuple[int, int]]:
        return self.opened().passages(document)

    def cuts_query(self, _query: Query) -> bool:
        """A search by words reads the whole query."""
        return False

    def route(self, _lang: str) -> None:
        """A search by words goes through no adapter."""
