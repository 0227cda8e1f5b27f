"""xret: search documents in one language with questions in another.

    index = xret.open("my-index")
    for hit in index.search("climate change and fisheries", lang="en", k=10):
        print(hit.score, hit.lang, hit.title, hit.doc_id)

What the command line does is here by the same names: `build`, `evaluate`, `rank_run`, `info`,
`verify`, `delete`, `compact` and the rest return their results when they are done. The public
names are loaded on first use, so that importing xret (and asking the command line for help)
stays fast; none of them imports torch or faiss.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xret.errors import XretError
    from xret.eval.assessment import evaluate
    from xret.eval.fused_run import fuse_runs
    from xret.eval.language_check import check_encoder_languages
    from xret.eval.ranked_run import rank_run
    from xret.eval.rerank_check import check_reranker
    from xret.retriever.build import IndexBuild
    from xret.retriever.corpora.listing import corpora, corpus_info, pull_corpus
    from xret.retriever.corpora.registry import open_corpus
    from xret.retriever.corpus_build import build
    from xret.retriever.encoder import Encoder, EncoderOptions
    from xret.retriever.index_export import export_index
    from xret.retriever.installation import examine
    from xret.retriever.models.listing import models
    from xret.retriever.opening.encoder import load_encoder
    from xret.retriever.opening.languages import (
        export_language,
        import_language,
        model_languages,
        remove_language,
    )
    from xret.retriever.searcher import SearchAnswer, Searcher, SearchHit, open
    from xret.retriever.shards import join_shards, merge
    from xret.retriever.training.recipes.mining import mine_negatives
    from xret.retriever.trim.trim import trim_model
    from xret.retriever.upkeep import compact, delete, info, verify
    from xret.server.serve import serve
    from xret.types import (
        Document,
        Embeddings,
        Hit,
        Progress,
        Query,
        Run,
        SearchParams,
        SearchRequest,
        finish,
    )

__version__ = "0.1.0"

_NAMES = {
    "xret.errors": "XretError",
    "xret.eval.assessment": "evaluate",
    "xret.eval.fused_run": "fuse_runs",
    "xret.eval.language_check": "check_encoder_languages",
    "xret.eval.ranked_run": "rank_run",
    "xret.eval.rerank_check": "check_reranker",
    "xret.retriever.build": "IndexBuild",
    "xret.retriever.corpora.listing": "corpora corpus_info pull_corpus",
    "xret.retriever.corpora.registry": "open_corpus",
    "xret.retriever.corpus_build": "build",
    "xret.retriever.encoder": "Encoder EncoderOptions",
    "xret.retriever.index_export": "export_index",
    "xret.retriever.installation": "examine",
    "xret.retriever.models.listing": "models",
    "xret.retriever.opening.encoder": "load_encoder",
    "xret.retriever.opening.languages": (
        "export_language import_language model_languages remove_language"
    ),
    "xret.retriever.searcher": "SearchAnswer SearchHit Searcher open",
    "xret.retriever.shards": "join_shards merge",
    "xret.retriever.training.recipes.mining": "mine_negatives",
    "xret.retriever.trim.trim": "trim_model",
    "xret.retriever.upkeep": "compact delete info verify",
    "xret.server.serve": "serve",
    "xret.types": "Document Embeddings Hit Progress Query Run SearchParams SearchRequest finish",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "Document",
    "Embeddings",
    "Encoder",
    "EncoderOptions",
    "Hit",
    "IndexBuild",
    "Progress",
    "Query",
    "Run",
    "SearchAnswer",
    "SearchHit",
    "SearchParams",
    "SearchRequest",
    "Searcher",
    "XretError",
    "build",
    "check_encoder_languages",
    "check_reranker",
    "compact",
    "corpora",
    "corpus_info",
    "delete",
    "evaluate",
    "examine",
    "export_index",
    "export_language",
    "finish",
    "fuse_runs",
    "import_language",
    "info",
    "join_shards",
    "load_encoder",
    "merge",
    "mine_negatives",
    "model_languages",
    "models",
    "open",
    "open_corpus",
    "pull_corpus",
    "rank_run",
    "remove_language",
    "serve",
    "trim_model",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'xret' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """What a notebook offers: the public names, whether they are loaded yet or not."""
    return [*__all__, "__version__"]
