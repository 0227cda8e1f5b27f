"""Mr. TyDi: questions over Wikipedia passages in 11 languages."""

from __future__ import annotations

from xret.retriever.corpora.collection import Collection
from xret.retriever.corpora.irds_parts import irds_parts

__all__ = ["COLLECTION"]

DOCUMENTS = {
    "ar": 2_106_586,
    "bn": 304_059,
    "en": 32_907_100,
    "fi": 1_908_757,
    "id": 1_469_399,
    "ja": 7_000_027,
    "ko": 1_496_126,
    "ru": 9_597_504,
    "sw": 136_689,
    "te": 548_224,
    "th": 568_855,
}

COLLECTION = Collection(
    name="mr-tydi",
    title="Mr. TyDi: questions over Wikipedia in their own language",
    doc_langs=tuple(DOCUMENTS),
    splits=("test", "dev", "train"),
    documents=DOCUMENTS,
    licence="Apache-2.0 (judgements); CC BY-SA 3.0 (Wikipedia text)",
    source="https://github.com/castorini/mr.tydi, as ir_datasets lists it",
    revision="none is named: every file is fixed by its md5",
    checksums="the md5 sums of ir_datasets",
    size="8.8 GB compressed: sw 10 MB, en 5 GB",
    citation="Zhang, Ma, Shi, Lin: Mr. TyDi: A Multi-lingual Benchmark for Dense Retrieval. "
    "Workshop on Multilingual Representation Learning, 2021.",
    template="text, which begins with the title",
    grades="1 relevant; nothing is judged 0",
    own_ids=frozenset({"documents", "queries"}),
    parts=irds_parts(lambda lang, split: f"mr-tydi/{lang}/{split}"),
)
