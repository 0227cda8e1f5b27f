"""A trained cross-encoder as files: weights, its module, its tokenizer and its routing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xret.retriever.models.module_card import ModelBase
from xret.retriever.modules.ranking import RankingAdapter
from xret.retriever.modules.sparse import SparseMask
from xret.retriever.rerankers.trained_layout import ADAPTER_FILE, MASK_FILE, RerankLayout
from xret.retriever.training.rerankers.pair_student import PairStudent

__all__ = ["TrainedReranker"]


@dataclass(frozen=True, slots=True)
class TrainedReranker:
    """The student after its training. module: what was learnt beside its weights, which are then
    those of the start; base: of the encoder that it started from."""

    student: PairStudent
    module: RankingAdapter | SparseMask | None
    base: ModelBase

    def save(self, folder: Path) -> None:
        """Write the folder: a mask is in the weights, and in a file of its own to be added to
        others; a ranking adapter is a file beside the weights."""
        folder.mkdir(parents=True, exist_ok=True)
        module, adapter = self.module, None
        if isinstance(module, SparseMask):
            module.apply(self.student.model)
        self.student.save(folder)
        if isinstance(module, SparseMask):
            module.remove(self.student.model)
            (folder / "learnt").mkdir()
            module.save(folder / "learnt" / MASK_FILE)
        elif isinstance(module, RankingAdapter):
            module.save(folder / ADAPTER_FILE)
            adapter = ADAPTER_FILE
        layout = RerankLayout(
            self.base.fingerprint, self.base.vocabulary, self.student.routing, adapter
        )
        layout.write(folder)
