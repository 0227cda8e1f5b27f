"""The settings of a model, in JSON files, after fewer rows and fewer adapters are left."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xret.retriever.models.tokenizer_file import renumbered

__all__ = ["REWRITTEN", "TOKENIZER", "Change", "is_kept"]

TOKENIZER = "tokenizer.json"
INDEX = "model.safetensors.index.json"
_ADAPTER = re.compile(r"\.adapter_modules\.([^.]+)\.")


@dataclass(frozen=True, slots=True)
class Change:
    """What is kept. order: (n,) old row of each new one; rows: how many the tables have had.

    langs: BCP 47 codes; spellings: of the X-MOD adapters kept, as the checkpoint spells them,
    None for a model without. prompts: by task, where they are not the model's files that say.
    """

    order: Sequence[int]
    rows: int
    langs: Sequence[str]
    spellings: Sequence[str] | None = None
    prompts: Mapping[str, str] | None = None


def is_kept(name: str, change: Change) -> bool:
    """Whether a tensor belongs to no adapter or to one that is kept."""
    owner = _ADAPTER.search(name)
    return change.spellings is None or owner is None or owner[1] in change.spellings


def _config(content: Any, change: Change) -> Any:
    """Sizes and rows wherever they stand; languages and adapters at the top."""
    made = _settings(content, change)
    if not isinstance(made, dict):
        return made
    if change.spellings is not None and made.get("model_type") == "xmod":
        made.pop("vocabulary_rows", None)  # rows that adapters brought are the model's own now
        kept = list(change.spellings)
        made["languages"] = [one for one in made["languages"] if one in kept]
        if made.get("default_language") not in kept:
            made["default_language"] = kept[0] if len(kept) == 1 else None
    elif {"format", "vocabulary_size", "languages"} <= made.keys():
        made["languages"] = [one for one in made["languages"] if one in change.langs]
    return made


def _settings(value: Any, change: Change, key: str = "") -> Any:
    """A JSON value with the vocabulary's size and its rows' numbers as they now are."""
    if isinstance(value, dict):
        return {name: _settings(inner, change, name) for name, inner in value.items()}
    if key in ("vocab_size", "vocabulary_size"):
        return len(change.order) if value == change.rows else value
    if key.endswith(("_token_id", "_token_ids")):
        numbers = {old: new for new, old in enumerate(change.order)}
        if isinstance(value, list):
            return [numbers.get(row, row) for row in value]
        return numbers.get(value, value) if isinstance(value, int) else value
    return value


def _tokenizer_config(content: Any, change: Change) -> Any:
    made = _settings(content, change)
    numbers = {str(old): str(new) for new, old in enumerate(change.order)}
    if isinstance(made.get("added_tokens_decoder"), dict):
        made["added_tokens_decoder"] = {
            numbers[row]: token
            for row, token in made["added_tokens_decoder"].items()
            if row in numbers
        }
    return made


def _added_tokens(content: Any, change: Change) -> Any:
    numbers = {old: new for new, old in enumerate(change.order)}
    return {token: numbers[row] for token, row in content.items() if row in numbers}


def _sentence_settings(content: Any, change: Change) -> Any:
    """With the prompts that so far only xret's registry has named."""
    return {**content, "prompts": dict(change.prompts)} if change.prompts else content


def _parts(content: Any, change: Change) -> Any:
    """The index of a model in several files, without the adapters that are left out."""
    named = {name: file for name, file in content["weight_map"].items() if is_kept(name, change)}
    return {"metadata": {}, "weight_map": named}


REWRITTEN: dict[str, Callable[[Any, Change], Any]] = {
    "config.json": _config,
    "generation_config.json": _settings,
    "tokenizer_config.json": _tokenizer_config,
    "added_tokens.json": _added_tokens,
    "config_sentence_transformers.json": _sentence_settings,
    INDEX: _parts,
    TOKENIZER: lambda content, change: renumbered(content, change.order),
}
"""How the content of a JSON file becomes that of the trimmed model, by the file's name."""
