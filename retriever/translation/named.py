"""Translation tables by name or path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xret.errors import ModelError

if TYPE_CHECKING:
    from xret.retriever.translation.table import TranslationTable

__all__ = ["SHIPPED_TABLE", "open_table"]

SHIPPED_TABLE = "xret-translations"
"""The table that comes with the package."""

_FOLDER = Path(__file__).parents[1] / "pretrained" / SHIPPED_TABLE


def open_table(name: str) -> TranslationTable:
    """The shipped table by its name, or one in a folder or a file.

    Raises ModelError where there is none, and for one of another text analysis.
    """
    from xret.retriever.translation.table import TranslationTable

    place = _FOLDER if name == SHIPPED_TABLE else Path(name)
    if not place.exists():
        raise ModelError(
            f"no translation table {name!r}; use {SHIPPED_TABLE}, or the folder of one made by "
            "xret train translation-table"
        )
    return TranslationTable.open(place)
