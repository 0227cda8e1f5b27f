"""Multi-EuP: topics of debates in 24 languages to the speeches of the European Parliament.

One table: a speech a row, in the language it was held in, with the debate's title and id in each
language. A speech answers the title of its debate, in any language.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from xret.errors import CorpusError
from xret.retriever.corpora.collection import Choice, Collection, Part, paired_parts
from xret.retriever.corpora.hub import HubFiles
from xret.retriever.corpora.lines import first_bytes
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.corpora.records import Record
from xret.types import Query

__all__ = ["COLLECTION"]

REPO = "unimelb-nlp/Multi-EuP"
FILES = HubFiles(REPO, None, ("MultiEuP.csv",), "multi-eup")
LANGS = tuple(
    "bg cs da de el en es et fi fr ga hr hu it lt lv mt nl pl pt ro sk sl sv".split()  # noqa: SIM905
)
NOTHING = frozenset({"", "null", "nan", "none"})

Row = Mapping[str, str]


@lru_cache(maxsize=1)
def _rows(path: Path) -> tuple[Row, ...]:
    """The rows of the table. Raises CorpusError where it is not in that layout."""
    text = first_bytes(path).decode("utf-8-sig", errors="replace")
    try:
        rows = tuple(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise CorpusError(f"{path} cannot be read as CSV: {error}") from error
    wanted = {"did", "TEXT", "LANGUAGE", "qid_EN", "title_EN"}
    if not rows or not wanted <= rows[0].keys():
        raise CorpusError(f"{path} is not in the layout of Multi-EuP: {', '.join(wanted)}")
    return rows


def _cell(row: Row, name: str) -> str:
    """A cell's text; empty where the table says in words that there is none."""
    text = " ".join((row.get(name) or "").split())
    return "" if text.lower() in NOTHING else text


def _debate(row: Row, lang: str = "en") -> str:
    """The id of a debate, which is the same in every language before the `#`."""
    return _cell(row, f"qid_{lang.upper()}").partition("#")[0]


def _documents(lang: str) -> Iterator[Record]:
    path = FILES.paths()[0]
    for number, row in enumerate(_rows(path), start=1):
        if _cell(row, "LANGUAGE").lower() == lang:
            fields = {"doc_id": _cell(row, "did"), "text": row.get("TEXT") or ""}
            yield Record({**fields, "date": _cell(row, "DATE")}, f"{path}: row {number}")


def _queries(lang: str) -> Iterator[Query]:
    titles = {
        debate: title
        for row in _rows(FILES.paths()[0])
        if (debate := _debate(row, lang)) and (title := _cell(row, f"title_{lang.upper()}"))
    }
    for debate, title in titles.items():
        yield Query(debate, title, lang)


def _qrels(lang: str) -> Qrels:
    qrels: Qrels = {}
    for row in _rows(FILES.paths()[0]):
        doc_id, debate = _cell(row, "did"), _debate(row)
        if doc_id and debate and _cell(row, "LANGUAGE").lower() == lang:
            qrels.setdefault(debate, {})[doc_id] = 1
    return qrels


def _part(doc_lang: str, query_lang: str, suffix: str) -> Part:
    return Part(
        name=doc_lang,
        doc_lang=doc_lang,
        sources=(FILES,),
        documents=lambda: _documents(doc_lang),
        queries=lambda _: _queries(query_lang),
        qrels=lambda: _qrels(doc_lang),
        query_suffix=suffix,
    )


def _parts(choice: Choice) -> Sequence[Part]:
    return paired_parts(choice, _part)


COLLECTION = Collection(
    name="multi-eup",
    title="Multi-EuP: titles of debates to speeches of the European Parliament, 24 languages",
    doc_langs=LANGS,
    query_langs=LANGS,
    default_doc_langs=("all",),
    default_query_langs=("en",),
    licence="Apache-2.0",
    source=f"https://huggingface.co/datasets/{REPO}",
    checksums="the hub's, of the file at the commit of the first use",
    citation="Yang, Baldwin, Cohn: Multi-EuP: The Multilingual European Parliament Dataset for "
    "Analysis of Bias in Information Retrieval. MRL 2023.",
    template="the speech; no title",
    query_template="the title of a debate",
    grades="1 a speech of that debate",
    judged="every debate that has a speech in the languages chosen",
    parts=_parts,
)
