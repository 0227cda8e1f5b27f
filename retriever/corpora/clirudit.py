"""CLIRudit: English keyword queries over French and English abstracts of Érudit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from xret.errors import CorpusError
from xret.retriever.corpora.collection import Choice, Collection, Part
from xret.retriever.corpora.columns import qrels_of
from xret.retriever.corpora.hub import HubFiles
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.corpora.records import BadRecord, Record
from xret.retriever.corpora.shapes import query_of
from xret.types import Query

__all__ = ["COLLECTION"]

REPO = "ftvalentini/clirudit"
CITATION = (
    "Valentini, Kozlowski, Larivière: CLIRudit: Cross-Lingual Information Retrieval of "
    "Scientific Documents. Workshop on Multilingual Representation Learning, 2025."
)


def _files(pattern: str) -> HubFiles:
    return HubFiles(REPO, None, (pattern,), "clirudit")


def _documents(files: HubFiles) -> Iterator[Record | BadRecord]:
    """Title, subtitle and abstract: the subtitle goes on with the title after a colon."""
    for record in files.records():
        if isinstance(record, BadRecord):
            yield record
            continue
        fields = record.fields
        heads = [str(fields[name]).strip() for name in ("title", "subtitle") if fields.get(name)]
        kept = {"docid": fields.get("docid"), "title": ": ".join(filter(None, heads))}
        yield replace(record, fields={**kept, "text": fields.get("abstract") or ""})


def _queries(files: HubFiles) -> Iterator[Query]:
    for record in files.records():
        found = record if isinstance(record, BadRecord) else query_of(record, lang="en")
        if isinstance(found, BadRecord):
            raise CorpusError(f"{found.place}: {found.reason}")
        yield found


def _parts(choice: Choice) -> Sequence[Part]:
    queries = _files("queries/en.test-*.parquet")

    def part(lang: str) -> Part:
        docs = _files(f"docs/{lang}.test-*.parquet")
        judged = _files(f"qrels/en_{lang}.test-*.parquet")

        def qrels() -> Qrels:
            return qrels_of(judged.records(), ("qid", "docid", "rel"))

        return Part(
            name=lang,
            doc_lang=lang,
            sources=(docs, queries, judged),
            documents=lambda: _documents(docs),
            queries=lambda _: _queries(queries),
            qrels=qrels,
        )

    return [part(lang) for lang in choice.doc_langs]


COLLECTION = Collection(
    name="clirudit",
    title="CLIRudit: academic search, English keywords to French abstracts",
    doc_langs=("en", "fr"),
    query_langs=("en",),
    default_doc_langs=("fr",),
    default_query_langs=("en",),
    documents={"en": 16_389, "fr": 16_389},
    licence="CC BY-NC 4.0: not for commercial use",
    source=f"https://huggingface.co/datasets/{REPO}",
    checksums="the hub's, of every file at that commit",
    size="36 MB for all of it",
    citation=CITATION,
    template="title: subtitle, and abstract",
    query_template="three keywords, as published (357,710 queries)",
    grades="1 shares the article's keywords; nothing is judged 0 (360,596 judgements)",
    own_ids=frozenset({"documents"}),
    parts=_parts,
)
