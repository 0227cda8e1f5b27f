"""The corpora known by name as they are listed, described and fetched into the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from xret.retriever.corpora.collection import Collection, FetchedFile
from xret.retriever.corpora.irds import IrDatasetsCorpus
from xret.retriever.corpora.parts import CollectionCorpus
from xret.retriever.corpora.registry import CORPORA, find_collection, open_corpus
from xret.types import Progress, Work, finished

__all__ = ["corpora", "corpus_info", "pull_corpus", "pull_steps"]


def corpora() -> list[dict[str, Any]]:
    """Name, languages, documents, licence and source of every corpus."""
    return [_listed(find_collection(name)) for name in CORPORA]


def corpus_info(name: str) -> dict[str, Any]:
    """Where a corpus comes from, how it is read, and what one must know to cite it.

    Raises UnknownCorpusError with the nearest names.
    """
    known = find_collection(name)
    return {
        **_listed(known),
        "title": known.title,
        "document_languages": known.doc_langs,
        "query_languages": known.query_langs,
        "documents_by_language": dict(known.documents),
        "splits": known.splits,
        "revision": known.revision or "pinned on first use and recorded",
        "checksums": known.checksums,
        "size": known.size,
        "document_text": known.template,
        "query_text": known.query_template,
        "grades": known.grades,
        "judged": known.judged,
        "how_to_get": known.how,
        "citation": known.citation,
    }


def pull_steps(
    name: str,
    *,
    lang: Sequence[str] = (),
    doc_lang: Sequence[str] = (),
    split: str | None = None,
) -> Work[list[FetchedFile]]:
    """Fetch a corpus into the cache, checked; run it again to go on after a break.

    lang, doc_lang: of its queries and its documents. Nothing is fetched of one that lies on this
    machine already. Raises what `open_corpus` raises.
    """
    source = open_corpus(name, doc_langs=doc_lang, query_langs=lang, split=split)
    if not isinstance(source, CollectionCorpus | IrDatasetsCorpus):
        yield Progress("fetching", 0, 0, "files", note=f"{name} is here already")
        return []
    if isinstance(source, CollectionCorpus):
        for said in ("licence", "source"):
            note = f"{said}: {getattr(source.collection, said)}"
            yield Progress("fetching", 0, None, "files", note=note)
    files: list[FetchedFile] = []
    yield from _kept(source.fetch(), files)
    return files


pull_corpus = finished(pull_steps)


def _kept(steps: Iterator[Progress | FetchedFile], files: list[FetchedFile]) -> Iterator[Progress]:
    for step in steps:
        if isinstance(step, FetchedFile):
            files.append(step)
        else:
            yield step


def _listed(known: Collection) -> dict[str, Any]:
    return {
        "name": known.name,
        "languages": known.languages,
        "documents": known.count(),
        "licence": known.licence,
        "source": known.source,
    }
