"""From what `--translator` says to a translator."""

from __future__ import annotations

from pathlib import Path

from xret.errors import ConfigError
from xret.retriever.translation.named import SHIPPED_TABLE, open_table
from xret.retriever.translation.table import TABLE_FILE
from xret.retriever.translation.translator import CachedTranslator, Translator

__all__ = ["open_translator"]

_KINDS = (
    f"{SHIPPED_TABLE} or the folder of a translation table (word by word), a .tsv or .jsonl file "
    "of translated texts, the folder of a Marian, M2M-100 or NLLB model, or the address of a chat "
    "model"
)


def open_translator(name: str) -> CachedTranslator:
    """A translator whose translations are kept.

    Raises ConfigError for what is none, and what opening its file or model raises.
    """
    return CachedTranslator(_opened(name))


def _opened(name: str) -> Translator:
    place = Path(name)
    if name.startswith(("http://", "https://")):
        from xret.retriever.translation.chat import ChatTranslator

        return ChatTranslator(name)
    if name == SHIPPED_TABLE or place.name == TABLE_FILE or (place / TABLE_FILE).is_file():
        from xret.retriever.translation.word_by_word import WordByWord

        return WordByWord(open_table(name))
    if place.is_dir():
        from xret.retriever.translation.seq2seq import Seq2SeqTranslator

        return Seq2SeqTranslator(place)
    if place.is_file():
        from xret.retriever.translation.prepared import PreparedTranslations

        return PreparedTranslations(place)
    raise ConfigError(f"no translator {name!r}; name {_KINDS}")
