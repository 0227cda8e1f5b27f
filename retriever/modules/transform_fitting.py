"""Transforms fitted on a sample: centring, outlier dimensions, whitening, a projection.

Multilingual encoders put each language around a mean of its own, so that a cosine compares
languages before meanings. Subtracting the language's mean removes most of that (Libovický,
Rosa and Fraser 2020). A few dimensions may be so large that they decide every cosine; leaving
them out helps (Timkey and van Schijndel 2021). Whitening makes the directions equally long as
well (Su et al. 2021); it is symmetric here (ZCA), which turns the vectors least, so that those
of two languages stay comparable. Its covariance is shrunk towards a multiple of the identity
(Ledoit and Wolf 2004), without which directions that a sample hardly has would be blown up to
noise. The projection is the rotation that brings a language nearest to its translations
(orthogonal Procrustes, Schönemann 1966; Conneau et al. 2018), shrunk in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from xret.errors import TrainingError
from xret.retriever.languages.codes import language_code
from xret.retriever.modules.transforms import SMALLEST, StaticTransforms
from xret.types import UNDETERMINED, Document, FloatArray

if TYPE_CHECKING:
    from xret.retriever.encoder import Encoder

__all__ = ["TransformFit", "TransformSettings", "batches", "fit_transforms"]

BATCH = 256
Doubles = npt.NDArray[np.float64]
Sampled = TypeVar("Sampled")


@dataclass(frozen=True, slots=True)
class TransformSettings:
    """How transforms are fitted.

    whiten: beyond centring. shrinkage: the share of the identity in a covariance, 0 none to 1
    (centring alone, but for scale). strength: the share of the mean that is taken away.
    outliers: dimensions whose root mean square is that many standard deviations above the
    average of all dimensions are left out, 3 for example; None keeps every dimension.
    min_vectors: fewer of a language are no sample, and the fit is refused.
    """

    whiten: bool = False
    shrinkage: float = 0.1
    strength: float = 1.0
    min_vectors: int = 100
    outliers: float | None = None


class TransformFit:
    """Sums over a sample of texts, and the transforms that follow from them.

    Memory is bounded by a few d * d numbers a language, whatever the size of the sample.
    """

    def __init__(self, encoder: Encoder, settings: TransformSettings) -> None:
        self._encoder = encoder
        self._settings = settings
        self._dim = encoder.spec.dim
        self._moments: dict[str, _Moments] = {}
        self._products: dict[str, _Products] = {}
        self._pivot: str | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many vectors of each language were added."""
        return {lang: self._moments[lang].n for lang in sorted(self._moments)}

    def add(self, documents: Sequence[Document]) -> list[FloatArray]:
        """Add documents in known languages; returns their vectors, (t, d) of each."""
        vectors = list(self._encoder.encode_documents(documents))
        for document, rows in zip(documents, vectors, strict=True):
            lang = language_code(document.lang)
            if lang not in self._moments:
                self._moments[lang] = _Moments(self._dim, second=self._settings.whiten)
            self._moments[lang].add(rows)
        return vectors

    def add_pairs(self, pairs: Sequence[tuple[Document, Document]]) -> None:
        """Add texts with their translations, all of which are in one language, the pivot.

        A text of several vectors counts as their mean. Raises TrainingError for translations
        into a second language.
        """
        pivots = {language_code(other.lang) for _, other in pairs} | {self._pivot or ""} - {""}
        if len(pivots) > 1:
            raise TrainingError(
                f"translations are in {' and '.join(sorted(pivots))}; languages are projected "
                "onto one, so give translations into one language"
            )
        self._pivot = next(iter(pivots), None)
        texts = self.add([document for document, _ in pairs])
        translations = self.add([document for _, document in pairs])
        for (document, _), rows, others in zip(pairs, texts, translations, strict=True):
            lang = language_code(document.lang)
            if lang not in self._products:
                self._products[lang] = _Products(self._dim)
            self._products[lang].add(rows.mean(axis=0), others.mean(axis=0))

    def transforms(self) -> StaticTransforms:
        """Raises TrainingError where a language has fewer than `min_vectors` vectors, or pairs
        if it has any; and where there is no language at all."""
        self._check()
        langs, settings = sorted(self._moments), self._settings
        means = np.stack([self._moments[lang].mean * settings.strength for lang in langs])
        matrices = None
        if settings.whiten or settings.outliers is not None or self._products:
            kept = self._kept_dimensions()
            maps = {lang: self._map(lang, kept) for lang in langs}
            for lang, products in self._products.items():
                if lang != self._pivot:
                    across = maps[lang].T @ products.covariance @ maps[self._pivot or lang]
                    maps[lang] = maps[lang] @ _rotation(across, settings.shrinkage)
            matrices = np.stack([maps[lang] for lang in langs]).astype(np.float32)
        base = self._encoder.spec.fingerprint
        return StaticTransforms(langs, means.astype(np.float32), matrices, base=base)

    def _check(self) -> None:
        least = self._settings.min_vectors
        few = [f"{lang} ({n})" for lang, n in self.counts.items() if n < least]
        if few or not self._moments:
            raise TrainingError(
                f"too few vectors to fit a transform: {', '.join(few) or 'none at all'}; "
                f"at least {least} of every language are needed"
            )
        few = [f"{lang} ({p.n})" for lang, p in sorted(self._products.items()) if p.n < least]
        if few:
            raise TrainingError(
                f"too few translations to fit a projection: {', '.join(few)}; at least {least} "
                "of every language are needed"
            )

    def _kept_dimensions(self) -> Doubles:
        """(d,): 1 for a dimension that stays, 0 for an outlier; languages count alike."""
        if self._settings.outliers is None:
            return np.ones(self._dim)
        squares: Doubles = np.stack([m.squares / m.n for m in self._moments.values()])
        sizes: Doubles = np.sqrt(squares.mean(axis=0))
        limit = sizes.mean() + self._settings.outliers * sizes.std()
        return np.asarray(sizes <= limit, np.float64)

    def _map(self, lang: str, kept: Doubles) -> Doubles:
        """(d, d): without outliers, then whitened where that is asked for."""
        if not self._settings.whiten:
            return np.diag(kept)
        covariance = self._moments[lang].covariance * kept * kept[:, None]
        return kept[:, None] * _whitening(covariance, self._settings.shrinkage) * kept


def fit_transforms(
    encoder: Encoder,
    documents: Iterable[Document],
    *,
    pairs: Iterable[tuple[Document, Document]] = (),
    settings: TransformSettings = TransformSettings(),
) -> StaticTransforms:
    """Transforms of an encoder's vectors from a sample of documents in each language.

    A few thousand vectors a language are a good sample; documents of unknown language are
    left out. pairs: texts and their translations into one language, onto which the others are
    projected then. Raises TrainingError as `TransformFit` does.
    """
    fit = TransformFit(encoder, settings)
    for batch in batches(each for each in documents if each.lang != UNDETERMINED):
        fit.add(batch)
    for some in batches(pairs):
        fit.add_pairs(some)
    return fit.transforms()


def batches(sample: Iterable[Sampled]) -> Iterator[list[Sampled]]:
    """The texts or pairs of a sample, `BATCH` at a time."""
    stream = iter(sample)
    while batch := list(islice(stream, BATCH)):
        yield batch


class _Moments:
    """Running sums of the vectors of one language, in double precision."""

    def __init__(self, dim: int, *, second: bool) -> None:
        self.n = 0
        self.total = np.zeros(dim)
        self.squares = np.zeros(dim)
        self.products = np.zeros((dim, dim) if second else (0, 0))

    def add(self, vectors: FloatArray) -> None:
        wide = vectors.astype(np.float64)
        self.n += len(wide)
        self.total += wide.sum(axis=0)
        self.squares += np.square(wide).sum(axis=0)
        if self.products.size:
            self.products += wide.T @ wide

    @property
    def mean(self) -> Doubles:
        return self.total / self.n

    @property
    def covariance(self) -> Doubles:
        return self.products / self.n - np.outer(self.mean, self.mean)


class _Products:
    """Running sums over texts of a language and their translations, in double precision."""

    def __init__(self, dim: int) -> None:
        self.n = 0
        self._totals = np.zeros((2, dim))
        self._products = np.zeros((dim, dim))

    def add(self, text: FloatArray, translation: FloatArray) -> None:
        both = np.stack([text, translation]).astype(np.float64)
        self.n += 1
        self._totals += both
        self._products += np.outer(*both)

    @property
    def covariance(self) -> Doubles:
        """(d, d), texts by translations."""
        text, translation = self._totals / self.n
        return self._products / self.n - np.outer(text, translation)


def _whitening(covariance: Doubles, shrinkage: float) -> Doubles:
    """(d, d): the inverse square root of the shrunk covariance, scaled to leave its trace."""
    spread = max(float(np.trace(covariance)) / len(covariance), float(SMALLEST))
    shrunk = (1 - shrinkage) * covariance + shrinkage * spread * np.eye(len(covariance))
    values, axes = np.linalg.eigh(shrunk)
    scales = np.sqrt(spread / np.maximum(values, spread * 1e-6))
    return np.asarray((axes * scales) @ axes.T)


def _rotation(across: Doubles, shrinkage: float) -> Doubles:
    """(d, d) orthogonal R for which the texts times R are nearest to their translations.

    Where the sample says nothing of a direction, the identity that is mixed in keeps it.
    """
    size = max(float(np.linalg.norm(across, ord="nuc")) / len(across), float(SMALLEST))
    shrunk = (1 - shrinkage) * across + shrinkage * size * np.eye(len(across))
    left, _, right = np.linalg.svd(shrunk)
    return np.asarray(left @ right)
