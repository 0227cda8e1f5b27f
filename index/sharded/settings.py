"""What the shards of an index have in common, and that they have it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from xret.errors import ShardError
from xret.index.storage.encoder_record import BASE, NAME, ROUTES, recorded_adapters, same_index

__all__ = ["shared_settings"]


def shared_settings(shards: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The settings of shards, by name, as those of one index.

    Those of the first, with the language adapters that the documents of any went through. Raises
    ShardError where two were built by different encoders or have their words made otherwise.
    """
    names = list(shards)
    first = dict(shards[names[0]])
    adapters = recorded_adapters(first)
    for name in names[1:]:
        other = shards[name]
        if not same_index(first, other):
            raise ShardError(
                f"shard {name} was built by encoder {other[NAME]}, not by that of {names[0]} "
                f"({first[NAME]}); shards of one index are built by one encoder"
            )
        if first.get("lexical", "") != other.get("lexical", ""):
            raise ShardError(
                f"the words of shard {name} were made otherwise than those of {names[0]} "
                f"({other.get('lexical') or 'none'}, {first.get('lexical') or 'none'}); build both "
                "with the same --psq and --lexical"
            )
        for lang, used in recorded_adapters(other).items():
            known = adapters.setdefault(lang, {})
            if any(known.get(adapter, value) != value for adapter, value in used.items()):
                raise ShardError(
                    f"shards {names[0]} and {name} hold documents in {lang} that went through "
                    "different adapters; build one of them again"
                )
            known.update(used)
    if first.get(BASE):
        first[ROUTES] = json.dumps(adapters, sort_keys=True)
    return first
