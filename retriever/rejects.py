"""Records that could not be read: how many, the first one, and their list beside the index."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import IO

from xret.errors import CorpusError
from xret.retriever.corpora.records import BadRecord

__all__ = ["REJECTS_FILE", "Rejects"]

REJECTS_FILE = "rejects.jsonl"


class Rejects:
    """Records that could not be read, for rejects.jsonl and the summary.

    They wait in a file without a name: there may be millions, and there is no folder to put
    them in until the first document has been read.
    """

    def __init__(self, *, stop: bool) -> None:
        self._stop = stop
        self._first: BadRecord | None = None
        self._waiting: IO[bytes] | None = None
        self.count = 0

    def add(self, record: BadRecord) -> None:
        """Keep a record, with its place and the reason. Raises CorpusError where it must stop."""
        if self._stop:
            raise CorpusError(f"{record.place}: {record.reason}")
        if self._waiting is None:
            self._first = record
            self._waiting = tempfile.TemporaryFile()  # noqa: SIM115
        fields = {"place": record.place, "reason": record.reason}
        # A file's name in another encoding is no valid Unicode, and is written as an escape.
        line = json.dumps(fields, ensure_ascii=False).encode(errors="backslashreplace")
        self._waiting.write(line + b"\n")
        self.count += 1

    def why(self) -> str:
        """What to add to a message where nothing at all could be read; empty without any."""
        first = self._first
        if first is None:
            return ""
        return f"; {self.count:,} records refused, the first: {first.place}: {first.reason}"

    def write(self, folder: Path) -> None:
        """Put them in place, whole or not at all. A run without any leaves an earlier list."""
        if self._waiting is None:
            return
        part = folder / f"{REJECTS_FILE}.part"
        with self._waiting as waiting, part.open("wb") as file:
            waiting.seek(0)
            shutil.copyfileobj(waiting, file)
        part.replace(folder / REJECTS_FILE)
