"""What calibrates the searches of an open index, kept from one search to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xret.index.search.calibration import Calibration, LanguageOffsets
from xret.index.search.choice import Masks
from xret.index.search.commit import Commit
from xret.index.search.languages import BACKGROUND, CommitLanguages, LanguageGroups, owners_of
from xret.index.search.pseudo_questions import learn_offsets
from xret.index.storage.documents import DocumentTable
from xret.types import IntArray

__all__ = [
    "Calibrator",
    "background_size",
    "language_masks",
]

LEAST_BACKGROUND, MOST_BACKGROUND = 64, 8192
"""Documents of each language, at least, and of all together, about: of many languages each has
fewer, so that a question does not take longer and longer."""

FIXED_BACKGROUND = 64
"""Documents of each language from which `fixed` takes a question's one mean and spread."""


class Calibrator:
    """Calibrations of the commit that was asked for last. One thread at a time."""

    def __init__(self, documents: DocumentTable) -> None:
        self._languages = CommitLanguages(documents)
        self._offsets: dict[str, LanguageOffsets] = {}
        self._version = -1
        self._drawn: tuple[Masks, bool, Calibration | None, bool] | None = None

    def languages(self, commit: Commit) -> LanguageGroups:
        """The commit's documents by language."""
        return self._languages.of(commit.version, commit.segments, commit.alive)

    def of(
        self, commit: Commit, keep: Masks, *, query_langs: Sequence[str], fixed: bool
    ) -> Calibration | None:
        """Of questions in these languages over the documents of the masks; None where all of
        those are in one language, or there are none."""
        groups = self.languages(commit)
        if self._version != commit.version:
            self._version, self._offsets, self._drawn = commit.version, {}, None
        if self._drawn is None or self._drawn[0] is not keep or self._drawn[1] != fixed:
            found = groups.found(keep)
            drawn = _drawn(groups, commit, keep, found, fixed=fixed)
            self._drawn = keep, fixed, drawn, fixed or _borrows(groups, drawn, found)
        _, _, calibration, borrows = self._drawn
        if calibration is None:
            return None
        offsets = [self._learnt(groups, commit, lang) if borrows else None for lang in query_langs]
        return Calibration(
            groups,
            calibration.background,
            calibration.owners,
            offsets,
            fixed,
            calibration.by_language,
        )

    def _learnt(self, groups: LanguageGroups, commit: Commit, lang: str) -> LanguageOffsets:
        if lang not in self._offsets:
            self._offsets[lang] = learn_offsets(groups, commit.segments, commit.codecs, lang)
        return self._offsets[lang]


def _borrows(groups: LanguageGroups, calibration: Calibration | None, found: IntArray) -> bool:
    """Whether one of these languages has too few documents to stand alone."""
    if calibration is None:
        return False
    counts = np.bincount(calibration.owners, minlength=len(groups.langs))
    return bool((counts[found] < BACKGROUND).any())


def _drawn(
    groups: LanguageGroups, commit: Commit, keep: Masks, found: IntArray, *, fixed: bool
) -> Calibration | None:
    """A calibration without offsets; None where there is one language or none.

    found: numbers of the languages of the documents that the masks let through.
    """
    if len(found) < 2:
        return None
    background = groups.some(found, background_size(len(found), fixed=fixed))
    by_language: list[Masks] = []
    if commit.single_vectors:
        by_language = [language_masks(groups, keep, number) for number in found.tolist()]
    owners = owners_of(groups, background)
    return Calibration(groups, tuple(background), owners, (), fixed, by_language)


def background_size(n_langs: int, *, fixed: bool) -> int:
    """How many documents stand for each of so many languages that may be found."""
    return FIXED_BACKGROUND if fixed else max(LEAST_BACKGROUND, MOST_BACKGROUND // n_langs)


def language_masks(groups: LanguageGroups, keep: Masks, number: int) -> Masks:
    """Which documents are in one language, of those that the masks let through."""
    own = [numbers == number for numbers in groups.numbers]
    return tuple(
        of_language if mask is None else of_language & mask
        for of_language, mask in zip(own, keep, strict=True)
    )
