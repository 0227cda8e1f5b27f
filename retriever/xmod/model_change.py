"""The files of an X-MOD model with a language more, a language less, or one in place of another."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from xret.errors import ModelError
from xret.retriever.models.compact import ZEROS
from xret.retriever.models.folder_change import FolderChange
from xret.retriever.models.layout import read_json
from xret.retriever.models.weight_file import WeightFile
from xret.retriever.xmod.language_adapter import EMPHASIS, WORD_ROWS, LanguageAdapter
from xret.retriever.xmod.vocabulary_rows import (
    changed_pieces,
    changed_table,
    quantised,
    read_wordpiece,
)
from xret.retriever.xmod.xmod_folder import (
    CARDS,
    CONFIG,
    POOLING,
    ROWS_SETTING,
    TOKENIZER,
    WEIGHTS,
    XmodFolder,
)

__all__ = ["write_change"]


def write_change(
    model: XmodFolder, change: FolderChange, *, lang: str, adapter: LanguageAdapter | None
) -> None:
    """Write every file that is another without what `lang` has now, and with the adapter.

    Other languages keep their ids, tensors and rows; the configuration is last where a
    language comes, first where one goes, since weights that nobody names do no harm.
    """
    config = _config(model, lang, adapter)
    if adapter is None:
        change.write_json(CONFIG, config)
    _write_weights(model, change, lang, adapter)
    if config["vocab_size"] != model.n_rows or lang in model.rows:
        _write_vocabulary(model, change, lang, adapter)
    if adapter is None:
        change.remove(f"{CARDS}/{lang}.json")
    else:
        change.write_json(f"{CARDS}/{lang}.json", dict(adapter.card))
        change.write_json(CONFIG, config)


def _config(model: XmodFolder, lang: str, adapter: LanguageAdapter | None) -> dict[str, Any]:
    config = dict(model.config)
    spellings = list(model.spellings)
    if adapter is None:
        spellings.remove(model.spelling(lang))
    elif lang not in model.languages:
        spellings.append(model.new_spelling(lang))
    config["languages"] = spellings
    if config.get("default_language") not in spellings:
        config["default_language"] = None
    rows, end = {}, model.n_base_rows
    for other, (first, after) in model.rows.items():
        if other != lang:
            rows[other] = [end, end + after - first]
            end += after - first
    if adapter is not None and adapter.pieces:
        rows[lang] = [end, end + len(adapter.pieces)]
        end += len(adapter.pieces)
    config["vocab_size"] = end
    config.pop(ROWS_SETTING, None)
    return config | ({ROWS_SETTING: rows} if rows else {})


def _write_weights(
    model: XmodFolder, change: FolderChange, lang: str, adapter: LanguageAdapter | None
) -> None:
    spelling = model.languages.get(lang) or model.new_spelling(lang)
    old = set(model.adapter_tensors(spelling).values())
    changed = _tables(model, model.weights, lang, adapter)
    metadata = dict(model.weights.metadata)
    gone = {model.stored_name(name, spelling) for name in model.adapter_zeros(spelling)}
    zeros = {name: list(shape) for name, shape in model.zeros.items() if name not in gone}
    if adapter is not None:
        dtype = _adapter_dtype(model)
        for name in model.adapter_shapes:
            target = model.stored_name(name, spelling)
            tensor = _cast(adapter.tensors[name], dtype, name)
            if ZEROS in metadata and not bool(tensor.any()):
                zeros[target] = list(tensor.shape)
            else:
                changed[target] = tensor
    if ZEROS in metadata:
        metadata[ZEROS] = json.dumps(zeros, sort_keys=True)
    model.weights.copy(change.write(WEIGHTS), without=old, changed=changed, metadata=metadata)


def _adapter_dtype(model: XmodFolder) -> torch.dtype:
    """The precision in which a model keeps adapters; float16 where none of it is stored."""
    for spelling in model.spellings:
        for stored in model.adapter_tensors(spelling).values():
            return model.weights.read(stored).dtype
    return torch.float16


def _write_vocabulary(
    model: XmodFolder, change: FolderChange, lang: str, adapter: LanguageAdapter | None
) -> None:
    """The tokenizer, and the emphasis of pieces where words are weighed."""
    pieces = adapter.pieces if adapter else ()
    content = changed_pieces(
        read_wordpiece(model.folder),
        without=_gone(model, lang),
        pieces=pieces,
        n_rows=model.n_rows,
    )
    change.write_json(TOKENIZER, content, indent=None)
    if model.pooling is not None:
        settings = read_json(model.folder / POOLING / CONFIG)
        settings["vocabulary_size"] = model.n_rows - len(_gone(model, lang)) + len(pieces)
        tables = _tables(model, model.pooling, lang, adapter)
        model.pooling.copy(change.write(f"{POOLING}/{WEIGHTS}"), changed=tables)
        change.write_json(f"{POOLING}/{CONFIG}", settings)


def _gone(model: XmodFolder, lang: str) -> range:
    first, end = model.rows.get(lang, (model.n_rows, model.n_rows))
    return range(first, end)


def _tables(
    model: XmodFolder, file: WeightFile, lang: str, adapter: LanguageAdapter | None
) -> dict[str, Tensor]:
    """The tables of a file without the language's rows, and with those of the adapter."""
    without, n_new = _gone(model, lang), len(adapter.pieces) if adapter else 0
    if not without and not n_new:
        return {}
    tables = {}
    for name in model.tables(file):
        table = file.read(name)
        rows = _new_rows(model, name, table, adapter) if n_new else None
        made = changed_table(table, without=without, rows=rows, n_new=n_new)
        if made.is_floating_point() and not bool(torch.isfinite(made[len(made) - n_new :]).all()):
            raise ModelError(f"the adapter's rows for {name} are too large for {table.dtype}")
        tables[name] = made
    return tables


def _new_rows(
    model: XmodFolder, name: str, table: Tensor, adapter: LanguageAdapter | None
) -> Tensor | None:
    """What the adapter says of a table; a head's vectors are those of the words, biases zero."""
    if adapter is None:
        return None
    if name == EMPHASIS.partition("/")[2]:
        return adapter.rows.get(EMPHASIS)
    of_words = (f"{model.prefix}{WORD_ROWS}", "lm_head.decoder.weight")
    if name in of_words:
        rows = adapter.rows[WORD_ROWS]
        return quantised(rows)[0] if table.dtype == torch.int8 else rows
    if name.removesuffix("_scale") in of_words:
        return quantised(adapter.rows[WORD_ROWS])[1]
    return None


def _cast(tensor: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    made = tensor.to(dtype)
    if not bool(torch.isfinite(made).all()):
        raise ModelError(f"{name} of the adapter is too large for the model's {dtype}")
    return made
