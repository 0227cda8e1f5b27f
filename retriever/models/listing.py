"""The encoders known by name as they are listed: what each is, and whether it is here."""

from __future__ import annotations

from typing import Any

from xret.retriever.models.hub import model_folder, pinned
from xret.retriever.models.measured import MEASURED
from xret.retriever.models.registry import ENCODERS, RegisteredEncoder, languages_of

__all__ = ["models"]


def models() -> list[dict[str, Any]]:
    """Name, kind, languages, licence, revision and folder of every encoder known by name.

    revision: the commit that was pulled, else the registered one, None where neither is known.
    folder: None for a model that is not here. quality to megabytes: as in
    `EncoderFigures`, None where they were not measured.
    """
    return [{"name": name, **_described(name, known)} for name, known in ENCODERS.items()]


def _described(name: str, known: RegisteredEncoder) -> dict[str, Any]:
    pin = None if known.folder else pinned(name)
    measured = MEASURED.get(name)
    if known.folder is not None:
        folder = str(known.folder) if known.shipped else None
    else:
        folder = str(model_folder(name)) if pin else None
    return {
        "kind": known.kind,
        "languages": languages_of(known),
        "licence": known.licence,
        "revision": pin.revision if pin else known.revision,
        "shipped": known.shipped,
        "commercial": known.commercial,
        "repo": known.repo,
        "folder": folder,
        "note": known.note,
        "quality": measured and measured.quality,
        "documents_per_s": measured and measured.documents_per_s,
        "query_ms": measured and measured.query_ms,
        "megabytes": measured and measured.megabytes,
    }
