"""The texts that say which pieces of a vocabulary are used: from files, folders and corpora."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from xret.retriever.corpora.lines import read_lines
from xret.retriever.corpora.records import TEXT_FIELDS, BadRecord, kind_of, read_records
from xret.retriever.corpora.registry import has_own_index, open_corpus
from xret.retriever.languages.codes import language_code
from xret.types import UNDETERMINED, Document

__all__ = ["read_trim_texts"]


def read_trim_texts(
    sources: Iterable[str], langs: Sequence[str], bad: set[str]
) -> Iterator[Document]:
    """Every text of the files and corpora; places of records that cannot be read go to `bad`."""
    for source in sources:
        path = Path(source)
        if not path.is_file():
            yield from _corpus(source, langs, bad)
        elif kind_of(path) in (None, "txt"):
            yield from _lines(path)
        else:
            yield from _records(path, bad)


def _corpus(source: str, langs: Sequence[str], bad: set[str]) -> Iterator[Document]:
    """A folder of files, or a collection by its name, in the languages served."""
    chosen = langs if has_own_index(source) else ()
    corpus = open_corpus(source, doc_langs=chosen)
    yield from corpus.documents(on_reject=lambda record: bad.add(record.place))


def _lines(path: Path) -> Iterator[Document]:
    """Lines of plain text."""
    for number, line in read_lines(path):
        yield Document(f"{path}:{number}", line, UNDETERMINED)


def _records(path: Path, bad: set[str]) -> Iterator[Document]:
    """Records with a text; ids, which an index would need, may be missing."""
    for record in read_records(path):
        if isinstance(record, BadRecord):
            bad.add(record.place)
            continue
        said: dict[str, Any] = {name: record.fields.get(name) for name in (*TEXT_FIELDS, "title")}
        text = next((said[name] for name in TEXT_FIELDS if isinstance(said[name], str)), "")
        title = said["title"] if isinstance(said["title"], str) else ""
        if not text and not title:
            bad.add(record.place)
            continue
        lang = record.fields.get("lang") or record.fields.get("language")
        code = language_code(lang) if isinstance(lang, str) else UNDETERMINED
        yield Document(record.place, text, code, title)
