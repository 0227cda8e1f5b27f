"""The encoder that an index was built by, as its catalog records it, and who may go on with it.

An encoder of another fingerprint gives the same vectors where what all languages share is the
same, and every adapter that documents went through: one that has learned a language since.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from xret.errors import EncoderMismatchError
from xret.index.storage.catalog import Catalog
from xret.types import EncoderSpec

__all__ = [
    "BASE",
    "FINGERPRINT",
    "NAME",
    "ROUTES",
    "check_same_encoder",
    "first_record",
    "record_encoder",
    "recorded_adapters",
    "same_index",
]

NAME, FINGERPRINT = "encoder", "encoder_fingerprint"
BASE, ROUTES = "encoder_base", "encoder_routes"
"""Settings of indices whose encoder has a base. routes, as JSON: by language of documents, the
adapters that any of them went through, each with its hash. They are never fewer."""


def check_same_encoder(settings: Mapping[str, str], spec: EncoderSpec, folder: Path) -> None:
    """Raises EncoderMismatchError unless this encoder gives the vectors that the index has.

    It built the index, or it has the same base and, unchanged, every adapter that the
    documents went through. That holds for texts without unknown letters: what was
    [UNK] is read once a language has brought pieces for it, in texts of every language.
    """
    if settings[FINGERPRINT] == spec.fingerprint:
        return
    if not spec.base or settings.get(BASE) != spec.base:
        if settings[NAME] == spec.name:
            raise EncoderMismatchError(
                f"{folder} was built by encoder {spec.name} as it was then, or with other options "
                f"({settings[FINGERPRINT][:12]}), not by the one that is there now "
                f"({spec.fingerprint[:12]}); use that encoder (--encoder FOLDER), or build a new "
                "index with this one"
            )
        raise EncoderMismatchError(
            f"{folder} was built by encoder {settings[NAME]} "
            f"({settings[FINGERPRINT][:12]}), not by {spec.name} "
            f"({spec.fingerprint[:12]}); use that encoder, or build a new index with this one"
        )
    for lang, adapters in sorted(recorded_adapters(settings).items()):
        for adapter, recorded in sorted(adapters.items()):
            found = spec.adapters.get(adapter)
            if found != recorded:
                raise EncoderMismatchError(_message(folder, lang, adapter, recorded, spec))


def same_index(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Whether settings read later are of the index that was opened, by what shapes its vectors."""
    if before["dim"] != after["dim"]:
        return False
    base = before.get(BASE)
    return before.get(FINGERPRINT) == after.get(FINGERPRINT) or bool(
        base and base == after.get(BASE)
    )


def recorded_adapters(settings: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """By language, the adapters that its documents went through, each with its hash."""
    found: dict[str, dict[str, str]] = json.loads(settings.get(ROUTES, "{}"))
    return found


def first_record(spec: EncoderSpec) -> dict[str, str]:
    """The settings of an index that is created for an encoder."""
    known = {NAME: spec.name, FINGERPRINT: spec.fingerprint}
    return {**known, BASE: spec.base, ROUTES: "{}"} if spec.base else known


def record_encoder(catalog: Catalog, spec: EncoderSpec) -> None:
    """Write down, in the transaction of a commit, the encoder that the index goes on with.

    `check_same_encoder` has let it. An index that was built before bases were recorded gets one
    here: its encoder is exactly this one, and its catalog has every route.
    """
    if not spec.base:
        return
    settings = catalog.settings()
    adapters = recorded_adapters(settings)
    for route in catalog.routes().values():
        if route.adapter in spec.adapters:  # else none of its documents was ever committed
            used = adapters.setdefault(route.lang, {})
            used[route.adapter] = spec.adapters[route.adapter]
    same = settings[FINGERPRINT] == spec.fingerprint
    wanted = first_record(spec) | {ROUTES: json.dumps(adapters, sort_keys=True)}
    if same:
        del wanted[NAME]  # the same encoder under another name
    for name, value in wanted.items():
        if settings.get(name) != value:
            catalog.record_setting(name, value, replace=True)


def _message(folder: Path, lang: str, adapter: str, recorded: str, spec: EncoderSpec) -> str:
    found = spec.adapters.get(adapter)
    now = "has none" if found is None else f"has another one for it ({found[:12]})"
    return (
        f"{folder} holds documents in {lang} that went through the adapter of {adapter} "
        f"({recorded[:12]}), and {spec.name} {now}; put that adapter back, use the encoder as it "
        "was, or build a new index with this one"
    )
