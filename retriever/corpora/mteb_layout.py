"""Collections that mteb keeps on the hub, all in one layout.

Configurations `{lang}-corpus` (`_id title text`), `{lang}-queries` (`_id text`) and
`{lang}-qrels` (`query-id corpus-id score`), at the commit that mteb itself pins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from xret.errors import CorpusError
from xret.retriever.corpora.collection import Choice, Part
from xret.retriever.corpora.columns import qrels_of
from xret.retriever.corpora.hub import HubConfig
from xret.retriever.corpora.records import BadRecord
from xret.retriever.corpora.shapes import query_of
from xret.types import Query

__all__ = ["mteb_part", "mteb_parts"]


def mteb_parts(
    repo: str, revision: str, *, pins: str, query_lang: Callable[[str], str] = lambda lang: lang
) -> Callable[[Choice], Sequence[Part]]:
    """What opens the languages of such a collection; query_lang: of a document language."""

    def part(lang: str, split: str) -> Part:
        asked = query_lang(lang)
        return mteb_part(
            repo,
            revision,
            pins=pins,
            config=lang,
            split=split,
            doc_lang=lang,
            query_lang=asked,
        )

    return lambda choice: [part(lang, choice.split) for lang in choice.doc_langs]


def mteb_part(
    repo: str,
    revision: str,
    *,
    pins: str,
    config: str,
    split: str,
    doc_lang: str,
    query_lang: str,
) -> Part:
    """The part that the configurations `{config}-corpus`, `-queries` and `-qrels` make."""
    docs, queries, judged = (
        HubConfig(repo, revision, f"{config}-{kind}", split, pins)
        for kind in ("corpus", "queries", "qrels")
    )
    return Part(
        name=config,
        doc_lang=doc_lang,
        sources=(docs, queries, judged),
        documents=docs.records,
        queries=lambda _: _queries(queries, query_lang),
        qrels=lambda: qrels_of(judged.records(), ("query-id", "corpus-id", "score")),
    )


def _queries(files: HubConfig, lang: str) -> Iterator[Query]:
    for record in files.records():
        found = record if isinstance(record, BadRecord) else query_of(record, lang=lang)
        if isinstance(found, BadRecord):
            raise CorpusError(f"{found.place}: {found.reason}")
        yield found
