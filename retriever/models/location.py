"""Where a model lies: the folder of a registered name, of a hub id that was pulled, of a path."""

from __future__ import annotations

import difflib
from pathlib import Path

from xret.errors import UnknownModelError
from xret.retriever.models.folder_change import finish_change
from xret.retriever.models.registry import ENCODERS

__all__ = ["encoder_name", "model_location"]


def model_location(name: str, *, revision: str | None = None) -> Path:
    """The folder of a registered name, a hub id that was pulled, or a folder itself.

    Raises UnknownModelError and ModelError as `load_encoder` does.
    """
    registered = ENCODERS.get(name)
    if registered is not None and registered.folder is not None:
        return registered.folder
    if registered is None and Path(name).is_dir():
        finish_change(Path(name))
        return Path(name)
    if registered is None and not _is_hub_id(name):
        if Path(name).is_absolute():
            raise UnknownModelError(
                f"there is no model at {name}; where it lies now is said with --encoder FOLDER"
            )
        close = difflib.get_close_matches(name, ENCODERS, n=3, cutoff=0.4) or list(ENCODERS)
        raise UnknownModelError(
            f"no encoder is called {name!r} and there is no such folder; known: {', '.join(close)}"
        )
    from xret.retriever.models.hub import find_model

    return find_model(name, revision=revision)


def encoder_name(given: str) -> str:
    """What an index records of an encoder: a folder by its whole path, a name as it is."""
    return str(Path(given).resolve()) if given not in ENCODERS and Path(given).is_dir() else given


def _is_hub_id(name: str) -> bool:
    owner, _, model = name.partition("/")
    return bool(owner and model) and not any(c in name for c in "\\ ") and name.count("/") == 1
