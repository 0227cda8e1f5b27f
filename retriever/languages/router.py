"""Which language module each text goes through, and a record of every choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from xret.errors import LanguageError
from xret.retriever.languages.codes import language_code, language_name
from xret.retriever.languages.relatives import nearest_language, same_language
from xret.types import UNDETERMINED

__all__ = ["LanguageRouter", "Policy", "Route"]

FALLBACK = "en"


class Policy(StrEnum):
    """What to do with a language that has no adapter of its own.

    STRICT: refuse it. NEAREST: the adapter of its nearest relative. DEFAULT: one adapter
    for all of them.
    """

    STRICT = "strict"
    NEAREST = "nearest"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Route:
    """Through which adapter the texts of a language go, how that was decided, and why."""

    lang: str
    adapter: str
    how: Literal["own", "nearest", "default"]
    reason: str = ""

    def describe(self) -> str:
        """For people; empty where a language goes through its own adapter.

        >>> Route("gl", "pt", "nearest").describe()
        'Galician through the Portuguese adapter'
        """
        if self.how == "own":
            return ""
        unknown = self.lang == UNDETERMINED
        lang = "Text of unknown language" if unknown else language_name(self.lang)
        return f"{lang} through the {language_name(self.adapter)} adapter"


class LanguageRouter:
    """Sends each language to an adapter, always the same one, and remembers it.

    adapters: BCP 47 codes of the adapters that exist. default: the adapter for texts of
    unknown language and, under Policy.DEFAULT, for languages without one; English where
    None is named and it exists, else the first. Safe to share between threads.
    Raises LanguageError without adapters, or for a default that is none of them.
    """

    def __init__(
        self,
        adapters: Sequence[str],
        *,
        policy: Policy = Policy.NEAREST,
        default: str | None = None,
    ) -> None:
        if not adapters:
            raise LanguageError("the model has no language adapters to route to")
        self.adapters = tuple(adapters)
        self.policy = Policy(policy)
        self.default = self._own(default or FALLBACK) or self.adapters[0]
        self.routes: dict[str, Route] = {}
        if default is not None and self._own(default) is None:
            raise LanguageError(
                f"the default adapter {default!r} does not exist; {self._existing()}"
            )

    def route(self, lang: str) -> Route:
        """The route of a language, decided once and kept in `routes`.

        Raises LanguageError for what is no language and, under Policy.STRICT, for a
        language without an adapter.
        """
        known = self.routes.get(lang)
        if known is None:
            code = language_code(lang)
            known = self.routes.get(code) or self._decide(code)
            self.routes[code] = known
        return known

    def group(self, langs: Sequence[str]) -> dict[str, list[int]]:
        """Adapter to the positions of its texts, both in the order of first appearance."""
        groups: dict[str, list[int]] = {}
        for position, lang in enumerate(langs):
            groups.setdefault(self.route(lang).adapter, []).append(position)
        return groups

    def _decide(self, lang: str) -> Route:
        own = self._own(lang)
        if own is not None:
            return Route(lang, own, "own")
        if lang == UNDETERMINED:
            return Route(lang, self.default, "default", "the language is not known")
        if self.policy is Policy.STRICT:
            raise LanguageError(
                f"there is no adapter for {language_name(lang)} ({lang}) and the language policy is"
                f" strict; {self._existing()}, or choose the policy nearest or default"
            )
        if self.policy is Policy.DEFAULT:
            return Route(lang, self.default, "default", "the default adapter")
        adapter, reason = nearest_language(lang, self.adapters)
        return Route(lang, adapter, "nearest", reason)

    def _own(self, lang: str) -> str | None:
        """The adapter of exactly this language and script, None where there is none."""
        if lang in self.adapters:
            return lang
        return next((adapter for adapter in self.adapters if same_language(adapter, lang)), None)

    def _existing(self) -> str:
        noun = "adapter" if len(self.adapters) == 1 else "adapters"
        return f"{noun} exist for: {', '.join(sorted(self.adapters))}"
