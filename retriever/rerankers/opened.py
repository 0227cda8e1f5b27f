"""The rerankers of an open index: each opened at the first search that asks for it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping

from xret.errors import ConfigError
from xret.retriever.rerankers.loading import load_reranker
from xret.retriever.rerankers.reranker import RerankChoice, Reranker
from xret.retriever.rerankers.stage import LangPair, RerankStage

__all__ = ["OFF", "OFF_SETTING", "OpenRerankers", "off_pairs", "with_off_pairs"]

OFF = "off"
"""What is asked for to have no reranker where there is one by default."""

OFF_SETTING = "rerank_off"
"""Setting of an index: JSON, by a reranker's fingerprint the language pairs it is off for."""


class OpenRerankers:
    """By name; safe to share by threads.

    refusals: by name, rankings that stayed as they were because the reranker failed.
    """

    def __init__(self) -> None:
        self.refusals: Counter[str] = Counter()
        self._open: dict[str, Reranker] = {}
        self._turn = threading.Lock()

    def add(self, name: str, reranker: Reranker) -> None:
        """Let a name stand for a reranker that is open."""
        self._open[name] = reranker

    def stage(self, asked: str | None, settings: Mapping[str, str]) -> RerankStage | None:
        """The stage for `NAME[@depth]`; None for none. settings: of the index.

        Raises ConfigError, and what `load_reranker` raises.
        """
        if asked is None or asked == OFF:
            return None
        choice = RerankChoice.parse(asked)
        with self._turn:
            reranker = self._open.get(choice.name)
            if reranker is None:
                reranker = self._open[choice.name] = load_reranker(choice.name)
        off = off_pairs(settings, reranker.fingerprint)
        return RerankStage(reranker, choice.depth, off, self.refusals)


def off_pairs(settings: Mapping[str, str], fingerprint: str) -> frozenset[LangPair]:
    """The pairs that a reranker is off for in an index of these settings."""
    return frozenset((query, document) for query, document in _read(settings).get(fingerprint, ()))


def with_off_pairs(
    settings: Mapping[str, str], fingerprint: str, pairs: frozenset[LangPair]
) -> str:
    """The setting's value with these pairs of a reranker in the place of its earlier ones."""
    recorded = {**_read(settings), fingerprint: sorted(pairs)}
    return json.dumps({name: off for name, off in sorted(recorded.items()) if off})


def _read(settings: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    try:
        recorded = json.loads(settings.get(OFF_SETTING, "{}"))
        return {name: [(str(a), str(b)) for a, b in pairs] for name, pairs in recorded.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"the index's setting {OFF_SETTING!r} cannot be read; run xret rerank check again"
        ) from error
