"""XQuAD-R: parallel questions in 11 languages over the sentences of XQuAD (LAReQA).

Every question has one answering sentence in every language, so any pair of languages and any
mixture of them is a task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from xret.errors import CorpusError
from xret.retriever.corpora.collection import Choice, Collection, Part
from xret.retriever.corpora.download import UrlFile
from xret.retriever.corpora.lines import first_bytes
from xret.retriever.corpora.pins import collection_folder
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.corpora.records import Record
from xret.retriever.languages.codes import language_code
from xret.types import Query

__all__ = ["COLLECTION"]

COMMIT = "5405d2a77e83d5ccb47623a3f9e5604c3f103193"
REPO = "google-research-datasets/lareqa"
DOCUMENTS = {
    "ar": 1_222,
    "de": 1_276,
    "el": 1_234,
    "en": 1_180,
    "es": 1_215,
    "hi": 1_244,
    "ru": 1_219,
    "th": 852,
    "tr": 1_167,
    "vi": 1_209,
    "zh": 1_196,
}


def _file(lang: str) -> UrlFile:
    url = f"https://raw.githubusercontent.com/{REPO}/{COMMIT}/xquad-r/{lang}.json"
    return UrlFile(url, collection_folder("xquad-r") / f"{lang}.json", pins="xquad-r")


def _paragraphs(lang: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The paragraphs of a language, numbered alike in all. Raises CorpusError for other files."""
    path = _file(lang).local()
    content = first_bytes(path)
    try:
        articles = orjson.loads(content)["data"]
        yield from enumerate(each for article in articles for each in article["paragraphs"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise CorpusError(f"{path} is not in the layout of XQuAD-R: {error!r}") from error


def _documents(lang: str) -> Iterator[Record]:
    for number, paragraph in _paragraphs(lang):
        for position, (start, end) in enumerate(paragraph["sentence_breaks"]):
            doc_id = f"{number:03}-{position}:{lang}"
            text = paragraph["context"][start:end].strip()
            yield Record({"id": doc_id, "text": text}, f"xquad-r/{lang}.json: {doc_id}")


def _queries(lang: str) -> Iterator[Query]:
    for _, paragraph in _paragraphs(lang):
        for question in paragraph["qas"]:
            yield Query(f"{question['id']}:{lang}", question["question"], language_code(lang))


def _answers(lang: str) -> dict[str, str]:
    """The sentence that holds the answer, by question: that in which the answer begins."""
    found = {}
    for number, paragraph in _paragraphs(lang):
        for question in paragraph["qas"]:
            begins = question["answers"][0]["answer_start"]
            holding = [
                position
                for position, (_, end) in enumerate(paragraph["sentence_breaks"])
                if begins < end
            ]
            if holding:
                found[question["id"]] = f"{number:03}-{holding[0]}:{lang}"
    return found


def _part(doc_lang: str, query_langs: Sequence[str]) -> Part:
    def queries(_: object) -> Iterator[Query]:
        for lang in query_langs:
            yield from _queries(lang)

    def qrels() -> Qrels:
        answers = _answers(doc_lang)
        asked = [(qid, lang) for qid in answers for lang in query_langs]
        return {f"{qid}:{lang}": {answers[qid]: 1} for qid, lang in asked}

    files = tuple(_file(lang) for lang in dict.fromkeys((doc_lang, *query_langs)))
    return Part(
        name=doc_lang,
        doc_lang=doc_lang,
        sources=files,
        documents=lambda: _documents(doc_lang),
        queries=queries,
        qrels=qrels,
    )


def _parts(choice: Choice) -> Sequence[Part]:
    return [_part(lang, choice.query_langs or choice.doc_langs) for lang in choice.doc_langs]


COLLECTION = Collection(
    name="xquad-r",
    title="XQuAD-R: parallel questions in 11 languages to the sentence that answers them",
    doc_langs=tuple(DOCUMENTS),
    query_langs=tuple(DOCUMENTS),
    default_doc_langs=("all",),
    default_query_langs=("all",),
    documents=DOCUMENTS,
    licence="CC BY-SA 4.0",
    source=f"https://github.com/{REPO}",
    revision=COMMIT,
    checksums="sha256 pinned on first use and recorded",
    citation="Roy, Constant, Al-Rfou, Barua, Phillips, Yang: LAReQA: Language-Agnostic Answer "
    "Retrieval from a Multilingual Pool. EMNLP 2020.",
    template="one sentence; no title",
    grades="1 the sentence in which the answer begins",
    judged="1,190 questions a language, each with one sentence in every language",
    parts=_parts,
)
