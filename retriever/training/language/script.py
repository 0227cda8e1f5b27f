"""Pieces for a script that the vocabulary lacks, and embeddings for them to start from.

Pieces are made of unknown characters only, so that no word of another language is cut in
another way: a word that holds an unknown character was unknown as a whole. With parallel text
a piece starts as what it translates to, by the expected alignments of IBM model 1 (Brown et
al. 1993); without, as the pieces of its romanisation by the characters' Unicode names.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer, models
from torch import Tensor

from xret.errors import LanguageError
from xret.retriever.encoders.wordpieces import CONTINUATION, RUN_PREFIX
from xret.retriever.languages.codes import language_name
from xret.retriever.languages.relatives import facts
from xret.retriever.training.language.adapted import AdaptedModel
from xret.retriever.training.language.merges import merged_pieces
from xret.retriever.training.language.text import LanguageText, Pair
from xret.types import FloatArray, IntArray

__all__ = ["Script", "expected_alignments", "romanised"]

UNKNOWN_SHARE, UNREADABLE_SHARE = 0.05, 0.5
"""Of a text's letters; from the first on pieces are added, or it is said that none can be; from
the second on a text that gets none is refused."""

MOST_PIECES = 4_000
_SEEN = 3
_ROUNDS = 5
_MOST_PAIRS = 50_000
_SOUND = re.compile(r"[BCDFGHJKLMNPQRSTVWXYZ]+|[AEIOU]+")


@dataclass(frozen=True, slots=True)
class Script:
    """What the vocabulary makes of a text, and what it is given for it.

    unknown_share: of the letters, those that occur in no piece; pieces_per_word: before pieces
    were added. pieces: new ones, none where few letters are unknown; rows (p, d), emphasis (p,).
    """

    unknown_share: float
    pieces_per_word: float
    pieces: tuple[str, ...]
    rows: Tensor
    emphasis: Tensor
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: AdaptedModel, text: LanguageText) -> Script:
        """Read the text; pieces are made where more than `UNKNOWN_SHARE` of it is unknown.

        Only WordPiece vocabularies get any: a piece more in a Unigram one cuts words of other
        languages anew. Raises LanguageError where such a one cannot read half of the letters.
        """
        tokens = model.tokens
        words = _words(tokens, text.lines)
        grows = isinstance(tokens.model, models.WordPiece)
        unknown = _unknown(words, tokens) if grows else _unread(words, tokens, model.unknown_token)
        letters, lost = _letters(words, unknown)
        share = lost / max(letters, 1)
        encoded = tokens.encode_batch(list(text.lines), add_special_tokens=False)
        n_pieces = sum(len(each.ids) for each in encoded)
        per_word = n_pieces / max(words.total(), 1)
        none = cls(share, per_word, (), torch.zeros(0, model.width), torch.zeros(0))
        if share <= UNKNOWN_SHARE:
            return none
        if not grows:
            said = _not_read(text.lang, share, type(tokens.model).__name__)
            if share >= UNREADABLE_SHARE:
                raise LanguageError(f"{said}; take a model that reads this script")
            return cls(share, per_word, (), none.rows, none.emphasis, (said,))
        pieces = _make_pieces(words, unknown)
        rows, emphasis = _start(model, text, pieces)
        return cls(share, per_word, pieces, rows, emphasis)


def romanised(piece: str) -> str:
    """A piece in Latin letters, by what Unicode calls its characters.

    >>> romanised("სახლი"), romanised("ሰላም")
    ('saxli', 'salaame')
    """
    return "".join(map(_sound, piece.removeprefix(CONTINUATION).removeprefix(RUN_PREFIX)))


def expected_alignments(
    pieces: Sequence[IntArray], english: Sequence[IntArray]
) -> tuple[IntArray, IntArray, FloatArray]:
    """(piece, English row, expected count of their alignments), of the pairs that occur.

    pieces, english: rows of each sentence pair. IBM model 1 with an empty English word, -1,
    which takes up what translates nothing.
    """
    lefts, rights, groups = [], [], []
    n_seen = 0
    for ours, theirs in zip(pieces, english, strict=True):
        theirs = np.append(theirs, -1)
        lefts.append(np.repeat(ours, len(theirs)))
        rights.append(np.tile(theirs, len(ours)))
        groups.append(np.repeat(np.arange(n_seen, n_seen + len(ours)), len(theirs)))
        n_seen += len(ours)
    left, right, group = (np.concatenate(part) for part in (lefts, rights, groups))
    width = int(right.max()) + 2
    keys, pair = np.unique(left * width + right + 1, return_inverse=True)
    ours, theirs = keys // width, keys % width
    counts: FloatArray = np.ones(len(keys), np.float32)
    for _ in range(_ROUNDS):
        chances = (counts / np.bincount(theirs, counts)[theirs])[pair]
        shares = chances / np.bincount(group, chances)[group]
        counts = np.bincount(pair, shares).astype(np.float32)
    found: tuple[IntArray, IntArray] = (ours, theirs - 1)
    return *found, counts


def _words(tokens: Tokenizer, lines: Sequence[str]) -> Counter[str]:
    """Words as the tokenizer cuts them, with their marks."""
    found: Counter[str] = Counter()
    for line in lines:
        text = tokens.normalizer.normalize_str(line) if tokens.normalizer else line
        if tokens.pre_tokenizer:
            found.update(word for word, _ in tokens.pre_tokenizer.pre_tokenize_str(text))
        else:
            found.update(text.split())
    return found


def _unknown(words: Counter[str], tokens: Tokenizer) -> set[str]:
    """Characters of the words that are in no piece."""
    known = set("".join(tokens.get_vocab()))
    return {c for word in words for c in word if c not in known and c.isprintable()}


def _unread(words: Counter[str], tokens: Tokenizer, unknown: int) -> set[str]:
    """Characters that the tokenizer, given each by itself, takes for unknown.

    In a Unigram vocabulary a letter may occur in pieces and be none itself: then words with it
    are lost that happen not to be made of those pieces.
    """
    characters = sorted({c for word in words for c in word if c.isprintable()})
    encoded = tokens.encode_batch(characters, add_special_tokens=False)
    return {c for c, each in zip(characters, encoded, strict=True) if unknown in each.ids}


def _not_read(lang: str, share: float, kind: str) -> str:
    script = facts(lang).scripts
    name = f" (script {', '.join(script)})" if script else ""
    return (
        f"the vocabulary cannot read {share:.0%} of the letters of {language_name(lang)}{name}, "
        f"and no pieces can be added to a {kind} tokenizer without cutting other languages' words "
        "anew"
    )


def _letters(words: Counter[str], unknown: set[str]) -> tuple[int, int]:
    """(letters of a text, those of them that are unknown)."""
    letters = lost = 0
    for word, n in words.items():
        letters += n * sum(character.isalpha() for character in word)
        lost += n * sum(character in unknown for character in word if character.isalpha())
    return letters, lost


def _make_pieces(words: Counter[str], unknown: set[str]) -> tuple[str, ...]:
    """Every unknown character, at a word's start and inside, then what words are made of."""
    marked = any(word.startswith(RUN_PREFIX) for word in words)
    start = RUN_PREFIX if marked else ""
    fitting: Counter[str] = Counter()
    for word, n in words.items():
        bare = word.removeprefix(start)
        if bare and unknown.issuperset(bare):
            fitting[bare] += n
    single = [f"{mark}{c}" for c in sorted(unknown) for mark in (start, CONTINUATION)]
    longer = merged_pieces(fitting, start=start, inside=CONTINUATION, most=MOST_PIECES, seen=_SEEN)
    return tuple(dict.fromkeys([*single, *longer]))


def _start(
    model: AdaptedModel, text: LanguageText, pieces: tuple[str, ...]
) -> tuple[Tensor, Tensor]:
    """Rows and emphasis of the new pieces; those that nothing is known of are the mean one."""
    vectors, emphasis = _romanised_rows(model, pieces)
    if text.pairs:
        vectors, emphasis = _aligned_rows(model, text.pairs, pieces, vectors, emphasis)
    length = float(model.table.norm(dim=1).median())
    vectors = torch.nn.functional.normalize(vectors, dim=1) * length
    return vectors, emphasis


def _romanised_rows(model: AdaptedModel, pieces: Sequence[str]) -> tuple[Tensor, Tensor]:
    table, emphasis = model.table, model.emphasis
    rows, weights = [], []
    mean = table.mean(dim=0)
    for encoding in model.tokens.encode_batch(
        [romanised(piece) for piece in pieces], add_special_tokens=False
    ):
        ids = torch.tensor(encoding.ids, dtype=torch.int64)
        known = ids[ids != model.unknown_token]
        rows.append(table[known].mean(dim=0) if len(known) else mean)
        weights.append(emphasis[known].mean() if len(known) else emphasis.median())
    return torch.stack(rows), torch.stack(weights)


def _aligned_rows(
    model: AdaptedModel,
    pairs: Sequence[Pair],
    pieces: tuple[str, ...],
    rows: Tensor,
    emphasis: Tensor,
) -> tuple[Tensor, Tensor]:
    """Those of pieces that occur in the pairs: what they align with, by its emphasis."""
    grown = model.grown_tokens(pieces)
    first = model.n_rows
    ours, english = [], []
    for one, other in zip(
        grown.encode_batch([t for t, _ in pairs[:_MOST_PAIRS]], add_special_tokens=False),
        grown.encode_batch([e for _, e in pairs[:_MOST_PAIRS]], add_special_tokens=False),
        strict=True,
    ):
        ids = np.array(one.ids, np.int64)
        ours.append(ids[ids >= first] - first)
        theirs = np.array(other.ids, np.int64)
        english.append(theirs[theirs != model.unknown_token])
    piece, row, count = expected_alignments(ours, english)
    real = row >= 0
    at, to = torch.from_numpy(piece[real]), torch.from_numpy(row[real])
    weight = torch.from_numpy(count[real])
    table, known = model.table, model.emphasis
    used = torch.from_numpy(np.unique(row[real]))
    centre = table[used].mean(dim=0)
    summed = torch.zeros(len(pieces), table.shape[1])
    summed.index_add_(0, at, (table[to] - centre) * (weight * known[to].exp())[:, None])
    total = torch.zeros(len(pieces)).index_add_(0, at, weight)
    weighed = torch.zeros(len(pieces)).index_add_(0, at, weight * known[to])
    met = total > 0.5
    rows = torch.where(met[:, None], summed, rows)
    return rows, torch.where(met, weighed / total.clamp_min(1e-6), emphasis)


def _sound(character: str) -> str:
    """Of a syllable its name, of a letter the first sounds of it, of another sign nothing."""
    words = unicodedata.name(character, "").split()
    if not words or not ({"LETTER", "SYLLABLE", "SIGN", "VOWEL"} & set(words)):
        return character if character.isalnum() else ""
    last = words[-1]
    if not last.isascii() or not last.isalpha():
        return ""
    if "LETTER" in words:
        found = _SOUND.match(last)
        last = found[0] if found else last
    return last.lower()
