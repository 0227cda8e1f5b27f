"""Texts into another language, each once: the protocol, and what keeps translations."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from xret.config import home
from xret.errors import TranslationError
from xret.types import Progress, Work

__all__ = ["CachedTranslator", "Translator"]

BATCH = 32
"""Texts that a translator is given at once, and that are kept together."""

_CREATE = (
    "CREATE TABLE IF NOT EXISTS translations (source TEXT, target TEXT, text BLOB, "
    "translation TEXT NOT NULL, PRIMARY KEY (source, target, text)) WITHOUT ROWID"
)
_INSERT = "INSERT OR REPLACE INTO translations VALUES (?, ?, ?, ?)"
_SELECT = "SELECT translation FROM translations WHERE source = ? AND target = ? AND text = ?"


class Translator(Protocol):
    """name: for people. fingerprint: of all that shapes a translation."""

    name: str
    fingerprint: str

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """The texts in another language, one each, in order; BCP 47 codes.

        Raises TranslationError where there is no translation to be had.
        """


class CachedTranslator:
    """A translator whose translations are kept on disk, by its fingerprint, in XRET_HOME.

    A text that was translated once is not given to it again, in this process or a later one.
    translated, characters: texts that it was given by this one, and their characters.
    """

    def __init__(self, translator: Translator, folder: Path | None = None) -> None:
        self.translator = translator
        self.name = translator.name
        self.fingerprint = translator.fingerprint
        self.translated = 0
        self.characters = 0
        where = home() / "translations" if folder is None else folder
        where.mkdir(parents=True, exist_ok=True)
        self.path = where / f"{translator.fingerprint}.sqlite"

    def translate_steps(
        self, texts: Sequence[str], source: str, target: str
    ) -> Work[dict[str, str]]:
        """By text, its translation; blank texts are their own. One Progress a batch.

        Raises TranslationError where the translator returns too few, too many or empty texts;
        what came before stays, and the next call goes on there.
        """
        wanted = [text for text in dict.fromkeys(texts) if text.strip()]
        with closing(self._opened()) as kept:
            known = self._known(kept, wanted, source, target)
            missing = [text for text in wanted if text not in known]
            for start in range(0, len(missing), BATCH):
                yield Progress("translate", start, len(missing), "texts")
                batch = missing[start : start + BATCH]
                known |= self._translated(kept, batch, source, target)
            if missing:
                yield Progress("translate", len(missing), len(missing), "texts")
        return {text: known.get(text, text) for text in texts}

    def _opened(self) -> sqlite3.Connection:
        try:
            kept = sqlite3.connect(self.path)
            kept.execute(_CREATE)
        except sqlite3.DatabaseError as error:
            raise TranslationError(
                f"the kept translations in {self.path} cannot be used: {error}; remove the file "
                "to translate anew"
            ) from error
        return kept

    def _known(
        self, kept: sqlite3.Connection, texts: Sequence[str], source: str, target: str
    ) -> dict[str, str]:
        rows = {text: kept.execute(_SELECT, (source, target, _key(text))) for text in texts}
        first = {text: row.fetchone() for text, row in rows.items()}
        return {text: str(row[0]) for text, row in first.items() if row is not None}

    def _translated(
        self, kept: sqlite3.Connection, batch: Sequence[str], source: str, target: str
    ) -> dict[str, str]:
        made = self.translator.translate(batch, source, target)
        self.translated += len(batch)
        self.characters += sum(map(len, batch))
        if len(made) != len(batch):
            raise TranslationError(
                f"{self.name} returned {len(made)} translations for {len(batch)} texts from "
                f"{source} to {target}; none of these is kept, the ones before are: run it again "
                "to go on"
            )
        good = {text: one for text, one in zip(batch, made, strict=True) if one.strip()}
        with kept:
            kept.executemany(_INSERT, [(source, target, _key(t), one) for t, one in good.items()])
        if len(good) < len(batch):
            empty = next(text for text in batch if text not in good)
            raise TranslationError(
                f"{self.name} returned an empty translation from {source} to {target} for "
                f"{empty[:80]!r}; the others are kept: run it again to ask for this one anew"
            )
        return good


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
