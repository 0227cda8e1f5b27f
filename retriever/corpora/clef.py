"""CLEF 2000 to 2003: news in European languages, out of the folder of the licensed Test Suite.

The suite (ELRA-E0008) is not to be had from a server of ours: `CLEF_HOME` names the folder into
which it was unpacked, with `DocumentData`, `Topics` and `RelAssess` in it.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from xret.errors import CorpusError
from xret.retriever.corpora.clef_documents import clef_records, clef_text, document_files
from xret.retriever.corpora.collection import (
    Choice,
    Collection,
    FetchedFile,
    Part,
    paired_parts,
)
from xret.retriever.corpora.qrels import Qrels, read_qrels
from xret.retriever.corpora.records import BadRecord, Record
from xret.types import Progress, Query

__all__ = ["COLLECTION", "ROOMS", "clef_part"]

HOME = "CLEF_HOME"
HOW = (
    "The CLEF Test Suite 2000-2003 is licensed by ELRA (E0008); unpack it and set CLEF_HOME to the "
    "folder that holds DocumentData, Topics and RelAssess."
)
SDA94, SDA95 = ("sda_german", "sda94"), ("sda95",)
ROOMS: Mapping[str, Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "de": {
        "2001": (("der_spiegel",), ("fr_rundschau",), SDA94),
        "2002": (("der_spiegel",), ("fr_rundschau",), SDA94),
        "2003": (("der_spiegel",), ("fr_rundschau",), SDA94, SDA95),
    },
    "en": {
        "2000": (("latimes94", "latimes"),),
        "2001": (("latimes94", "latimes"),),
        "2002": (("latimes94", "latimes"),),
        "2003": (("latimes94", "latimes"), ("gh95",)),
    },
    "fi": {"2002": (("aamu",),), "2003": (("aamu",),)},
    "it": {
        "2001": (("la_stampa",), ("sda_italian",)),
        "2002": (("la_stampa",), ("sda_italian",)),
        "2003": (("la_stampa",), ("sda_italian",), ("agz95",)),
    },
    "nl": dict.fromkeys(
        ("2001", "2002", "2003"), (("algemeen_dagblad", "all"), ("nrc_handelsblad", "all"))
    ),
    "ru": {"2003": (("xml",),)},
    "es": dict.fromkeys(("2001", "2002", "2003"), ((),)),
    "fr": dict.fromkeys(("2000", "2001", "2002", "2003"), ((),)),
    "sv": dict.fromkeys(("2002", "2003"), ((),)),
}
"""The folders of each language and campaign, each under the names that the suite has had; without
names the language's folder is read whole, and `CAMPAIGNS` says what of it counts."""

CAMPAIGNS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "es": {"2001": ("EFE1994",), "2002": ("EFE1994",), "2003": ("EFE1994", "EFE1995")},
    "fr": {
        "2000": ("LEMONDE94",),
        "2001": ("LEMONDE94", "ATS.94"),
        "2002": ("LEMONDE94", "ATS.94"),
        "2003": ("LEMONDE94", "ATS.94", "ATS.95"),
    },
    "sv": dict.fromkeys(("2002", "2003"), ("TT",)),
}
"""How the ids of the documents of a campaign begin."""

NAMES = {
    "de": "german",
    "en": "english",
    "fi": "finnish",
    "it": "italian",
    "nl": "dutch",
    "ru": "russian",
    "es": "spanish",
    "fr": "french",
    "sv": "swedish",
}
EARLY = {"de": "G", "en": "E", "es": "SP", "fi": "FI", "fr": "F", "it": "I", "sv": "SW"}
"""How topics of 2000 call a language."""

QUERY_LANGS = ("de", "en", "es", "fi", "fr", "it", "nl", "ru", "sv")
TOPIC = re.compile(r"<top\b[^>]*>(.*?)(?=<top\b|\Z)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class SuiteFiles:
    """Files of the suite: what there is to fetch is what is there."""

    lang: str
    year: str

    def watch(self) -> Iterator[Progress]:
        """Nothing: they are the user's own."""
        yield from ()

    def fetch(self) -> list[FetchedFile]:
        """The documents' files. Raises CorpusError with what to do where they are not there."""
        source = "CLEF Test Suite 2000-2003, ELRA-E0008"
        return [FetchedFile(path, source, path.stat().st_size, "") for path in self.paths()]

    def paths(self) -> list[Path]:
        """Every file of documents in the language's folders, in the order of their names."""
        found: list[Path] = []
        for names in ROOMS[self.lang][self.year]:
            folder = _folder(names, self.lang)
            files = document_files(folder) if not names else _own_files(folder)
            found += sorted(set(files) - set(found))
        return found

    def records(self) -> Iterator[Record | BadRecord]:
        """Every document of the campaign."""
        starts = CAMPAIGNS.get(self.lang, {}).get(self.year, ("",))
        for path in self.paths():
            yield from clef_records(path, keep=lambda doc_id: doc_id.startswith(starts))


def _own_files(folder: Path) -> list[Path]:
    """Those of the folder itself: a newspaper's other years lie in folders below."""
    return [path for path in document_files(folder) if path.parent == folder]


def _home() -> Path:
    home = os.environ.get(HOME)
    if not home:
        raise CorpusError(f"clef is read from a folder of your own. {HOW}")
    if not (Path(home) / "DocumentData").is_dir():
        raise CorpusError(f"{HOME} is {home}, which has no folder DocumentData. {HOW}")
    return Path(home)


def _folder(names: Sequence[str], lang: str) -> Path:
    """The folder of one newspaper below those of its language; without names, the language's."""
    below = _home() / "DocumentData"
    of_language = f"{os.sep}{NAMES[lang]}"
    for parent, folders, _ in sorted(os.walk(below)):
        for folder in sorted(folders):
            path = Path(parent) / folder
            inside = str(path.relative_to(below)).lower()
            if of_language in f"{os.sep}{inside}" and (folder.lower() in names or not names):
                return path
    if not names:
        raise CorpusError(f"{below} has no folder called {NAMES[lang]}; the suite is not whole")
    raise CorpusError(
        f"{below} has no folder called {' or '.join(names)} below {NAMES[lang]} (or "
        f"{NAMES[lang].title()}_data); the suite is not there whole"
    )


def _first(folder: str, *names: str) -> Path:
    home = _home()
    for name in names:
        if (home / folder / name).is_file():
            return home / folder / name
    raise CorpusError(f"{home / folder} has none of {', '.join(names)}; {HOW}")


def _topics(lang: str, year: str) -> Iterator[Query]:
    """Title and description; a topic `C041` is 41, as in the judgements."""
    if year == "2000":
        names = [f"TOP-{EARLY.get(lang, lang)}.txt"]
    else:
        names = [f"Top-{lang}{year[2:]}.txt", f"Top-{lang}50-{year[2:]}.txt"]
    path = _first("Topics", *(f"{room}{year}/{name}" for room in ("topics", "") for name in names))
    tag = EARLY.get(lang, lang) if year == "2000" else lang
    for body in TOPIC.findall(clef_text(path)):
        number = re.search(r"<num>\s*C?0*(\d+)", body, re.IGNORECASE)
        words = [_field(body, f"{tag}-{name}") for name in ("title", "desc")]
        if number and any(words):
            yield Query(number[1], " ".join(filter(None, words)), lang)


def _field(body: str, tag: str) -> str:
    """The words behind a tag, which is not always closed."""
    found = re.search(rf"<{tag}>([^<]*)", body, re.IGNORECASE)
    return " ".join(html.unescape(found[1]).split()) if found else ""


def _qrels(lang: str, year: str) -> Qrels:
    names = [f"qrels_{NAMES[lang]}", f"qrels_{lang.upper()}"]
    if lang == "en":
        names += ["biling_qrels", "qrels_bilingual"]
    rooms = (f"{year}rels", year)
    path = _first("RelAssess", *(f"{room}/{name}" for room in rooms for name in names))
    return {query.lstrip("0"): grades for query, grades in read_qrels(path).items()}


def _parts(choice: Choice) -> Sequence[Part]:
    years = {lang: choice.split in ROOMS[lang] for lang in choice.doc_langs}
    if missing := [lang for lang, there in years.items() if not there]:
        raise CorpusError(f"clef {choice.split} has no documents in {', '.join(missing)} here")
    return paired_parts(choice, partial(clef_part, year=choice.split))


def clef_part(doc_lang: str, query_lang: str, suffix: str = "", *, year: str) -> Part:
    """The documents and judgements of one language and campaign, asked in a language."""
    files = SuiteFiles(doc_lang, year)
    return Part(
        name=doc_lang,
        doc_lang=doc_lang,
        sources=(files,),
        documents=files.records,
        queries=lambda _: _topics(query_lang, year),
        qrels=lambda: _qrels(doc_lang, year),
        query_suffix=suffix,
    )


COLLECTION = Collection(
    name="clef",
    title="CLEF 2000 to 2003: topics and news in nine languages, from a licensed folder",
    doc_langs=tuple(ROOMS),
    query_langs=QUERY_LANGS,
    default_query_langs=("en",),
    splits=("2003", "2002", "2001", "2000"),
    licence="licensed by ELRA: for evaluation, by its own terms",
    source="ELRA-E0008, in the folder that CLEF_HOME names",
    checksums="none: the files are the user's own",
    citation="Braschler, Peters: Cross-Language Evaluation Forum: Objectives, Results, "
    "Achievements. Information Retrieval 7, 2004.",
    template="headline; lead, text, captions and keywords",
    query_template="title and description",
    how=HOW,
    parts=_parts,
)
