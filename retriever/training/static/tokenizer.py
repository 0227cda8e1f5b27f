"""Training the vocabulary on a sample in which every language has its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from xret.retriever.encoders.wordpieces import (
    CONTINUATION,
    IS_UNSPACED,
    RUN_PREFIX,
    UNKNOWN,
    split_words,
)
from xret.retriever.training.common.parallel import ParallelText, source_weight
from xret.retriever.training.static.settings import StaticTraining
from xret.types import FloatArray

__all__ = ["train_tokenizer"]

_RAREST_CHARACTER = 3
_LONGEST_WORD = 64
_USUAL_ROWS = 50_000
_ENGLISH_SHARE = 0.06
_VARIANT_SHARE = 0.2


def train_tokenizer(text: ParallelText, path: Path, *, settings: StaticTraining) -> None:
    """Write a WordPiece `tokenizer.json` (Schuster and Nakajima 2012).

    A language gives about as many sentences and dictionary entries as any other, so that a
    language with little text keeps whole words; its entries are what holds words that the
    sentences, mostly documentation, lack.
    """
    lines = [" ".join(map(_marked, split_words(line))) for line in _sample(text, settings)]
    seen = Counter(character for line in lines for character in line)
    rare = {ord(character): " " for character, n in seen.items() if n < _RAREST_CHARACTER}
    # Byte-pair merges without a prefix come out the same every time; the trainer for
    # WordPiece orders its prefixed characters by a hash that differs from run to run.
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocabulary_size, show_progress=False, min_frequency=2
    )
    learner.train_from_iterator((line.translate(rare) for line in lines), trainer)
    vocabulary = _word_pieces(learner.get_vocab(), settings.vocabulary_size)
    tokenizer = Tokenizer(
        models.WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=_LONGEST_WORD)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(path), pretty=False)


def _marked(word: str) -> str:
    """A word with its beginning marked, a run of an unspaced script without a mark.

    >>> _marked("cat"), _marked(RUN_PREFIX + "\u6771\u4eac") == "\u6771\u4eac"
    ('▁cat', True)
    """
    return word.removeprefix(RUN_PREFIX) if word.startswith(RUN_PREFIX) else RUN_PREFIX + word


def _word_pieces(learned: dict[str, int], size: int) -> dict[str, int]:
    """The first `size` pieces in the order of their merges, as WordPiece spells them.

    All characters come first, at a word's beginning and inside, so that no word whose
    characters are known is unknown.
    """
    characters = sorted(piece for piece in learned if len(piece) == 1 and piece != RUN_PREFIX)
    beginnings = [piece for piece in characters if not IS_UNSPACED.match(piece)]
    merged = sorted((piece for piece in learned if len(piece) > 1), key=lambda p: learned[p])
    spelled = [
        piece[1:] if piece.startswith(RUN_PREFIX) else CONTINUATION + piece for piece in merged
    ]
    inside = [CONTINUATION + piece for piece in characters]
    ordered = dict.fromkeys([UNKNOWN, RUN_PREFIX, *beginnings, *inside, *spelled])
    return {piece: number for number, piece in enumerate(list(ordered)[:size])}


def _sample(text: ParallelText, settings: StaticTraining) -> Iterator[str]:
    rng = np.random.default_rng([settings.seed, 1])
    rows = text.rows()
    weights = np.array([source_weight(name) for name in text.sources])[rows[:, 0]]
    is_entry = np.arange(len(rows)) >= text.sentences
    for code, language in enumerate(text.languages):
        share = _VARIANT_SHARE if language == "zh-hant" else 1.0
        for entries, usual in (
            (False, settings.tokenizer_sentences),
            (True, settings.tokenizer_entries),
        ):
            pool = np.flatnonzero((rows[:, 1] == code) & (is_entry == entries))
            size = int(share * usual * (len(pool) / _USUAL_ROWS) ** settings.tokenizer_power)
            for row in _draw(rng, pool, weights[pool], size):
                yield text.others[row]
            for row in _draw(rng, pool, weights[pool], int(size * _ENGLISH_SHARE)):
                yield text.english[rows[row, 2]]


def _draw(
    rng: np.random.Generator,
    pool: np.ndarray[tuple[int], np.dtype[np.int64]],
    weights: FloatArray,
    size: int,
) -> list[int]:
    if not len(pool):
        return []
    chance = weights / weights.sum()
    drawn: list[int] = rng.choice(pool, min(size, len(pool)), replace=False, p=chance).tolist()
    return drawn
