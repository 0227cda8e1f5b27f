"""XOR-Retrieve: questions in seven languages, answered by whatever English text holds the answer.

Nobody judged documents: a ranking is measured by whether an answer stands in its first 2,000 or
5,000 tokens (`eval/answer_recall.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from xret.errors import CorpusError
from xret.retriever.corpora.collection import Choice, Collection, Part
from xret.retriever.corpora.download import UrlFile
from xret.retriever.corpora.pins import collection_folder
from xret.retriever.corpora.records import BadRecord, Record, read_records
from xret.types import Query

__all__ = ["COLLECTION"]

SITE = "https://nlp.cs.washington.edu/xorqa/XORQA_site/data"
PASSAGES = "models/enwiki_20190201_w100.tsv"
QUESTIONS = {
    "dev": "xor_dev_retrieve_eng_span_v1_1.jsonl",
    "train": "xor_train_retrieve_eng_span.jsonl",
}
LANGS = ("ar", "bn", "fi", "ja", "ko", "ru", "te")
NO_SPANS = ("yes", "no")
"""Answers that the authors' program passes over, as no text can be searched for them."""


def _file(name: str) -> UrlFile:
    place = collection_folder("xor-retrieve") / name.rpartition("/")[2]
    return UrlFile(f"{SITE}/{name}", place, pins="xor-retrieve")


def _passages(file: UrlFile) -> Iterator[Record | BadRecord]:
    """Hundred words of Wikipedia each, with the quotes of CSV taken off."""
    for record in read_records(file.local()):
        if isinstance(record, BadRecord):
            yield record
        else:
            fields = {name: _unquoted(str(words)) for name, words in record.fields.items()}
            yield Record(fields, record.place)


def _unquoted(words: str) -> str:
    if len(words) > 1 and words[0] == words[-1] == '"':
        return words[1:-1].replace('""', '"')
    return words


def _questions(
    file: UrlFile, langs: Sequence[str], reject: Callable[[BadRecord], None] = lambda _: None
) -> Iterator[tuple[Query, list[str]]]:
    """The questions in these languages that have an answer to search for, with the answers."""
    for record in read_records(file.local()):
        if isinstance(record, BadRecord):
            reject(record)
            continue
        fields = record.fields
        missing = {"id", "question", "lang", "answers"} - fields.keys()
        if missing or not isinstance(fields["answers"], list):
            raise CorpusError(
                f"{record.place}: no question of XOR-Retrieve: it has no {', '.join(missing)}"
                if missing
                else f"{record.place}: the answers are no list"
            )
        answers = [str(answer) for answer in fields["answers"] if answer not in NO_SPANS]
        if fields["lang"] in langs and answers:
            query = Query(str(fields["id"]), str(fields["question"]), str(fields["lang"]))
            yield query, answers


def _parts(choice: Choice) -> Sequence[Part]:
    file, langs = _file(QUESTIONS[choice.split]), choice.query_langs
    passages = _file(PASSAGES)

    def answers() -> Mapping[str, Sequence[str]]:
        return {query.query_id: spans for query, spans in _questions(file, langs)}

    return [
        Part(
            name="en",
            doc_lang="en",
            sources=(passages, file),
            documents=lambda: _passages(passages),
            queries=lambda reject: (query for query, _ in _questions(file, langs, reject)),
            answers=answers,
        )
    ]


COLLECTION = Collection(
    name="xor-retrieve",
    title="XOR-Retrieve: questions in seven languages to English Wikipedia, judged by answers",
    doc_langs=("en",),
    query_langs=LANGS,
    default_doc_langs=("en",),
    default_query_langs=("all",),
    splits=tuple(QUESTIONS),
    licence="MIT (questions and answers); Wikipedia under CC BY-SA 3.0",
    source=f"{SITE}, as https://github.com/AkariAsai/XORQA names the files",
    revision="questions v1.1 (dev), Wikipedia of 1 February 2019",
    checksums="sha256 of the first download",
    citation="Asai, Kasai, Clark, Lee, Choi, Hajishirzi: XOR QA: Cross-lingual Open-Retrieval "
    "Question Answering. NAACL 2021.",
    template="100 words of an article; its title",
    query_template="the question",
    grades="none: an answer is looked for in what was retrieved (R@2kt, R@5kt)",
    judged="every question with an answer other than yes or no",
    parts=_parts,
)
