"""NeuCLIRBench: the topics of TREC's NeuCLIR 2022, 2023 and 2024 over its news, judged together.

One document language is the cross-language task; all three are the multilingual one, which has
judgements of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from xret.retriever.corpora.catalogue import CatalogueFile
from xret.retriever.corpora.collection import Choice, Collection, Part, paired_parts
from xret.retriever.corpora.hub import HubFiles
from xret.retriever.corpora.neuclir import DOCUMENTS, SHORT
from xret.retriever.corpora.qrels import read_qrels
from xret.retriever.corpora.records import read_records
from xret.retriever.corpora.topics import read_queries

__all__ = ["COLLECTION"]

REPO = "neuclir/bench"


def _parts(choice: Choice) -> Sequence[Part]:
    together = len(choice.doc_langs) == len(DOCUMENTS)
    return paired_parts(choice, partial(_part, judged="mlir" if together else None))


def _part(doc_lang: str, query_lang: str, suffix: str, *, judged: str | None) -> Part:
    documents = CatalogueFile("neuclir", f"1/{SHORT[doc_lang]}/docs")
    topics = HubFiles(REPO, None, (f"data/news.{query_lang}.tsv",), "neuclir-bench")
    qrels = HubFiles(REPO, None, (f"data/qrels.{judged or doc_lang}.gains.txt",), "neuclir-bench")
    return Part(
        name=doc_lang,
        doc_lang=doc_lang,
        sources=(documents, topics, qrels),
        documents=lambda: read_records(documents.path()),
        queries=lambda reject: read_queries(topics.paths()[0], lang=query_lang, on_reject=reject),
        qrels=lambda: read_qrels(qrels.paths()[0]),
        query_suffix=suffix,
    )


COLLECTION = Collection(
    name="neuclir-bench",
    title="NeuCLIRBench: topics of NeuCLIR 2022 to 2024 over news; three languages are MLIR",
    doc_langs=tuple(DOCUMENTS),
    query_langs=("eng", *DOCUMENTS),
    default_query_langs=("eng",),
    documents=DOCUMENTS,
    licence="CC BY 4.0 (topics and judgements); news text under Common Crawl's terms of use",
    source=f"https://huggingface.co/datasets/{REPO}; documents as of neuclir-2022",
    checksums="the hub's, of every file at the commit of the first use; md5 of ir_datasets "
    "(documents)",
    citation="Lawrie, Mayfield, Yang, Yates, MacAvaney, Pradeep, Miller, McNamee, Soldaini: "
    "NeuCLIRBench: A Modern Evaluation Collection for Monolingual, Cross-Language, and "
    "Multilingual Information Retrieval. arXiv 2511.14758, 2025.",
    query_template="one text a topic, as published",
    grades="the gains, as published; the authors report nDCG@20",
    judged="about 150 topics a language, 100 for the three together",
    parts=_parts,
)
