"""Reading parallel sentences and bilingual word lists, all with English on one side."""

from __future__ import annotations

import re
import zlib
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from xret.errors import TrainingError
from xret.retriever.corpora.lines import read_cells
from xret.retriever.training.common.held_out import HeldOut

__all__ = ["SOURCE_WEIGHTS", "PairReader", "ParallelText", "source_weight"]

# General prose counts fourfold and software documentation less than its volume: what people
# search is news and encyclopaedias, what is freely parallel is documentation.
_GENERAL = (
    "african_storybook hornmt_news korean_parallel_news mlqe_pe_wikipedia mozilla_www_l10n"
    " opensource_guide pratham_stories privacy_guides tanaka_enja tico19_health udhr"
)
SOURCE_WEIGHTS: dict[str, float] = dict.fromkeys(_GENERAL.split(), 4.0) | {
    "android_aosp_strings": 0.5,
    "bible_ebible": 0.5,
    "cldr_annotations_keywords": 0.3,
    "django_docs": 0.4,
    "electron_docs": 0.4,
    "fastapi_docs": 0.4,
    "gnome_user_docs": 0.6,
    "godot_editor": 0.3,
    "hf_course": 0.7,
    "joshua_indian_wikipedia": 0.7,
    "mdn_webdocs": 0.6,
    "mdn_webdocs_de_MT": 0.5,
    "microsoft_beginners_MT": 1.5,
    "python_docs": 0.4,
}
"""How often a row of a source is drawn, against 1 for the sources not named."""

_SENTENCE = ("lang", "lang", "text", "text")
_ENTRY = ("lang", "english", "translation")
_SENTENCE_LIMIT = 700
_ENTRY_LIMIT = 120
_MARKUP = re.compile(r"<[^>]{0,200}>|https?://\S+|`|\*\*|\{\{[^}]*\}\}|%\d?\$?[sd]|\[\^\d+\]")


def source_weight(source: str) -> float:
    """Weight of a source by its file name without suffixes."""
    return SOURCE_WEIGHTS.get(source, 1.0)


@dataclass(slots=True)
class ParallelText:
    """Rows of two kinds in file order: the first `sentences` are parallel text, the rest words.

    english: distinct English texts; others: the other side, one a row. Row i joins
    english[english_of[i]] with others[i], is of languages[lang_of[i]] and came from
    sources[source_of[i]]. overlapping: rows left out, by source.
    """

    languages: tuple[str, ...]
    sources: list[str] = field(default_factory=list)
    english: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    english_of: array[int] = field(default_factory=lambda: array("i"))
    lang_of: array[int] = field(default_factory=lambda: array("i"))
    source_of: array[int] = field(default_factory=lambda: array("i"))
    sentences: int = 0
    overlapping: Counter[str] = field(default_factory=Counter)

    def rows(self) -> npt.NDArray[np.int32]:
        """(n, 3) int32: source, language and English number of each row."""
        columns = (self.source_of, self.lang_of, self.english_of)
        return np.stack([np.array(column, dtype=np.int32) for column in columns], axis=1)


class PairReader:
    """Reads gzip TSV files into one ParallelText, without doubles, markup or held-out text."""

    def __init__(self, languages: tuple[str, ...], held_out: HeldOut | None = None) -> None:
        self.text = ParallelText(languages)
        self._held_out = held_out
        self._code = {language: number for number, language in enumerate(languages)}
        self._english: dict[str, int] = {}
        self._pairs: set[tuple[int, int]] = set()

    def read(self, folder: Path, *, leave_out: Collection[str] = ()) -> Iterator[str]:
        """Read `train/*.tsv.gz`, then `lexicon/*.tsv.gz`; yields each file's name when done.

        leave_out: sources that are passed over, `name` or of one language `name:lang`; a name is
        that of the file without suffixes.
        Raises TrainingError when there is no such data, CorpusError (file:line) for a line
        that is not TSV of the expected number of columns.
        """
        sentences = sorted((folder / "train").glob("*.tsv.gz"))
        if not sentences:
            raise TrainingError(f"no parallel text: {folder / 'train'} holds no *.tsv.gz files")
        for path in sentences:
            if _source_name(path) not in leave_out:
                self._read_sentences(path, _without(path, self._code, leave_out))
                yield path.name
        self.text.sentences = len(self.text.others)
        for path in sorted((folder / "lexicon").glob("*.tsv.gz")):
            if _source_name(path) not in leave_out:
                self._read_entries(path, _without(path, self._code, leave_out))
                yield path.name
        if not self.text.sentences:
            raise TrainingError(f"{folder / 'train'} has no pair of English with a known language")

    def _read_sentences(self, path: Path, langs: Set[str]) -> None:
        source = self._source(path)
        for _, (first, lang, english, other) in read_cells(path, *_SENTENCE):
            if first != "en" or lang not in langs:
                continue
            english = _plain(english[:_SENTENCE_LIMIT])
            other = _plain(other[:_SENTENCE_LIMIT])
            if len(english) < 2 or not other or english.lower() == other.lower():
                continue
            if self._overlaps(english, other, lang):
                self.text.overlapping[self.text.sources[source]] += 1
            else:
                self._add(source, lang, english, other)

    def _read_entries(self, path: Path, langs: Set[str]) -> None:
        source = self._source(path)
        for _, (lang, english, other) in read_cells(path, *_ENTRY):
            english, other = english.strip()[:_ENTRY_LIMIT], other.strip()[:_ENTRY_LIMIT]
            if lang in langs and english and other:
                self._add(source, lang, english, other)

    def _source(self, path: Path) -> int:
        self.text.sources.append(_source_name(path))
        return len(self.text.sources) - 1

    def _overlaps(self, english: str, other: str, lang: str) -> bool:
        if self._held_out is None:
            return False
        number = self._english.get(english)
        if number is None and self._held_out.overlaps(english, "en"):
            return True
        return self._held_out.overlaps(other, lang)

    def _add(self, source: int, lang: str, english: str, other: str) -> None:
        text, code = self.text, self._code[lang]
        number = self._english.setdefault(english, len(text.english))
        key = (number * len(self._code) + code, _hash(other))
        if key in self._pairs:
            return
        if number == len(text.english):
            text.english.append(english)
        self._pairs.add(key)
        text.others.append(other)
        text.english_of.append(number)
        text.lang_of.append(code)
        text.source_of.append(source)


def _source_name(path: Path) -> str:
    return path.name.removesuffix(".tsv.gz")


def _without(path: Path, langs: Iterable[str], leave_out: Collection[str]) -> Set[str]:
    """The languages that are read of a file."""
    return {lang for lang in langs if f"{_source_name(path)}:{lang}" not in leave_out}


def _plain(text: str) -> str:
    return " ".join(_MARKUP.sub(" ", text).split())


def _hash(text: str) -> int:
    """The same in every process, unlike hash()."""
    encoded = text.encode()
    return zlib.crc32(encoded) << 32 | zlib.adler32(encoded)
