"""Files of training rows read into examples, with what was read and what was left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xret.errors import CorpusError, LanguageError
from xret.retriever.corpora.lines import BadLine, checked_lines
from xret.retriever.corpora.parallel_text import parallel_fields
from xret.retriever.corpora.rows import (
    Example,
    code_of,
    examples_of,
    is_json,
    json_fields,
    tab_fields,
)
from xret.retriever.models.hashes import file_hash
from xret.retriever.training.recipes.settings import OnError
from xret.types import UNDETERMINED, Progress

__all__ = ["ExampleReader", "ReadFile"]

_EVERY = 10_000


@dataclass(slots=True)
class ReadFile:
    """A file that was read: its lines, how many were left out, and the xxh3-128 of its bytes."""

    name: str
    checksum: str
    lines: int = 0
    skipped: int = 0


@dataclass(slots=True)
class ExampleReader:
    """Reads files into `examples`; `files` says what was read.

    parallel: texts and their translations, without negatives. source_lang, target_lang: of
    texts whose line names none, as given by the user. on_error: "skip" counts a bad line and
    goes on.
    """

    parallel: bool = False
    source_lang: str | None = None
    target_lang: str | None = None
    on_error: OnError = "stop"
    examples: list[Example] = field(default_factory=list)
    files: list[ReadFile] = field(default_factory=list)

    def read(self, paths: Sequence[Path]) -> Iterator[Progress]:
        """Read files one after another.

        Raises CorpusError (file:line) for a line that is no example, for a file that cannot
        be read, and where no file holds any example; LanguageError for a language that the
        user named and that is none.
        """
        langs = [
            code_of(lang) if lang else UNDETERMINED for lang in (self.source_lang, self.target_lang)
        ]
        for path in paths:
            yield from self._read(path, *langs)
        if not self.examples:
            names = ", ".join(map(str, paths))
            why = f"; {sum(file.skipped for file in self.files):,} lines could not be read"
            raise CorpusError(f"{names} holds no example{why if self.on_error == 'skip' else ''}")

    def _read(self, path: Path, source_lang: str, target_lang: str) -> Iterator[Progress]:
        if not path.is_file():
            raise CorpusError(f"no such file: {path}")
        fields_of = self._fields_of(path)
        found = ReadFile(path.name, file_hash(path))
        self.files.append(found)
        for found.lines, line in checked_lines(path):
            try:
                if isinstance(line, BadLine):
                    raise ValueError(line.reason)
                if line.strip():
                    self.examples += examples_of(
                        fields_of(line), query_lang=source_lang, positive_lang=target_lang
                    )
            except (ValueError, LanguageError) as error:
                found.skipped += 1
                if self.on_error == "stop":
                    raise CorpusError(
                        f"{path}:{found.lines}: {error}; --on-error skip leaves such lines out"
                    ) from error
            if found.lines % _EVERY == 0:
                yield Progress(f"reading {path.name}", found.lines, None, "lines")
        yield Progress(f"reading {path.name}", found.lines, found.lines, "lines")

    def _fields_of(self, path: Path) -> Callable[[str], dict[str, Any]]:
        """What reads a line of this file."""
        if self.parallel:
            return parallel_fields(path)
        return json_fields if is_json(path) else tab_fields
