"""An index that an earlier edition of a shipped model built is never scored by a later one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xret.errors import EncoderMismatchError
from xret.index.storage.encoder_record import FINGERPRINT, NAME, check_same_encoder
from xret.retriever.lexical.words import WORDS_SETTING
from xret.retriever.models.registry import ENCODERS
from xret.types import EncoderSpec

__all__ = ["check_edition"]


def check_edition(settings: Mapping[str, str], spec: EncoderSpec, folder: Path) -> None:
    """Raises EncoderMismatchError unless this encoder gives the vectors that the index has.

    An index records the name of a model in the package, and the files behind that name change
    with its editions; the message then says which edition built the index and what can be done.
    settings: of the index in that folder.
    """
    try:
        check_same_encoder(settings, spec, folder)
    except EncoderMismatchError as error:
        registered = ENCODERS.get(settings[NAME])
        edition = registered.earlier.get(settings[FINGERPRINT]) if registered else None
        if registered is None or edition is None or settings[NAME] != spec.name:
            raise
        words = ", or search it by words (--mode lexical)" if settings.get(WORDS_SETTING) else ""
        raise EncoderMismatchError(
            f"{folder} was built by the {edition} edition of {spec.name}, and the one in this "
            f"installation ({registered.revision}) is another model, whose scores would mean "
            "nothing there; build the index anew (xret index --corpus CORPUS --output FOLDER), "
            f"name a folder that holds that edition (--encoder FOLDER){words}"
        ) from error
