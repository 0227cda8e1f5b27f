"""MKQA: parallel questions in 26 languages to the answers in the same language."""

from __future__ import annotations

from xret.retriever.corpora.collection import Collection
from xret.retriever.corpora.mteb_layout import mteb_parts

__all__ = ["COLLECTION"]

REPO, REVISION = "mteb/MKQARetrieval", "3e069e7a30079d214a859741f5a0de75cf878867"
DOCUMENTS = {
    "ar": 6_658,
    "da": 6_652,
    "de": 6_632,
    "en": 6_678,
    "es": 6_648,
    "fi": 6_634,
    "fr": 6_617,
    "he": 6_663,
    "hu": 6_660,
    "it": 6_647,
    "ja": 6_693,
    "km": 6_653,
    "ko": 6_658,
    "ms": 6_891,
    "nl": 6_660,
    "no": 6_747,
    "pl": 6_640,
    "pt": 6_655,
    "ru": 6_652,
    "sv": 6_654,
    "th": 6_655,
    "tr": 6_661,
    "vi": 6_670,
    "zh_cn": 6_656,
    "zh_hk": 6_646,
    "zh_tw": 6_638,
}

COLLECTION = Collection(
    name="mkqa",
    title="MKQA: questions in 26 languages to their answers",
    doc_langs=tuple(DOCUMENTS),
    splits=("train",),
    documents=DOCUMENTS,
    licence="CC BY 3.0",
    source=f"https://huggingface.co/datasets/{REPO}",
    revision=REVISION,
    checksums="the hub's, of every file at that commit",
    citation="Longpre, Lu, Daiber: MKQA: A Linguistically Diverse Benchmark for Multilingual "
    "Open Domain Question Answering. TACL 9, 2021.",
    template="the answer; no title",
    judged="the questions with an answer",
    own_ids=frozenset({"documents", "queries"}),
    parts=mteb_parts(REPO, REVISION, pins="mkqa"),
)
