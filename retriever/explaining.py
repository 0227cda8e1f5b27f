"""Explanations of documents of an index: what to read again, and which score it explains."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from xret.deadline import Deadline
from xret.errors import QueryError, UnknownDocumentError
from xret.index.search.filters import Condition
from xret.index.search.lexical_ranking import Words
from xret.index.search.reader import IndexReader
from xret.index.storage.segment import Span
from xret.retriever.answer import PassageSpan, QueryInfo, SearchHit, StageScore
from xret.retriever.encoder import Encoder, PlacedVectors, PlacingEncoder
from xret.retriever.encoders.text_model import document_text
from xret.retriever.explanation import (
    ExplainedText,
    Explanation,
    TermMatch,
    explain_maxsim,
    explain_terms,
)
from xret.retriever.languages.codes import direction
from xret.retriever.lexical.term_places import term_places
from xret.retriever.snippets import marked_snippet
from xret.retriever.translation.query_words import query_terms
from xret.types import (
    Document,
    Embeddings,
    FloatArray,
    Mode,
    Query,
    SearchParams,
    SearchRequest,
)

__all__ = ["MAX_EXPLAINED", "ExplainedDocument", "document_explained", "hits_explained"]

MAX_EXPLAINED = 100
"""Hits of one search: each is read anew."""

LEAST_WEIGHT = 0.01
"""Share of a score from which a word is marked in a snippet."""


@dataclass(frozen=True, slots=True)
class ExplainedDocument:
    """Why one document of an index scores what it does for one question.

    passage: where in the document's text the passage is that scores best, and text what it says.
    explanations: one a score, that of the vectors before that of the words. stages: what each
    stage of a search makes of it, in their order: `dense` and `lexical` where both are searched,
    `first` the list that they make, and with a reranker `rerank` and `final`; those that have it.
    """

    index: str
    model: str
    query: QueryInfo
    id: str
    lang: str
    dir: str
    title: str
    passage: PassageSpan
    text: str
    explanations: list[Explanation]
    warnings: list[str]
    stages: Mapping[str, StageScore] = field(default_factory=dict)


def hits_explained(
    reader: IndexReader,
    encoder: Encoder,
    query: Query,
    mode: Mode,
    hits: Sequence[SearchHit],
    documents: Mapping[str, Document],
    *,
    deadline: Deadline,
) -> tuple[list[SearchHit], list[str]]:
    """Hits with the words that carry their scores, in short and marked in their snippets; and
    what there is to say of scores that cannot be explained.

    documents: of the hits, by id. Raises QueryError for more than MAX_EXPLAINED of them.
    """
    if len(hits) > MAX_EXPLAINED:
        raise QueryError(
            f"{len(hits):,} hits are too many to explain; ask for {MAX_EXPLAINED} or fewer"
        )
    asked = _Asked(reader, encoder, query, mode, documents, deadline)
    explained = []
    for hit in hits:
        deadline.check()
        explained.append(_explained(hit, asked, documents[hit.id]))
    return explained, [f"{asked.lack}; its part is not explained"] if asked.lack else []


def document_explained(
    reader: IndexReader,
    encoder: Encoder,
    query: Query,
    mode: Mode,
    doc_id: str,
    *,
    index: str,
    info: QueryInfo,
    deadline: Deadline,
) -> ExplainedDocument:
    """The explanation of one document, whether a search would find it or not.

    Raises UnknownDocumentError, and QueryError where no score of that mode can be explained.
    """
    documents = {
        document.doc_id: document for document in reader.documents([doc_id], deadline=deadline)
    }
    if not documents:
        raise UnknownDocumentError(
            f"{index} has no document {doc_id!r}: there never was one, or it has been deleted; "
            "xret search prints the ids that there are"
        )
    asked = _Asked(reader, encoder, query, mode, documents, deadline)
    if asked.lack and mode == "dense":
        raise QueryError(
            f"{asked.lack}; scores of late-interaction encoders can be explained, and those by "
            "words (--mode lexical)"
        )
    document = documents[doc_id]
    start, end = asked.spans.get(doc_id) or (0, len(document.text))
    return ExplainedDocument(
        index=index,
        model=encoder.spec.name,
        query=info,
        id=doc_id,
        lang=document.lang,
        dir=direction(document.lang),
        title=document.title,
        passage=PassageSpan(start, end),
        text=document.text[start:end],
        explanations=asked.explanations(document, (start, end)),
        warnings=[f"{asked.lack}; only BM25 is explained"] if asked.lack else [],
    )


class _Asked:
    """A question to some documents of an index, with their scores there.

    spans: of each document's best passage, None where it is one. lack: why scores by vectors
    cannot be explained, "" where they can or are not asked for.
    """

    def __init__(
        self,
        reader: IndexReader,
        encoder: Encoder,
        query: Query,
        mode: Mode,
        documents: Mapping[str, Document],
        deadline: Deadline,
    ) -> None:
        self.query = query
        self._deadline = deadline
        self.spans: dict[str, Span | None] = {}
        self.scores: dict[str, float] = {}
        self.parts: dict[str, dict[str, float]] = {}
        self.lack = ""
        self._placed: PlacedVectors | None = None
        self._placing = encoder if isinstance(encoder, PlacingEncoder) else None
        if mode != "lexical" and self._placing is not None:
            self._placed = self._placing.placed_query(query)
        if mode != "lexical" and self._placed is None:
            self.lack = _lack(encoder)
        if self._placed is not None:
            self._score(reader, self._placed.vectors, list(documents))
        if mode != "dense":
            self._score_terms(reader, list(documents))

    def explanations(self, document: Document, span: Span) -> list[Explanation]:
        """span: of the passage that scored."""
        made = []
        doc_id = document.doc_id
        if self._placed is not None:
            late = self._of_vectors(self._placed, document, span)
            made += [late] if late is not None else []
        if doc_id in self.parts:
            made.append(self._of_terms(document, self.parts[doc_id]))
        return made

    def _score(self, reader: IndexReader, vectors: FloatArray, doc_ids: Sequence[str]) -> None:
        """What the index gives the documents by their vectors, and for which passage."""
        request = SearchRequest("", k=max(len(doc_ids), 1), params=SearchParams(exact=True))
        queries = Embeddings(vectors, np.array([0, len(vectors)], np.int64))
        found = reader.answer(request, queries, filter=_among(doc_ids), deadline=self._deadline)
        for hit, span in zip(found.rankings[0], found.spans[0], strict=True):
            self.scores[hit.doc_id], self.spans[hit.doc_id] = hit.score, span

    def _score_terms(self, reader: IndexReader, doc_ids: Sequence[str]) -> None:
        """What each term adds: BM25 is a sum over them, so each is asked for alone."""
        terms = query_terms(self.query, reader.settings)
        counts = terms if isinstance(terms, Mapping) else Counter(terms)
        asked = Words([{term: times} for term, times in counts.items()])
        self._deadline.check()
        rankings = reader.search(None, max(len(doc_ids), 1), filter=_among(doc_ids), words=asked)
        self.parts = {doc_id: {} for doc_id in doc_ids}
        for term, ranking in zip(counts, rankings, strict=True):
            for hit in ranking:
                self.parts[hit.doc_id][term] = hit.score

    def _of_vectors(
        self, query: PlacedVectors, document: Document, span: Span
    ) -> Explanation | None:
        passage = dataclasses.replace(document, text=document.text[slice(*span)])
        placed = None if self._placing is None else self._placing.placed_document(passage)
        if placed is None:
            return None
        explained = explain_maxsim(
            query,
            placed,
            asked=ExplainedText(self.query.lang),
            answer=ExplainedText(document.lang, document.title, span[0]),
        )
        return dataclasses.replace(explained, indexed_score=self.scores.get(document.doc_id))

    def _of_terms(self, document: Document, parts: Mapping[str, float]) -> Explanation:
        text = document_text(document)
        query = self.query
        here = term_places(query.text, query.lang, parts)
        there = term_places(text, document.lang, parts)
        matches = [
            TermMatch(part, here.get(term, ()), there.get(term, ())) for term, part in parts.items()
        ]
        explained = explain_terms(
            query.text,
            text,
            matches,
            asked=ExplainedText(query.lang),
            answer=ExplainedText(document.lang, document.title),
        )
        return dataclasses.replace(explained, indexed_score=float(sum(parts.values())))


def _explained(hit: SearchHit, asked: _Asked, document: Document) -> SearchHit:
    span = (hit.passage.start, hit.passage.end)
    explanations = asked.explanations(document, span)
    if not explanations:
        return hit
    snippet = marked_snippet(document.text[slice(*span)], _marks(explanations[0], span))
    brief = [explanation.brief() for explanation in explanations]
    return dataclasses.replace(hit, snippets=[snippet], explanations=brief)


def _marks(explanation: Explanation, span: Span) -> list[tuple[int, int, float]]:
    """Words of a passage with their shares of the score, in the passage's own code points."""
    if explanation.score <= 0:
        return []
    marks = []
    for word in explanation.document:
        share = word.contribution / explanation.score
        inside = word.part == "text" and span[0] <= word.start and word.end <= span[1]
        if inside and share >= LEAST_WEIGHT and any(map(str.isalnum, word.text)):
            marks.append((word.start - span[0], word.end - span[0], round(share, 4)))
    return marks


def _among(doc_ids: Sequence[str]) -> Condition:
    return Condition("doc_id", "in", tuple(doc_ids))


def _lack(encoder: Encoder) -> str:
    """Why scores by an encoder's vectors cannot be explained."""
    if not isinstance(encoder, PlacingEncoder):
        return f"{encoder.spec.name} does not tell where in a text its vectors stand"
    return (
        f"{encoder.spec.name} makes one vector of a whole text: its score is one number, of which "
        "no word has a part"
    )
