"""The language modules beside a model, copied for the languages that a trimmed one serves."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from safetensors.numpy import load_file

from xret.retriever.modules.installed_languages import (
    LORA,
    LORA_FOLDER,
    TRANSFORMS_FOLDER,
    InstalledLanguages,
)
from xret.retriever.modules.lora import BINDING_FILE, bind_adapter
from xret.retriever.modules.transforms import WEIGHTS_FILE, StaticTransforms
from xret.retriever.trim.folder import FileBytes

__all__ = ["write_modules"]


def write_modules(
    source: Path, target: Path, installed: InstalledLanguages, *, langs: Sequence[str], base: str
) -> list[FileBytes]:
    """Copy the modules of some languages and bind them to the trimmed model.

    base: its fingerprint. Files of other languages are listed with no bytes after.
    """
    if installed.kind == LORA:
        for lang in installed.served(langs) or ():
            inside = Path(LORA_FOLDER, installed.names[lang])
            shutil.copytree(source / inside, target / inside)
            if (target / inside / BINDING_FILE).is_file():
                bind_adapter(target / inside, base)
        return _sizes(source, target, LORA_FOLDER)
    _write_transforms(source, target, installed.served(langs) or (), base)
    return _sizes(source, target, TRANSFORMS_FOLDER)


def _write_transforms(source: Path, target: Path, langs: Sequence[str], base: str) -> None:
    whole = StaticTransforms.load(source / TRANSFORMS_FOLDER)
    tensors = load_file(source / TRANSFORMS_FOLDER / WEIGHTS_FILE)
    rows = [whole.adapters.index(lang) for lang in langs]
    matrices = tensors.get("matrices")
    StaticTransforms(
        langs, tensors["means"][rows], None if matrices is None else matrices[rows], base=base
    ).save(target / TRANSFORMS_FOLDER)


def _sizes(source: Path, target: Path, folder: str) -> list[FileBytes]:
    """Of every file in one of a model's folders, before and after."""
    names = sorted(
        path.relative_to(source) for path in (source / folder).rglob("*") if path.is_file()
    )
    return [
        FileBytes(
            name.as_posix(),
            (source / name).stat().st_size,
            (target / name).stat().st_size if (target / name).is_file() else 0,
        )
        for name in names
    ]
