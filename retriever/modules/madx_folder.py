"""A folder of language adapters beside a model: `language-adapters/sw.safetensors`, or AdapterHub's
folders, `language-adapters/sw/adapter_config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xret.errors import ModelError
from xret.retriever.languages.codes import language_code
from xret.retriever.models.module_card import ModelBase
from xret.retriever.modules.adapter_hub import HUB_CONFIG, read_hub_adapter
from xret.retriever.modules.madx import MadxAdapter

__all__ = ["read_language_adapters", "save_language_adapters"]

_SUFFIX = ".safetensors"


def read_language_adapters(
    folder: Path, *, base: ModelBase | None = None
) -> dict[str, MadxAdapter]:
    """Every adapter of a folder by language.

    base: of the model that they are for; an adapter bound to another one is refused. Raises
    ModelError naming the adapter and what is wrong with it, LanguageError for a name that is
    no language.
    """
    paths = [
        path
        for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if path.suffix == _SUFFIX or (path / HUB_CONFIG).is_file()
    ]
    if not paths:
        raise ModelError(
            f"{folder} has no language adapters: no LANG{_SUFFIX} and no LANG/{HUB_CONFIG} in it"
        )
    adapters: dict[str, MadxAdapter] = {}
    for path in paths:
        lang = language_code(path.stem if path.suffix == _SUFFIX else path.name)
        if lang in adapters:
            raise ModelError(f"{folder} has two adapters for {lang}; {path.name} is the second")
        if path.is_dir():
            adapters[lang] = read_hub_adapter(path, lang=lang, base=base)
            continue
        adapter = MadxAdapter.load(path, base=base)
        if adapter.card.lang not in (None, lang):
            raise ModelError(f"{path} is an adapter for {adapter.card.lang}, by its card")
        adapters[lang] = adapter
    return adapters


def save_language_adapters(adapters: Mapping[str, MadxAdapter], folder: Path) -> None:
    """Write them into a folder, a file each."""
    for lang, adapter in adapters.items():
        adapter.save(folder / f"{lang}{_SUFFIX}")
