"""The station of a search at which a reranker puts the first documents in order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

import numpy as np

from xret.errors import RerankError
from xret.index.storage.segment import Span
from xret.retriever.answer import StageScore
from xret.retriever.languages.codes import language_name
from xret.retriever.rerankers.blend import blended
from xret.retriever.rerankers.candidates import best_part, has_letters
from xret.retriever.rerankers.reranker import Reranker
from xret.types import Document, FloatArray, Hit, Query

__all__ = ["ANY_LANGUAGE", "FIRST", "RERANK", "LangPair", "RerankStage", "Reranked"]

FIRST, RERANK = "first", "rerank"
"""Names of the stages in an answer."""

LangPair = tuple[str, str]
"""Languages of a question and of a document, BCP 47."""

ANY_LANGUAGE = "*"
"""In a pair, the language of every question."""


@dataclass(frozen=True, slots=True)
class Reranked:
    """A ranking after the reranker. stages: by document, of those that were put in order.
    refused: whether its scores could not be used, and the first ranking stayed."""

    hits: list[Hit]
    spans: list[Span | None]
    stages: Mapping[str, Mapping[str, StageScore]]
    warnings: list[str]
    refused: bool = False


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A hit of the first ranking with what is read of its document, None where its pair is off."""

    hit: Hit
    lang: str
    part: Document | None

    @property
    def readable(self) -> bool:
        return self.part is not None and has_letters(self.part)


@dataclass(frozen=True, slots=True)
class RerankStage:
    """A reranker, the number of documents it is given, and the language pairs it is off for.

    refusals: by name of the reranker, rankings that stayed as they were because it failed.
    """

    reranker: Reranker
    depth: int
    off: AbstractSet[LangPair] = frozenset()
    refusals: Counter[str] = field(default_factory=Counter)

    def rerank(
        self,
        query: Query,
        hits: Sequence[Hit],
        spans: Sequence[Span | None],
        documents: Mapping[str, Document],
        *,
        until: float = math.inf,
    ) -> Reranked:
        """Put the first `depth` hits in order; those below keep theirs.

        hits: best first; spans: of each one's best passage, None where that is the whole text.
        documents: by id; one that is missing ends what is put in order. until: by
        `time.monotonic`; what was not read by then follows in the first ranking's order. The
        scores of all hits fall along the new order.
        """
        candidates = self._candidates(query, hits, spans, documents)
        warnings = self._told_off(query, candidates)
        parts = [one.part for one in candidates if one.part is not None and one.readable]
        if not parts:
            return Reranked([*hits], [*spans], {}, warnings)
        try:
            scores = self._checked(self.reranker.scores(query, parts, until=until), parts)
        except RerankError as error:
            self.refusals[self.reranker.name] += 1
            told = f"{error}; the first ranking's order was kept"
            return Reranked([*hits], [*spans], {}, [*warnings, told], refused=True)
        if len(scores) < len(parts):
            late = parts[len(scores)].doc_id
            cut = next(n for n, one in enumerate(candidates) if one.hit.doc_id == late)
            candidates = candidates[:cut]
            warnings.append(
                f"time ran out: {self.reranker.name} read {len(scores)} of {len(parts)} "
                "documents; the others follow in the first ranking's order"
            )
        if not len(scores):
            return Reranked([*hits], [*spans], {}, warnings)
        return self._ordered(hits, spans, candidates, scores, warnings)

    def _candidates(
        self,
        query: Query,
        hits: Sequence[Hit],
        spans: Sequence[Span | None],
        documents: Mapping[str, Document],
    ) -> list[_Candidate]:
        candidates = []
        for hit, span in zip(hits[: self.depth], spans, strict=False):
            document = documents.get(hit.doc_id)
            if document is None:
                break
            langs = ((query.lang, document.lang), (ANY_LANGUAGE, document.lang))
            on = self.off.isdisjoint(langs)
            part = best_part(document, span) if on else None
            candidates.append(_Candidate(hit, document.lang, part))
        return candidates

    def _told_off(self, query: Query, candidates: Sequence[_Candidate]) -> list[str]:
        langs = sorted({one.lang for one in candidates if one.part is None})
        if not langs:
            return []
        named = ", ".join(map(language_name, langs))
        return [
            f"{self.reranker.name} is off for questions in {language_name(query.lang)} and "
            f"documents in {named}: measured on this index, it does not help there"
        ]

    def _checked(self, scores: FloatArray, parts: Sequence[Document]) -> FloatArray:
        """Raises RerankError for scores that are no numbers, or more than there are documents."""
        if scores.ndim != 1 or len(scores) > len(parts):
            raise RerankError(
                f"{self.reranker.name} gave scores of shape {scores.shape} for {len(parts)} "
                "documents"
            )
        wrong = int(np.count_nonzero(~np.isfinite(scores)))
        if wrong:
            raise RerankError(
                f"{self.reranker.name} gave {wrong} of {len(scores)} documents a score that is "
                "no number"
            )
        return scores

    def _ordered(
        self,
        hits: Sequence[Hit],
        spans: Sequence[Span | None],
        candidates: Sequence[_Candidate],
        scores: FloatArray,
        warnings: list[str],
    ) -> Reranked:
        """scores: of the readable candidates. What has no letters scores as the worst of them."""
        given = iter(scores.tolist())
        lowest = float(scores.min())
        rerank = np.array(
            [
                np.nan if one.part is None else next(given) if one.readable else lowest
                for one in candidates
            ],
            np.float32,
        )
        first = np.array([one.hit.score for one in candidates], np.float32)
        langs = [one.lang for one in candidates]
        final = blended(rerank, first, langs, weight=self.reranker.weight).tolist()
        ids = [one.hit.doc_id for one in candidates]
        order = sorted(range(len(ids)), key=lambda n: (-final[n], ids[n]))
        ordered = [replace(hits[n], score=final[n]) for n in order]
        # Below, scores keep their distances to the last that was put in order.
        end, last = ordered[-1].score, candidates[-1].hit.score
        below = [
            replace(hit, score=end + min(hit.score - last, 0.0)) for hit in hits[len(candidates) :]
        ]
        return Reranked(
            ordered + below,
            [*(spans[n] for n in order), *spans[len(candidates) :]],
            _stages(ids, first.tolist(), rerank.tolist()),
            warnings,
        )


def _stages(
    ids: Sequence[str], first: Sequence[float], rerank: Sequence[float]
) -> dict[str, dict[str, StageScore]]:
    """By document, what each stage made of it; ranks by the reranker among those it scored."""
    scored = [n for n, score in enumerate(rerank) if not math.isnan(score)]
    by_score = sorted(scored, key=lambda n: (-rerank[n], ids[n]))
    ranks = {n: rank for rank, n in enumerate(by_score, 1)}
    return {
        doc_id: {FIRST: StageScore(round(first[n], 6), n + 1)}
        | ({RERANK: StageScore(round(rerank[n], 6), ranks[n])} if n in ranks else {})
        for n, doc_id in enumerate(ids)
    }
