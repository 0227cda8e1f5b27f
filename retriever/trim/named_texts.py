"""What the settings of a model name besides texts: prompts, markers, words that are skipped."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xret.retriever.models.layout import is_stanford, read_json
from xret.retriever.trim.folder import model_entries

__all__ = ["named_rows", "named_texts"]

_SETTINGS = re.compile(
    r"(config|config_sentence_transformers|generation_config|sentence_\w+_config)\.json"
    r"|artifact\.metadata"
)
_KEYS = re.compile(r"prompt|prefix|token|skiplist")
_ROW = re.compile(r"_token_ids?$")
STANFORD = ("[unused0]", "[unused1]")
"""Markers where a checkpoint of Stanford's ColBERT names none."""


def named_texts(folder: Path) -> list[str]:
    """Texts and tokens that shape vectors whatever is read: each must be cut as before."""
    found = [value for _, value in _named(folder) if isinstance(value, str)]
    if is_stanford(folder):
        found += STANFORD
    return sorted({*found, *string.punctuation})


def named_rows(folder: Path) -> set[int]:
    """Rows that the settings name by their number: padding, the mask, the ends of a text."""
    return {value for key, value in _named(folder) if isinstance(value, int) and _ROW.search(key)}


def _named(folder: Path) -> Iterator[tuple[str, Any]]:
    for path in model_entries(folder):
        if _SETTINGS.fullmatch(path.name):
            yield from _values(read_json(folder / path), "")


def _values(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Numbers and strings under the telling keys, at any depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _values(inner, name if _KEYS.search(name) else key)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner, key)
    elif _KEYS.search(key) and not isinstance(value, bool):
        yield key, value
