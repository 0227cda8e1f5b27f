"""Training texts read from files: a query, a passage that answers it, passages that do not.

JSON lines {query, positive, negatives?, query_lang?, positive_lang?, negative_langs?, scores?,
id?}, or TSV `query<TAB>positive[<TAB>negative...]`; parallel text is the same with {source,
target, source_lang, target_lang}, or TSV `lang<TAB>lang<TAB>text<TAB>text`. `.gz` of each.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from xret.errors import CorpusError, LanguageError
from xret.retriever.languages.codes import language_code
from xret.retriever.models.hashes import file_hash
from xret.retriever.training.recipes.settings import OnError
from xret.types import UNDETERMINED, Progress

__all__ = ["Example", "ExampleReader", "ReadFile"]

_LONGEST_LINE_BYTES = 16 << 20
_EVERY = 10_000
_JSON, _TSV = (".jsonl", ".json", ".ndjson"), (".tsv", ".txt")
_QUERY, _POSITIVE = ("query", "source"), ("positive", "target")


@dataclass(frozen=True, slots=True)
class Example:
    """A query, a passage that answers it and passages that do not.

    Languages are BCP 47, `UNDETERMINED` where the file does not say. negative_langs has one
    for each negative. scores: a teacher's, of the positive and then of each negative; empty
    where the file has none. text_id: equal for versions of one text in several languages,
    and for several answers to one query; empty where the file names none.
    """

    query: str
    positive: str
    negatives: tuple[str, ...] = ()
    query_lang: str = UNDETERMINED
    positive_lang: str = UNDETERMINED
    negative_langs: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    text_id: str = ""


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
            _code(lang) if lang else UNDETERMINED for lang in (self.source_lang, self.target_lang)
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
        tabs = _is_tsv(path)
        found = ReadFile(path.name, file_hash(path))
        self.files.append(found)
        for line in _lines(path):
            found.lines += 1
            if not line.strip():
                continue
            try:
                text = _decoded(line)
                fields = self._columns(text) if tabs else _object(text)
                self.examples += _examples(fields, source_lang, target_lang)
            except (ValueError, LanguageError) as error:
                found.skipped += 1
                if self.on_error == "stop":
                    raise CorpusError(
                        f"{path}:{found.lines}: {error}; --on-error skip leaves such lines out"
                    ) from error
            if found.lines % _EVERY == 0:
                yield Progress(f"reading {path.name}", found.lines, None, "lines")
        yield Progress(f"reading {path.name}", found.lines, found.lines, "lines")

    def _columns(self, line: str) -> dict[str, Any]:
        """The fields of a TSV line under the names that JSON has for them."""
        cells = line.split("\t")
        if self.parallel and len(cells) == 4:
            names = ("source_lang", "target_lang", "source", "target")
            return dict(zip(names, cells, strict=True))
        if len(cells) < 2 or (self.parallel and len(cells) != 2):
            wanted = "2 or 4 (language, language, text, text)" if self.parallel else "2 or more"
            raise ValueError(f"{wanted} columns expected, found {len(cells)}")
        query, positive, *negatives = cells
        return {"query": query, "positive": positive, "negatives": negatives}


def _is_tsv(path: Path) -> bool:
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix not in _JSON + _TSV:
        raise CorpusError(
            f"{path}: the ending {suffix or '(none)'} is not known; known are "
            f"{' '.join(_JSON + _TSV)} and each with .gz"
        )
    return suffix in _TSV


def _lines(path: Path) -> Iterator[bytes]:
    """Raw lines of a plain or gzip file, cut where one is longer than any text."""
    opened: IO[bytes] | gzip.GzipFile
    number = 0
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as opened:
            while line := opened.readline(_LONGEST_LINE_BYTES):
                number += 1
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"{path}:{number + 1}: cannot be read: {error}") from error


def _decoded(line: bytes) -> str:
    if len(line) >= _LONGEST_LINE_BYTES:
        raise ValueError(f"a line of more than {_LONGEST_LINE_BYTES >> 20} MiB is no text")
    try:
        return line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason}") from error


def _object(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error
    if not isinstance(record, dict):
        raise ValueError(f"a JSON object was expected, found {type(record).__name__}")
    return record


def _examples(fields: Mapping[str, Any], source_lang: str, target_lang: str) -> list[Example]:
    """One example a positive."""
    query = _text(_either(fields, _QUERY), "query")
    given = _either(fields, _POSITIVE)
    positives = [_text(one, "positive") for one in (given if isinstance(given, list) else [given])]
    if not positives:
        raise ValueError("positive is an empty list")
    negatives = tuple(_text(one, "negatives") for one in _list(fields, "negatives"))
    query_lang = _lang(_either(fields, ("query_lang", "source_lang"))) or source_lang
    positive_lang = _lang(_either(fields, ("positive_lang", "target_lang"))) or target_lang
    langs = tuple(_lang(one) or positive_lang for one in _list(fields, "negative_langs"))
    if langs and len(langs) != len(negatives):
        raise ValueError(f"{len(negatives)} negatives but {len(langs)} negative_langs")
    scores = tuple(_number(one) for one in _list(fields, "scores"))
    if scores and (len(positives) > 1 or len(scores) != 1 + len(negatives)):
        raise ValueError(
            f"{len(scores)} scores; one for the positive and one for each of the "
            f"{len(negatives)} negatives were expected"
        )
    text_id = "" if fields.get("id") is None else str(fields["id"])
    if len(positives) > 1 and not text_id:
        text_id = f"\n{query}"
    return [
        Example(
            query,
            positive,
            negatives,
            query_lang,
            positive_lang,
            langs or (positive_lang,) * len(negatives),
            scores,
            text_id,
        )
        for positive in positives
    ]


def _either(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _list(fields: Mapping[str, Any], name: str) -> list[Any]:
    found = fields.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise ValueError(f"{name} must be a list, found {type(found).__name__}")
    return found


def _text(found: Any, name: str) -> str:
    if not isinstance(found, str) or not found.strip():
        kind = "an empty text" if isinstance(found, str) else type(found).__name__
        raise ValueError(f"{name} must be text, found {'nothing' if found is None else kind}")
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds a lone surrogate, which is no Unicode text") from error
    return found


def _number(found: Any) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ValueError(f"scores must be numbers, found {type(found).__name__}")
    try:
        number = float(found)
    except OverflowError as error:
        raise ValueError("a score is too large") from error
    if not math.isfinite(number):
        raise ValueError(f"scores must be finite, found {found}")
    return number


def _lang(found: Any) -> str:
    if found is None or found == "":
        return ""
    if not isinstance(found, str):
        raise ValueError(f"a language must be a code, found {type(found).__name__}")
    return _code(found)


@lru_cache(maxsize=1024)
def _code(spelling: str) -> str:
    return language_code(spelling)
