"""Translations that somebody made before: whole texts in a file of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xret.errors import TranslationError
from xret.retriever.corpora.parallel_text import read_pairs
from xret.retriever.models.hashes import file_hash

__all__ = ["PreparedTranslations"]


class PreparedTranslations:
    """A file of texts and their translations, used in both directions.

    Lines are of the shapes of `xret.retriever.corpora.parallel_text`; where they name no
    languages, any are meant. Raises what reading such a file raises.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.fingerprint = f"file-{file_hash(path)}"
        self._texts: dict[tuple[str, str, str], str] = {}
        for _, pair in read_pairs(path):
            first, last = pair.source_lang, pair.target_lang
            self._texts.setdefault((first, last, pair.source), pair.target)
            self._texts.setdefault((last, first, pair.target), pair.source)

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Raises TranslationError for a text that the file does not have."""
        found = [
            self._texts.get((source, target, text), self._texts.get(("", "", text)))
            for text in texts
        ]
        missing = [text for text, one in zip(texts, found, strict=True) if one is None]
        if missing:
            raise TranslationError(
                f"{self.name} has no translation from {source} to {target} of {len(missing)} of "
                f"{len(texts)} texts, such as {missing[0][:80]!r}; add them to the file"
            )
        return [one for one in found if one is not None]
