"""What all languages of a model share, and what each has of its own, as fingerprints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xxhash

from xret.errors import ModelError
from xret.retriever.models.fingerprints import model_files
from xret.retriever.models.weight_file import WeightFile
from xret.retriever.xmod.vocabulary_rows import pieces_of, read_wordpiece
from xret.retriever.xmod.xmod_folder import (
    CARDS,
    CONFIG,
    POOLING,
    ROWS_SETTING,
    TOKENIZER,
    XmodFolder,
)

__all__ = ["language_fingerprints", "shared_fingerprint"]

# Which languages there are, and what libraries note of themselves.
_LEFT_OUT = frozenset(
    {
        "languages",
        "default_language",
        "vocab_size",
        ROWS_SETTING,
        "__version__",
        "_name_or_path",
        "_commit_hash",
        "transformers_version",
        "name_or_path",
    }
)


def shared_fingerprint(folder: Path) -> str:
    """xxh3-128 of everything of a model that every language shares, as hex.

    Shared tensors, tokenizer and configurations of its modules; not the adapters of
    languages, not which languages there are, not the vocabulary rows and pieces that came
    with an adapter. The same model in another precision is another base.
    Raises ModelError for a folder without an X-MOD model in one safetensors file.
    """
    model = XmodFolder.open(folder)
    digest = xxhash.xxh3_128()
    for path in model_files(folder, modules=False):
        inside = path.relative_to(folder)
        if inside.parts[0] == CARDS:
            continue
        digest.update(f"{inside.as_posix()}\0".encode("utf-8", "surrogateescape"))
        if path.suffix == ".safetensors":
            for block in _tensors(model, path):
                digest.update(block)
        elif path.suffix == ".json":
            digest.update(_settings(model, path, inside.as_posix()))
        else:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def language_fingerprints(folder: Path) -> dict[str, str]:
    """BCP 47 code to the xxh3-128, as hex, of what a model has for that language alone.

    Its adapter's tensors, the pieces that came with it, and their vocabulary rows, wherever
    they lie. A text without letters that the base cannot read has the same vectors in every
    model of one base (`shared_fingerprint`) whose hash of the adapter it goes through is the
    same; letters that were unknown are read by whichever language brought them.
    Raises ModelError as `shared_fingerprint` does.
    """
    model = XmodFolder.open(folder)
    tokenizer = read_wordpiece(folder) if model.rows else {}
    found = {}
    for lang, spelling in model.languages.items():
        digest = xxhash.xxh3_128()
        for name, place in sorted(model.adapter_tensors(spelling).items()):
            stored = model.weights.tensors[place]
            digest.update(f"{name} {stored.dtype} {stored.shape}\0".encode())
            for block in model.weights.blocks(place):
                digest.update(block)
        first, end = model.rows.get(lang, (0, 0))
        if first < end:
            digest.update(json.dumps(pieces_of(tokenizer, first, end)).encode())
            for block in _rows(model, first, end):
                digest.update(block)
        found[lang] = digest.hexdigest()
    return found


def _rows(model: XmodFolder, first: int, end: int) -> Iterator[bytes]:
    """Rows [first, end) of every table of the vocabulary, each with its name and type."""
    for file in filter(None, (model.weights, model.pooling)):
        for name in sorted(model.tables(file)):
            stored = file.tensors[name]
            size = stored.n_bytes // stored.shape[0]
            yield f"{name.removeprefix(model.prefix)} {stored.dtype} {stored.shape[1:]}\0".encode()
            with file.path.open("rb") as opened:
                opened.seek(stored.start + first * size)
                yield opened.read((end - first) * size)


def _tensors(model: XmodFolder, path: Path) -> Iterator[bytes]:
    """The shared tensors of a file, each with its name, type and shape."""
    own = (model.weights, model.pooling)
    file = next((one for one in own if one and one.path == path), None) or WeightFile.open(path)
    tables = set(model.tables(file))
    for name in sorted(file.tensors):
        stored = file.tensors[name]
        if file is model.weights and model.is_adapter(name):
            continue
        shape, n_bytes = stored.shape, stored.n_bytes
        if name in tables:
            n_bytes = n_bytes // shape[0] * model.n_base_rows
            shape = (model.n_base_rows, *shape[1:])
        yield f"{name} {stored.dtype} {shape}\0".encode()
        yield from file.blocks(name, n_bytes)


def _settings(model: XmodFolder, path: Path, name: str) -> bytes:
    try:
        content: Any = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}") from error
    if name == TOKENIZER and isinstance(content["model"]["vocab"], dict):
        pieces = content["model"]["vocab"]
        shared = {piece: row for piece, row in pieces.items() if row < model.n_base_rows}
        content = {**content, "model": {**content["model"], "vocab": shared}}
    elif isinstance(content, dict):
        content = {key: value for key, value in content.items() if key not in _LEFT_OUT}
        if name == f"{POOLING}/{CONFIG}":
            content.pop("vocabulary_size", None)
    return json.dumps([model.n_base_rows, content], sort_keys=True, default=str).encode()
