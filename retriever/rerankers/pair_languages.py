"""The language modules of a cross-encoder at work: adapters by token, masks by pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import XmodForSequenceClassification

from xret.errors import ConfigError, ModelError
from xret.retriever.languages.relatives import same_language
from xret.retriever.languages.router import LanguageRouter
from xret.retriever.models.module_card import ModelBase
from xret.retriever.modules.language_masks import SparseLanguageMasks
from xret.retriever.modules.madx_folder import read_language_adapters
from xret.retriever.modules.madx_languages import MadxLanguages
from xret.retriever.rerankers.pair_routing import (
    PAIR_ROUTINGS,
    PairRouting,
    routed_tokens,
    sides_routed,
)
from xret.retriever.rerankers.trained_layout import LANGUAGES_FOLDER, MASKS_FOLDER, RerankLayout
from xret.retriever.xmod.pair_model import leave_out_adapters, prepare_xmod_pairs

__all__ = ["PairLanguages"]


class PairLanguages:
    """X-MOD's adapters or MAD-X's, sparse masks beside a model, or both; chosen by a routing.

    A language without an adapter goes through its nearest relative's; one without a mask has
    none. router: None for a model without adapters, or where they are left out.
    """

    def __init__(
        self,
        routing: PairRouting,
        *,
        router: LanguageRouter | None,
        masks: SparseLanguageMasks | None,
    ) -> None:
        self.routing: PairRouting = routing
        self.router = router
        self._masks = masks

    @classmethod
    def load(
        cls, model: Any, folder: Path, layout: RerankLayout, routing: PairRouting | None
    ) -> PairLanguages | None:
        """What a loaded cross-encoder has by language; None for nothing.

        Raises ModelError for adapters or masks without a routing and for two kinds of adapters,
        ConfigError for a routing without either, and what loading masks and adapters raises.
        """
        is_xmod = isinstance(model, XmodForSequenceClassification)
        has_masks = (folder / MASKS_FOLDER).is_dir()
        if not (is_xmod or has_masks or (folder / LANGUAGES_FOLDER).is_dir()):
            if routing is not None:
                raise ConfigError(
                    f"{folder.name} has no language adapters and no masks: its pairs have no "
                    f"languages to go through, and a routing ({routing}) says nothing"
                )
            return None
        if routing is None:
            raise ModelError(
                f"{folder} has language adapters or masks, a pair has two languages, and nothing "
                f"says through which it goes; add one of {', '.join(PAIR_ROUTINGS)} to its name "
                f"({folder.name}#split), or --pair-routing"
            )
        base = ModelBase(layout.base, layout.vocabulary) if layout.base else None
        adapters = _adapters(model, folder, routing, base)
        masks = None
        if has_masks and routing != "none":
            masks = SparseLanguageMasks.load(model, folder / MASKS_FOLDER, base=base)
        router = LanguageRouter(adapters) if adapters else None
        return cls(routing, router=router, masks=masks)

    def inputs(
        self, query_lang: str, doc_langs: Sequence[str], *, start: int, length: int
    ) -> dict[str, Any]:
        """What the model is given beside the tokens of (b,) pairs, padded on the right.

        start: where the passages begin; length: of the longest pair.
        """
        if self.router is None:
            return {}
        query = self._adapter(query_lang)
        rows = [
            routed_tokens(
                self.routing,
                query=query,
                document=self._adapter(lang),
                start=start,
                length=length,
            )
            for lang in doc_langs
        ]
        return {"lang_ids": torch.tensor(rows)}

    def groups(self, query_lang: str, doc_langs: Sequence[str]) -> list[list[int]]:
        """Numbers of the pairs that the same masks are for."""
        found: dict[tuple[str, ...], list[int]] = {}
        for number, lang in enumerate(doc_langs):
            found.setdefault(self._sides(query_lang, lang), []).append(number)
        return list(found.values())

    def select(self, query_lang: str, doc_lang: str) -> None:
        """Put the masks of such pairs into the model's weights, in place of those before."""
        if self._masks is not None:
            self._masks.select_sum(self._sides(query_lang, doc_lang))

    def _sides(self, query_lang: str, doc_lang: str) -> tuple[str, ...]:
        if self._masks is None:
            return ()
        sides = sides_routed(self.routing, query=query_lang, document=doc_lang)
        return tuple(dict.fromkeys(name for side in sides for name in self._mask(side)))

    def _mask(self, lang: str) -> tuple[str, ...]:
        assert self._masks is not None  # noqa: S101
        names = self._masks.adapters
        if lang in names:
            return (lang,)
        return tuple(name for name in names if same_language(name, lang))[:1]

    def _adapter(self, lang: str) -> int:
        assert self.router is not None  # noqa: S101
        return self.router.adapters.index(self.router.route(lang).adapter)


def _adapters(
    model: Any, folder: Path, routing: PairRouting, base: ModelBase | None
) -> tuple[str, ...]:
    """The languages whose adapters are in the model now, in the order of its ids."""
    beside = folder / LANGUAGES_FOLDER
    if isinstance(model, XmodForSequenceClassification):
        if beside.is_dir():
            raise ModelError(f"{folder} is an X-MOD model, and takes none of {beside.name}/")
        own = prepare_xmod_pairs(model)
        if routing != "none":
            return own.adapters
        leave_out_adapters(model)
        return ()
    if routing == "none" or not beside.is_dir():
        return ()
    return MadxLanguages.attach(model, read_language_adapters(beside, base=base)).adapters
