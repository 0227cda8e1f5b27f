"""Rows at the end of a vocabulary that came with a language: put on, taken off, read back.

Only pieces are put on that no text met before that could be read: texts of other languages
are cut as they were.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xret.errors import ModelError
from xret.retriever.models.layout import read_json
from xret.retriever.xmod.xmod_folder import TOKENIZER

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "changed_pieces",
    "changed_table",
    "dequantised",
    "pieces_of",
    "quantised",
    "read_wordpiece",
    "unsafe_pieces",
]

_LEVELS = 127
_LOWEST = 128
_SMALLEST = 2.0**-24
"""The smallest float16 above zero."""


def read_wordpiece(folder: Path) -> dict[str, Any]:
    """The content of tokenizer.json.

    Raises ModelError for a tokenizer that rows cannot be added to: any but WordPiece.
    """
    content = read_json(folder / TOKENIZER)
    model = content.get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if (
        not isinstance(model, dict)
        or model.get("type") != "WordPiece"
        or not isinstance(vocab, dict)
    ):
        found = model.get("type") if isinstance(model, dict) else None
        raise ModelError(
            f"{folder / TOKENIZER} has a vocabulary of type {found!r}; pieces can be added to "
            "WordPiece only, so take an adapter without pieces of its own"
        )
    return content


def pieces_of(content: Mapping[str, Any], first: int, end: int) -> tuple[str, ...]:
    """The pieces of rows [first, end), in order. Raises ModelError where a row has none."""
    named = {row: piece for piece, row in content["model"]["vocab"].items() if first <= row < end}
    if len(named) != end - first:
        raise ModelError(f"the tokenizer names {len(named)} of the rows {first} to {end}")
    return tuple(named[row] for row in range(first, end))


def changed_pieces(
    content: Mapping[str, Any], *, without: range, pieces: Sequence[str], n_rows: int
) -> dict[str, Any]:
    """The tokenizer without some rows, those behind moved up, and with pieces at its end.

    n_rows: of the model before. Raises ModelError for a piece that is already there, and for
    pieces that change how readable texts are cut.
    """
    vocab = {
        piece: row - len(without) if row >= without.stop else row
        for piece, row in content["model"]["vocab"].items()
        if row not in without
    }
    added = [token["id"] for token in content.get("added_tokens") or ()]
    if max([*vocab.values(), *added], default=-1) >= n_rows - len(without):
        raise ModelError("the tokenizer has tokens beyond the model's rows; it is another model's")
    if known := [piece for piece in pieces if piece in vocab]:
        raise ModelError(
            f"{len(known)} of the adapter's pieces, among them {known[0]!r}, are already in the "
            "vocabulary, brought by another language: remove that one first, or train the adapter "
            "on this model as it is now"
        )
    prefix = str(content["model"].get("continuing_subword_prefix", "##"))
    if unsafe := unsafe_pieces(vocab, pieces, prefix=prefix):
        raise ModelError(
            f"{len(unsafe)} of the adapter's pieces, among them {unsafe[0]!r}, would change how "
            "texts are read that the model reads already; only pieces that it cannot read may be "
            "added"
        )
    first = n_rows - len(without)
    vocab |= {piece: first + number for number, piece in enumerate(pieces)}
    return {**content, "model": {**content["model"], "vocab": vocab}}


def unsafe_pieces(vocab: Iterable[str], pieces: Iterable[str], *, prefix: str = "##") -> list[str]:
    """Those of the new pieces that could occur in a word which the vocabulary can read.

    WordPiece takes the longest piece that fits. A new one is taken instead of a shorter one
    only, so it is safe where every shorter piece that it begins with leaves something that no
    word goes on with.

    >>> unsafe_pieces(["▁", "▁a", "##b"], ["▁ሀ", "##ሀ", "▁aሀ", "▁ab"])
    ['▁ab']
    """
    known = set(vocab)
    inside = sorted(piece.removeprefix(prefix) for piece in known if piece.startswith(prefix))
    going_on = set(inside)

    @cache
    def can_go_on(text: str) -> bool:
        """Whether a readable word may have this text, or more, at a place inside."""
        at = bisect.bisect_left(inside, text)
        if at < len(inside) and inside[at].startswith(text):
            return True
        return any(text[:end] in going_on and can_go_on(text[end:]) for end in range(1, len(text)))

    def is_unsafe(piece: str) -> bool:
        mark = prefix if piece.startswith(prefix) else ""
        text = piece.removeprefix(mark)
        return any(
            mark + text[:end] in known and can_go_on(text[end:]) for end in range(1, len(text))
        )

    return [piece for piece in pieces if is_unsafe(piece)]


def changed_table(table: Tensor, *, without: range, rows: Tensor | None, n_new: int) -> Tensor:
    """A table with a row for each piece, without some rows and with new ones at its end.

    rows: (n_new, ...), in whatever precision; zeros where None.
    """
    import torch

    shape = (n_new, *table.shape[1:])
    new = torch.zeros(shape, dtype=table.dtype) if rows is None else rows.to(table.dtype)
    if tuple(new.shape) != shape:
        raise ModelError(
            f"the adapter's rows have shape {tuple(new.shape)}, the model needs {shape}: they "
            "belong to another base"
        )
    return torch.cat([table[: without.start], table[without.stop :], new])


def quantised(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(n, d) floats as int8 codes and (n,) float16 scales: row = codes * scale.

    Rows that are such a product already keep their numbers exactly, whatever scale they had.
    """
    import torch

    values = rows.float()
    largest = values.abs().amax(dim=1) if values.shape[1] else values.new_zeros(len(values))
    scales = _scales(largest, _LEVELS)
    exact = _is_exact(values, scales)
    for level in (_LOWEST, *range(_LEVELS - 1, 0, -1)):
        if bool(exact.all()):
            break
        other = _scales(largest, level)
        better = ~exact & _is_exact(values, other)
        scales = torch.where(better, other, scales)
        exact |= better
    return _codes(values, scales).to(torch.int8), scales


def dequantised(codes: Tensor, scales: Tensor) -> Tensor:
    """(n, d) float32 of int8 codes and their scales (n,)."""
    return codes.float() * scales.float()[:, None]


def _scales(largest: Tensor, level: int) -> Tensor:
    return (largest / level).clamp_min(_SMALLEST).half()


def _codes(values: Tensor, scales: Tensor) -> Tensor:
    return (values / scales.float()[:, None]).round().clamp(-_LOWEST, _LEVELS)


def _is_exact(values: Tensor, scales: Tensor) -> Tensor:
    """(n,) bool: whether codes and scale give the same numbers back."""
    return (dequantised(_codes(values, scales), scales) == values).all(dim=1)
