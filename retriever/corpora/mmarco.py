"""mMARCO: MS MARCO passages and questions, machine-translated into 14 languages."""

from __future__ import annotations

from xret.retriever.corpora.collection import Collection
from xret.retriever.corpora.irds_parts import irds_parts

__all__ = ["COLLECTION"]

LANGS = ("ar", "de", "es", "fr", "hi", "id", "it", "ja", "nl", "pt", "ru", "vi", "zh")
CODES = {"nl": "dt"}
"""ir_datasets calls Dutch `dt`."""

SPLITS = {"dev": "dev/small", "train": "train"}

COLLECTION = Collection(
    name="mmarco",
    title="mMARCO: MS MARCO passages and questions, machine-translated",
    doc_langs=LANGS,
    splits=tuple(SPLITS),
    documents=dict.fromkeys(LANGS, 8_841_823),
    licence="Apache-2.0 (translations); MS MARCO's terms: not for commercial use",
    source="https://huggingface.co/datasets/unicamp-dl/mmarco, version 2, as ir_datasets lists it",
    revision="none is named: every file is fixed by its md5",
    checksums="the md5 sums of ir_datasets",
    size="2.7 to 7.6 GB a language",
    citation="Bonifacio, Jeronymo, Abonizio, Campiotti, Fadaee, Lotufo, Nogueira: mMARCO: A "
    "Multilingual Version of the MS MARCO Passage Ranking Dataset. 2021.",
    template="text; passages have no title",
    grades="1 relevant; nothing is judged 0",
    judged="the 6,980 questions of the small dev set",
    own_ids=frozenset({"documents", "queries"}),
    parts=irds_parts(lambda lang, split: f"mmarco/v2/{CODES.get(lang, lang)}/{SPLITS[split]}"),
)
