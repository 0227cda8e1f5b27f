"""From a name, a folder or an address to a reranker: `load_reranker`."""

from __future__ import annotations

import warnings
from pathlib import Path

from xret.errors import ConfigError, ModelError, UnknownModelError
from xret.retriever.models.hub import find_model
from xret.retriever.models.layout import read_json
from xret.retriever.models.location import model_location
from xret.retriever.models.registry import ENCODERS
from xret.retriever.models.reranker_registry import RERANKERS
from xret.retriever.opening.encoder import WORDS_ONLY, load_encoder
from xret.retriever.rerankers.endpoint import Endpoint
from xret.retriever.rerankers.pair_routing import PAIR_ROUTINGS
from xret.retriever.rerankers.reranker import Reranker
from xret.retriever.rerankers.second_encoder import SecondEncoder

__all__ = ["HEAP", "LISTWISE", "TEI", "load_reranker"]

LISTWISE, HEAP, TEI = "listwise:", "heap:", "tei:"
"""What stands before an address: a chat model that answers with an order, or with the best of
five; a server of TEI's shape."""

_CLASSIFIER = "ForSequenceClassification"
_GENERATES = ("ForCausalLM", "ForConditionalGeneration")


def load_reranker(name: str) -> Reranker:
    """The reranker of that name, in that folder, or behind that address.

    An encoder scores as `SecondEncoder` does, by the vectors that an index of it would have.
    Addresses: `https://host/rerank#model` of Cohere's and Jina's shape, `tei:https://...` of
    TEI's, `listwise:` and `heap:https://host/v1/chat/completions#model` of OpenAI's. `NAME#qlang`
    (or dlang, split, none) says through whose language a cross-encoder's pairs go. Nothing is
    downloaded and nobody is asked yet. Raises UnknownModelError for a name that is none,
    ModelError for a folder that cannot rerank, ConfigError for an address that is none.
    """
    if "://" in name:
        return _behind(name)
    plain, routing = _routed(name)
    if routing is not None:
        return _routed_classifier(_folder(plain), name, routing)
    if name == WORDS_ONLY:
        raise ModelError(f"{name} has no vectors to rerank by; use --mode hybrid for words")
    if name in ENCODERS:
        return SecondEncoder(load_encoder(name))
    folder = _folder(name)
    named = str((read_json(folder / "config.json").get("architectures") or [""])[0])
    kind = read_json(folder / "config_sentence_transformers.json").get("model_type")
    encodes = kind not in (None, "CrossEncoder") or (
        kind is None and (folder / "modules.json").is_file()
    )
    if named.endswith(_CLASSIFIER) and not encodes:
        return _classifier(folder, name, None)
    if named.endswith(_GENERATES) and not encodes:
        from xret.retriever.rerankers.yes_no import YesNoModel

        return YesNoModel.load(folder, name=name)
    return SecondEncoder(load_encoder(str(folder)))


def _routed(name: str) -> tuple[str, str | None]:
    """The name without what stands behind # and says how pairs are routed, and that."""
    plain, mark, routing = name.rpartition("#")
    if not mark or routing not in PAIR_ROUTINGS or Path(name).is_dir():
        return name, None
    return plain, routing


def _routed_classifier(folder: Path, name: str, routing: str) -> Reranker:
    named = str((read_json(folder / "config.json").get("architectures") or [""])[0])
    if not named.endswith(_CLASSIFIER):
        raise ConfigError(
            f"{name}: a routing is of a cross-encoder's pairs, and {folder.name} is a "
            f"{named or 'model of no known class'}; make a cross-encoder of an encoder with: xret "
            "train rerank"
        )
    return _classifier(folder, name, routing)


def _classifier(folder: Path, name: str, routing: str | None) -> Reranker:
    from xret.retriever.rerankers.classifier import SequenceClassifier

    return SequenceClassifier.load(folder, name=name, routing=routing)


def _behind(name: str) -> Reranker:
    from xret.retriever.rerankers.heap import HeapModel
    from xret.retriever.rerankers.listwise import ListwiseModel
    from xret.retriever.rerankers.remote import RemoteReranker

    if name.startswith(LISTWISE):
        return ListwiseModel(Endpoint.parse(name.removeprefix(LISTWISE)))
    if name.startswith(HEAP):
        return HeapModel(Endpoint.parse(name.removeprefix(HEAP)))
    if name.startswith(TEI):
        return RemoteReranker(Endpoint.parse(name.removeprefix(TEI)), "tei")
    return RemoteReranker(Endpoint.parse(name), "cohere")


def _folder(name: str) -> Path:
    registered = RERANKERS.get(name)
    if registered is None:
        try:
            return model_location(name)
        except UnknownModelError as error:
            known = ", ".join((*ENCODERS, *RERANKERS))
            raise UnknownModelError(
                f"no reranker is called {name!r} and there is no such folder; known: {known}"
            ) from error
    if registered.refused:
        raise ModelError(f"{name} {registered.refused}; use one of another name")
    if not registered.commercial:
        warnings.warn(
            f"{name} is under {registered.licence}: for non-commercial use only",
            UserWarning,
            stacklevel=3,
        )
    return find_model(name)
