"""Lists beside an index: records that could not be read, and texts that were cut."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from xret.errors import CorpusError
from xret.retriever.corpora.records import BadRecord
from xret.types import Document

__all__ = ["REJECTS_FILE", "TRUNCATED_FILE", "Rejects", "TruncatedTexts"]

REJECTS_FILE = "rejects.jsonl"
TRUNCATED_FILE = "truncated.jsonl"


class _WaitingLines:
    """JSON lines for a file beside an index.

    They wait in a file without a name: there may be millions, and there is no folder to put
    them in until the first document has been read.
    """

    def __init__(self) -> None:
        self._waiting: IO[bytes] | None = None
        self.count = 0

    def add(self, fields: Mapping[str, Any]) -> None:
        if self._waiting is None:
            self._waiting = tempfile.TemporaryFile()  # noqa: SIM115
        # A file's name in another encoding is no valid Unicode, and is written as an escape.
        line = json.dumps(fields, ensure_ascii=False).encode(errors="backslashreplace")
        self._waiting.write(line + b"\n")
        self.count += 1

    def write(self, path: Path, *, after: bool = False) -> None:
        """Put them in place, whole or not at all. Without any, what is there stays.

        after: behind what is there, not in its place.
        """
        if self._waiting is None:
            return
        part = path.with_name(f"{path.name}.part")
        with self._waiting as waiting, part.open("wb") as file:
            if after and path.is_file():
                file.write(path.read_bytes())
            waiting.seek(0)
            shutil.copyfileobj(waiting, file)
        part.replace(path)


class Rejects:
    """Records that could not be read, for rejects.jsonl and the summary."""

    def __init__(self, *, stop: bool) -> None:
        self._stop = stop
        self._first: BadRecord | None = None
        self._lines = _WaitingLines()

    @property
    def count(self) -> int:
        return self._lines.count

    def add(self, record: BadRecord) -> None:
        """Keep a record, with its place and the reason. Raises CorpusError where it must stop."""
        if self._stop:
            raise CorpusError(f"{record.place}: {record.reason}")
        self._first = self._first or record
        self._lines.add({"place": record.place, "reason": record.reason})

    def why(self) -> str:
        """What to add to a message where nothing at all could be read; empty without any."""
        first = self._first
        if first is None:
            return ""
        return f"; {self.count:,} records refused, the first: {first.place}: {first.reason}"

    def write(self, folder: Path) -> None:
        """Put them in place of an earlier run's; a run without any leaves those."""
        self._lines.write(folder / REJECTS_FILE)


class TruncatedTexts:
    """Texts whose end an encoder left out, for truncated.jsonl: one line a passage."""

    def __init__(self) -> None:
        self._lines = _WaitingLines()

    def add(self, passage: Document) -> None:
        """Keep a passage's id, language and number of characters, its title's included."""
        characters = len(passage.title) + len(passage.text)
        self._lines.add({"id": passage.doc_id, "lang": passage.lang, "characters": characters})

    def write(self, folder: Path) -> None:
        """Put them behind those of earlier runs: what is indexed is not read again."""
        self._lines.write(folder / TRUNCATED_FILE, after=True)
