"""What calibrates the searches of all shards: backgrounds joined, and scales that all use.

A language's background is the documents with the smallest hashes, so that the first of all
shards' backgrounds together are those of one index of the same documents. Their scores come
back from the shards, and what is counted from them here is what one index counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xret.index.search.calibrating import background_size, language_masks
from xret.index.search.calibration import (
    Calibration,
    Floats,
    LanguageOffsets,
    LanguageScale,
    background_scale,
)
from xret.index.search.commit import Commit
from xret.index.search.languages import BACKGROUND, LanguageGroups, owners_of
from xret.index.search.ranking import Masks
from xret.index.sharded.messages import LanguageScales, ShardState
from xret.types import IntArray

__all__ = ["SharedBackground", "SharedCalibration", "language_scales"]


@dataclass(frozen=True, slots=True)
class SharedBackground:
    """langs: codes of all shards' documents, in order. shards: for each, (b,) in which shard each
    document of its background lies, in the order of their hashes."""

    langs: tuple[str, ...]
    shards: tuple[IntArray, ...]
    n_shards: int

    @classmethod
    def of(cls, states: Sequence[ShardState]) -> SharedBackground:
        langs = sorted({lang for state in states for lang in state.backgrounds})
        shards = []
        for lang in langs:
            parts = [state.backgrounds.get(lang, np.empty(0, np.uint64)) for state in states]
            hashes = np.concatenate(parts)
            owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
            shards.append(owners[np.argsort(hashes, kind="stable")[:BACKGROUND]])
        return cls(tuple(langs), tuple(shards), len(states))

    def counts(self, langs: Sequence[str], each: int) -> list[dict[str, int]]:
        """Of each shard, by language, how many of its documents are among the first `each`."""
        found: list[dict[str, int]] = [{} for _ in range(self.n_shards)]
        for lang in langs:
            own = self.shards[self.langs.index(lang)][:each]
            for shard, count in enumerate(np.bincount(own, minlength=self.n_shards).tolist()):
                found[shard][lang] = count
        return found

    def owners(self, langs: Sequence[str], parts: Sequence[IntArray]) -> IntArray:
        """The languages of documents that are places in `langs`, as places in all languages."""
        numbers = np.array([self.langs.index(lang) for lang in langs], np.int64)
        return np.concatenate([np.empty(0, np.int64), *(numbers[part] for part in parts)])

    def borrows(self, langs: Sequence[str], *, fixed: bool) -> bool:
        """Whether one of these languages has too few documents to stand alone."""
        each = min(background_size(len(langs), fixed=fixed), BACKGROUND)
        own = (self.shards[self.langs.index(lang)] for lang in langs)
        return fixed or any(min(len(one), each) < BACKGROUND for one in own)


def language_scales(
    langs: tuple[str, ...],
    scores: npt.NDArray[np.number],
    owners: IntArray,
    *,
    offsets: Sequence[LanguageOffsets | None] | None = None,
    fixed: bool = False,
) -> LanguageScales:
    """Of each query, from its scores with the background. offsets: of each, None for none."""
    scales = [
        background_scale(
            row.astype(np.float64),
            owners,
            len(langs),
            offsets=None if offsets is None else offsets[query],
            fixed=fixed,
        )
        for query, row in enumerate(scores)
    ]
    means, spreads = ([getattr(scale, name) for scale in scales] for name in ("means", "spreads"))
    return LanguageScales(langs, np.stack(means), np.stack(spreads))


@dataclass(frozen=True, slots=True)
class SharedCalibration(Calibration):
    """A calibration whose scales all shards have settled.

    Candidates are chosen by what the shard itself knows (`local`), documents ordered by what all
    do.
    """

    local: Calibration | None = None
    scales: Sequence[LanguageScale] = ()
    word_scales: Sequence[LanguageScale] = ()

    @classmethod
    def by(
        cls,
        scales: LanguageScales | None,
        word_scales: LanguageScales | None,
        commit: Commit,
        groups: LanguageGroups,
        keep: Masks,
    ) -> SharedCalibration:
        """Of one commit of a shard; keep: the documents that may be found."""
        found = groups.found(keep)
        background = groups.some(found, background_size(max(len(found), 1), fixed=False))
        owners = owners_of(groups, background)
        settled = [_numbered(one, groups) for one in (scales, word_scales)]
        n_queries = max(map(len, settled))
        local = Calibration(groups, tuple(background), owners, [None] * n_queries)
        by_language: list[Masks] = []
        if commit.single_vectors:
            by_language = [language_masks(groups, keep, number) for number in found.tolist()]
        nowhere = tuple(np.empty(0, np.int64) for _ in groups.numbers)
        return cls(
            groups,
            nowhere,
            np.empty(0, np.int64),
            (),
            by_language=by_language,
            local=local,
            scales=settled[0],
            word_scales=settled[1],
        )

    def scale(self, query: int, *_: object) -> LanguageScale:
        return self.scales[query]

    @property
    def of_candidates(self) -> Calibration:
        local = self.local
        assert local is not None  # noqa: S101 (the only maker gives one)
        return local

    def of_row(
        self, query: int, row: npt.NDArray[np.number], which: Sequence[int], least: float
    ) -> Floats:
        return self.of_candidates.of_row(query, row, which, least)

    def of_words(self, query: int, row: npt.NDArray[np.number]) -> Floats:
        return self.word_scales[query].of(row, self.numbers())


def _numbered(scales: LanguageScales | None, groups: LanguageGroups) -> list[LanguageScale]:
    """Of each query, in a shard's own numbers of languages; those that nobody finds are 0 and 1."""
    if scales is None:
        return []
    places: Mapping[str, int] = {lang: place for place, lang in enumerate(scales.langs)}
    known = np.array([lang in places for lang in groups.langs], np.bool_)
    at = np.array([places.get(lang, 0) for lang in groups.langs], np.int64)
    return [
        LanguageScale(np.where(known, means[at], 0.0), np.where(known, spreads[at], 1.0))
        for means, spreads in zip(scales.means, scales.spreads, strict=True)
    ]
