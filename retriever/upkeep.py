"""An index looked at, checked, deleted from and compacted: what the commands of those names do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xret.config import find_index
from xret.errors import ConfigError, CorpusError
from xret.index.coding.recoding import preset_bits
from xret.index.search.faults import find_faults
from xret.index.search.reader import IndexReader
from xret.index.sharded.opening import is_sharded, open_reader
from xret.index.sharded.shards_file import ShardsFile
from xret.index.storage.files import folder_bytes
from xret.index.storage.stored import IndexInfo
from xret.index.writing.compaction import Compaction
from xret.index.writing.writer import IndexWriter
from xret.retriever.answer_warnings import missing_shards
from xret.types import Work, finished

__all__ = [
    "CompactReport",
    "Deletion",
    "compact",
    "compact_steps",
    "delete",
    "info",
    "read_ids",
    "verify",
]


@dataclass(frozen=True, slots=True)
class Deletion:
    """deleted: documents. missing: ids that were not in the index."""

    deleted: int
    missing: int


@dataclass(frozen=True, slots=True)
class CompactReport:
    """documents, segments, bytes: of the index as it is now; removed: documents' vectors."""

    documents: int
    removed: int
    rewritten_segments: int
    segments: int
    codec_trained: bool
    bytes_before: int
    bytes: int


def info(index: str | Path) -> dict[str, Any]:
    """Documents, languages, encoder and size of an index, by the names of `xret info --json`.

    `warnings` is there where parts of the index do not answer, which it may be asked without.
    """
    reader = open_reader(find_index(index))
    try:
        held, size_bytes, dim = reader.info(), reader.size_bytes(), reader.dim
        bits = reader.codec_bits()
        warnings = missing_shards(reader.missing(), what="this")
    finally:
        reader.close()
    total = held.documents + held.deleted
    return {
        "documents": held.documents,
        "deleted": held.deleted,
        "deleted_share": round(held.deleted / total, 4) if total else 0.0,
        "passages": held.passages,
        "vectors": held.vectors,
        "bytes_per_vector": round(held.vectors_bytes / held.vectors, 1) if held.vectors else 0.0,
        "preset": held.preset,
        "codec": _codec(held, bits),
        "languages": held.languages,
        "encoder": held.settings["encoder"],
        "fingerprint": held.settings["encoder_fingerprint"],
        "dim": dim,
        "segments": held.segments,
        "bytes": size_bytes,
        "version": held.version,
        **({"warnings": warnings} if warnings else {}),
    }


def verify(index: str | Path) -> list[str]:
    """What is wrong with an index, file by file and document by document; empty: it is sound.

    Of an index in several parts those in folders are looked at.
    """
    return [fault for folder in _folders(index) for fault in find_faults(folder)]


def delete(index: str | Path, doc_ids: Iterable[str]) -> Deletion:
    """Delete documents by their ids; their vectors stay on disk until the index is compacted.

    Raises ConfigError for no id at all, and for one text in the place of a list.
    """
    if isinstance(doc_ids, str):
        raise ConfigError(f"name document ids in a list: [{doc_ids!r}]")
    wanted = list(doc_ids)
    if not wanted:
        raise ConfigError("there is nothing to delete; name document ids, or a file with --from")
    deleted = 0
    for folder in _folders(index, all_here="documents are deleted in folders"):
        with IndexWriter.open_existing(folder) as writer:
            deleted += writer.delete(wanted)
    return Deletion(deleted, len(set(wanted)) - deleted)


def read_ids(content: bytes, where: object) -> list[str]:
    """The ids in a list, one a line; empty lines are passed over. Raises CorpusError."""
    try:
        return [line for line in content.decode("utf-8").splitlines() if line]
    except UnicodeDecodeError as error:
        raise CorpusError(f"{where} is not UTF-8 text; one document id a line is read") from error


def compact_steps(index: str | Path) -> Work[CompactReport]:
    """Rewrite an index without deleted documents, joining small segments.

    Searches go on meanwhile. Killed at any moment it has lost nothing; run it again to go on.
    Raises ConfigError for an index in several parts.
    """
    folder = find_index(index)
    if is_sharded(folder):
        raise ConfigError(f"{index} is an index in several parts; compact each of them")
    compaction = Compaction(folder)
    before = folder_bytes(folder)
    summary = yield from compaction.run()
    reader = IndexReader.open(folder)
    held = reader.info()
    reader.close()
    return CompactReport(
        documents=held.documents,
        removed=summary.removed,
        rewritten_segments=summary.rewritten,
        segments=held.segments,
        codec_trained=summary.retrained,
        bytes_before=before,
        bytes=folder_bytes(folder),
    )


compact = finished(compact_steps)


def _folders(index: str | Path, *, all_here: str = "") -> list[Path]:
    """The folders of an index: one, or those of its parts.

    all_here: what is done there alone, said in the ConfigError where a part is served elsewhere.
    """
    folder = find_index(index)
    if not is_sharded(folder):
        return [folder]
    file = ShardsFile.read(folder)
    parts = file.folders(folder)
    if all_here and len(parts) < len(file.parts):
        raise ConfigError(f"{index} has parts that are served elsewhere; {all_here}")
    return list(parts.values())


def _codec(held: IndexInfo, bits: Mapping[int, float]) -> str:
    """How the vectors are coded: 8 bits a dimension each, or by trained codecs of these bits; of
    an index in several parts, whose codecs are not at hand, by its preset's."""
    if not any(held.codecs):
        return "8 bits"
    widths = sorted({round(width, 1) for width in bits.values()} or {preset_bits(held.preset)})
    mixed = ", some vectors 8 bits" if 0 in held.codecs else ""
    named = " and ".join(f"{width:g}" for width in widths)
    return f"{named} bit{'' if named == '1' else 's'}{mixed}"
