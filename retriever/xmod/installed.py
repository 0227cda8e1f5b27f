"""Languages of an X-MOD model's folder: listed, added, taken away, given out as files.

No other language's vectors change by a bit: their tensors are copied as bytes, and the
change of all files is one (`folder_change`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xret.errors import ModelError
from xret.retriever.models.folder_change import finish_change, folder_change
from xret.retriever.models.layout import read_json
from xret.retriever.models.published import published_folder
from xret.retriever.models.registry import PRETRAINED
from xret.retriever.xmod.fingerprints import shared_fingerprint
from xret.retriever.xmod.language_adapter import EMPHASIS, WORD_ROWS, LanguageAdapter
from xret.retriever.xmod.model_change import write_change
from xret.retriever.xmod.vocabulary_rows import dequantised, pieces_of, read_wordpiece
from xret.retriever.xmod.xmod import adapter_name
from xret.retriever.xmod.xmod_folder import CARDS, XmodFolder

__all__ = [
    "InstalledAdapter",
    "adapters_of",
    "changed_copy",
    "check_changeable",
    "copy_model",
    "export_adapter",
    "install_adapter",
    "remove_adapter",
]

_PIN = "pin.json"


@dataclass(frozen=True, slots=True)
class InstalledAdapter:
    """A language of a model. parameters, n_bytes: of its layers; pieces: vocabulary entries
    that came with it. added: it was installed later; card: what its file said then.
    """

    lang: str
    parameters: int
    n_bytes: int
    pieces: int
    added: bool
    card: Mapping[str, Any]


def adapters_of(folder: Path) -> list[InstalledAdapter]:
    """The languages in checkpoint order; weights are not read, only tables of contents.

    Raises ModelError for a folder without an X-MOD model in one safetensors file.
    """
    model = XmodFolder.open(folder)
    found = []
    for spelling in model.spellings:
        lang, stored = adapter_name(spelling), model.stored(spelling)
        first, end = model.rows.get(lang, (0, 0))
        card = folder / CARDS / f"{lang}.json"
        found.append(
            InstalledAdapter(
                lang,
                sum(tensor.parameters for tensor in stored),
                sum(tensor.n_bytes for tensor in stored),
                end - first,
                card.is_file(),
                read_json(card),
            )
        )
    return found


def install_adapter(folder: Path, adapter: LanguageAdapter, *, replace: bool = False) -> None:
    """Add a language to the model in a folder; with `replace`, in place of what it has.

    Raises ModelError for an adapter of another base or shape, for pieces that would change
    how texts are read, for a language that is there, and where the disk refuses; the model
    is then as it was before.
    """
    check_changeable(folder)
    adapter.check(f"the adapter of {adapter.lang}")
    with folder_change(folder) as change:
        model = XmodFolder.open(folder)
        if adapter.lang in model.languages and not replace:
            raise ModelError(
                f"{folder} has an adapter for {adapter.lang} already; say --replace to put this "
                "one in its place"
            )
        _check_base(model, adapter)
        _check_shapes(model, adapter)
        write_change(model, change, lang=adapter.lang, adapter=adapter)


def remove_adapter(folder: Path, lang: str) -> None:
    """Take a language away, with the vocabulary rows that came with it.

    Raises LanguageError for a language that is not there, ModelError for the last one, and
    where the disk refuses; the model is then as it was before.
    """
    check_changeable(folder)
    with folder_change(folder) as change:
        model = XmodFolder.open(folder)
        model.spelling(lang)
        if len(model.languages) == 1:
            raise ModelError(
                f"{lang} is the last language of {folder}; a model without any encodes nothing, "
                "so add another one first"
            )
        write_change(model, change, lang=lang, adapter=None)


def export_adapter(folder: Path, lang: str) -> LanguageAdapter:
    """A language as a value, its numbers in the precision of the file; the model stays as it is.

    Raises LanguageError for a language that is not there.
    """
    model = XmodFolder.open(folder)
    names = model.adapter_tensors(model.spelling(lang))
    zeros = model.adapter_zeros(model.spelling(lang))
    if not names and not zeros:
        raise ModelError(f"{folder} names the language {lang} and has no weights for it")
    first, end = model.rows.get(lang, (0, 0))
    pieces: tuple[str, ...] = ()
    rows: dict[str, Tensor] = {}
    if first < end:
        pieces = pieces_of(read_wordpiece(folder), first, end)
        rows = _rows(model, first, end)
    return LanguageAdapter(
        lang=lang,
        base=shared_fingerprint(folder),
        tensors={name: model.weights.read(stored).clone() for name, stored in names.items()}
        | {name: torch.zeros(shape, dtype=torch.float16) for name, shape in zeros.items()},
        card=read_json(folder / CARDS / f"{lang}.json"),
        pieces=pieces,
        rows=rows,
    )


def check_changeable(folder: Path) -> None:
    """Raises ModelError for a model that others rely on: shipped with the package, or pulled."""
    shipped = folder.resolve().is_relative_to(PRETRAINED.resolve())
    if shipped or (folder / _PIN).is_file():
        what = "shipped with xret" if shipped else "a pulled revision"
        raise ModelError(
            f"{folder} is {what} and is never changed; give --output FOLDER for a changed copy"
        )


def copy_model(folder: Path, output: Path) -> Path:
    """A copy of a model to be changed; graphs, the pin and a training's work stay behind.

    Raises ModelError where something is at `output` already, and where the disk refuses.
    """
    with changed_copy(folder, output):
        return output


@contextmanager
def changed_copy(folder: Path, output: Path) -> Iterator[Path]:
    """A copy to change within the block; it becomes `output` when the block ends without error."""
    finish_change(folder)
    if not folder.is_dir():
        raise ModelError(f"there is no folder {folder}")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ModelError(f"{output} exists already; name a folder that does not")
    try:
        with published_folder(output) as part:
            shutil.copytree(folder, part, ignore=_left_behind(folder), dirs_exist_ok=True)
            yield part
    except (OSError, shutil.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{output} cannot be written: {reason}; nothing is left there") from error


def _left_behind(folder: Path) -> Any:
    def ignore(parent: str, names: list[str]) -> set[str]:
        hidden = {name for name in names if name.startswith(".")}
        return hidden | ({_PIN, "onnx", "work"} if Path(parent) == folder else set())

    return ignore


def _check_base(model: XmodFolder, adapter: LanguageAdapter) -> None:
    base = shared_fingerprint(model.folder)
    if base != adapter.base:
        raise ModelError(
            f"the adapter of {adapter.lang} was trained for another base ({adapter.base}) than "
            f"{model.folder} ({base}): install it into the model that it was trained on, or train "
            f"it on this one with: xret lang add {adapter.lang}"
        )


def _check_shapes(model: XmodFolder, adapter: LanguageAdapter) -> None:
    """The same tensors as another language of the model has, each of the same shape."""
    wanted = model.adapter_shapes
    found = {name: tuple(tensor.shape) for name, tensor in adapter.tensors.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ModelError(
                f"the adapter of {adapter.lang} does not fit {model.folder}: {name} has shape "
                f"{found.get(name, 'none: it is missing')}, the model's languages have "
                f"{wanted.get(name, 'no such tensor')}"
            )
    if EMPHASIS in adapter.rows and model.pooling is None:
        raise ModelError(
            f"the adapter of {adapter.lang} has {EMPHASIS}, and the model weighs no words"
        )


def _rows(model: XmodFolder, first: int, end: int) -> dict[str, Tensor]:
    words = f"{model.prefix}{WORD_ROWS}"
    rows = model.weights.read(words)[first:end].clone()
    if rows.dtype == torch.int8:
        rows = dequantised(rows, model.weights.read(f"{words}_scale")[first:end])
    found = {WORD_ROWS: rows}
    if model.pooling is not None:
        found[EMPHASIS] = model.pooling.read(EMPHASIS.partition("/")[2])[first:end].clone()
    return found
