"""What of a model all languages share and what each has of its own, as hashes.

Finding them reads all weights, so they are remembered by the model's fingerprint, of which they
are a function, from one process to the next. It needs no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xxhash

from xret.config import home
from xret.errors import ConfigError, ModelError
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.layout import read_json
from xret.retriever.models.published import write_file
from xret.retriever.xmod.fingerprints import language_fingerprints, shared_fingerprint

__all__ = ["LanguageContent"]

_FORMAT = 1
_KEPT = 64
"""Models that are remembered, those that were written down last."""


@dataclass(frozen=True, slots=True)
class LanguageContent:
    """base: hash of what every language shares and of the settings that the model is used
    with. adapters: by BCP 47 code, hash of a language's own. Both empty for other models
    than X-MOD with its weights in one file.
    """

    base: str = ""
    adapters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, settings: Mapping[str, Any], *, whole: str) -> LanguageContent:
        """Of the model in a folder. whole: its `model_fingerprint` with these settings."""
        if read_json(folder / "config.json").get("model_type") != "xmod":
            return cls()
        found = _remembered().get(whole)
        if found is None:
            try:
                found = _read(folder, settings)
            except ModelError:  # nothing that languages are added to or taken from
                return cls()
            if model_fingerprint(folder, settings) == whole:  # else it was changed meanwhile
                _remember(whole, found)
        return found


def _read(folder: Path, settings: Mapping[str, Any]) -> LanguageContent:
    shared = json.dumps([shared_fingerprint(folder), settings], sort_keys=True, default=str)
    return LanguageContent(
        xxhash.xxh3_128_hexdigest(shared.encode()), language_fingerprints(folder)
    )


def _remembered() -> dict[str, LanguageContent]:
    """What earlier processes wrote down; anything unreadable counts as nothing."""
    try:
        content: dict[str, Any] = json.loads(_file().read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            return {}
        return {
            whole: LanguageContent(str(base), {str(k): str(v) for k, v in adapters.items()})
            for whole, (base, adapters) in content["models"].items()
        }
    except (OSError, ConfigError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _remember(whole: str, found: LanguageContent) -> None:
    """Add a row. A home that cannot be written is fine."""
    known = [*_remembered().items(), (whole, found)][-_KEPT:]
    models = {key: [content.base, dict(content.adapters)] for key, content in known}
    with suppress(OSError, ConfigError):
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_file(_file(), json.dumps({"format": _FORMAT, "models": models}))


def _file() -> Path:
    return home() / "models" / "languages.json"
