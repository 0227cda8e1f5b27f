"""The rerankers known by name: where they come from, what they need, who may use them.

No revision is invented: None means that nobody has checked a commit with xret yet; the first
`xret model pull` takes the newest, and writes down which that was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["RERANKERS", "RegisteredReranker"]

_REMOTE = "needs Python code from the hub, which xret never runs"
_PICKLE = "published, as far as is known, as pytorch_model.bin only: needs a converted copy"


@dataclass(frozen=True, slots=True)
class RegisteredReranker:
    """A row of the registry. refused: why it cannot be used, empty where it can."""

    kind: Literal["classifier", "yes-no"]
    repo: str
    licence: str
    revision: str | None = None
    commercial: bool = True
    note: str = ""
    refused: str = ""


RERANKERS: dict[str, RegisteredReranker] = {
    "bge-reranker-v2-m3": RegisteredReranker("classifier", "BAAI/bge-reranker-v2-m3", "Apache-2.0"),
    "mmarco-mMiniLMv2": RegisteredReranker(
        "classifier", "cross-encoder/mmarco-mMiniLMv2-L12-H384-v1", "Apache-2.0"
    ),
    "mxbai-rerank-base-v1": RegisteredReranker(
        "classifier", "mixedbread-ai/mxbai-rerank-base-v1", "Apache-2.0", note="English alone"
    ),
    "gte-multilingual-reranker-base": RegisteredReranker(
        "classifier", "Alibaba-NLP/gte-multilingual-reranker-base", "Apache-2.0", refused=_REMOTE
    ),
    "jina-reranker-v2-base-multilingual": RegisteredReranker(
        "classifier",
        "jinaai/jina-reranker-v2-base-multilingual",
        "CC-BY-NC-4.0",
        commercial=False,
        refused=_REMOTE,
    ),
    "Qwen3-Reranker-0.6B": RegisteredReranker("yes-no", "Qwen/Qwen3-Reranker-0.6B", "Apache-2.0"),
    "monot5-base": RegisteredReranker(
        "yes-no", "castorini/monot5-base-msmarco", "unknown", note=_PICKLE
    ),
    "mt5-base-mmarco-v2": RegisteredReranker(
        "yes-no", "unicamp-dl/mt5-base-mmarco-v2", "unknown", note=_PICKLE
    ),
}
