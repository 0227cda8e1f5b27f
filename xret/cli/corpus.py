"""`xret corpus`: the corpora known by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table, show_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xret.retriever.corpora.collection import Collection, FetchedFile
    from xret.types import Progress

__all__ = ["app"]

app = typer.Typer(help="Corpora known by name.", no_args_is_help=True)

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a corpus, or an id of ir_datasets.")
]
LangOption = Annotated[
    list[str] | None,
    typer.Option("--lang", help="Languages of the documents; repeatable, or with commas; all."),
]
QueryLangOption = Annotated[
    list[str] | None, typer.Option("--query-lang", help="Languages of the queries, likewise.")
]
SplitOption = Annotated[
    str | None, typer.Option("--split", help="Which queries: test, dev, ...; see `corpus info`.")
]


@app.callback()
def corpus() -> None:
    """Corpora known by name."""


@app.command("list")
def list_corpora(as_json: AsJson = False) -> None:
    """Name, languages, size, licence and source of every corpus."""
    from xret.retriever.corpora.registry import CORPORA, find_collection

    found = [find_collection(name) for name in CORPORA]
    if as_json:
        print_json({"corpora": [_described(each) for each in found]})
        return
    print_table(
        ("name", "languages", "documents", "licence", "source"),
        [
            (each.name, _few(each.languages), _count(each), each.licence, each.source)
            for each in found
        ],
    )
    message("any id of ir_datasets (miracl/sw/dev) and any file or folder is a corpus too")


@app.command("info")
def info(name: NameArgument, as_json: AsJson = False) -> None:
    """Where a corpus comes from, how it is read, and what one must know to cite it."""
    from xret.retriever.corpora.registry import find_collection

    known = find_collection(name)
    if as_json:
        print_json({**_described(known), **_details(known)})
        return
    rows = [
        ("title", known.title),
        ("documents", f"{_count(known)} in {len(known.doc_langs)} languages"),
        ("languages", " ".join(known.doc_langs)),
        ("query languages", " ".join(known.query_langs) or "those of the documents"),
        *[
            (key.replace("_", " "), _text(value))
            for key, value in _details(known).items()
            if key
            not in ("title", "document_languages", "query_languages", "documents_by_language")
            and value
        ],
        ("licence", known.licence),
        ("source", known.source),
    ]
    print_table(("", known.name), rows)


@app.command("pull")
def pull(
    name: NameArgument,
    lang: LangOption = None,
    query_lang: QueryLangOption = None,
    split: SplitOption = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a corpus into the cache, checked; run it again to go on after a break."""
    from xret.errors import CorpusError
    from xret.retriever.corpora.irds import IrDatasetsCorpus
    from xret.retriever.corpora.parts import CollectionCorpus
    from xret.retriever.corpora.registry import open_corpus

    found = open_corpus(name, doc_langs=lang or (), query_langs=query_lang or (), split=split)
    if not isinstance(found, CollectionCorpus | IrDatasetsCorpus):
        raise CorpusError(f"{name} is here already; there is nothing to pull")
    if isinstance(found, CollectionCorpus):
        message(f"licence: {found.collection.licence}")
        message(f"source: {found.collection.source}")
    files: list[FetchedFile] = []
    show_progress(_progress(found.fetch(), files))
    if as_json:
        print_json(
            {
                "corpus": name,
                "bytes": sum(each.bytes for each in files),
                "files": [
                    {
                        "path": str(each.path),
                        "source": each.source,
                        "bytes": each.bytes,
                        "checksum": each.checksum,
                    }
                    for each in files
                ],
            }
        )
        return
    print_table(
        ("file", "bytes", "checksum"),
        [(str(each.path), f"{each.bytes:,}", each.checksum) for each in files],
    )
    message(f"{len(files):,} files, {sum(each.bytes for each in files):,} bytes, all checked")


def _progress(
    steps: Iterator[Progress | FetchedFile], files: list[FetchedFile]
) -> Iterator[Progress]:
    from xret.retriever.corpora.collection import FetchedFile

    for step in steps:
        if isinstance(step, FetchedFile):
            files.append(step)
        else:
            yield step


def _described(known: Collection) -> dict[str, Any]:
    return {
        "name": known.name,
        "languages": known.languages,
        "documents": known.count(),
        "licence": known.licence,
        "source": known.source,
    }


def _details(known: Collection) -> dict[str, Any]:
    return {
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


def _count(known: Collection) -> str:
    count = known.count()
    return "" if count is None else f"{count:,}"


def _few(languages: tuple[str, ...]) -> str:
    return " ".join(languages[:20]) + (f" and {len(languages) - 20} more" * (len(languages) > 20))


def _text(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
