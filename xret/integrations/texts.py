"""What frameworks want of a search and of a reranker: whole texts with their metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xret.errors import RerankError
from xret.retriever.pair_scores import score_pairs
from xret.retriever.rerankers.loading import load_reranker
from xret.retriever.rerankers.reranker import Reranker
from xret.retriever.searcher import Searcher
from xret.types import SearchRequest

__all__ = ["FoundText", "OpenReranker", "found_texts", "opened_index"]


@dataclass(frozen=True, slots=True)
class FoundText:
    """A hit with its text. metadata: title, lang, url and date where there are any, the place of
    the passage that answers best (`passage`: start and end in code points), and the document's
    own fields."""

    doc_id: str
    score: float
    text: str
    metadata: dict[str, Any]


def opened_index(index: Searcher | str | Path) -> Searcher:
    """The index itself where it is open, else opened by name or path."""
    return index if isinstance(index, Searcher) else Searcher.open(index)


def found_texts(
    searcher: Searcher, query: str, k: int, options: Mapping[str, Any], *, passages: bool
) -> list[FoundText]:
    """The k best documents, best first. options: other fields of a SearchRequest, by name.

    passages: whether the text is the best passage alone, and not the whole document.
    """
    hits = searcher.answer(SearchRequest(query, k=k, **options)).hits
    documents = {one.doc_id: one for one in searcher.reader.documents([hit.id for hit in hits])}
    texts = []
    for hit in hits:
        document = documents.get(hit.id)
        if document is None:  # deleted since
            continue
        start, end = hit.passage.start, hit.passage.end
        facts = {"title": hit.title, "url": hit.url, "date": document.date}
        metadata = {
            **document.meta,
            **{name: value for name, value in facts.items() if value},
            "lang": hit.lang,
            "passage": [start, end],
        }
        text = document.text[start:end] if passages else document.text
        texts.append(FoundText(hit.id, hit.score, text, metadata))
    return texts


class OpenReranker:
    """A reranker by name, folder or address, opened when it is first asked."""

    def __init__(self, reranker: Reranker | str) -> None:
        self._given = reranker
        self._reranker = None if isinstance(reranker, str) else reranker

    @property
    def name(self) -> str:
        return self._given if isinstance(self._given, str) else self._given.name

    def best(
        self, query: str, texts: Sequence[str], k: int | None = None
    ) -> list[tuple[int, float]]:
        """Positions of the k best texts (None: of all), best first, with relevance from 0 to 1.

        Raises what `load_reranker` and `score_pairs` raise.
        """
        if not texts:
            return []
        if self._reranker is None:
            self._reranker = load_reranker(self.name)
        scored = score_pairs(self._reranker, query, texts)
        if len(scored.scores) < len(texts):
            raise RerankError(f"{self.name} scored {len(scored.scores)} of {len(texts)} texts")
        return [(n, float(scored.relevance[n])) for n in scored.order()[:k]]
