"""What a model is, by content: one hash of everything in its folder that shapes a vector.

Files are streamed through xxh3 (some GB/s, so the disk sets the pace: about a second for
2 GB that are not in memory); those of large files are remembered (`hashes`). The hash finds
accidents, not forgery.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import xxhash

from xret.errors import ModelError
from xret.retriever.models.hashes import file_hash

__all__ = ["LANGUAGE_MODULES", "WEIGHTS", "model_files", "model_fingerprint"]

LANGUAGE_MODULES = ("adapters", "transforms", "masks", "language-adapters")
"""Folders beside a model with LoRA adapters, static transforms, sparse masks or MAD-X's language
adapters, by language."""

_NOT_MODEL = frozenset({"onnx", "adapter_cards", "work"})

WEIGHTS = ".safetensors"
_TOKENIZERS = frozenset({"vocab.txt", "vocab.json", "merges.txt", "tokenizer.model"})
_SUFFIXES = (WEIGHTS, ".json", ".metadata", ".spm", "bpe.model")
# Of the folder's keeping and history, not of the vectors.
_COSMETIC = frozenset(
    {"__version__", "_name_or_path", "_commit_hash", "transformers_version", "name_or_path"}
)
_NOT_CONTENT = frozenset({"pin.json", "README.md", "model.safetensors.index.json"})


def model_files(folder: Path, *, modules: bool = True) -> Iterator[Path]:
    """Weights, tokenizer and configurations of a model, in a fixed order.

    modules: with the language modules that were put beside it.
    """
    skipped = _NOT_MODEL if modules else _NOT_MODEL | set(LANGUAGE_MODULES)
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if any(part.startswith(".") for part in inside) or inside[0] in skipped:
            continue  # exports and other people's caches say nothing new
        named = path.name in _TOKENIZERS or path.name.endswith(_SUFFIXES)
        if named and path.name not in _NOT_CONTENT and path.is_file():
            yield path


def model_fingerprint(folder: Path, settings: Mapping[str, Any], *, modules: bool = True) -> str:
    """xxh3-128 of a model folder and of the settings that it is used with, as hex.

    settings: whatever shapes a vector and stands in no file (prompts, dimension, pooling,
    template, routing); JSON values. Where a file lies and what it is called beyond its
    place in the folder does not count. modules: False is the model without the language
    modules beside it, which is what those are bound to.
    """
    digest = xxhash.xxh3_128()
    for path in model_files(folder, modules=modules):
        digest.update(path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape"))
        digest.update(_content(path))
    digest.update(_canonical(settings))
    return digest.hexdigest()


def _content(path: Path) -> bytes:
    if path.suffix != ".json":
        return file_hash(path).encode()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}") from error
    if isinstance(content, dict):
        content = {name: value for name, value in content.items() if name not in _COSMETIC}
    return _canonical(content)


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, default=str).encode()
