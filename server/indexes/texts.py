"""Texts that a request brings: vectors of them, and scores of pairs, by the served models."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from xret.deadline import Deadline
from xret.errors import RerankError
from xret.retriever.encoder import Encoder
from xret.retriever.opening.later import LaterEncoder
from xret.retriever.pair_scores import PairScores, score_pairs
from xret.retriever.rerankers.opened import OpenRerankers
from xret.retriever.rerankers.reranker import RerankChoice, Reranker
from xret.retriever.rerankers.second_encoder import SecondEncoder
from xret.retriever.searcher import Searcher
from xret.retriever.text_vectors import (
    TextVectors,
    encode_texts,
    makes_one_vector,
    text_tokens_read,
)
from xret.server.error_shapes import MODEL_NOT_FOUND
from xret.server.errors import HttpError
from xret.server.indexes.queue import WorkQueue
from xret.server.indexes.service import SearchService

__all__ = ["TextService"]

T = TypeVar("T")

log = logging.getLogger("xret.server")


class TextService:
    """Over the indices that are served: their encoders, and the server's reranker.

    A model is named as its encoder, as an index that it built, or, to score, as the reranker.
    They have threads of their own, half as many as searches, which they do not hold up.
    """

    def __init__(self, service: SearchService) -> None:
        self._service = service
        self._settings = service.settings
        self._queue = WorkQueue(
            threads=max(1, self._settings.threads // 2),
            max_waiting=self._settings.max_waiting,
            max_wait_s=self._settings.texts_timeout_s,
        )
        # By what all views of an open index share.
        self._own: weakref.WeakKeyDictionary[OpenRerankers, SecondEncoder] = (
            weakref.WeakKeyDictionary()
        )
        self._single: weakref.WeakKeyDictionary[Encoder, bool] = weakref.WeakKeyDictionary()

    async def embed(
        self,
        texts: Sequence[str],
        *,
        model: str | None = None,
        task: Literal["query", "document"] = "document",
        dim: int | None = None,
    ) -> tuple[str, TextVectors]:
        """The model's name, and one vector a text.

        Raises HttpError for a model that is not served or makes many vectors of a text, for
        too many or too long texts, and where they take too long.
        """
        index = self._index_of(model)
        self._check(texts)

        def work(searcher: Searcher, until: Deadline) -> tuple[str, TextVectors]:
            encoder = self._single_encoder(searcher)
            made = encode_texts(encoder, texts, task=task, dim=dim, deadline=until)
            self._need_all(len(made.vectors), texts)
            return encoder.spec.name, made

        return await self._run(work, index)

    async def score(
        self,
        query: str,
        texts: Sequence[str],
        *,
        model: str | None = None,
        query_lang: str | None = None,
        langs: Sequence[str | None] | None = None,
    ) -> tuple[str, PairScores, int]:
        """The name of what scored, a score a text, and how many tokens it read.

        Raises as `embed`, QueryError for a question that cannot be asked, and HttpError where
        the reranker fails.
        """
        index = self._index_of(model, reranks=True)
        self._check(texts)

        def work(searcher: Searcher, until: Deadline) -> tuple[str, PairScores, int]:
            reranker = self._reranker(searcher)
            try:
                scored = score_pairs(
                    reranker, query, texts, query_lang=query_lang, langs=langs, deadline=until
                )
            except RerankError as error:  # the index is sound: it stays ready
                log.error("%s gave no scores: %s", reranker.name, error)
                detail = "the reranker gave no scores; see the server's log"
                raise HttpError(424, error.code, detail) from error
            self._need_all(len(scored.scores), texts)
            tokens = 0
            if isinstance(reranker, SecondEncoder):
                tokens = text_tokens_read(reranker.encoder, [query, *texts])
            return reranker.name, scored, tokens

        return await self._run(work, index)

    async def _run(self, work: Callable[[Searcher, Deadline], T], index: str | None) -> T:
        until = self._service.deadline(self._settings.texts_timeout_s * 1000)
        return await self._service.apply(
            lambda searcher: work(searcher, until), index=index, until=until, queue=self._queue
        )

    def _index_of(self, model: str | None, *, reranks: bool = False) -> str | None:
        """The index whose encoder is that model; None, the first, where none is named."""
        encoders = self._service.encoders()
        own = self._settings.rerank
        if model is None or model in encoders:
            return model
        if reranks and own is not None and model in (own, RerankChoice.parse(own).name):
            return None
        for index, encoder in encoders.items():
            if encoder == model:
                return index
        known = ", ".join(dict.fromkeys([*encoders.values(), *encoders]))
        raise HttpError(404, MODEL_NOT_FOUND, f"no such model is served; served here: {known}")

    def _check(self, texts: Sequence[str]) -> None:
        most, longest = self._settings.max_texts, self._settings.max_text_characters
        if len(texts) > most:
            detail = f"{len(texts):,} texts are too many; send at most {most:,} at once"
            raise HttpError(422, "too_many_texts", detail)
        for n, text in enumerate(texts):
            if len(text) > longest:
                detail = f"text {n} has {len(text):,} characters; at most {longest:,} are taken"
                raise HttpError(422, "text_too_long", detail)

    def _need_all(self, done: int, texts: Sequence[str]) -> None:
        if done < len(texts):
            detail = (
                f"{done} of {len(texts)} texts were read within "
                f"{self._settings.texts_timeout_s:g} s; send fewer at once"
            )
            raise HttpError(504, "timeout", detail)

    def _single_encoder(self, searcher: Searcher) -> Encoder:
        encoder = _opened(searcher)
        single = self._single.get(encoder)
        if single is None:
            single = self._single[encoder] = makes_one_vector(encoder)
        if not single:
            raise HttpError(
                422,
                "no_single_vector",
                f"{encoder.spec.name} makes several vectors of a text (late interaction), and no "
                "one vector stands for it; serve an index of a bi-encoder, or one that was built "
                "with --single-vector, or let this model score pairs at /v1/rerank",
            )
        return encoder

    def _reranker(self, searcher: Searcher) -> Reranker:
        stage = searcher.rerankers.stage(self._settings.rerank, searcher.reader.settings)
        if stage is not None:
            return stage.reranker
        own = self._own.get(searcher.rerankers)
        if own is None:
            own = self._own.setdefault(searcher.rerankers, SecondEncoder(_opened(searcher)))
        return own


def _opened(searcher: Searcher) -> Encoder:
    encoder = searcher.encoder
    if isinstance(encoder, LaterEncoder):
        encoder = encoder.opened()
    if not encoder.spec.dim:
        detail = "this index is searched by words and has no vectors; name another model"
        raise HttpError(422, "no_vectors", detail)
    return encoder
