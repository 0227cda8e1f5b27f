"""NeuCLIRTech: topics of NeuCLIR's technical documents task over Chinese abstracts of science."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xret.retriever.corpora.catalogue import CatalogueFile
from xret.retriever.corpora.collection import Choice, Collection, Part, paired_parts
from xret.retriever.corpora.hub import HubFiles
from xret.retriever.corpora.qrels import read_qrels
from xret.retriever.corpora.records import BadRecord, Record, read_records
from xret.retriever.corpora.topics import read_queries

__all__ = ["ABSTRACTS", "COLLECTION", "abstract_records"]

REPO = "neuclir/tech"
ABSTRACTS = CatalogueFile("csl", "docs")


def abstract_records() -> Iterator[Record | BadRecord]:
    """The abstracts of science, Chinese, each with its title."""
    for record in read_records(ABSTRACTS.path()):
        if isinstance(record, BadRecord):
            yield record
        else:
            fields = record.fields
            kept = {"doc_id": fields.get("doc_id"), "title": fields.get("title") or ""}
            yield Record({**kept, "text": fields.get("abstract") or ""}, record.place)


def _part(query_lang: str, *, suffix: str) -> Part:
    topics = HubFiles(REPO, None, (f"data/{query_lang}.tsv",), "neuclir-tech")
    qrels = HubFiles(REPO, None, ("data/qrels.gains.txt",), "neuclir-tech")
    return Part(
        name="zho",
        doc_lang="zho",
        sources=(ABSTRACTS, topics, qrels),
        documents=abstract_records,
        queries=lambda reject: read_queries(topics.paths()[0], lang=query_lang, on_reject=reject),
        qrels=lambda: read_qrels(qrels.paths()[0]),
        query_suffix=suffix,
    )


def _parts(choice: Choice) -> Sequence[Part]:
    return paired_parts(choice, lambda _, query, suffix: _part(query, suffix=suffix))


COLLECTION = Collection(
    name="neuclir-tech",
    title="NeuCLIRTech: English topics of NeuCLIR 2023 and 2024 over Chinese abstracts of science",
    doc_langs=("zho",),
    query_langs=("eng", "zho"),
    default_doc_langs=("zho",),
    default_query_langs=("eng",),
    documents={"zho": 395_927},
    licence="CC BY 4.0 (topics and judgements); abstracts as CSL publishes them",
    source=f"https://huggingface.co/datasets/{REPO}; documents of "
    "https://huggingface.co/datasets/neuclir/csl",
    checksums="the hub's, of every file at the commit of the first use; md5 of ir_datasets "
    "(documents)",
    citation="Lawrie, MacAvaney, Mayfield, McNamee, Oard, Soldaini, Yang: Overview of the "
    "TREC 2024 NeuCLIR Track. arXiv 2509.14355, 2025.",
    template="title and abstract",
    query_template="one text a topic, as published",
    grades="the gains, as published; the authors report nDCG@20",
    judged="the topics of the two years that NIST judged",
    parts=_parts,
)
