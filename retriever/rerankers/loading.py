"""From a name, a folder or an address to a reranker: `load_reranker`."""

from __future__ import annotations

from xret.errors import ModelError
from xret.retriever.opening.encoder import WORDS_ONLY, load_encoder
from xret.retriever.rerankers.reranker import Reranker
from xret.retriever.rerankers.second_encoder import SecondEncoder

__all__ = ["load_reranker"]


def load_reranker(name: str) -> Reranker:
    """The reranker of that name, in that folder, or behind that address.

    An encoder, by name or folder, scores as `SecondEncoder` does. Raises UnknownModelError for
    a name that is neither, ModelError for a folder that cannot rerank.
    """
    if name == WORDS_ONLY:
        raise ModelError(f"{name} has no vectors to rerank by; use --mode hybrid for words")
    return SecondEncoder(load_encoder(name))
