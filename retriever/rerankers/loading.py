"""From a name, a folder or an address to a reranker: `load_reranker`."""

from __future__ import annotations

import warnings
from pathlib import Path

from xret.errors import ConfigError, ModelError, UnknownModelError
from xret.retriever.models.hub import find_model
from xret.retriever.models.layout import architecture, is_classifier, is_sentence_encoder
from xret.retriever.models.location import model_location
from xret.retriever.models.registry import ENCODERS
from xret.retriever.models.reranker_registry import RERANKERS
from xret.retriever.opening.encoder import WORDS_ONLY, load_encoder
from xret.retriever.rerankers.endpoint import Endpoint
from xret.retriever.rerankers.pair_routing import PAIR_ROUTINGS
from xret.retriever.rerankers.reranker import Reranker
from xret.retriever.rerankers.second_encoder import SecondEncoder

__all__ = ["BACKENDS", "HEAP", "LISTWISE", "TEI", "load_reranker", "reranker_folder"]

LISTWISE, HEAP, TEI = "listwise:", "heap:", "tei:"
"""What stands before an address: a chat model that answers with an order, or with the best of
five; a server of TEI's shape."""

BACKENDS = ("onnx", "torch")
"""What stands behind # and says what runs a cross-encoder: its exported graph, or its weights."""

_GENERATES = ("ForCausalLM", "ForConditionalGeneration")


def load_reranker(name: str) -> Reranker:
    """The reranker of that name, in that folder, or behind that address.

    An encoder scores as `SecondEncoder` does, by the vectors that an index of it would have.
    Addresses: `https://host/rerank#model` of Cohere's and Jina's shape, `tei:https://...` of
    TEI's, `listwise:` and `heap:https://host/v1/chat/completions#model` of OpenAI's. `NAME#qlang`
    (or dlang, split, none) says through whose language a cross-encoder's pairs go, `NAME#onnx`
    and `NAME#torch` what runs it: by default its graph, where it was exported. Nothing is
    downloaded and nobody is asked yet. Raises UnknownModelError for a name that is none,
    ModelError for a folder that cannot rerank, ConfigError for an address that is none.
    """
    if "://" in name:
        return _behind(name)
    plain, said = _marked(name)
    if said is not None:
        return _marked_classifier(reranker_folder(plain), name, said)
    if name == WORDS_ONLY:
        raise ModelError(f"{name} has no vectors to rerank by; use --mode hybrid for words")
    if name in ENCODERS:
        return SecondEncoder(load_encoder(name))
    folder = reranker_folder(name)
    if is_classifier(folder):
        return _classifier(folder, name, None)
    if architecture(folder).endswith(_GENERATES) and not is_sentence_encoder(folder):
        from xret.retriever.rerankers.yes_no import YesNoModel

        return YesNoModel.load(folder, name=name)
    return SecondEncoder(load_encoder(str(folder)))


def _marked(name: str) -> tuple[str, str | None]:
    """The name without what stands behind # and says how pairs are routed or run, and that."""
    plain, mark, said = name.rpartition("#")
    if not mark or said not in (*PAIR_ROUTINGS, *BACKENDS) or Path(name).is_dir():
        return name, None
    return plain, said


def _marked_classifier(folder: Path, name: str, said: str) -> Reranker:
    if not is_classifier(folder):
        what = "a routing is" if said in PAIR_ROUTINGS else "onnx and torch are"
        raise ConfigError(
            f"{name}: {what} of a cross-encoder's pairs, and {folder.name} is a "
            f"{architecture(folder) or 'model of no known class'}; make a cross-encoder of an "
            "encoder with: xret train rerank"
        )
    return _classifier(folder, name, said)


def _classifier(folder: Path, name: str, said: str | None) -> Reranker:
    """said: a routing, or a backend; None for what the folder has."""
    if said in (None, "onnx"):
        from xret.retriever.rerankers.onnx_classifier import ExportedClassifier, OnnxClassifier

        exported = ExportedClassifier.read(folder)
        if exported is not None:
            return OnnxClassifier.load(folder, exported, name=name)
        if said == "onnx":
            raise ModelError(
                f"{folder} has no graph exported from these weights; run: xret model export "
                f"{folder} --int8"
            )
    from xret.retriever.rerankers.classifier import SequenceClassifier

    routing = said if said in PAIR_ROUTINGS else None
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


def reranker_folder(name: str) -> Path:
    """Where the encoder or reranker of that name lies, or the folder that is named.

    Raises UnknownModelError, and ModelError for one that cannot be used.
    """
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
