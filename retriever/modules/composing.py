"""Modules in files, added and folded: what `xret module add` and `apply` do."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from xret.errors import ModelError
from xret.retriever.models.layout import check_loadable
from xret.retriever.models.module_card import NAMES, read_card
from xret.retriever.modules.base import model_base
from xret.retriever.modules.folding import fold_masks
from xret.retriever.modules.ranking import RankingAdapter
from xret.retriever.modules.sparse import SparseMask, added_masks

__all__ = ["add_modules", "apply_masks"]


def add_modules(files: Sequence[Path], output: Path) -> None:
    """Write the sum of two or more modules of one kind and one base.

    Raises ModelError where they are of different kinds or bases; nothing is written then.
    """
    cards = [read_card(path) for path in files]
    for card in cards[1:]:
        cards[0].plus(card, size=0)  # refuses by the cards, before anything large is read
    if cards[0].kind == "language":
        raise ModelError(
            "language adapters are not added: each text goes through its own; put their files into "
            "one folder, language-adapters, beside the model"
        )
    if cards[0].kind == "mask":
        added_masks([SparseMask.load(path) for path in files]).save(output)
        return
    adapters = [RankingAdapter.load(path) for path in files]
    functools.reduce(RankingAdapter.__add__, adapters).save(output)


def apply_masks(folder: Path, files: Sequence[Path], output: Path) -> tuple[int, int]:
    """Write a model with the sum of some masks folded in: weights changed, bytes of the copy.

    Raises ModelError for a ranking adapter, a mask of another model and a full disk.
    """
    check_loadable(folder)
    for path in files:
        if (kind := read_card(path).kind) != "mask":
            how = (
                "Put it into the folder language-adapters beside the model"
                if kind == "language"
                else "Attach it when the model is loaded (RankingAdapter.load(FILE).attach(model))"
            )
            raise ModelError(
                f"{path} is a {NAMES[kind]}, which adds layers with a bend (relu) in them: no "
                f"weights of the model could do the same. {how}; only masks can be folded in"
            )
    base = model_base(folder)
    mask = added_masks([SparseMask.load(path, base=base) for path in files])
    return len(mask), fold_masks(folder, mask, output)
