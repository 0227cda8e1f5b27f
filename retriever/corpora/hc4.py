"""HC4: CLIR over news of Common Crawl in Chinese, Persian and Russian."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xret.retriever.corpora.catalogue import CatalogueFile, ir_datasets_home
from xret.retriever.corpora.collection import Choice, Collection, FetchedFile, Part
from xret.retriever.corpora.hub import HubFiles
from xret.retriever.corpora.qrels import read_qrels
from xret.retriever.corpora.records import BadRecord, Record, read_records
from xret.retriever.corpora.topics import Wording, read_queries
from xret.types import Progress

__all__ = ["COLLECTION"]

REPO = "neuclir/hc4"
REVISION = "31cbaebeb12a3e789de3909478441787be3f84f3"
SHORT = {"fas": "fa", "rus": "ru", "zho": "zh"}
DOCUMENTS = {"fas": 486_486, "rus": 4_721_064, "zho": 646_305}
HOW = (
    "The documents are news of Common Crawl. `xret corpus pull hc4 --doc-lang zho` takes the "
    "collection's own copy on the hub (NeuCLIR's, ODC-BY). To make them from Common Crawl by the "
    "published ids instead: clone https://github.com/hltcoe/HC4, run download_documents.py with "
    "--storage ~/.ir_datasets/hc4 (or link the folder there) and then fix_document_order.py; "
    "what lies there is read first."
)


class Documents:
    """The documents of one language: what the official tool made, else the copy on the hub."""

    def __init__(self, lang: str) -> None:
        self._made = ir_datasets_home() / "hc4" / lang / "hc4_docs.jsonl"
        self._copy = HubFiles(REPO, REVISION, (f"data/{lang}-*.jsonl.gz",), "hc4")

    def watch(self) -> Iterator[Progress]:
        """Nothing: the hub's client reports by itself."""
        yield from ()

    def fetch(self) -> list[FetchedFile]:
        """The tool's own file has no published checksum: it writes in the order it downloads."""
        if self._made.is_file():
            size = self._made.stat().st_size
            return [FetchedFile(self._made, "hltcoe/HC4 download_documents.py", size, "")]
        return self._copy.fetch()

    def records(self) -> Iterator[Record | BadRecord]:
        """`id cc_file time|date title text url`, one object a line."""
        if self._made.is_file():
            yield from read_records(self._made)
        else:
            yield from self._copy.records()


def _parts(choice: Choice) -> Sequence[Part]:
    return [
        _part(doc_lang, query_lang, choice=choice)
        for doc_lang in choice.doc_langs
        for query_lang in choice.query_langs
    ]


def _part(doc_lang: str, query_lang: str, *, choice: Choice) -> Part:
    split = choice.split
    documents = Documents(doc_lang)
    topics = CatalogueFile("hc4", f"{split}/topics")
    judged = CatalogueFile("hc4", f"{SHORT[doc_lang]}/{split}/qrels")
    wording = Wording(("title", "description"), None if query_lang == "eng" else query_lang)
    return Part(
        name=doc_lang,
        doc_lang=doc_lang,
        sources=(documents, topics, judged),
        documents=documents.records,
        queries=lambda reject: read_queries(topics.path(), wording=wording, on_reject=reject),
        qrels=lambda: read_qrels(judged.path()),
        query_suffix=f":{query_lang}" if len(choice.query_langs) > 1 else "",
    )


COLLECTION = Collection(
    name="hc4",
    title="HC4: English topics over Chinese, Persian and Russian news",
    doc_langs=("fas", "rus", "zho"),
    query_langs=("eng", "fas", "rus", "zho"),
    default_query_langs=("eng",),
    splits=("test", "dev", "train"),
    documents=DOCUMENTS,
    licence="ODC-BY (documents); news text under Common Crawl's terms of use",
    source=f"https://github.com/hltcoe/HC4; documents https://huggingface.co/datasets/{REPO}",
    revision=REVISION,
    checksums="md5 of ir_datasets (topics, judgements), the hub's (documents)",
    size="fas 0.5 GB, rus 4.2 GB, zho 0.6 GB compressed",
    citation="Lawrie, Mayfield, Oard, Yang: HC4: A New Suite of Test Collections for Ad Hoc "
    "CLIR. ECIR 2022.",
    query_template="title and description; in another language the human translation",
    grades="0 not valuable, 1 somewhat valuable, 3 very valuable",
    judged="50 topics a language in test, those of the judgements: for Chinese they hold 109 and "
    "141, which the topic file marks as unjudged, and not 110 and 215, which it marks as judged",
    how=HOW,
    parts=_parts,
)
