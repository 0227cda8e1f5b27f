"""The encoder of an index: opened as the index records it, checked to be the one that built it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

from xret.errors import EncoderMismatchError, ModelError
from xret.index.search.reader import IndexReader
from xret.index.storage.encoder_record import FINGERPRINT, NAME
from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.indexing import OPTIONS_SETTING
from xret.retriever.languages.identification import load_identifier
from xret.retriever.lexical.words import WORDS_SETTING
from xret.retriever.models.location import encoder_name
from xret.retriever.opening.editions import check_edition
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.opening.later import LaterEncoder
from xret.types import EncoderSpec

__all__ = ["open_index_encoder", "scan_device"]


def open_index_encoder(
    reader: IndexReader, encoder: str | None, options: EncoderOptions | None, *, later: bool
) -> Encoder:
    """The encoder of an index; left for later where that is asked, and where it cannot be opened
    while nobody named it and the index can be searched by words."""
    settings = reader.settings
    name = settings[NAME] if encoder is None else encoder_name(encoder)

    def load() -> Encoder:
        loaded = load_encoder(name, options=_options(settings, options))
        check_edition(settings, loaded.spec, reader.folder)
        if loaded.spec.language_adapters:
            load_identifier()
        return loaded

    spec = EncoderSpec(settings[NAME], settings[FINGERPRINT], reader.dim, ())
    if later and reader.dim:
        return LaterEncoder(spec, load)
    try:
        return load()
    except (ModelError, EncoderMismatchError) as error:
        if encoder is not None or not settings.get(WORDS_SETTING):
            raise
        return LaterEncoder(spec, load, fault=error)


def scan_device(options: EncoderOptions | None) -> str | None:
    """The GPU that was asked for; documents are scored there or by the CPU's own kernels."""
    device = None if options is None else options.device
    return device if device is not None and device.startswith("cuda") else None


def _options(settings: Mapping[str, str], given: EncoderOptions | None) -> EncoderOptions:
    """The options that the index was built with; how to run and a named policy are the user's."""
    recorded = json.loads(settings.get(OPTIONS_SETTING, "{}"))
    wanted = (given or EncoderOptions()).with_recorded(recorded)
    if given is not None and given.lang_policy != EncoderOptions().lang_policy:
        wanted = dataclasses.replace(wanted, lang_policy=given.lang_policy)
    return wanted
