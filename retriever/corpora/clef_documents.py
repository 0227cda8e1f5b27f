"""Newspapers of CLEF: tagged text, of each of which the words are taken.

What the tags are called is that of the files where published code reads them field by field
(LA Times, Glasgow Herald, Le Monde, the agencies ATS and SDA, EFE, La Stampa, Der Spiegel,
Frankfurter Rundschau, Algemeen Dagblad, NRC, Aamulehti, Izvestia, Folha, Público). Of the others
all that stands between tags is taken, but ids and dates, as Lucene's baselines of these
collections do.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from xret.retriever.corpora.decompress import uncompressed_name
from xret.retriever.corpora.lines import first_bytes
from xret.retriever.corpora.records import Record

__all__ = ["clef_records", "clef_text", "document_files", "element_words"]

TITLES = ("headline", "title", "ti", "hd")
TEXTS = ("lead", "ld", "le", "text", "tx", "te", "os", "subject", "kw")
IDS = ("docno", "docid")
APART = (*IDS, "date", "time", "num", "page")
"""Elements that are no words of a document."""

TAG = re.compile(r"<[^>]*>")
DOCUMENT = re.compile(r"<DOC\b[^>]*>(.*?)</DOC>", re.IGNORECASE | re.DOTALL)


def document_files(folder: Path) -> list[Path]:
    """The files of documents in a folder and those below, by name; no descriptions of tags."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and _holds(path))


def clef_records(path: Path, *, keep: Callable[[str], bool] = lambda _: True) -> Iterator[Record]:
    """Every document of a file whose id is kept: title, and lead, text, captions and keywords.

    A text without a title of its own (Folha, Público) begins with it, and has none here.
    """
    for number, body in enumerate(DOCUMENT.findall(clef_text(path)), start=1):
        doc_id = next(filter(None, (element_words(body, tag) for tag in IDS)), "")
        if not keep(doc_id):
            continue
        title = " ".join(filter(None, (element_words(body, tag) for tag in TITLES)))
        text = " ".join(filter(None, (element_words(body, tag) for tag in TEXTS)))
        if not text:
            title, text = "", _other_words(body)
        yield Record({"docid": doc_id, "title": title, "text": text}, f"{path}: document {number}")


def clef_text(path: Path) -> str:
    """A file's text: UTF-8 where it is that throughout, else ISO 8859-1.

    Both are met, for the same newspaper too: of the licensed suite Russian alone is in UTF-8.
    """
    content = first_bytes(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("iso-8859-1")


def element_words(body: str, tag: str) -> str:
    """The words of every element of that name, without the elements inside."""
    found = re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", body, re.IGNORECASE | re.DOTALL)
    return _words(" ".join(found))


def _other_words(body: str) -> str:
    for tag in APART:
        body = re.sub(rf"<{tag}\b[^>]*>.*?</{tag}>", " ", body, flags=re.IGNORECASE | re.DOTALL)
    return _words(body)


def _words(text: str) -> str:
    return " ".join(html.unescape(TAG.sub(" ", text)).split())


def _holds(path: Path) -> bool:
    name = uncompressed_name(path)
    return not name.endswith(".dtd") and not name.startswith(("readme", "."))
