"""From a name or a folder to an encoder: `load_encoder`."""

from __future__ import annotations

import dataclasses
import importlib
import warnings
from pathlib import Path

from xret.errors import ConfigError, ModelError
from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.models.expected_prompts import lacking_prompts
from xret.retriever.models.kinds import Kind
from xret.retriever.models.layout import model_kind
from xret.retriever.models.location import model_location
from xret.retriever.models.registry import ENCODERS, RegisteredEncoder

__all__ = ["WORDS_ONLY", "load_encoder"]

_CLASSES = {
    Kind.STATIC: "xret.retriever.encoders.static:StaticEncoder",
    Kind.BI_ENCODER: "xret.retriever.opening.bi_encoder:BiEncoder",
    Kind.LATE_INTERACTION: "xret.retriever.opening.late_interaction:LateInteractionEncoder",
}

WORDS_ONLY = "bm25"
"""The encoder of an index without vectors."""


def load_encoder(
    name: str, *, options: EncoderOptions | None = None, revision: str | None = None
) -> Encoder:
    """The encoder of that registered name or hub id, or the one saved in that folder.

    Nothing is downloaded: `xret model pull` does that. revision: a commit of a model that
    was pulled, None for the one that is pinned. Raises UnknownModelError for a name that is
    neither, ModelError for a folder that holds no model, for weights that are missing or
    pickled, and for a model that needs foreign code.
    """
    if name == WORDS_ONLY:
        from xret.retriever.encoders.words_only import WordsOnly

        return WordsOnly()
    registered = ENCODERS.get(name)
    wanted = options or EncoderOptions()
    folder = model_location(name, revision=revision)
    if registered is not None:
        _warn_of_licence(name, registered)
        if wanted.prompts is None and registered.prompts:
            wanted = dataclasses.replace(wanted, prompts=dict(registered.prompts))
    kind = _kind(folder, registered)
    if registered is not None and kind is not Kind.STATIC and kind != registered.kind:
        raise ModelError(
            f"{name} is a model of {registered.kind}, and {folder} holds a {kind}"
            + (f"; {registered.note}" if registered.note else "")
        )
    module, _, attribute = _CLASSES[kind].partition(":")
    loader = getattr(importlib.import_module(module), attribute)
    encoder: Encoder
    if kind is Kind.STATIC:
        given = dict((options or EncoderOptions()).recorded())
        shaping = {name for name in given if (name, given[name]) != ("pool_factor", 1)}
        shaping -= {"lang_policy", "shared_words"}
        if shaping:
            raise ConfigError(f"{name} is a table of words; it has no {', '.join(sorted(shaping))}")
        encoder = loader.load(folder, name=name)
    else:
        if wanted.prompts is None and (missed := lacking_prompts(folder, kind)):
            warnings.warn(missed, UserWarning, stacklevel=2)
        encoder = loader.load(folder, name=name, options=wanted)
    if wanted.shared_words is None:
        return encoder
    from xret.retriever.encoders.conditioned import ConditionedEncoder

    return ConditionedEncoder.of(encoder, wanted)


def _kind(folder: Path, registered: RegisteredEncoder | None) -> Kind:
    if registered is not None and registered.folder is not None and not registered.shipped:
        raise ModelError(f"{folder} is not there: this installation of xret is not whole")
    return model_kind(folder)


def _warn_of_licence(name: str, registered: RegisteredEncoder) -> None:
    if not registered.commercial:
        warnings.warn(
            f"{name} is under {registered.licence}: for non-commercial use only",
            UserWarning,
            stacklevel=3,
        )
