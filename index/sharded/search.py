"""One search over one commit of every shard: asked in rounds, the answers joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from xret.errors import QueryError, ShardError
from xret.index.search.calibrating import background_size
from xret.index.search.calibration import LanguageOffsets
from xret.index.search.commit import Asked
from xret.index.search.matches import ranked_depth
from xret.index.search.pseudo_questions import (
    PSEUDO_QUESTIONS,
    language_numbers,
    offsets_of,
    pseudo_background,
    pseudo_each,
    pseudo_embeddings,
)
from xret.index.sharded.merging import MergedRanking, merged_ranking
from xret.index.sharded.messages import (
    LanguageScales,
    RankRequest,
    Shard,
    ShardState,
    Survey,
    SurveyRequest,
    WordSurveyRequest,
)
from xret.index.sharded.shared_calibration import SharedBackground, language_scales
from xret.index.storage.stored import StoredRoute
from xret.index.words.bm25 import QueryTerms, WordTotals
from xret.types import Document, IntArray

__all__ = ["Scatter", "ShardedSearch", "StaleShardError"]

T = TypeVar("T")


class Scatter(Protocol):
    """Does a piece of work for each shard, side by side, and gives the results in their order."""

    def __call__(self, shards: Sequence[Shard], ask: Callable[[int], T], /) -> list[T]: ...


Floats = npt.NDArray[np.float64]


class StaleShardError(Exception):
    """A shard is at another commit by now; the search begins again."""


@dataclass(frozen=True, slots=True)
class ShardedSearch:
    """states: of the shards. scatter: see `Scatter`. offsets: what was learnt of these commits, by
    language of the question, and is learnt now."""

    shards: Sequence[Shard]
    states: Sequence[ShardState]
    background: SharedBackground
    asked: Asked
    scatter: Scatter
    offsets: dict[str, LanguageOffsets]

    def rankings(self) -> list[MergedRanking]:
        """Of each query, as far as its lists are ranked.

        Raises StaleShardError, and what shards raise.
        """
        asked, words = self.asked, self.asked.words
        found = self._languages()
        calibrated = found if self._is_calibrated() and len(found) > 1 else []
        terms: Sequence[QueryTerms] = () if words is None else words.terms
        totals = None if words is None else self._totals()
        fixed = asked.request.calibrate == "fixed"
        each = background_size(max(len(calibrated), 1), fixed=fixed)
        background = self.background.counts(calibrated, each)
        having: list[Floats] = []
        scales = word_scales = None
        if calibrated or terms:
            surveys, owners = self._survey(terms, calibrated, background)
            having = [
                np.sum(parts, axis=0) for parts in zip(*(s.having for s in surveys), strict=True)
            ]
            if calibrated and asked.queries is not None:
                scores = np.concatenate([survey.scores for survey in surveys], axis=1)
                offsets = self._borrowed(calibrated, fixed=fixed)
                scales = language_scales(
                    self.background.langs, scores, owners, offsets=offsets, fixed=fixed
                )
            if calibrated and words is not None and words.calibrated and totals is not None:
                word_scales = self._word_scales(
                    WordSurveyRequest(terms, having, totals, {}), background, owners, fixed=fixed
                )
        depth = ranked_depth(asked)
        request = RankRequest(
            asked.queries,
            depth,
            asked.request.params,
            asked.filter,
            terms,
            having,
            totals,
            joined=words is not None and words.join is not None,
            langs=() if words is None else words.langs,
            scales=scales,
            word_scales=word_scales,
            counted=asked.request.counted,
        )
        parts = self._each(lambda shard, at, _: shard.ranked(at, request, asked.deadline))
        join = None if words is None else words.join
        return [merged_ranking(of_query, depth, join) for of_query in zip(*parts, strict=True)]

    def fetched(self, shards: dict[str, int]) -> tuple[dict[str, Document], dict[str, StoredRoute]]:
        """Documents by id, and routes of all shards. shards: where each document is."""
        until = self.asked.deadline
        wanted: list[list[str]] = [[] for _ in self.shards]
        for doc_id, number in shards.items():
            wanted[number].append(doc_id)
        parts = self._each(lambda shard, at, n: shard.fetched(at, wanted[n], until))
        documents = {one.doc_id: one for part in parts for one in part.documents}
        if documents.keys() != shards.keys():
            raise StaleShardError
        return documents, {lang: route for part in parts for lang, route in part.routes.items()}

    def _each(self, work: Callable[[Shard, str, int], T | None]) -> list[T]:
        """The answers of all shards, each asked with the identity of its commit and its number.

        Raises StaleShardError.
        """

        def ask(number: int) -> T:
            answer = work(self.shards[number], self.states[number].identity, number)
            if answer is None:
                raise StaleShardError
            return answer

        return self.scatter(self.shards, ask)

    def _is_calibrated(self) -> bool:
        asked = self.asked
        words = asked.words is not None and asked.words.calibrated
        how = asked.request.calibrate or "off"
        return how != "off" and bool(asked.query_langs) and (asked.queries is not None or words)

    def _languages(self) -> list[str]:
        """Of the documents that may be found, in order."""
        wanted, until = self.asked.filter, self.asked.deadline
        if wanted is None or not self._is_calibrated():
            return list(self.background.langs)
        known = frozenset(self.background.langs)

        def languages(shard: Shard, at: str, _: int) -> list[str] | None:
            found = shard.found_languages(at, wanted, until)
            if found is not None and not known.issuperset(found):
                raise ShardError("it found documents in a language of which it has none")
            return found

        return sorted({lang for part in self._each(languages) for lang in part})

    def _totals(self) -> WordTotals:
        known = [state.totals for state in self.states]
        if any(one is None for one in known):
            raise QueryError(
                "a shard of this index was built without words to match; search with --mode dense"
            )
        totals = [one for one in known if one is not None]
        return WordTotals(sum(t.documents for t in totals), sum(t.words for t in totals))

    def _survey(
        self,
        terms: Sequence[QueryTerms],
        langs: Sequence[str],
        background: Sequence[dict[str, int]],
    ) -> tuple[list[Survey], IntArray]:
        """What each shard says, and the languages of the background, shard by shard."""
        queries, until = self.asked.queries, self.asked.deadline
        surveys = self._each(
            lambda shard, at, n: shard.survey(
                at, SurveyRequest(queries, terms, background[n]), until
            )
        )
        return surveys, self.background.owners(langs, [survey.owners for survey in surveys])

    def _word_scales(
        self,
        asked: WordSurveyRequest,
        background: Sequence[dict[str, int]],
        owners: IntArray,
        *,
        fixed: bool,
    ) -> LanguageScales:
        parts = self._each(
            lambda shard, at, n: shard.word_survey(
                at, replace(asked, background=background[n]), self.asked.deadline
            )
        )
        scores = np.concatenate(parts, axis=1)
        return language_scales(self.background.langs, scores, owners, fixed=fixed)

    def _borrowed(self, langs: Sequence[str], *, fixed: bool) -> list[LanguageOffsets | None]:
        """Of each query, how languages differ for questions in its language."""
        if not self.background.borrows(langs, fixed=fixed):
            return [None] * len(self.asked.query_langs)
        for lang in self.asked.query_langs:
            if lang not in self.offsets:
                self.offsets[lang] = self._learnt(lang)
        return [self.offsets[lang] for lang in self.asked.query_langs]

    def _learnt(self, lang: str) -> LanguageOffsets:
        """As `pseudo_questions.learn_offsets`, from the documents of all shards."""
        langs, until = self.background.langs, self.asked.deadline
        same = language_numbers(langs, lang)
        numbers = same or list(range(len(langs)))
        each = pseudo_each(len(numbers))
        chosen = [
            (number, int(shard))
            for number in numbers
            for shard in self.background.shards[number][:each]
        ][: max(PSEUDO_QUESTIONS, each)]
        wanted: list[dict[str, int]] = [{} for _ in self.shards]
        for number, shard in chosen:
            wanted[shard][langs[number]] = wanted[shard].get(langs[number], 0) + 1
        parts = self._each(lambda shard, at, n: shard.pseudo_questions(at, wanted[n], until))
        vectors = [iter(part) for part in parts]
        queries = pseudo_embeddings([next(vectors[shard]) for _, shard in chosen])
        background = self.background.counts(langs, pseudo_background(len(langs)))
        surveys = self._each(
            lambda shard, at, n: shard.survey(at, SurveyRequest(queries, (), background[n]), until)
        )
        owners = self.background.owners(langs, [survey.owners for survey in surveys])
        scores = np.concatenate([survey.scores for survey in surveys], axis=1).astype(np.float64)
        return offsets_of(
            scores, [number for number, _ in chosen], owners, len(langs), own=bool(same)
        )
