"""Documents and passages as lines of JSON, beside the vectors of a format that has no texts."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TextIO

from xret.index.export.formats import ExportedIndex
from xret.index.export.passages import PassageBlock
from xret.types import Document

__all__ = ["PassageLines", "document_fields"]


class PassageLines:
    """`documents.jsonl`, `passages.jsonl` (of each passage its document, and where it stands in the
    text) and `index.json`, which says what is here."""

    def __init__(self, folder: Path, index: ExportedIndex) -> None:
        self._folder, self._index = folder, index
        self._documents = _opened(folder / "documents.jsonl")
        self._passages = _opened(folder / "passages.jsonl")
        self.n_documents = self.n_passages = self.n_vectors = 0

    def add(self, block: PassageBlock) -> None:
        for document in block.documents:
            _write(self._documents, document_fields(document))
        for _, _, document, start, end in block.numbered():
            span = {} if start is None else {"start": start, "end": end}
            _write(self._passages, {"doc_id": document.doc_id, **span})
        self.n_documents += len(block.documents)
        self.n_passages += len(block.embeddings)
        self.n_vectors += len(block.embeddings.values)

    def close(self) -> None:
        self._documents.close()
        self._passages.close()

    def finish(self) -> None:
        counts = {
            "documents": self.n_documents,
            "passages": self.n_passages,
            "vectors": self.n_vectors,
        }
        content = json.dumps({**dataclasses.asdict(self._index), **counts}, indent=2)
        (self._folder / "index.json").write_text(content + "\n", encoding="utf-8")


def document_fields(document: Document) -> dict[str, Any]:
    """A document as a line of a corpus that `xret index` reads."""
    optional = {"title": document.title, "url": document.url, "date": document.date}
    return {
        "_id": document.doc_id,
        "lang": document.lang,
        **{name: value for name, value in optional.items() if value},
        "text": document.text,
        **({"metadata": dict(document.meta)} if document.meta else {}),
    }


def _opened(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8")


def _write(file: TextIO, fields: dict[str, Any]) -> None:
    file.write(json.dumps(fields, ensure_ascii=False) + "\n")
