"""What a model has of its own for each language, as `xret lang list` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xret.errors import ModelError
from xret.retriever.languages.codes import language_name
from xret.retriever.models.location import model_location
from xret.retriever.modules.installed_languages import InstalledLanguages
from xret.retriever.xmod.installed import InstalledAdapter, adapters_of

__all__ = ["model_languages"]

_TRAINED_BY = ("trained_by", "tool", "command")


def model_languages(model: str | Path) -> list[dict[str, Any]]:
    """By language what kind it is of; of adapters also their size and where they come from.

    model: a name or a folder. Raises ModelError for a model without any modules by language.
    """
    folder = model_location(str(model))
    installed = InstalledLanguages.of(folder)
    if installed.kind == "X-MOD adapters":
        return [_described(adapter) for adapter in adapters_of(folder)]
    if not installed.names:
        raise ModelError(
            f"{folder} has no languages of its own: it reads texts of all languages alike"
        )
    return [
        {"lang": code, "name": language_name(code), "kind": installed.kind}
        for code in installed.names
    ]


def _described(adapter: InstalledAdapter) -> dict[str, Any]:
    return {
        "lang": adapter.lang,
        "name": language_name(adapter.lang),
        "kind": "X-MOD adapters",
        "parameters": adapter.parameters,
        "bytes": adapter.n_bytes,
        "rows": adapter.pieces,
        "trained_by": _trained_by(adapter.card),
        "origin": "added" if adapter.added else "the model's own",
        "card": adapter.card,
    }


def _trained_by(card: Mapping[str, Any]) -> str:
    return next((str(card[name]) for name in _TRAINED_BY if card.get(name)), "")
