"""The codec of one index, for another to code its vectors by."""

from __future__ import annotations

from pathlib import Path

from xret.errors import ConfigError
from xret.index.coding.recoding import last_codec, write_codec
from xret.index.storage.catalog import Catalog
from xret.index.storage.encoder_record import same_index
from xret.index.storage.files import prepare_folder
from xret.index.storage.stored import codec_folder

__all__ = ["adopt_codec"]


def adopt_codec(folder: Path, catalog: Catalog, source: Path) -> None:
    """Give an index without documents the codec of another one, by the same encoder and preset.

    catalog: of the index in the folder, which the caller has locked. An index that has that codec
    already keeps it. Raises ConfigError where the two do not go together.
    """
    other = Catalog.open(source)
    try:
        codec, settings = last_codec(source, other), other.settings()
        if codec is None:
            raise ConfigError(
                f"{source} has no codec: one is trained as it reaches 262,144 vectors, under the "
                "presets balanced and compact"
            )
        files = other.files()[codec_folder(codec[0])]
        held = sum(segment.vectors for segment in other.segments().values())
        vectors = other.codecs()[codec[0]] or held  # 0 would have a grown index train its own
    finally:
        other.close()
    own = catalog.settings()
    if not same_index(settings, own) or settings["preset"] != own["preset"]:
        raise ConfigError(
            f"{source} has another encoder or preset than {folder}; a codec is of one of each"
        )
    number = max(catalog.codecs(), default=0)
    if number and catalog.files()[codec_folder(number)] == files:
        return
    if number or catalog.segments():
        raise ConfigError(f"{folder} has vectors already; a codec is taken over before the first")
    prepare_folder(folder / "codec")
    with catalog.transaction():
        catalog.write_codec(1, vectors, write_codec(folder, 1, codec[1]))
