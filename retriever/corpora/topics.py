"""Topic files of every published shape, as queries.

JSON lines (BEIR, Pyserini, HLTCOE's HC3, HC4 and NeuCLIR, TyDi QA, XOR-TyDi, MKQA), two
columns of text with and without CSV quoting, parquet, and TREC's and CLEF's tagged text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from xret.errors import CorpusError, LanguageError
from xret.retriever.corpora.lines import BadLine, checked_lines, encoding_fault, first_bytes
from xret.retriever.corpora.records import BadRecord, Record, kind_of, read_records
from xret.retriever.corpora.shapes import query_of
from xret.retriever.languages.codes import language_code
from xret.types import Query

__all__ = ["Wording", "read_queries"]

TAGGED = re.compile(rb"\s*(<\?xml|<topics?\b|<top\b)", re.IGNORECASE)
TOPIC = re.compile(r"<top(?:ic)?\b([^>]*)>", re.IGNORECASE)
FIELD = re.compile(r"<(\w+)[^>]*>([^<]*)")
LANG = re.compile(r"""\blang(?:uage)?\s*=\s*["']?([\w-]+)""", re.IGNORECASE)
IDS = ("num", "identifier", "id", "number")
NAMES = {"desc": "description", "narr": "narrative"}
MAX_TAGGED_BYTES = 64 * 1024 * 1024
QUOTED = re.compile(r'"(?:[^"]|"")*"')

Origin = Literal["human", "machine"]


@dataclass(frozen=True, slots=True)
class Wording:
    """Which words of a topic are asked.

    fields: of "title" and "description", joined by a space. lang: the language of the words,
    None for the language it was written in. origin: whose translation into another language.
    """

    fields: tuple[str, ...] = ("title",)
    lang: str | None = None
    origin: Origin = "human"


def read_queries(
    path: Path,
    *,
    wording: Wording | None = None,
    lang: str | None = None,
    on_reject: Callable[[BadRecord], None] | None = None,
) -> list[Query]:
    """The queries of a file in its order; of an id met twice the first.

    lang: of queries that name none. Strict unless `on_reject` takes the bad records and
    repeated ids: one lost query changes every measure.
    Raises CorpusError naming the first bad record or repeated id, and for a file without any.
    """
    queries: dict[str, Query] = {}
    for place, found in _queries(path, wording or Wording(), lang):
        reason = ""
        if isinstance(found, BadRecord):
            reason = found.reason
        elif found.query_id in queries:
            reason = f"query id {found.query_id!r} appears twice"
        else:
            queries[found.query_id] = found
        if reason and on_reject is None:
            raise CorpusError(f"{place}: {reason}")
        if reason and on_reject is not None:
            on_reject(BadRecord(place, f"{reason}; left out"))
    if not queries:
        raise CorpusError(f"{path} holds no query")
    return list(queries.values())


def _queries(
    path: Path, wording: Wording, lang: str | None
) -> Iterator[tuple[str, Query | BadRecord]]:
    if _is_tagged(path):
        records: Iterator[Record | BadRecord] = _tagged(path)
    elif kind_of(path) in ("tsv", "txt"):
        records = _unquoted(path)
    else:
        records = read_records(path)
    for record in records:
        worded = record if isinstance(record, BadRecord) else _worded(record, wording)
        found = worded if isinstance(worded, BadRecord) else query_of(worded, lang=lang)
        yield record.place, found


def _is_tagged(path: Path) -> bool:
    return TAGGED.match(first_bytes(path, 256).removeprefix(b"\xef\xbb\xbf")) is not None


def _tagged(path: Path) -> Iterator[Record | BadRecord]:
    """TREC and CLEF topics: tags with text between them, whether or not they are closed.

    A topic reaches to the next one: in FIRE 2012's Hindi topics number 200 has no end.
    """
    content = first_bytes(path, MAX_TAGGED_BYTES + 1)
    if len(content) > MAX_TAGGED_BYTES:
        raise CorpusError(f"{path} is longer than {MAX_TAGGED_BYTES:,} bytes")
    if fault := encoding_fault(content):
        raise CorpusError(f"{path} is {fault}")
    _, *topics = TOPIC.split(content.decode("utf-8-sig"))
    for number, (head, body) in enumerate(zip(topics[::2], topics[1::2], strict=True), start=1):
        fields: dict[str, Any] = {}
        for tag, words in FIELD.findall(body):
            name = NAMES.get(tag.lower(), tag.lower())
            fields.setdefault("id" if name in IDS else name, _line(html.unescape(words)))
        if found := LANG.search(head):
            fields["lang"] = found[1]
        fields["id"] = fields.get("id", "").removeprefix("Number:").strip()
        yield Record(fields, f"{path}: topic {number}")


def _unquoted(path: Path) -> Iterator[Record | BadRecord]:
    """Two columns of text, with the quotes of CSV taken off where the file was written as CSV.

    `"..."` around a whole text means CSV only where no other text of the file holds quotes
    that CSV would have doubled; one stray quote, as published files have, proves nothing.
    """
    records = list(_lines_of_two(path))
    texts = [str(r.fields.get("text", "")) for r in records if isinstance(r, Record)]
    raw = any(text.count('"') > 1 and not QUOTED.fullmatch(text.strip()) for text in texts)
    for record in records:
        if isinstance(record, Record) and isinstance(text := record.fields.get("text"), str):
            text = _without_quotes(text, csv=not raw)
            yield replace(record, fields={**record.fields, "text": text})
        else:
            yield record


def _lines_of_two(path: Path) -> Iterator[Record | BadRecord]:
    """The records of a .tsv, and of a .txt that holds the same."""
    if kind_of(path) == "tsv":
        yield from read_records(path)
        return
    for number, line in checked_lines(path):
        place = f"{path}:{number}"
        if isinstance(line, BadLine):
            yield BadRecord(place, line.reason)
            continue
        query_id, tab, text = line.partition("\t")
        if tab:
            yield Record({"id": query_id, "text": text}, place)
        elif query_id.strip():
            yield BadRecord(place, "no tab between an id and a text")


def _without_quotes(text: str, *, csv: bool) -> str:
    """A field of CSV as its text; any other text as it is."""
    inner = text.strip()
    if len(inner) > 1 and QUOTED.fullmatch(inner) and ('""' in inner[1:-1] or csv):
        return inner[1:-1].replace('""', '"')
    return text


def _worded(record: Record, wording: Wording) -> Record | BadRecord:
    """The record with the words of the topic that are asked as its `text`."""
    fields = record.fields
    if isinstance(fields.get("topics"), list):
        return _translation(record, wording)
    if isinstance(fields.get("queries"), dict):
        return _translated_question(record, wording)
    if isinstance(fields.get("title"), str) and "text" not in fields:
        words = " ".join(str(fields.get(name) or "") for name in wording.fields).strip()
        return replace(record, fields={**fields, "text": words or fields["title"]})
    if "question_text" in fields:
        kept = {"id": fields.get("example_id"), "text": fields["question_text"]}
        return replace(record, fields={**kept, "lang": fields.get("language")})
    return record


def _translation(record: Record, wording: Wording) -> Record | BadRecord:
    """One topic of HLTCOE's files, in which every translation is a row with its source."""
    rows = [row for row in record.fields["topics"] if isinstance(row, dict)]
    origins = [row for row in rows if _fits(row, wording)]
    if not origins:
        wanted = f"{wording.origin} translation into {wording.lang}"
        return BadRecord(record.place, f"the topic has no {wanted if wording.lang else 'original'}")
    row = origins[-1]  # the newest of several machine translations
    words = " ".join(str(row.get(f"topic_{name}") or "") for name in wording.fields).strip()
    kept = {"id": record.fields.get("topic_id"), "text": words, "lang": row.get("lang")}
    return replace(record, fields=kept)


def _fits(row: Mapping[str, Any], wording: Wording) -> bool:
    source = str(row.get("source", ""))
    if wording.lang is None:
        return source == "original"
    if not _same(str(row.get("lang", "")), wording.lang):
        return False
    human = source in ("original", "human translation")
    return human if wording.origin == "human" else not human or source == "original"


def _translated_question(record: Record, wording: Wording) -> Record | BadRecord:
    """One question of MKQA: the English one, and one in every language."""
    fields = record.fields
    lang, words = "en", fields.get("query")
    if wording.lang is not None:
        found = {k: v for k, v in fields["queries"].items() if _same(k, wording.lang)}
        if not found:
            return BadRecord(record.place, f"the question is not asked in {wording.lang}")
        lang, words = next(iter(found.items()))
    return replace(record, fields={"id": fields.get("example_id"), "text": words, "lang": lang})


def _same(spelling: str, lang: str) -> bool:
    try:
        return spelling == lang or language_code(spelling) == language_code(lang)
    except LanguageError:
        return False


def _line(words: str) -> str:
    return " ".join(words.split())
