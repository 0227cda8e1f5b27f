"""What lies beside a trained cross-encoder's weights: its modules, and how its pairs are routed.

rerank.json  {"format": 1, "routing": "split", "adapter": "ranking.safetensors", "base": "..."}
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from xret.errors import ModelError
from xret.retriever.rerankers.pair_routing import PAIR_ROUTINGS, PairRouting, checked_routing

__all__ = [
    "ADAPTER_FILE",
    "LANGUAGES_FOLDER",
    "MASKS_FOLDER",
    "MASK_FILE",
    "RERANK_FILE",
    "RerankLayout",
]

RERANK_FILE, ADAPTER_FILE, MASK_FILE = "rerank.json", "ranking.safetensors", "mask.safetensors"
MASKS_FOLDER, LANGUAGES_FOLDER = "masks", "language-adapters"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class RerankLayout:
    """base, vocabulary: of the encoder that training began from, which language masks and
    adapters are bound to. routing: of pairs, None where the model knows no languages. adapter:
    file of a ranking adapter that belongs to the weights."""

    base: str = ""
    vocabulary: int | None = None
    routing: PairRouting | None = None
    adapter: str | None = None

    @classmethod
    def read(cls, folder: Path) -> RerankLayout:
        """Of a folder; empty where nothing is said. Raises ModelError for what cannot be read."""
        path = folder / RERANK_FILE
        if not path.is_file():
            return cls()
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("format") != _FORMAT:
                raise ValueError("another format")
            layout = cls(**content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"{path} cannot be read: {error!r}") from error
        if layout.routing is not None and layout.routing not in PAIR_ROUTINGS:
            raise ModelError(f"{path} names a routing that is none: {layout.routing!r}")
        if layout.adapter not in (None, ADAPTER_FILE):
            raise ModelError(f"{path} names an adapter in another place: {layout.adapter!r}")
        return layout

    def with_routing(self, asked: str | None) -> PairRouting | None:
        """The routing that was asked for, else the folder's own."""
        return self.routing if asked is None else checked_routing(asked)

    def write(self, folder: Path) -> None:
        text = json.dumps({"format": _FORMAT, **asdict(self)}, indent=1) + "\n"
        (folder / RERANK_FILE).write_text(text, encoding="utf-8")
