"""What a model has of its own for each language, as `xret lang list` shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xret.errors import ConfigError, ModelError
from xret.retriever.languages.codes import language_code, language_name
from xret.retriever.models.location import model_location
from xret.retriever.modules.installed_languages import InstalledLanguages
from xret.retriever.xmod.installed import (
    InstalledAdapter,
    adapters_of,
    changed_copy,
    export_adapter,
    install_adapter,
    remove_adapter,
)
from xret.retriever.xmod.language_adapter import LanguageAdapter

__all__ = [
    "ChangedModel",
    "export_language",
    "import_language",
    "model_languages",
    "remove_language",
]

_TRAINED_BY = ("trained_by", "tool", "command")


def model_languages(model: str | Path) -> list[dict[str, Any]]:
    """By language what kind it is of; of adapters also their size and where they come from.

    model: a name or a folder. Raises ModelError for a model without any modules by language.
    """
    folder = model_location(str(model))
    installed = InstalledLanguages.of(folder)
    if installed.kind == "X-MOD adapters":
        return [_described(adapter) for adapter in adapters_of(folder)]
    if not installed.names:
        raise ModelError(
            f"{folder} has no languages of its own: it reads texts of all languages alike"
        )
    return [
        {"lang": code, "name": language_name(code), "kind": installed.kind}
        for code in installed.names
    ]


@dataclass(frozen=True, slots=True)
class ChangedModel:
    """A model folder after a language was added to it or taken out.

    lang: which. languages: those it has now. stale_graphs: whether exported graphs in it are of
    the model as it was.
    """

    lang: str
    folder: Path
    languages: tuple[str, ...]
    stale_graphs: bool


def import_language(
    model: str | Path, file: Path, *, replace: bool = False, output: Path | None = None
) -> ChangedModel:
    """Add the language in a file that `export_language` wrote to a model, or to a copy of it.

    The vectors of its other languages stay the same. Raises ModelError where the file is of
    another base, or the language is there and `replace` is off.
    """
    adapter = LanguageAdapter.load(file)
    with _changed(model, output) as folder:
        install_adapter(folder, adapter, replace=replace)
    return _after(adapter.lang, model, output)


def remove_language(model: str | Path, lang: str, *, output: Path | None = None) -> ChangedModel:
    """Take a language out of a model, or of a copy of it; its others stay the same."""
    code = language_code(lang)
    with _changed(model, output) as folder:
        remove_adapter(folder, code)
    return _after(code, model, output)


def export_language(model: str | Path, lang: str, output: Path) -> LanguageAdapter:
    """Write a language of a model as one safetensors file, and return what is in it.

    Raises ConfigError for another ending, ModelError and LanguageError as `export_adapter`.
    """
    code = language_code(lang)
    if output.suffix != ".safetensors":
        raise ConfigError(f"{output} should end in .safetensors, which it will be")
    adapter = export_adapter(model_location(str(model)), code)
    adapter.save(output)
    return adapter


@contextmanager
def _changed(model: str | Path, output: Path | None) -> Iterator[Path]:
    """The folder to change: the model's own, or a copy that becomes `output`."""
    folder = model_location(str(model))
    if output is None:
        yield folder
    else:
        with changed_copy(folder, output) as copy:
            yield copy


def _after(lang: str, model: str | Path, output: Path | None) -> ChangedModel:
    folder = output or model_location(str(model))
    languages = tuple(adapter.lang for adapter in adapters_of(folder))
    return ChangedModel(lang, folder, languages, (folder / "onnx").is_dir())


def _described(adapter: InstalledAdapter) -> dict[str, Any]:
    return {
        "lang": adapter.lang,
        "name": language_name(adapter.lang),
        "kind": "X-MOD adapters",
        "parameters": adapter.parameters,
        "bytes": adapter.n_bytes,
        "rows": adapter.pieces,
        "trained_by": _trained_by(adapter.card),
        "origin": "added" if adapter.added else "the model's own",
        "card": adapter.card,
    }


def _trained_by(card: Mapping[str, Any]) -> str:
    return next((str(card[name]) for name in _TRAINED_BY if card.get(name)), "")
