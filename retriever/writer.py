"""Changes to an open index, all of them in one commit or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from xret.errors import ConfigError, DuplicateIdError
from xret.index.storage.stored import content_hash
from xret.index.writing.writer import IndexWriter
from xret.retriever.encoder import Encoder
from xret.retriever.indexing import DocumentIndexer, check_document, next_batch
from xret.retriever.models.general_codec import general_codec
from xret.types import Document

__all__ = ["DocumentWriter"]

BATCH = 256


class DocumentWriter:
    """Adds, replaces and deletes documents; nothing is seen before it is left without an error.

    with index.writer() as writer:
        writer.add(documents)
        writer.delete(["old-1", "old-2"])
    """

    def __init__(self, writer: IndexWriter, encoder: Encoder) -> None:
        self._writer = writer
        self._indexer = DocumentIndexer(writer, encoder)

    @classmethod
    def open(cls, folder: Path, encoder: Encoder) -> DocumentWriter:
        """Lock the index for writing. Raises IndexLockedError while another process writes."""
        writer = IndexWriter.open(folder, encoder.spec, codec=general_codec(encoder.spec))
        try:
            return cls(writer, encoder)
        except BaseException:
            writer.close()
            raise

    def add(self, documents: Iterable[Document]) -> int:
        """Add documents whose ids are new; returns how many. Identical ones are left out.

        Raises DuplicateIdError for an id that is there with other content.
        """
        return self._put(documents, replace=False)

    def replace(self, documents: Iterable[Document]) -> int:
        """Add documents, in place of those with the same ids; returns how many are new or
        differ from what was there."""
        return self._put(documents, replace=True)

    def delete(self, doc_ids: Iterable[str]) -> int:
        """Delete documents; returns how many of these ids were there.

        Raises ConfigError for one text in the place of a list: its letters are no ids.
        """
        if isinstance(doc_ids, str):
            raise ConfigError(f"name document ids in a list: [{doc_ids!r}]")
        return self._writer.delete(doc_ids)

    def __enter__(self) -> DocumentWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)

    def _put(self, documents: Iterable[Document], *, replace: bool) -> int:
        count = 0
        remaining = iter(documents)
        while batch := next_batch(remaining, BATCH):
            changed = list(self._changed(batch, replace=replace))
            if changed:
                self._indexer.add(changed)
            count += len(changed)
        return count

    def _changed(self, batch: list[Document], *, replace: bool) -> Iterator[Document]:
        """The last version of each document, where it is not what is there already."""
        last: dict[str, Document] = {}
        for document in batch:
            check_document(document)
            earlier = last.get(document.doc_id)
            if earlier is not None and not replace and earlier != document:
                raise DuplicateIdError(_message(document))
            last[document.doc_id] = document
        for document in last.values():
            found = self._writer.content(document.doc_id)
            if found is None or (replace and found != content_hash(document)):
                yield document
            elif found != content_hash(document):
                raise DuplicateIdError(_message(document))


def _message(document: Document) -> str:
    return (
        f"document id {document.doc_id!r} is there with other content; "
        "give every document its own id, or use replace"
    )
