"""Language modules: what makes an encoder treat a text as its language needs.

The router (`xret.retriever.languages.router`) chooses the adapter; a `LanguageModules` applies it.
X-MOD's adapters live inside the model and mix languages in one batch (`xret.retriever.xmod.xmod`).
The kinds here take one language at a time: LoRA adapters (`adapters.lora`) change the
model's weights before its forward, static transforms (`adapters.transforms`) its vectors
after it.
"""

from __future__ import annotations

from typing import Protocol

from xret.types import FloatArray

__all__ = ["LanguageModules"]


class LanguageModules(Protocol):
    """Modules by language, for texts encoded one adapter after the other.

    `adapters`: BCP 47 codes, sorted. Both methods raise LanguageError for any other name.
    """

    @property
    def adapters(self) -> tuple[str, ...]: ...

    def select(self, adapter: str) -> None:
        """Make this adapter the active one; called before a group's forward."""
        ...

    def transform(self, vectors: FloatArray, adapter: str) -> FloatArray:
        """(t, d) output vectors of texts of one adapter to (t, d); called after the forward."""
        ...
