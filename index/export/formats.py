"""The formats that an index is exported to, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol, cast

from xret.index.export.passages import PassageBlock

__all__ = ["ExportFormat", "ExportedIndex", "FormatName", "open_format"]

FormatName = Literal["faiss", "lance", "npz", "vespa"]


@dataclass(frozen=True, slots=True)
class ExportedIndex:
    """What is exported. single: whether every passage has one vector."""

    encoder: str
    fingerprint: str
    dim: int
    single: bool


class ExportFormat(Protocol):
    """A folder that is written a block after the other."""

    def __init__(self, folder: Path, index: ExportedIndex) -> None: ...

    def add(self, block: PassageBlock) -> None: ...

    def finish(self) -> None:
        """Write what has to come last."""
        ...

    def close(self) -> None:
        """Leave the files, whether all was written or not."""
        ...


_FORMATS: Mapping[FormatName, str] = {
    "faiss": "faiss_file:FaissFile",
    "lance": "lance_table:LanceTable",
    "npz": "npz_parts:NpzParts",
    "vespa": "vespa_feed:VespaFeed",
}


def open_format(name: FormatName, folder: Path, index: ExportedIndex) -> ExportFormat:
    """Raises MissingLibraryError where the format's library is not there."""
    module, _, kind = _FORMATS[name].partition(":")
    made = getattr(import_module(f"xret.index.export.{module}"), kind)
    return cast("ExportFormat", made(folder, index))
