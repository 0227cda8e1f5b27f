"""A Lance data set: one row a passage, its vectors a list of lists of one size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from xret.errors import MissingLibraryError
from xret.index.export.formats import ExportedIndex
from xret.index.export.passages import PassageBlock

__all__ = ["LanceTable"]


class LanceTable:
    """`passages.lance`, which LanceDB opens as the table `passages`: `vector`, one of d float32 or,
    of many a passage, a list of them as its multivector search takes them."""

    def __init__(self, folder: Path, index: ExportedIndex) -> None:
        self._lance, self._arrow = _libraries()
        self._path = str(folder / "passages.lance")
        self._index = index
        self._mode = "create"

    def add(self, block: PassageBlock) -> None:
        arrow, passages = self._arrow, list(block.numbered())
        documents = [document for _, _, document, _, _ in passages]
        flat = arrow.array(block.embeddings.values.reshape(-1), arrow.float32())
        vectors = arrow.FixedSizeListArray.from_arrays(flat, self._index.dim)
        if not self._index.single:
            offsets = arrow.array(block.embeddings.offsets.astype(np.int32))
            vectors = arrow.ListArray.from_arrays(offsets, vectors)
        columns = {
            "doc_id": [one.doc_id for one in documents],
            "lang": [one.lang for one in documents],
            "title": [one.title for one in documents],
            "text": [one.text[start:end] for _, _, one, start, end in passages],
            "url": arrow.array([one.url for one in documents], arrow.string()),
            "date": arrow.array([one.date for one in documents], arrow.string()),
            "meta": [json.dumps(dict(one.meta), sort_keys=True) for one in documents],
            "start": arrow.array([start for *_, start, _ in passages], arrow.int32()),
            "end": arrow.array([end for *_, end in passages], arrow.int32()),
            "vector": vectors,
        }
        self._lance.write_dataset(arrow.table(columns), self._path, mode=self._mode)
        self._mode = "append"

    def finish(self) -> None:
        """Nothing: every block is a commit of the data set."""

    def close(self) -> None:
        """Nothing stays open between blocks."""


def _libraries() -> tuple[Any, Any]:
    try:
        import lance
        import pyarrow
    except ImportError as error:
        raise MissingLibraryError("lance is not installed: pip install pylance") from error
    return lance, pyarrow
