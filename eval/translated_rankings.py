"""BM25 with translation as a system under evaluation: of the queries, or of the documents.

Documents are held in memory as terms, those of all languages together, as in an index's own words.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xret.eval.rankings import DEPTH
from xret.eval.trec import ranked
from xret.index.words.bm25 import Bm25
from xret.index.words.lexical import LexicalSegment, segment_arrays
from xret.retriever.corpora.collection import Corpus
from xret.retriever.lexical.analysis import analyse, analyse_query
from xret.retriever.lexical.words import document_terms
from xret.retriever.translation.translator import CachedTranslator
from xret.types import UNDETERMINED, Document, Hit, Query, Work

__all__ = [
    "TranslatedDocuments",
    "TranslatedQueries",
    "TranslatedRankings",
    "translated_documents",
    "translated_queries",
]


class HeldDocuments:
    """Documents as terms. langs: of each, the language that it was written in."""

    def __init__(self, documents: Sequence[Document], terms: Iterable[Sequence[str]]) -> None:
        self.doc_ids = [document.doc_id for document in documents]
        self.langs = np.array([document.lang for document in documents])
        arrays = segment_arrays(terms)
        self._bm25 = Bm25([LexicalSegment.from_arrays(arrays, len(documents))], [None])

    def best(self, terms: Sequence[str], lang: str | None) -> list[Hit]:
        """The first documents for these terms. lang: only those written in it."""
        keep = None if lang is None else [self.langs == lang]
        places, scores = self._bm25.best(terms, DEPTH, keep=keep)
        hits = map(Hit, map(self.doc_ids.__getitem__, places.tolist()), scores.tolist())
        return heapq.nsmallest(DEPTH, hits, key=lambda hit: (-hit.score, hit.doc_id))


@dataclass(slots=True)
class TranslatedRankings:
    """What both have. texts, characters: what the translator was given for this system, without
    what it had translated before."""

    name: str
    languages: Mapping[str, int]
    doc_langs: Mapping[str, str]
    translator: CachedTranslator
    texts: int
    characters: int

    def languages_of(self, doc_ids: Iterable[str]) -> dict[str, str]:
        langs = ((doc_id, self.doc_langs.get(doc_id, UNDETERMINED)) for doc_id in doc_ids)
        return {doc_id: lang for doc_id, lang in langs if lang != UNDETERMINED}

    def described(self) -> dict[str, Any]:
        """For the report: who translated, and how much of it in this run."""
        return {
            "translator": self.translator.name,
            "fingerprint": self.translator.fingerprint,
            "translated texts": self.texts,
            "translated characters": self.characters,
            "kept in": self.translator.path.name,
        }


@dataclass(slots=True)
class TranslatedQueries(TranslatedRankings):
    """Each query in the language of the documents that it is put to. queries: by language and
    text of the query and language of the documents."""

    held: HeldDocuments
    queries: Mapping[tuple[str, str, str], str]

    def rank(
        self,
        queries: Sequence[Query],
        *,
        doc_lang: str | None = None,
        depth: int = DEPTH,  # noqa: ARG002 (whatever is needed, the whole list is there)
    ) -> dict[str, Sequence[Hit]]:
        langs = sorted(self.languages) if doc_lang is None else [doc_lang]
        rankings: dict[str, Sequence[Hit]] = {}
        for query in queries:
            hits = []
            for lang in langs:
                text = self.queries.get((query.lang, query.text, lang), query.text)
                hits += self.held.best(analyse_query(text, lang), lang)
            best = heapq.nsmallest(DEPTH, hits, key=lambda hit: (-hit.score, hit.doc_id))
            rankings[query.query_id] = ranked(best)
        return rankings


@dataclass(slots=True)
class TranslatedDocuments(TranslatedRankings):
    """Documents in the language of the query. held: by that language."""

    held: Mapping[str, HeldDocuments]

    def rank(
        self,
        queries: Sequence[Query],
        *,
        doc_lang: str | None = None,
        depth: int = DEPTH,  # noqa: ARG002 (whatever is needed, the whole list is there)
    ) -> dict[str, Sequence[Hit]]:
        return {
            query.query_id: ranked(
                self.held[query.lang].best(analyse_query(query.text, query.lang), doc_lang)
            )
            for query in queries
            if query.lang in self.held
        }


def translated_queries(source: Corpus, translator: CachedTranslator) -> Work[TranslatedQueries]:
    """The system in which queries are translated, all of them at once.

    Raises TranslationError; what was translated before it is kept, and not translated again.
    """
    documents = list(source.documents(on_reject=lambda _: None))
    counted, before = _counted(documents), (translator.translated, translator.characters)
    asked = _by_lang(source.queries())
    made: dict[tuple[str, str, str], str] = {}
    for doc_lang in sorted(counted):
        for lang, texts in asked.items():
            if not _same(lang, doc_lang):
                found = yield from translator.translate_steps(texts, lang, doc_lang)
                made |= {(lang, text, doc_lang): one for text, one in found.items()}
    return TranslatedQueries(
        "query translation",
        counted,
        {document.doc_id: document.lang for document in documents},
        translator,
        translator.translated - before[0],
        translator.characters - before[1],
        HeldDocuments(documents, map(document_terms, documents)),
        made,
    )


def translated_documents(source: Corpus, translator: CachedTranslator) -> Work[TranslatedDocuments]:
    """The system in which documents are translated, once for each language of the queries.

    Raises TranslationError; what was translated before it is kept, and not translated again.
    """
    documents = list(source.documents(on_reject=lambda _: None))
    before = translator.translated, translator.characters
    held = {}
    for target in _by_lang(source.queries()):
        made = yield from _translated(documents, target, translator)
        held[target] = HeldDocuments(documents, (analyse(text, target) for text in made))
    return TranslatedDocuments(
        "document translation",
        _counted(documents),
        {document.doc_id: document.lang for document in documents},
        translator,
        translator.translated - before[0],
        translator.characters - before[1],
        held,
    )


def _translated(
    documents: Sequence[Document], target: str, translator: CachedTranslator
) -> Work[list[str]]:
    """The documents' texts in one language; those whose language is not known as they are."""
    texts = [f"{document.title} {document.text}".strip() for document in documents]
    of_lang: dict[str, list[int]] = defaultdict(list)
    for number, document in enumerate(documents):
        if document.lang != UNDETERMINED and not _same(document.lang, target):
            of_lang[document.lang].append(number)
    made = list(texts)
    for lang, numbers in sorted(of_lang.items()):
        own = [texts[number] for number in numbers]
        found = yield from translator.translate_steps(own, lang, target)
        for number in numbers:
            made[number] = found[texts[number]]
    return made


def _counted(documents: Iterable[Document]) -> dict[str, int]:
    """Documents by language, without those of none."""
    counted: dict[str, int] = defaultdict(int)
    for document in documents:
        if document.lang != UNDETERMINED:
            counted[document.lang] += 1
    return dict(counted)


def _by_lang(queries: Iterable[Query]) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = defaultdict(list)
    for query in queries:
        if query.lang != UNDETERMINED:
            texts[query.lang].append(query.text)
    return dict(sorted(texts.items()))


def _same(lang: str, other: str) -> bool:
    return lang.partition("-")[0] == other.partition("-")[0]
