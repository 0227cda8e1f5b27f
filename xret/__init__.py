"""xret: search documents in one language with questions in another.

    index = xret.open("my-index")
    for hit in index.search("climate change and fisheries", lang="en", k=10):
        print(hit.score, hit.lang, hit.title, hit.doc_id)

The public names are loaded on first use, so that importing xret (and asking the command
line for help) stays fast; none of them imports torch or faiss.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xret.errors import XretError
    from xret.retriever.build import IndexBuild
    from xret.retriever.encoder import Encoder
    from xret.retriever.opening.encoder import load_encoder
    from xret.retriever.searcher import SearchAnswer, Searcher, SearchHit, open
    from xret.types import Document, Embeddings, Hit, Query, Run

__version__ = "0.1.0"

_HOMES = {
    "XretError": "xret.errors",
    "IndexBuild": "xret.retriever.build",
    "Encoder": "xret.retriever.encoder",
    "load_encoder": "xret.retriever.opening.encoder",
    "SearchAnswer": "xret.retriever.searcher",
    "SearchHit": "xret.retriever.searcher",
    "Searcher": "xret.retriever.searcher",
    "open": "xret.retriever.searcher",
    "Document": "xret.types",
    "Embeddings": "xret.types",
    "Hit": "xret.types",
    "Query": "xret.types",
    "Run": "xret.types",
}

__all__ = [
    "Document",
    "Embeddings",
    "Encoder",
    "Hit",
    "IndexBuild",
    "Query",
    "Run",
    "SearchAnswer",
    "SearchHit",
    "Searcher",
    "XretError",
    "load_encoder",
    "open",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'xret' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
