"""Parallel sentences as retrieval: FLORES-200 and Tatoeba, a sentence to its translation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from xret.retriever.corpora.collection import Choice, Collection, Part
from xret.retriever.corpora.download import UrlFile
from xret.retriever.corpora.flores_languages import FLORES_LANGS, TATOEBA_LANGS
from xret.retriever.corpora.lines import read_lines
from xret.retriever.corpora.pins import collection_folder
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.corpora.records import Record
from xret.retriever.languages.codes import language_code
from xret.types import Query

__all__ = ["FLORES", "TATOEBA"]

GITHUB = "https://raw.githubusercontent.com"
FLORES_COMMIT = "ac0f19c0be3cb4e0d9450fcb2d7a9847c4bdd180"
FLORES_FOLDER = (
    f"{GITHUB}/Helsinki-NLP/OPUS-MT-testsets/{FLORES_COMMIT}/datasets/facebook/flores/"
    "flores200_dataset/devtest"
)
TATOEBA_COMMIT = "74bc6ae7ffb7cba670fe0f428d0ede9f666fb821"
TATOEBA_FOLDER = f"{GITHUB}/facebookresearch/LASER/{TATOEBA_COMMIT}/data/tatoeba/v1"


def _lines(file: UrlFile) -> Iterator[str]:
    for _, line in read_lines(file.local()):
        yield line.strip()


def _part(
    name: str, doc: tuple[str, UrlFile], *, queries: Sequence[tuple[str, UrlFile]], mark: str
) -> Part:
    """Sentence n of a document language answers sentence n of every query language."""
    doc_lang, doc_file = doc

    def documents() -> Iterator[Record]:
        for number, line in enumerate(_lines(doc_file)):
            doc_id = f"{mark}-{number:04}:{doc_lang}"
            yield Record({"id": doc_id, "text": line}, f"{doc_file.url}:{number + 1}")

    def asked(_: Callable[..., None]) -> Iterator[Query]:
        for lang, file in queries:
            for number, line in enumerate(_lines(file)):
                yield Query(f"{mark}q-{number:04}:{lang}", line, language_code(lang))

    def qrels() -> Qrels:
        return {
            f"{mark}q-{number:04}:{lang}": {f"{mark}-{number:04}:{doc_lang}": 1}
            for lang, file in queries
            for number, _ in enumerate(_lines(file))
        }

    files = tuple(dict.fromkeys((doc_file, *(file for _, file in queries))))
    return Part(
        name=name,
        doc_lang=doc_lang,
        sources=files,
        documents=documents,
        queries=asked,
        qrels=qrels,
    )


def _flores(lang: str) -> UrlFile:
    name = f"{lang}.devtest"
    return UrlFile(f"{FLORES_FOLDER}/{name}", collection_folder("flores") / name, pins="flores")


def _flores_parts(choice: Choice) -> Sequence[Part]:
    asked = [(lang, _flores(lang)) for lang in choice.query_langs or choice.doc_langs]
    return [
        _part(
            lang,
            (lang, _flores(lang)),
            queries=[each for each in asked if each[0] != lang],
            mark="fs",
        )
        for lang in choice.doc_langs
    ]


def _tatoeba(pair: str, lang: str) -> UrlFile:
    name = f"tatoeba.{pair}.{lang}"
    return UrlFile(f"{TATOEBA_FOLDER}/{name}", collection_folder("tatoeba") / name, pins="tatoeba")


def _tatoeba_parts(choice: Choice) -> Sequence[Part]:
    """English with each other language, in the direction that was chosen."""
    parts = []
    for doc_lang in choice.doc_langs:
        for query_lang in choice.query_langs:
            others = {doc_lang, query_lang} - {"eng"}
            if "eng" not in (doc_lang, query_lang) or not others:
                continue
            pair = f"{others.pop()}-eng"
            doc = (doc_lang, _tatoeba(pair, doc_lang))
            query = (query_lang, _tatoeba(pair, query_lang))
            parts.append(_part(f"{query_lang}-{doc_lang}", doc, queries=[query], mark=f"tt-{pair}"))
    return parts


FLORES = Collection(
    name="flores",
    title="FLORES-200 devtest: a sentence to its translation, any pair of 204 varieties",
    doc_langs=FLORES_LANGS,
    query_langs=FLORES_LANGS,
    default_query_langs=("eng_Latn",),
    splits=("devtest",),
    documents=dict.fromkeys(FLORES_LANGS, 1_012),
    licence="CC BY-SA 4.0",
    source=FLORES_FOLDER,
    revision=FLORES_COMMIT,
    checksums="sha256 pinned on first use and recorded",
    citation="NLLB Team: No Language Left Behind: Scaling Human-Centered Machine Translation. "
    "2022; Goyal et al.: The FLORES-101 Evaluation Benchmark. TACL 10, 2022.",
    template="one sentence; no title",
    grades="1 the translation",
    judged="1,012 sentences a language; a sentence is no query for its own language",
    parts=_flores_parts,
)

TATOEBA = Collection(
    name="tatoeba",
    title="Tatoeba (LASER): a sentence to its translation, English with 112 languages",
    doc_langs=("eng", *TATOEBA_LANGS),
    query_langs=("eng", *TATOEBA_LANGS),
    default_query_langs=("eng",),
    licence="CC BY 2.0 FR",
    source=TATOEBA_FOLDER,
    revision=TATOEBA_COMMIT,
    checksums="sha256 pinned on first use and recorded",
    citation="Artetxe, Schwenk: Massively Multilingual Sentence Embeddings for Zero-Shot "
    "Cross-Lingual Transfer and Beyond. TACL 7, 2019.",
    template="one sentence; no title",
    grades="1 the translation",
    judged="at most 1,000 sentences a language",
    parts=_tatoeba_parts,
)
