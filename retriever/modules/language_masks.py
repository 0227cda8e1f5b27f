"""Sparse masks by language beside a model: `masks/sw.safetensors`, `masks/zh-Hant.safetensors`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from xret.errors import LanguageError, ModelError
from xret.retriever.languages.codes import language_code
from xret.retriever.models.module_card import ModelBase
from xret.retriever.modules.sparse import SparseMask
from xret.types import FloatArray

__all__ = ["SparseLanguageMasks"]


class SparseLanguageMasks:
    """A folder of masks named by language, `masks/sw.safetensors`; a `LanguageModules`.

    One mask is active at a time, or the sum of several: forwards of two threads need a lock
    around `select` and the forward together. Masks of a task that are in the model stay in it.
    """

    def __init__(self, model: nn.Module, masks: Mapping[str, SparseMask]) -> None:
        self.adapters = tuple(sorted(masks))
        self._model = model
        self._masks = masks
        self._active: tuple[str, ...] = ()

    @classmethod
    def load(
        cls, model: nn.Module, folder: Path, *, base: ModelBase | None = None
    ) -> SparseLanguageMasks:
        """Read every mask of a folder for this model, which is not changed.

        Raises ModelError naming the mask that does not fit, LanguageError for a file name
        that is no language.
        """
        paths = sorted(folder.glob("*.safetensors"))
        if not paths:
            raise ModelError(f"{folder} has no masks: no *.safetensors in it")
        masks: dict[str, SparseMask] = {}
        for path in paths:
            lang = language_code(path.stem)
            if lang in masks:
                raise ModelError(f"{folder} has two masks for {lang}; {path.name} is the second")
            mask = SparseMask.load(path, base=base)
            if mask.card.lang not in (None, lang):
                raise ModelError(f"{path} is a mask for {mask.card.lang}, by its card")
            try:
                mask.check_fits(model)
            except ModelError as error:
                raise ModelError(f"{path}: {error}") from error
            masks[lang] = mask
        return cls(model, masks)

    def select(self, adapter: str) -> None:
        """Put a language's mask in place of what was there before."""
        self.select_sum((adapter,))

    def select_sum(self, adapters: Sequence[str]) -> None:
        """Put the masks of some languages, added up, in place of what was there before."""
        wanted = tuple(adapters)
        if wanted == self._active:
            return
        for adapter in wanted:
            if adapter not in self._masks:
                raise LanguageError(
                    f"there is no sparse mask {adapter!r}; there are {', '.join(self.adapters)}"
                )
        self.remove()
        for adapter in wanted:
            self._masks[adapter].apply(self._model)
            self._active = (*self._active, adapter)

    def remove(self) -> None:
        """Take active masks out: the model has its own weights again, bit for bit."""
        for adapter in self._active:
            self._masks[adapter].remove(self._model)
        self._active = ()

    @contextmanager
    def selected(self, adapter: str) -> Iterator[None]:
        """The model with one mask in it, to export it; afterwards as it was before."""
        before = self._active
        self.select(adapter)
        try:
            yield
        finally:
            self.select_sum(before)

    def transform(self, vectors: FloatArray, adapter: str) -> FloatArray:  # noqa: ARG002
        """The vectors as they are: the mask has worked inside the model."""
        return vectors
