"""Encoders and how they are asked, ranked for a corpus that nobody has judged.

Questions are made of the corpus itself, and each setting is asked to find the passages that they
were made of: by the keywords of a sentence, translated, and by the sentence as it stands, for words
without their sentence favour encoders of words. The sentence is taken out of its passage, which
else would be found by its own words.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from xret.errors import ConfigError, CorpusError
from xret.eval.alignment import SentencePool, pooled
from xret.eval.evaluation import Interval
from xret.eval.measures import measure_queries
from xret.eval.parallel_sentences import draw_sentences, read_parallel_file
from xret.eval.significance import bootstrap_intervals
from xret.eval.transferability import pair_transferability
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.corpora.registry import open_corpus
from xret.retriever.corpus_build import build_steps
from xret.retriever.encoder import Encoder
from xret.retriever.languages.codes import ENGLISH, language_code
from xret.retriever.opening.encoder import WORDS_ONLY
from xret.retriever.searcher import Searcher
from xret.retriever.training.synthesis.extractive import ExtractiveGenerator
from xret.retriever.training.synthesis.source_passages import (
    MIN_CHARACTERS,
    SourcePassage,
    draw_passages,
)
from xret.retriever.translation.named import SHIPPED_TABLE, open_table
from xret.types import UNDETERMINED, Document, Mode, Progress, Query, Work, finished

__all__ = [
    "CHOICE_MEASURE",
    "ChoiceQuestions",
    "ModelChoice",
    "SettingScore",
    "choice_questions_steps",
    "choose_model",
    "choose_steps",
    "setting_scores_steps",
]

CHOICE_MEASURE = "nDCG@10"
DEPTH = 10
MIN_QUESTIONS = 10
MAX_SENTENCE = 300
_SENTENCE = " sentence"
_PARALLEL = 200
_MODES: tuple[Mode, ...] = ("dense", "hybrid")


@dataclass(frozen=True, slots=True)
class ChoiceQuestions:
    """Documents to index, questions, and which documents answer each."""

    documents: tuple[Document, ...]
    queries: tuple[Query, ...]
    judged: Qrels


@dataclass(frozen=True, slots=True)
class SettingScore:
    """One encoder asked in one mode. score: mean over language pairs of their nDCG@10. pairs: by
    `question → documents`. interval: of the mean over questions. logme: of the encoder's vectors,
    None without. mexa: mean over the languages of parallel text, None without."""

    encoder: str
    mode: Mode
    score: float
    interval: Interval
    pairs: Mapping[str, float]
    logme: float | None = None
    mexa: float | None = None


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The best first. close: how many others have an interval that reaches the best's score."""

    corpus: str
    questions: int
    passages: int
    ranked: tuple[SettingScore, ...]
    close: int


def choose_steps(
    encoders: Sequence[str],
    corpus: str,
    *,
    langs: Sequence[str] = (),
    n_passages: int = 300,
    parallel: Path | None = None,
    seed: int = 0,
) -> Work[ModelChoice]:
    """Rank encoders, by vectors alone and with words, for a corpus without judgements.

    encoders: names or folders, `bm25` for words alone. langs: of the questions, () for those of
    the corpus and English. n_passages: indexed, and asked about once each. parallel: text and its
    English, for MEXA. Raises ConfigError, CorpusError where too few questions can be made, and
    what opening the encoders raises.
    """
    if not encoders:
        raise ConfigError("name the encoders to choose from, such as: bm25 xret-static")
    made = yield from choice_questions_steps(corpus, langs=langs, n_passages=n_passages, seed=seed)
    scores: list[SettingScore] = []
    for name in dict.fromkeys(encoders):
        scores += yield from setting_scores_steps(name, made, parallel=parallel, seed=seed)
    ranked = tuple(sorted(scores, key=lambda each: (-each.score, each.encoder, each.mode)))
    best = ranked[0].score
    close = sum(each.interval.high >= best for each in ranked[1:])
    return ModelChoice(corpus, len(made.queries), len(made.documents), ranked, close)


choose_model = finished(choose_steps)
"""The same, run to its end: returns the result alone."""


def choice_questions_steps(
    corpus: str,
    *,
    langs: Sequence[str] = (),
    n_passages: int = 300,
    seed: int = 0,
) -> Work[ChoiceQuestions]:
    """Passages of a corpus; of each its keywords in one of the languages, where they have
    translations, and what they were taken from as it stood."""
    codes = [language_code(lang) for lang in langs]
    documents = open_corpus(corpus).documents(on_reject=lambda _: None)
    passages = yield from draw_passages(documents, n=n_passages, seed=seed)
    own = {passage.lang for passage in passages} - {UNDETERMINED}
    asked = codes or sorted(own | {ENGLISH})
    generator = ExtractiveGenerator(passages, open_table(SHIPPED_TABLE))
    indexed: list[Document] = []
    queries: list[Query] = []
    judged: Qrels = {}
    for number, passage in enumerate(passages):
        lang = asked[number % len(asked)]
        question = generator.ask(passage, lang)
        text = " ".join(question.text.split())
        if text:
            query_id = f"{number}-{lang}"
            queries.append(Query(query_id, text, lang))
            judged[query_id] = {passage.passage_id: 1}
            if question.summary:
                sentence = Query(
                    f"{query_id}{_SENTENCE}", question.summary[:MAX_SENTENCE], passage.lang
                )
                queries.append(sentence)
                judged[sentence.query_id] = {passage.passage_id: 1}
            passage = _without(passage, question.summary, of_title=question.of_title)
        indexed.append(
            Document(passage.passage_id, passage.text, passage.lang, title=passage.title)
        )
    if len(queries) < MIN_QUESTIONS:
        raise CorpusError(
            f"only {len(queries)} questions can be made of {corpus} in {' '.join(asked)}, "
            f"{MIN_QUESTIONS} are needed: take more documents, or other languages (--lang)"
        )
    return ChoiceQuestions(tuple(indexed), tuple(queries), judged)


def setting_scores_steps(
    encoder: str, made: ChoiceQuestions, *, parallel: Path | None = None, seed: int = 0
) -> Work[list[SettingScore]]:
    """An encoder's index of the documents, asked in each mode that it has."""
    with tempfile.TemporaryDirectory(prefix="xret-choose-") as folder:
        corpus, index = Path(folder) / "passages.jsonl", Path(folder) / "index"
        with corpus.open("w", encoding="utf-8") as file:
            for document in made.documents:
                file.write(json.dumps(_record(document), ensure_ascii=False) + "\n")
        yield from build_steps(corpus, index, encoder=encoder)
        modes: tuple[Mode, ...] = ("lexical",) if encoder == WORDS_ONLY else _MODES
        scores = []
        with Searcher.open(index) as searcher:
            for number, mode in enumerate(modes):
                yield Progress(f"asking {encoder}", number, len(modes), "modes")
                scores.append(_score(searcher, encoder, mode, made, seed=seed))
            if encoder != WORDS_ONLY:
                logme = _logme(searcher.encoder, made, seed)
                mexa = None if parallel is None else _mexa(searcher.encoder, parallel, seed)
                scores = [replace(each, logme=logme, mexa=mexa) for each in scores]
    return scores


def _without(passage: SourcePassage, span: str, *, of_title: bool) -> SourcePassage:
    """The passage without what became its question, where enough of it is left."""
    if of_title:
        return replace(passage, title="")
    rest = " ".join(passage.text.replace(span, " ", 1).split())
    return replace(passage, text=rest) if len(rest) >= MIN_CHARACTERS else passage


def _record(document: Document) -> dict[str, str]:
    fields = {"id": document.doc_id, "title": document.title, "text": document.text}
    return fields if document.lang == UNDETERMINED else {**fields, "lang": document.lang}


def _score(
    searcher: Searcher, encoder: str, mode: Mode, made: ChoiceQuestions, *, seed: int
) -> SettingScore:
    rankings = searcher.rank(made.queries, DEPTH, mode=mode)
    hits = {query.query_id: found for query, found in zip(made.queries, rankings, strict=True)}
    values = measure_queries(made.judged, hits, (CHOICE_MEASURE,))[CHOICE_MEASURE]
    langs = {document.doc_id: document.lang for document in made.documents}
    by_pair: dict[str, list[float]] = defaultdict(list)
    for query in made.queries:
        if grades := made.judged.get(query.query_id):
            doc_lang = langs.get(next(iter(grades)), UNDETERMINED)
            kind = _SENTENCE if query.query_id.endswith(_SENTENCE) else ""
            by_pair[f"{query.lang}{kind} → {doc_lang}"].append(values[query.query_id])
    every = np.array([value for values in by_pair.values() for value in values])
    low, high = map(float, bootstrap_intervals(every[:, None], seed=seed)[0])
    pairs = {pair: float(np.mean(values)) for pair, values in sorted(by_pair.items())}
    interval = Interval(float(every.mean()), low, high, len(every))
    return SettingScore(encoder, mode, float(np.mean(list(pairs.values()))), interval, pairs)


def _logme(encoder: Encoder, made: ChoiceQuestions, seed: int) -> float | None:
    """Over the questions that both sides have vectors for; None where there are none."""
    by_id = {document.doc_id: document for document in made.documents}
    asked = [query for query in made.queries if made.judged.get(query.query_id)]
    answers = [by_id[next(iter(made.judged[query.query_id]))] for query in asked]
    questions = pooled(encoder.encode_queries(asked))
    passages = pooled(encoder.encode_documents(answers))
    if len(questions) != len(passages) or len(questions) < 2:
        return None
    return pair_transferability(questions, passages, seed=seed)


def _mexa(encoder: Encoder, parallel: Path, seed: int) -> float:
    """Mean over languages of MEXA (Kargaran et al. 2024)."""
    drawn = draw_sentences(read_parallel_file(parallel, ()), n=_PARALLEL, seed=seed)
    shares = [
        SentencePool(encoder, each.english).align(each.texts, each.lang, seed=seed).mexa.mean
        for each in drawn
    ]
    return float(np.mean(shares))
