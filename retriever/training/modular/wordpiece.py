"""The static encoder's vocabulary as a tokenizer file that needs no code of ours.

`WordPieces` normalises and splits in Python; transformers want one file that says it all.
The two give the same pieces but for a handful of rare letters (a test counts).
"""

from __future__ import annotations

import json
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers

from xret.retriever.encoders import wordpieces
from xret.retriever.encoders.wordpieces import CONTINUATION, RUN_PREFIX, UNKNOWN

__all__ = ["MASK", "PADDING", "SPECIAL", "portable_tokenizer"]

PADDING, MASK = "[PAD]", "[MASK]"
SPECIAL = (PADDING, UNKNOWN, MASK)
"""In the order of their ids. Padding is 0, since X-MOD counts positions from its id on."""


def portable_tokenizer(static: Tokenizer) -> tuple[Tokenizer, list[int]]:
    """A tokenizer that reads texts as the static encoder does, and where its rows come from.

    The list has, for each new id, the row in the static table; -1 for padding and mask.
    Pieces that begin a word carry the mark that before only runs of unspaced scripts had, so
    that one pre-tokenizer serves both.
    """
    vocabulary = json.loads(static.to_str())["model"]["vocab"]
    rows = [-1, vocabulary[UNKNOWN], -1]
    pieces: dict[str, int] = {token: number for number, token in enumerate(SPECIAL)}
    for piece, row in sorted(vocabulary.items(), key=lambda entry: entry[1]):
        if piece == UNKNOWN:
            continue
        inside = piece.startswith(CONTINUATION) or piece == RUN_PREFIX
        pieces[piece if inside else RUN_PREFIX + piece] = len(rows)
        rows.append(row)
    described: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": UNKNOWN,
            "vocab": pieces,
            "continuing_subword_prefix": CONTINUATION,
            "max_input_chars_per_word": 64,
        },
    }
    made = Tokenizer.from_str(json.dumps(described))
    made.normalizer = normalizers.Sequence(_normalizers())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_word_pattern()), behavior="removed", invert=True),
            pre_tokenizers.Metaspace(RUN_PREFIX, prepend_scheme="always", split=False),
        ]
    )
    made.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    return made, rows


def _normalizers() -> list[normalizers.Normalizer]:
    """`wordpieces.normalize`, step by step."""
    steps: list[normalizers.Normalizer] = [normalizers.NFKC(), normalizers.Lowercase()]
    # Letter by letter there is no final sigma; Python, which sees the word, writes it.
    steps.append(normalizers.Replace(Regex("(?<=\\p{L})\u03c3(?!\\p{L})"), "\u03c2"))
    steps.append(normalizers.Replace(Regex(wordpieces.MARKS), ""))
    spelt: dict[str, list[str]] = {}
    for code, one in wordpieces.LETTERS.items():
        spelt.setdefault(chr(one), []).append(chr(code))
    for letter, spellings in spelt.items():
        steps.append(normalizers.Replace(Regex(f"[{''.join(spellings)}]"), letter))
    steps.append(normalizers.Replace(Regex(wordpieces.ARABIC_ARTICLE), ""))
    return steps


def _word_pattern() -> str:
    """`wordpieces.split_words`; its letters are what Python calls word characters but digits."""
    unspaced, combining = wordpieces.UNSPACED, wordpieces.COMBINING
    letter = f"[\\p{{L}}&&[^{unspaced}]]"
    return f"[{unspaced}]{{1,16}}|{letter}(?:{letter}|[{combining}]){{0,39}}|\\p{{Nd}}{{1,12}}"
