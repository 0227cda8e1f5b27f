"""Rows to train on: a query, a passage that answers it, passages that do not.

JSON lines {query, positive, negatives?, query_lang?, positive_lang?, negative_langs?, scores?,
id?}, or TSV `query<TAB>positive[<TAB>negative...]`; parallel text is the same with {source,
target, source_lang, target_lang}, or the columns of `parallel_text`. `.gz` and `.zst` of each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from xret.errors import CorpusError
from xret.retriever.corpora.decompress import uncompressed_name
from xret.retriever.languages.codes import language_code
from xret.types import UNDETERMINED

__all__ = ["Example", "code_of", "examples_of", "is_json", "json_fields", "tab_fields"]

_JSON, _TABS = (".jsonl", ".json", ".ndjson"), (".tsv", ".tab", ".txt")
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


def is_json(path: Path) -> bool:
    """Whether a file of rows holds JSON lines; else it holds cells between tabs.

    Raises CorpusError for a name whose ending says neither.
    """
    suffix = Path(uncompressed_name(path)).suffix
    if suffix not in _JSON + _TABS:
        raise CorpusError(
            f"{path}: the ending {suffix or '(none)'} is not known; known are "
            f"{' '.join(_JSON + _TABS)} and each with .gz or .zst"
        )
    return suffix in _JSON


def json_fields(line: str) -> dict[str, Any]:
    """The fields of a JSON line. Raises ValueError for what is no JSON object."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ValueError(f"a JSON object was expected, found {type(fields).__name__}")
    return fields


def tab_fields(line: str) -> dict[str, Any]:
    """The fields of a TSV line under the names that JSON has for them."""
    cells = line.split("\t")
    if len(cells) < 2:
        raise ValueError(
            "query<TAB>positive[<TAB>negative...] was expected, 2 or more columns; found 1"
        )
    query, positive, *negatives = cells
    return {"query": query, "positive": positive, "negatives": negatives}


def examples_of(
    fields: Mapping[str, Any],
    *,
    query_lang: str = UNDETERMINED,
    positive_lang: str = UNDETERMINED,
) -> list[Example]:
    """One example for each positive of a row.

    query_lang, positive_lang: of a row that names none. Raises ValueError for fields that make
    no example, LanguageError for a language that does not exist.
    """
    query = _text(fields, _QUERY)
    answers = _either(fields, _POSITIVE)
    answers = answers if isinstance(answers, list) else [answers]
    positives = [_checked_text(fields, answer, _POSITIVE[0]) for answer in answers]
    if not positives:
        raise ValueError("positive is an empty list")
    negatives = _negatives(fields)
    query_lang = _lang(_either(fields, ("query_lang", "source_lang"))) or query_lang
    positive_lang = _lang(_either(fields, ("positive_lang", "target_lang"))) or positive_lang
    langs = tuple(_lang(one) or positive_lang for one in _list(fields, "negative_langs"))
    if langs and len(langs) != len(negatives):
        raise ValueError(f"{len(negatives)} negatives but {len(langs)} negative_langs")
    scores = tuple(_number(score) for score in _list(fields, "scores"))
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


@lru_cache(maxsize=1024)
def code_of(spelling: str) -> str:
    """As `language_code`, remembered: a file spells few languages on many lines."""
    return language_code(spelling)


def _negatives(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Of `negatives`, or of a single `negative`."""
    single = fields.get("negative")
    if "negatives" not in fields and single is not None:
        negatives = single if isinstance(single, list) else [single]
    else:
        negatives = _list(fields, "negatives")
    return tuple(_checked_text(fields, text, "negatives") for text in negatives)


def _either(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _list(fields: Mapping[str, Any], name: str) -> list[Any]:
    values = fields.get(name)
    if values is None:
        return []
    if not isinstance(values, list):
        raise ValueError(f"{name} must be a list, found {type(values).__name__}")
    return values


def _text(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    return _checked_text(fields, _either(fields, names), names[0])


def _checked_text(fields: Mapping[str, Any], text: Any, name: str) -> str:
    if text is None:
        raise ValueError(
            f"{name} must be text, found nothing; the row has {', '.join(map(repr, fields))}"
        )
    if not isinstance(text, str) or not text.strip():
        kind = "an empty text" if isinstance(text, str) else type(text).__name__
        raise ValueError(f"{name} must be text, found {kind}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds a lone surrogate, which is no Unicode text") from error
    return text


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"scores must be numbers, found {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError("a score is too large") from error
    if not math.isfinite(number):
        raise ValueError(f"scores must be finite, found {value}")
    return number


def _lang(spelling: Any) -> str:
    if spelling is None or spelling == "":
        return ""
    if not isinstance(spelling, str):
        raise ValueError(f"a language must be a code, found {type(spelling).__name__}")
    return code_of(spelling)
