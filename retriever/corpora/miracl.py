"""MIRACL: questions over Wikipedia passages in 18 languages, whole and with hard negatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xret.errors import CorpusError
from xret.retriever.corpora.catalogue import CatalogueFile, known_keys
from xret.retriever.corpora.collection import Choice, Collection, Part
from xret.retriever.corpora.mteb_layout import mteb_parts
from xret.retriever.corpora.qrels import read_qrels
from xret.retriever.corpora.records import BadRecord, Record, read_records
from xret.retriever.corpora.topics import read_queries

__all__ = ["COLLECTION", "HARD"]

HARD_REPO = "mteb/MIRACLRetrievalHardNegatives"
HARD_REVISION = "d7d94fa4b946cec4a27c84653aa0cf6b33f74a3c"
CITATION = (
    "Zhang, Thakur, Ogundepo, Kamalloo, Alfonso-Hermelo, Li, Liu, Rezagholizadeh, Lin: MIRACL: "
    "A Multilingual Retrieval Dataset Covering 18 Diverse Languages. TACL 11, 2023."
)
DOCUMENTS = {
    "ar": 2_061_414,
    "bn": 297_265,
    "de": 15_866_222,
    "en": 32_893_221,
    "es": 10_373_953,
    "fa": 2_207_172,
    "fi": 1_883_509,
    "fr": 14_636_953,
    "hi": 506_264,
    "id": 1_446_315,
    "ja": 6_953_614,
    "ko": 1_486_752,
    "ru": 9_543_918,
    "sw": 131_924,
    "te": 518_079,
    "th": 542_166,
    "yo": 49_043,
    "zh": 4_934_368,
}
HARD_DOCUMENTS = {
    "ar": 192_103,
    "bn": 297_265,
    "de": 71_277,
    "en": 178_768,
    "es": 146_750,
    "fa": 133_596,
    "fi": 194_415,
    "fr": 75_357,
    "hi": 63_066,
    "id": 168_173,
    "ja": 185_319,
    "ko": 43_293,
    "ru": 219_114,
    "sw": 131_924,
    "te": 101_961,
    "th": 116_649,
    "yo": 49_043,
    "zh": 81_309,
}


def _parts(choice: Choice) -> Sequence[Part]:
    return [_part(lang, choice.split) for lang in choice.doc_langs]


def _part(lang: str, split: str) -> Part:
    if not known_keys("miracl", f"v1.0/{lang}/{split}/qrels"):
        raise CorpusError(f"miracl has no {split} set in {lang}")
    keys = known_keys("miracl", f"v1.0/{lang}/corpus/")
    shards = [CatalogueFile("miracl", key) for key in keys]
    topics = CatalogueFile("miracl", f"v1.0/{lang}/{split}/topics")
    judged = CatalogueFile("miracl", f"v1.0/{lang}/{split}/qrels")

    def documents() -> Iterator[Record | BadRecord]:
        for shard in shards:
            yield from read_records(shard.path())

    return Part(
        name=lang,
        doc_lang=lang,
        sources=(*shards, topics, judged),
        documents=documents,
        queries=lambda reject: read_queries(topics.path(), lang=lang, on_reject=reject),
        qrels=lambda: read_qrels(judged.path()),
    )


COLLECTION = Collection(
    name="miracl",
    title="MIRACL: questions over Wikipedia in their own language",
    doc_langs=tuple(DOCUMENTS),
    splits=("dev", "train"),
    documents=DOCUMENTS,
    licence="Apache-2.0 (judgements); CC BY-SA 4.0 (Wikipedia text)",
    source="https://huggingface.co/datasets/miracl/miracl-corpus, as ir_datasets lists it",
    revision="none is named: every file is fixed by its md5",
    checksums="the md5 sums of ir_datasets",
    size="16.2 GB compressed: yo and sw 10 MB, en 5.1 GB",
    citation=CITATION,
    grades="0 not relevant, 1 relevant",
    judged="every query of train and dev; the test sets are not published with judgements",
    own_ids=frozenset({"documents", "queries"}),
    parts=_parts,
)

HARD = Collection(
    name="miracl-hard",
    title="MIRACL with hard negatives: the top 250 of three systems a query",
    doc_langs=tuple(HARD_DOCUMENTS),
    splits=("dev",),
    documents=HARD_DOCUMENTS,
    licence="CC BY-SA 4.0",
    source=f"https://huggingface.co/datasets/{HARD_REPO}",
    revision=HARD_REVISION,
    checksums="the hub's, of every file at that commit",
    citation=CITATION,
    judged="at most 1,000 queries a language, all judged",
    own_ids=frozenset({"documents", "queries"}),
    parts=mteb_parts(HARD_REPO, HARD_REVISION, pins="miracl-hard"),
)
