"""How a tokenizer cuts the words of a language, read from the model's own tokenizer.json.

A language that is cut into many small pieces, or into none that the model knows, is served
badly by any encoder above (Rust et al. 2021; Petrov et al. 2023).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tokenizers import Tokenizer

from xret.errors import ModelError
from xret.retriever.encoders.wordpieces import IS_UNSPACED, RUN_PREFIX, UNKNOWN, split_words

__all__ = ["Fertility", "SubwordCounts", "read_tokenizer"]

TOKENIZER_FILE = "tokenizer.json"
_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f\u0900-\u0dff\u0f71-\u0f84\u1000-\u109f])*")
_UNKNOWN_PIECES = (UNKNOWN, "<unk>", "<UNK>")
_ONE_BYTE = re.compile(r"^<0x[0-9A-Fa-f]{2}>$")


@dataclass(frozen=True, slots=True)
class Fertility:
    """How sentences of one language are cut.

    pieces_per_unit: pieces a word, or a character where the script writes no spaces between
    words (`unit`). parity: pieces over those of the same sentences in English (Petrov et al.
    2023: 1 is fair). unknown: share of the words of which no piece is known; a piece that
    stands for one byte of a character that the vocabulary lacks does not count.
    """

    pieces_per_unit: float
    unit: Literal["word", "character"]
    parity: float
    unknown: float


@dataclass(frozen=True, slots=True)
class SubwordCounts:
    """A tokenizer as the counts that fertility needs.

    cut: words of a text with the pieces that each is cut into, unknown ones as None.
    """

    cut: Callable[[str], list[list[str | None]]]

    def fertility(self, texts: Sequence[str], english: Sequence[str]) -> Fertility:
        """Over all texts together; `english` are the same sentences in English."""
        words = [word for text in texts for word in self.cut(text)]
        pieces = sum(map(len, words))
        in_english = sum(len(word) for text in english for word in self.cut(text))
        unit: Literal["word", "character"] = "word"
        units = len(words)
        letters = [c for text in texts for c in text if c.isalnum()]
        if sum(bool(IS_UNSPACED.match(c)) for c in letters) * 2 > len(letters):
            unit, units = "character", len(letters)
        lost = sum(all(piece is None for piece in word) for word in words)
        return Fertility(
            pieces / max(units, 1), unit, pieces / max(in_english, 1), lost / max(len(words), 1)
        )


def read_tokenizer(folder: Path, *, static: bool = False) -> SubwordCounts | None:
    """The tokenizer of a model folder, None where it has no tokenizer.json.

    static: words are split and spelt as the static encoder reads them.
    Raises ModelError for a file that is no tokenizer.
    """
    path = folder / TOKENIZER_FILE
    if not path.is_file():
        return None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(f"{path} is not a readable tokenizer file: {error}") from error
    tokenizer.no_truncation()
    split = split_words if static else _WORD.findall

    def cut(text: str) -> list[list[str | None]]:
        found = tokenizer.encode_batch(split(text), add_special_tokens=False)
        return [_pieces(map(tokenizer.id_to_token, each.ids)) for each in found]

    return SubwordCounts(cut)


def _pieces(tokens: Iterable[str | None]) -> list[str | None]:
    """The pieces of one word by their names in the vocabulary, unknown ones as None.

    By their ids: of a unigram model the tokens of an encoding are the text, known or not.
    """
    return [
        None if token in _UNKNOWN_PIECES or _ONE_BYTE.match(token or "") else token
        for token in tokens
        if token != RUN_PREFIX
    ]
