"""BM25 by Lucene as a system under evaluation, over the documents of the corpus evaluated."""

from __future__ import annotations

import heapq
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from xret.eval.rankings import DEPTH
from xret.eval.trec import ranked
from xret.retriever.corpora.collection import Corpus
from xret.retriever.lexical.lucene import ANALYZERS, Analysis, LuceneIndex
from xret.types import UNDETERMINED, Document, Hit, Query

__all__ = ["LuceneRankings", "WordIndex"]


class WordIndex(Protocol):
    """What is asked of the index of one language."""

    def rank(self, queries: Sequence[Query], k: int) -> list[list[Hit]]:
        """The k best documents of each query, best first."""


class LuceneRankings:
    """One Lucene index a language; a query is analysed as the documents that it is put to.

    The mixed list is that of all the indices by score. Each index counts its own documents
    only, so a word's weight differs from language to language.
    """

    def __init__(
        self, indices: Mapping[str, WordIndex], doc_langs: Mapping[str, str], *, name: str
    ) -> None:
        """indices: by language, those of undetermined language among them. doc_langs: of every
        document."""
        self.name = name
        self._indices = indices
        self._doc_langs = doc_langs
        counted: dict[str, int] = defaultdict(int)
        for lang in doc_langs.values():
            counted[lang] += lang != UNDETERMINED
        self.languages: Mapping[str, int] = {lang: n for lang, n in counted.items() if n}

    @classmethod
    def build(cls, source: Corpus, closing: ExitStack) -> LuceneRankings:
        """Index a corpus's documents in a temporary folder, which `closing` removes.

        Languages without an analyzer of Lucene's are analysed by xret. Raises what
        `LuceneIndex.build` raises.
        """
        by_lang: dict[str, list[Document]] = defaultdict(list)
        for document in source.documents(on_reject=lambda _: None):
            by_lang[document.lang].append(document)
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="xret-lucene-")))
        indices: dict[str, WordIndex] = {}
        for lang, documents in by_lang.items():
            analysis: Analysis = "lucene" if lang in ANALYZERS else "xret"
            index = LuceneIndex.build(documents, folder / lang, lang=lang, analysis=analysis)
            closing.callback(index.close)
            indices[lang] = index
        langs = {document.doc_id: lang for lang, those in by_lang.items() for document in those}
        return cls(indices, langs, name="lucene")

    def rank(
        self,
        queries: Sequence[Query],
        *,
        doc_lang: str | None = None,
        depth: int = DEPTH,  # noqa: ARG002 (whatever is needed, the whole list is there)
    ) -> dict[str, Sequence[Hit]]:
        asked = self._indices if doc_lang is None else [doc_lang]
        by_index = [self._indices[lang].rank(queries, DEPTH) for lang in asked]
        rankings: dict[str, Sequence[Hit]] = {}
        for query, *lists in zip(queries, *by_index, strict=True):
            hits = (hit for hits in lists for hit in hits)
            best = heapq.nsmallest(DEPTH, hits, key=lambda hit: (-hit.score, hit.doc_id))
            rankings[query.query_id] = ranked(best)
        return rankings

    def languages_of(self, doc_ids: Iterable[str]) -> dict[str, str]:
        langs = ((doc_id, self._doc_langs.get(doc_id, UNDETERMINED)) for doc_id in doc_ids)
        return {doc_id: lang for doc_id, lang in langs if lang != UNDETERMINED}
