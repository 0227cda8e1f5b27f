"""tokenizer.json and the rows of its model: whether they fit, and the file with fewer rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xret.errors import ModelError

__all__ = ["check_tokenizer", "merges_of", "renumbered", "special_rows", "unknown_row"]

FEWEST_ROWS = 0.8
"""Share of a model's rows that its tokenizer has ids for, at least: some round their rows up,
by hundredths; a smaller tokenizer is of another model, or was trimmed without its weights."""


def check_tokenizer(folder: Path, highest: int, rows: int) -> None:
    """Raises ModelError where a tokenizer with ids up to `highest` is not of a model of so many
    embeddings."""
    if highest >= rows or highest + 1 < FEWEST_ROWS * rows:
        raise ModelError(
            f"the tokenizer in {folder} belongs to another model: it has ids up to {highest:,}, "
            f"and the model has {rows:,} embeddings; its own tokenizer.json belongs beside its "
            "weights"
        )


def renumbered(content: Mapping[str, Any], order: Sequence[int]) -> dict[str, Any]:
    """The content of a tokenizer file with some rows only.

    order: the old row of each new one; every special row must be among them.
    """
    numbers = {old: new for new, old in enumerate(order)}
    made = dict(content)
    made["model"] = _model(content["model"], numbers)
    made["added_tokens"] = sorted(
        ({**token, "id": numbers[token["id"]]} for token in content.get("added_tokens") or ()),
        key=lambda token: token["id"],
    )
    made["post_processor"] = _processor(content.get("post_processor"), numbers.__getitem__)
    padding = content.get("padding")
    if padding:
        made["padding"] = {**padding, "pad_id": numbers[padding["pad_id"]]}
    return made


def special_rows(content: Mapping[str, Any], rows: Mapping[str, int]) -> frozenset[int]:
    """Rows that the file itself names: added and unknown tokens, those around a text, padding.

    rows: of every piece, as the loaded tokenizer has them.
    """
    found = [rows[token["content"]] for token in content.get("added_tokens") or ()]
    unknown = unknown_row(content, rows)
    if unknown is not None:
        found.append(unknown)

    def note(row: int) -> int:
        found.append(row)
        return row

    _processor(content.get("post_processor"), note)
    if content.get("padding"):
        found.append(content["padding"]["pad_id"])
    known = set(rows.values())
    return frozenset(row for row in found if row in known)


def unknown_row(content: Mapping[str, Any], rows: Mapping[str, int]) -> int | None:
    """The row that stands for what no piece writes; None where there is none."""
    model = content["model"]
    row: int | None = model.get("unk_id")
    return rows.get(model.get("unk_token") or "") if row is None else row


def merges_of(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The merges of a BPE model in their order, in either of the two spellings."""
    for merge in model.get("merges") or ():
        left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
        yield left, right


def _model(model: Mapping[str, Any], numbers: Mapping[int, int]) -> dict[str, Any]:
    made = dict(model)
    vocab = model["vocab"]
    if isinstance(vocab, list):
        kept = sorted((numbers[row], entry) for row, entry in enumerate(vocab) if row in numbers)
        made["vocab"] = [entry for _, entry in kept]
        if model.get("unk_id") is not None:
            made["unk_id"] = numbers[model["unk_id"]]
        return made
    pieces = {piece: numbers[row] for piece, row in vocab.items() if row in numbers}
    made["vocab"] = dict(sorted(pieces.items(), key=lambda entry: entry[1]))
    if "merges" in model:
        prefix = model.get("continuing_subword_prefix") or ""
        made["merges"] = [
            [left, right]
            for left, right in merges_of(model)
            if {left, right, left + right.removeprefix(prefix)} <= pieces.keys()
        ]
    return made


def _processor(node: Any, number: Callable[[int], int]) -> Any:
    """A post-processor with `number` applied to every row in it."""
    if not isinstance(node, dict):
        return node
    made = dict(node)
    if "processors" in node:
        made["processors"] = [_processor(one, number) for one in node["processors"]]
    if node.get("type") == "TemplateProcessing":
        made["special_tokens"] = {
            name: {**token, "ids": [number(row) for row in token["ids"]]}
            for name, token in node["special_tokens"].items()
        }
    for mark in ("sep", "cls"):  # BertProcessing, RobertaProcessing
        if isinstance(node.get(mark), list):
            made[mark] = [node[mark][0], number(node[mark][1])]
    return made
