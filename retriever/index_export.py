"""An index handed over to other programs: what `xret export` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from xret.config import find_index
from xret.errors import ConfigError
from xret.index.export.formats import ExportedIndex, FormatName, open_format
from xret.index.export.passages import passage_blocks_of
from xret.index.search.reader import IndexReader
from xret.index.storage.encoder_record import FINGERPRINT, NAME
from xret.retriever.shards import part_folders
from xret.types import Progress, Work, finished

__all__ = ["ExportReport", "export_index", "export_index_steps"]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written into a folder."""

    folder: str
    documents: int
    passages: int
    vectors: int


def export_index_steps(
    index: str | Path, output: str | Path, *, to: FormatName
) -> Work[ExportReport]:
    """Write an index's vectors and texts in another program's format; vectors are as its codes say
    them, in float32.

    index: by name or folder; of one in several parts, those in folders. output: a new folder. to:
    see docs/scale.md. Raises ConfigError where there is something already or the index has no
    vectors, MissingLibraryError, and UnusableIndexError where the index is written to meanwhile.
    """
    folder = Path(output)
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; name a new folder")
    readers: list[IndexReader] = []
    try:
        for part in part_folders(find_index(index)):
            readers.append(IndexReader.open(part))  # noqa: PERF401 (those opened are closed)
        counts = yield from _written(readers, folder, to)
    finally:
        for reader in readers:
            reader.close()
    return ExportReport(str(folder), *counts)


export_index = finished(export_index_steps)


def _written(
    readers: Sequence[IndexReader], folder: Path, to: FormatName
) -> Work[tuple[int, int, int]]:
    infos = [reader.info() for reader in readers]
    settings, dim = infos[0].settings, readers[0].dim
    if not dim:
        raise ConfigError("this index has words and no vectors; there is nothing to export")
    single = all(info.vectors == info.passages for info in infos)
    exported = ExportedIndex(settings[NAME], settings[FINGERPRINT], dim, single)
    folder.mkdir(parents=True, exist_ok=True)
    total = sum(info.documents for info in infos)
    target = open_format(to, folder, exported)
    documents = passages = vectors = 0
    try:
        for block in chain.from_iterable(map(passage_blocks_of, readers)):
            target.add(block)
            documents += len(block.documents)
            passages += len(block.embeddings)
            vectors += len(block.embeddings.values)
            yield Progress("export", documents, total, "documents")
        target.finish()
    finally:
        target.close()
    return documents, passages, vectors
