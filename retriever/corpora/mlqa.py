"""MLQA: questions in seven languages to the passages that answer them, in the same and in others.

Every pair of languages has questions and passages of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from xret.retriever.corpora.collection import Choice, Collection, Part, paired_parts
from xret.retriever.corpora.mteb_layout import mteb_part

__all__ = ["COLLECTION"]

REPO, REVISION = "mteb/MLQARetrieval", "5bef8b6e2601af974fb1a1cca03fd702229be4b6"
LANGS = ("ara", "deu", "eng", "hin", "spa", "vie", "zho")


def _parts(choice: Choice) -> Sequence[Part]:
    def part(doc: str, query: str, _: str) -> Part:
        how = {"doc_lang": doc, "query_lang": query, "config": f"{doc}-{query}"}
        return mteb_part(REPO, REVISION, pins="mlqa", split=choice.split, **how)

    return paired_parts(choice, part)


COLLECTION = Collection(
    name="mlqa",
    title="MLQA: questions to the passages that answer them, any pair of seven languages",
    doc_langs=LANGS,
    query_langs=LANGS,
    default_query_langs=("eng",),
    splits=("test", "validation"),
    licence="CC BY-SA 3.0",
    source=f"https://huggingface.co/datasets/{REPO}",
    revision=REVISION,
    checksums="the hub's, of every file at that commit",
    citation="Lewis, Oguz, Rinott, Riedel, Schwenk: MLQA: Evaluating Cross-lingual Extractive "
    "Question Answering. ACL 2020.",
    judged="every question has its passage; in the pair of Arabic passages and German questions "
    "nearly all judgements are reported to name another passage than the right one",
    own_ids=frozenset({"documents", "queries"}),
    parts=_parts,
)
