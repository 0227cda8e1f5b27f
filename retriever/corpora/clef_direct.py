"""CLEF's newspapers in thirteen languages, out of the folder that DIRECT gives its members.

DIRECT, the archive of CLEF at Padua, keeps each newspaper in a folder of its own (`LEMONDE1994`),
and the topics and judgements of a language in one file (`fr_topics.xml`, `fr_qrels.txt`).
`CLEF_DIRECT_HOME` names the folder that holds all of it, however deep.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xret.errors import CorpusError
from xret.retriever.corpora.clef_documents import clef_records, document_files
from xret.retriever.corpora.collection import (
    Choice,
    Collection,
    FetchedFile,
    Part,
    paired_parts,
)
from xret.retriever.corpora.qrels import read_qrels
from xret.retriever.corpora.records import BadRecord, Record
from xret.retriever.corpora.topics import Wording, read_queries
from xret.types import Progress

__all__ = ["COLLECTION"]

HOME = "CLEF_DIRECT_HOME"
HOW = (
    "The newspapers are given to registered users of DIRECT (direct.dei.unipd.it); set "
    "CLEF_DIRECT_HOME to the folder that holds LEMONDE1994, fr_topics.xml, fr_qrels.txt and so on. "
    "Topics and judgements of twelve languages are public: "
    "https://github.com/lintool/IR-Reproducibility, topics-and-qrels/CLEF."
)
NEWSPAPERS: Mapping[str, tuple[str, ...]] = {
    "bg": ("SEGA2002", "STANDART2002", "NOVINAR2002"),
    "de": ("FRANKFURTER1994", "SDA1994", "SDA1995", "SPIEGEL1994", "SPIEGEL1995"),
    "en": ("GLASGOW1995", "LATIMES1994", "LATIMES2002"),
    "es": ("EFE1994", "EFE1995"),
    "fa": ("HAMSHAHRI",),
    "fi": ("AAMULEHTI1994", "AAMULEHTI1995"),
    "fr": ("LEMONDE1994", "LEMONDE1995", "ATS1994", "ATS1995"),
    "hu": ("MAGYAR2002",),
    "it": ("AGZ1994", "AGZ1995", "LASTAMPA1994"),
    "nl": ("ALGEMEEN1994", "ALGEMEEN1995", "NRC1994", "NRC1995"),
    "pt": ("FOLHA1994", "FOLHA1995", "PUBLICO1994", "PUBLICO1995"),
    "ru": ("IZVESTIA1995",),
    "sv": ("TT1994", "TT1995"),
}
"""The folders of each language; those that are there are read."""


@dataclass(frozen=True)
class Newspapers:
    """The newspapers of one language: what there is to fetch is what is there."""

    lang: str

    def watch(self) -> Iterator[Progress]:
        """Nothing: they are the user's own."""
        yield from ()

    def fetch(self) -> list[FetchedFile]:
        """The documents' files. Raises CorpusError with what to do where there are none."""
        return [FetchedFile(path, "DIRECT", path.stat().st_size, "") for path in self.paths()]

    def paths(self) -> list[Path]:
        """Every file of the language's newspapers, one after the other."""
        names = NEWSPAPERS[self.lang]
        found = {path.name.upper(): path for path in sorted(_home().rglob("*")) if path.is_dir()}
        folders = [found[name] for name in names if name in found]
        if not folders:
            raise CorpusError(f"{_home()} has no folder called {' or '.join(names)}. {HOW}")
        return [path for folder in folders for path in document_files(folder)]

    def records(self) -> Iterator[Record | BadRecord]:
        """Every document, newspaper after newspaper."""
        for path in self.paths():
            yield from clef_records(path)


def _home() -> Path:
    home = os.environ.get(HOME)
    if not home or not Path(home).is_dir():
        raise CorpusError(f"clef-direct is read from a folder of your own. {HOW}")
    return Path(home)


def _file(pattern: str) -> Path:
    """The one file below the folder that is called so; the first by name of several."""
    found = sorted(path for path in _home().rglob(pattern) if path.is_file())
    if not found:
        raise CorpusError(f"{_home()} has no {pattern.replace('*', '')}. {HOW}")
    return found[0]


def _part(doc_lang: str, query_lang: str, suffix: str) -> Part:
    files = Newspapers(doc_lang)
    wording = Wording(("title", "description"))
    return Part(
        name=doc_lang,
        doc_lang=doc_lang,
        sources=(files,),
        documents=files.records,
        queries=lambda reject: read_queries(
            _file(f"{query_lang}_topics*.xml"), wording=wording, lang=query_lang, on_reject=reject
        ),
        qrels=lambda: read_qrels(_file(f"{doc_lang}_qrels*.txt")),
        query_suffix=suffix,
    )


def _parts(choice: Choice) -> Sequence[Part]:
    return paired_parts(choice, _part)


COLLECTION = Collection(
    name="clef-direct",
    title="CLEF's newspapers in thirteen languages, topics of 2001 to 2009, as DIRECT keeps them",
    doc_langs=tuple(NEWSPAPERS),
    query_langs=tuple(NEWSPAPERS),
    default_query_langs=("en",),
    licence="newspapers by agreement with CLEF; for evaluation",
    source="https://direct.dei.unipd.it, in the folder that CLEF_DIRECT_HOME names",
    checksums="none: the files are the user's own",
    citation="Ferro, Silvello: CLEF 15th Birthday: What Can We Learn From Ad Hoc Retrieval? "
    "CLEF 2014.",
    template="headline; lead, text, captions and keywords; all of it where the tags are others",
    query_template="title and description",
    judged="the topics that the language's file of judgements holds; a topic has one id in every "
    "language",
    how=HOW,
    parts=_parts,
)
