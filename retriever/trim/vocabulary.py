"""The vocabulary of a model: which of its rows texts use, and which a smaller one must keep.

Taking away rows that a text does not use leaves the text's pieces as they are. WordPiece
takes the longest piece that fits, and a longer one that did not fit before does not fit now;
what it matched before it gave a word up as unknown is used too. Unigram's best path stays the
best of fewer paths, while the lowest score, by which unknown characters are scored, stays.
BPE applies the merge of the lowest rank, which stays where every part of a kept piece does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import orjson
from tokenizers import Tokenizer

from xret.errors import LanguageError, ModelError
from xret.retriever.encoders.wordpieces import CONTINUATION, RUN_PREFIX
from xret.retriever.languages.codes import autonym
from xret.retriever.languages.relatives import facts
from xret.retriever.languages.scripts import script_of
from xret.retriever.models.tokenizer_file import merges_of, renumbered, special_rows, unknown_row
from xret.types import IntArray

__all__ = ["Vocabulary", "written_scripts"]

KINDS = ("WordPiece", "Unigram", "BPE", "WordLevel")
ALWAYS = frozenset({"Latn", "Grek"})
"""Single letters of these stay: names and units of measure stand in texts of every language."""

KEPT_SHARE = 0.5
"""Of a script's letters, by the pieces that have them: below, a vocabulary reads it no more."""

_PARTS = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
_WORD_ENDS = "</w>"


def written_scripts(langs: Iterable[str]) -> frozenset[str]:
    """ISO 15924 codes of the scripts that languages are written in, as `script_of` tells them.

    Raises LanguageError for a language whose script nobody has written down here.

    >>> sorted(written_scripts(["sw", "ja"]))
    ['Hani', 'Hira', 'Kana', 'Latn']
    """
    found: set[str] = set()
    for lang in langs:
        scripts = facts(lang).scripts
        if not scripts:
            raise LanguageError(
                f"nothing says in which script {lang!r} is written; name it with its script, "
                f"such as {lang}-Latn"
            )
        for script in scripts:
            found.update(_PARTS.get(script, (script,)))
    return frozenset(found)


class Vocabulary:
    """Pieces by row, as the tokenizer that a model really uses has them.

    prepare: what is done to a text before the tokenizer reads it. pieces: row to piece; rows
    without a piece are those that a table has for nothing.
    """

    def __init__(self, tokenizer: Tokenizer, *, prepare: Callable[[str], str] = str) -> None:
        text = tokenizer.to_str()
        self.content: dict[str, Any] = orjson.loads(text)
        self.kind = str(self.content["model"].get("type", type(tokenizer.model).__name__))
        if self.kind not in KINDS:
            raise ModelError(f"a {self.kind} tokenizer cannot be trimmed; {', '.join(KINDS)} can")
        self._tokenizer = Tokenizer.from_str(text)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._prepare = prepare
        self.prepares = prepare is not str
        self.rows: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        self.pieces = {row: piece for piece, row in self.rows.items()}
        self.size = max(self.pieces, default=-1) + 1
        self._learned = set(self._tokenizer.get_vocab(with_added_tokens=False).values())
        self.special = special_rows(self.content, self.rows)
        self.unknown = unknown_row(self.content, self.rows)

    def prepared(self, text: str) -> str:
        """A text as the tokenizer takes it."""
        return self._prepare(text)

    def cut(self, texts: Sequence[str]) -> list[list[int]]:
        """Rows of each text, without marks around it."""
        return self.cut_prepared([self._prepare(text) for text in texts])

    def cut_prepared(self, prepared: Sequence[str]) -> list[list[int]]:
        """The same for texts that are prepared."""
        encoded = self._tokenizer.encode_batch_fast(prepared, add_special_tokens=False)
        return [one.ids for one in encoded]

    def used(self, prepared: Sequence[str]) -> list[list[int]]:
        """Rows of each prepared text, and then those on the way to an unknown word."""
        rows = self.cut_prepared(prepared)
        if self.kind != "WordPiece":
            return rows
        return [
            ids + self._matched_in_vain(text) if self.unknown in ids else ids
            for text, ids in zip(prepared, rows, strict=True)
        ]

    def counts(self, texts: Sequence[str]) -> IntArray:
        """(size,) how often each row is used by the texts, on the way to an unknown word too."""
        rows = self.used([self._prepare(text) for text in texts])
        used = [np.asarray(ids, np.int64) for ids in rows]
        return np.bincount(np.concatenate([np.empty(0, np.int64), *used]), minlength=self.size)

    def split(self, prepared: str) -> list[str]:
        """What the model is handed of a prepared text, part by part."""
        tokenizer = self._tokenizer
        normal = tokenizer.normalizer.normalize_str(prepared) if tokenizer.normalizer else prepared
        splitter = tokenizer.pre_tokenizer
        return [part for part, _ in splitter.pre_tokenize_str(normal)] if splitter else [normal]

    def needed(self, scripts: Collection[str], *, said: Iterable[str] = ()) -> set[int]:
        """Rows without which some text could not be read, or would be read otherwise.

        Special tokens, bytes, and single characters, inside and at the start of a word, of
        those scripts or of none: digits, punctuation. said: texts and tokens that the
        model's own settings name.
        """
        kept = set(self.special)
        allowed = {"", *ALWAYS, *scripts}
        for row, letters in self._letters.items():
            single = len(letters) < 2 and all(script_of(one) in allowed for one in letters)
            if single or _BYTE.fullmatch(self.pieces[row]):
                kept.add(row)
        if self.kind == "Unigram":
            scores = [score for _, score in self.content["model"]["vocab"]]
            kept.add(int(np.argmin(scores)))
        for text in said:
            kept.update(self.rows[piece] for piece in {text, text.strip()} & self.rows.keys())
            kept.update(np.flatnonzero(self.counts([text])).tolist())
        return kept

    def of_scripts(self, scripts: Collection[str]) -> set[int]:
        """Rows of pieces with a letter of one of the scripts, or with no letter at all."""
        kept = set()
        for row, letters in self._letters.items():
            written = {script_of(letter) for letter in letters} - {""}
            if not written or written & set(scripts):
                kept.add(row)
        return kept

    def scripts_lost(self, smaller: Vocabulary) -> dict[str, float]:
        """Scripts that a smaller vocabulary hardly writes any more, with the share of letters.

        A letter counts as often as pieces of this vocabulary have it; it is written where the
        smaller one cuts it into something else than the unknown piece. Named are scripts of
        which less than half is left.
        """
        counts = Counter(letter for letters in self._letters.values() for letter in letters)
        letters = [letter for letter in counts if script_of(letter)]
        whole: Counter[str] = Counter()
        left: Counter[str] = Counter()
        cuts = zip(letters, self.cut(letters), smaller.cut(letters), strict=True)
        for letter, before, after in cuts:
            if self.unknown not in before:
                whole[script_of(letter)] += counts[letter]
                left[script_of(letter)] += counts[letter] * (smaller.unknown not in after)
        shares = {script: left[script] / n for script, n in sorted(whole.items())}
        return {script: share for script, share in shares.items() if share < KEPT_SHARE}

    def unread_langs(self, langs: Iterable[str]) -> tuple[str, ...]:
        """Languages whose own names are mostly letters that no piece writes."""
        return tuple(lang for lang in langs if self._mostly_unknown(autonym(lang)))

    def closed(self, kept: Collection[int]) -> set[int]:
        """Those rows and, for BPE, all parts from which merges make their pieces."""
        found = set(kept)
        waiting = [self.pieces[row] for row in found] if self.kind == "BPE" else []
        while waiting:
            for part in self._parts.get(waiting.pop(), ()):
                row = self.rows[part]
                if row not in found:
                    found.add(row)
                    waiting.append(part)
        return found

    def examples(self, scripts: Collection[str], n: int) -> list[str]:
        """n texts of eight pieces each, drawn from those that are all in these scripts."""
        whole = [
            letters
            for letters in self._letters.values()
            if letters and all(script_of(letter) in scripts for letter in letters)
        ]
        drawn = np.random.default_rng(0).integers(len(whole), size=(n if whole else 0, 8))
        return [" ".join(whole[place] for place in line) for line in drawn.tolist()]

    def order(self, kept: Collection[int], *, fixed: Collection[int] = ()) -> list[int]:
        """The row that each row of the smaller vocabulary has had.

        Special tokens keep their numbers where there are so many rows, since positions are
        counted from the padding's in some models. Tokens that were added to the vocabulary
        stay behind it. fixed: further rows that keep theirs.
        """
        learned = sorted(row for row in kept if row in self._learned)
        own = {row for row in (*self.special, *fixed) if row < len(learned) and row in kept}
        own &= self._learned
        others = iter(row for row in learned if row not in own)
        rows = [row if row in own else next(others) for row in range(len(learned))]
        return rows + sorted(row for row in kept if row not in self._learned)

    def smaller(self, order: Sequence[int]) -> Vocabulary:
        """The same tokenizer with those rows only, as `order` gives them."""
        content = renumbered(self.content, order)
        try:
            tokenizer = Tokenizer.from_str(orjson.dumps(content).decode())
        except Exception as error:  # tokenizers raises bare Exception
            raise ModelError(f"the trimmed tokenizer cannot be used: {error}") from error
        return Vocabulary(tokenizer, prepare=self._prepare)

    def _mostly_unknown(self, text: str) -> bool:
        letters = [letter for letter in text if script_of(letter)]
        return 2 * sum(self.unknown in rows for rows in self.cut(letters)) > len(letters)

    @cached_property
    def _letters(self) -> dict[int, str]:
        """Row to the characters that a piece stands for, without marks of starts and ends."""
        decode = _read_bytes if _is_bytes(self.content) else str
        special = set(self.special)
        return {
            row: decode(piece.removeprefix(CONTINUATION).removesuffix(_WORD_ENDS) or piece).strip(
                f"{RUN_PREFIX} "
            )
            for row, piece in self.pieces.items()
            if row not in special
        }

    @cached_property
    def _parts(self) -> dict[str, set[str]]:
        """Piece to the parts of every merge that makes it."""
        prefix = self.content["model"].get("continuing_subword_prefix") or ""
        found: dict[str, set[str]] = {}
        for left, right in merges_of(self.content["model"]):
            found.setdefault(left + right.removeprefix(prefix), set()).update((left, right))
        return found

    def _matched_in_vain(self, prepared: str) -> list[int]:
        """Rows that were matched in words which then turned out to be unknown."""
        return [row for word in self.split(prepared) for row in self._in_vain(word)]

    def _in_vain(self, word: str) -> list[int]:
        model = self.content["model"]
        prefix, longest = model["continuing_subword_prefix"], model["max_input_chars_per_word"]
        matched: list[int] = []
        start = 0
        while start < len(word) <= longest:
            end = next(_ends(word, start, prefix if start else "", model["vocab"]), None)
            if end is None:
                return matched
            matched.append(model["vocab"][(prefix if start else "") + word[start:end]])
            start = end
        return []


def _ends(word: str, start: int, prefix: str, vocab: Collection[str]) -> Iterator[int]:
    """Ends of the pieces that match from a place in a word on, the longest first."""
    return (end for end in range(len(word), start, -1) if prefix + word[start:end] in vocab)


def _is_bytes(content: dict[str, Any]) -> bool:
    """Whether pieces are spelt as bytes, a letter for each (Radford et al. 2019)."""
    parts = orjson.dumps([content.get("pre_tokenizer"), content.get("decoder")])
    return b'"ByteLevel"' in parts


def _read_bytes(piece: str) -> str:
    """The text of a piece that is spelt as bytes; what is no whole character is left out."""
    return bytes(_LETTER_BYTES.get(letter, 0x3F) for letter in piece).decode("utf-8", "ignore")


def _letter_bytes() -> dict[str, int]:
    """Letters that stand for bytes: printable ones for themselves, the others from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(plain)]
    table = {chr(byte): byte for byte in plain}
    return table | {chr(0x100 + n): byte for n, byte in enumerate(others)}


_LETTER_BYTES = _letter_bytes()
