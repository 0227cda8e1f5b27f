"""NeuCLIR 2022 and 2023: TREC's CLIR track over news in Chinese, Persian and Russian.

More than one document language is the track's MLIR task: one pool, judgements of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from xret.errors import CorpusError
from xret.retriever.corpora.catalogue import CatalogueFile
from xret.retriever.corpora.collection import Choice, Collection, Part, paired_parts
from xret.retriever.corpora.irds import IrDatasetsCorpus, find_dataset
from xret.retriever.corpora.lines import read_lines
from xret.retriever.corpora.mteb_layout import mteb_parts
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.corpora.records import read_records
from xret.retriever.corpora.topics import Wording, read_queries

__all__ = [
    "NEUCLIR_2022",
    "NEUCLIR_2022_HARD",
    "NEUCLIR_2023",
    "NEUCLIR_2023_HARD",
    "NEWS_LICENCE",
    "news_part",
]

SHORT = {"fas": "fa", "rus": "ru", "zho": "zh"}
DOCUMENTS = {"fas": 2_232_016, "rus": 4_627_543, "zho": 3_179_209}
HARD = {
    2022: (
        "mteb/NeuCLIR2022RetrievalHardNegatives",
        "cc5a0360c8bdf1e4afa19d2ea8ec111c0ca96335",
        {"fas": 8_882, "rus": 8_724, "zho": 10_325},
    ),
    2023: (
        "mteb/NeuCLIR2023RetrievalHardNegatives",
        "efb44bb789b9f82223aa819e18dba3748fd09e33",
        {"fas": 15_921, "rus": 16_247, "zho": 17_265},
    ),
}
CITATIONS = {
    2022: "Lawrie, MacAvaney, Mayfield, McNamee, Oard, Soldaini, Yang: Overview of the TREC 2022 "
    "NeuCLIR Track. TREC 2022.",
    2023: "Lawrie, MacAvaney, Mayfield, McNamee, Oard, Soldaini, Yang: Overview of the TREC 2023 "
    "NeuCLIR Track. TREC 2023.",
}
GRADES = {
    2022: "0 not valuable, 1 somewhat valuable, 3 very valuable",
    2023: "0 to 3, the gains as the track publishes them",
}
JUDGED = {
    2022: "45 to 49 of the 114 topics a language (fas 46, rus 45, zho 49)",
    2023: "76 topics",
}
NEWS_LICENCE = "ODC-BY (collection); news text under Common Crawl's terms of use"


def qrels_2022(lang: str) -> Qrels:
    """Judgements of one language: the one file of the track names it in the second column.

    Raises CorpusError with the line that does not fit.
    """
    path = CatalogueFile("neuclir", "trec-2022/qrels").path()
    qrels: Qrels = {}
    for number, line in read_lines(path):
        cells = line.split()
        if cells and (len(cells) != 4 or not cells[3].lstrip("-").isdigit()):
            raise CorpusError(f"{path}:{number}: no judgement of query, language and document")
        if cells and cells[1] == lang:
            qrels.setdefault(cells[0], {})[cells[2]] = int(cells[3])
    return qrels


def _qrels_2023(lang: str) -> Qrels:
    """They come in an archive, which ir_datasets opens."""
    dataset_id = f"neuclir/1/{SHORT[lang]}/trec-2023"
    dataset = find_dataset(dataset_id)
    if dataset is None:
        raise CorpusError(f"ir_datasets does not know {dataset_id}; update it")
    return IrDatasetsCorpus(dataset_id, dataset).judgements()


def news_part(year: int, doc_lang: str, query_lang: str, suffix: str = "") -> Part:
    """The news of one language with its topics and judgements of a year."""
    documents = CatalogueFile("neuclir", f"1/{SHORT[doc_lang]}/docs")
    topics = CatalogueFile("neuclir", f"trec-{year}/queries")
    judged = CatalogueFile("neuclir", f"trec-{year}/qrels")
    wording = Wording(("title", "description"), None if query_lang == "eng" else query_lang)
    read = {2022: qrels_2022, 2023: _qrels_2023}[year]
    return Part(
        name=doc_lang,
        doc_lang=doc_lang,
        sources=(documents, topics, judged),
        documents=lambda: read_records(documents.path()),
        queries=lambda reject: read_queries(topics.path(), wording=wording, on_reject=reject),
        qrels=lambda: read(doc_lang),
        query_suffix=suffix,
    )


def _collection(year: int) -> Collection:
    def parts(choice: Choice) -> Sequence[Part]:
        return paired_parts(choice, partial(news_part, year))

    return Collection(
        name=f"neuclir-{year}",
        title=f"TREC NeuCLIR {year}: English topics over news; several languages are MLIR",
        doc_langs=("fas", "rus", "zho"),
        query_langs=("eng", "fas", "rus", "zho"),
        default_query_langs=("eng",),
        documents=DOCUMENTS,
        licence=NEWS_LICENCE,
        source="https://huggingface.co/datasets/neuclir/neuclir1; topics and judgements "
        f"https://trec.nist.gov/data/neuclir/{year}; as ir_datasets lists them",
        revision="none is named: every file is fixed by its md5",
        checksums="the md5 sums of ir_datasets",
        size="fas 2.4 GB, rus 4.5 GB, zho 3.2 GB compressed",
        citation=CITATIONS[year],
        query_template="title and description; in another language the human translation",
        grades=GRADES[year],
        judged=JUDGED[year],
        how="Documents come from the collection's own copy on the hub. To make them from Common "
        "Crawl by the published ids: https://github.com/NeuCLIR/download-collection; then index "
        "the file that it writes, `xret index --corpus FILE`.",
        parts=parts,
    )


def _hard(year: int) -> Collection:
    repo, revision, documents = HARD[year]
    return replace(
        _collection(year),
        name=f"neuclir-{year}-hard",
        title=f"TREC NeuCLIR {year} with hard negatives: the top 250 of three systems a query",
        query_langs=("eng",),
        documents=documents,
        source=f"https://huggingface.co/datasets/{repo}",
        revision=revision,
        checksums="the hub's, of every file at that commit",
        size="",
        query_template="text, as mteb has it",
        judged="the queries that mteb kept",
        how="",
        parts=mteb_parts(repo, revision, pins=f"neuclir-{year}-hard", query_lang=lambda _: "eng"),
    )


NEUCLIR_2022, NEUCLIR_2022_HARD = _collection(2022), _hard(2022)
NEUCLIR_2023, NEUCLIR_2023_HARD = _collection(2023), _hard(2023)
