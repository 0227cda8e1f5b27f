"""Texts and their translations: every shape that `--parallel` may have, told apart here.

    text<TAB>text                     the languages are the reader's to know
    lang<TAB>text<TAB>english
    lang<TAB>lang<TAB>text<TAB>text
    {"source": ..., "target": ..., "source_lang"?: ..., "target_lang"?: ...}

A file has one shape all through. `.gz` and `.zst` of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xret.errors import CorpusError, LanguageError
from xret.retriever.corpora.lines import read_lines
from xret.retriever.corpora.rows import code_of, is_json, json_fields
from xret.retriever.languages.codes import ENGLISH

__all__ = ["SHAPES", "TextPair", "parallel_fields", "read_pairs"]

SHAPES = (
    "each line is text<TAB>text, lang<TAB>text<TAB>english, or lang<TAB>lang<TAB>text<TAB>text, "
    "the same all through; or JSON with source and target"
)
_TEXTS = (("source", "query"), ("target", "positive"))
_LANGS = (("source_lang", "query_lang"), ("target_lang", "positive_lang"))
_NAMES = {
    2: ("source", "target"),
    3: ("source_lang", "source", "target"),
    4: ("source_lang", "target_lang", "source", "target"),
}


@dataclass(frozen=True, slots=True)
class TextPair:
    """Two texts that say the same; a language (BCP 47) is empty where the line names none."""

    source: str
    target: str
    source_lang: str
    target_lang: str


def parallel_fields(path: Path) -> Callable[[str], dict[str, Any]]:
    """What reads the lines of one file: a line to its source, target and their languages.

    It raises ValueError for a line of another shape than the first good one's.
    """
    return json_fields if is_json(path) else _Columns()


def read_pairs(path: Path) -> Iterator[tuple[int, TextPair]]:
    """Line number and pair of every line that is not blank.

    Raises CorpusError, or LanguageError for a language that does not exist, with file and line.
    """
    fields_of = parallel_fields(path)
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            yield number, _pair(fields_of(line))
        except ValueError as error:
            raise CorpusError(f"{path}:{number}: {error}") from error
        except LanguageError as error:
            raise LanguageError(f"{path}:{number}: {error}") from error


def _pair(fields: Mapping[str, Any]) -> TextPair:
    texts = [fields.get(name, fields.get(other)) for name, other in _TEXTS]
    langs = [fields.get(name) or fields.get(other) for name, other in _LANGS]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("source and target must be texts")
    if not all(isinstance(lang, str | None) for lang in langs):
        raise ValueError("a language must be a code")
    return TextPair(*texts, *(code_of(lang) if lang else "" for lang in langs))


class _Columns:
    """Reads tab-separated lines; the first that fits says how many columns there are."""

    def __init__(self) -> None:
        self._n = 0

    def __call__(self, line: str) -> dict[str, Any]:
        cells = line.split("\t")
        if len(cells) not in _NAMES or self._n not in (0, len(cells)):
            expected = f"line 1 has {self._n}; " if self._n else ""
            raise ValueError(f"{len(cells)} columns; {expected}{SHAPES}")
        self._n = len(cells)
        fields: dict[str, Any] = dict(zip(_NAMES[self._n], cells, strict=True))
        return fields | {"target_lang": ENGLISH} if self._n == 3 else fields
