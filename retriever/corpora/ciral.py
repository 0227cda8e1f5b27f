"""CIRAL: English questions over African news passages in Hausa, Somali, Swahili and Yoruba."""

from __future__ import annotations

from collections.abc import Sequence

from xret.retriever.corpora.collection import Choice, Collection, Part
from xret.retriever.corpora.hub import HubFiles
from xret.retriever.corpora.qrels import read_qrels
from xret.retriever.corpora.topics import read_queries

__all__ = ["COLLECTION"]

TOPICS_REPO, TOPICS_REVISION = "CIRAL/ciral", "1a46efc4d45d0e3756656695ed2994dfce9254fc"
DOCS_REPO, DOCS_REVISION = "CIRAL/ciral-corpus", "81644d6e18427ab79a36bb31141c9281239ba40c"
NAMES = {"ha": "hausa", "so": "somali", "sw": "swahili", "yo": "yoruba"}


def _parts(choice: Choice) -> Sequence[Part]:
    return [_part(lang, choice.split) for lang in choice.doc_langs]


def _part(lang: str, split: str) -> Part:
    name = NAMES[lang]
    topics_of = split.removesuffix("-pools")
    docs = HubFiles(DOCS_REPO, DOCS_REVISION, (f"passages-v1.0/{name}_passages.jsonl",), "ciral")
    topics, judged = (
        HubFiles(TOPICS_REPO, TOPICS_REVISION, (pattern,), "ciral")
        for pattern in (
            f"ciral-{name}/topics/topics.ciral-v1.0-{lang}-{topics_of}.tsv",
            f"ciral-{name}/qrels/qrels.ciral-v1.0-{lang}-{split}.tsv",
        )
    )
    return Part(
        name=lang,
        doc_lang=lang,
        sources=(docs, topics, judged),
        documents=docs.records,
        queries=lambda reject: read_queries(topics.paths()[0], lang="en", on_reject=reject),
        qrels=lambda: read_qrels(judged.paths()[0]),
    )


COLLECTION = Collection(
    name="ciral",
    title="CIRAL: English questions over news in four African languages",
    doc_langs=("ha", "so", "sw", "yo"),
    query_langs=("en",),
    default_query_langs=("en",),
    splits=("test-a", "test-a-pools", "test-b", "dev"),
    documents={"ha": 715_355, "so": 827_552, "sw": 949_013, "yo": 82_095},
    licence="Apache-2.0",
    source=f"https://huggingface.co/datasets/{TOPICS_REPO} and {DOCS_REPO}",
    revision=f"{TOPICS_REVISION}, {DOCS_REVISION}",
    checksums="the hub's, of every file at those commits",
    size="ha 0.6 GB, so 0.8 GB, sw 0.9 GB, yo 0.1 GB",
    citation="Adeyemi et al.: CIRAL: A Test Collection for CLIR Evaluations in African Languages. "
    "SIGIR 2024.",
    judged="every topic; query 23 of Swahili test-b is judged but has no topic, and is left out",
    own_ids=frozenset({"documents", "queries"}),
    parts=_parts,
)
