"""`xret corpus`: the corpora known by name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from xret.cli.languages import OldQueryLangs, spelt_langs
from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table, show_progress

__all__ = ["app"]

app = typer.Typer(help="Corpora known by name.", no_args_is_help=True)

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a corpus, or an id of ir_datasets.")
]
LangOption = Annotated[
    list[str] | None,
    typer.Option("--lang", help="Languages of the queries; repeatable, or with commas; all."),
]
DocLangOption = Annotated[
    list[str] | None, typer.Option("--doc-lang", help="Languages of the documents, likewise.")
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
    import xret

    known = xret.corpora()
    if as_json:
        print_json({"corpora": known})
        return
    print_table(
        ("name", "languages", "documents", "licence", "source"),
        [
            (
                each["name"],
                _few(each["languages"]),
                _count(each["documents"]),
                each["licence"],
                each["source"],
            )
            for each in known
        ],
    )
    message("any id of ir_datasets (miracl/sw/dev) and any file or folder is a corpus too")


@app.command("info")
def info(name: NameArgument, as_json: AsJson = False) -> None:
    """Where a corpus comes from, how it is read, and what one must know to cite it."""
    import xret

    known = xret.corpus_info(name)
    if as_json:
        print_json(known)
        return
    rows = [
        ("title", known["title"]),
        (
            "documents",
            f"{_count(known['documents'])} in {len(known['document_languages'])} languages",
        ),
        ("languages", " ".join(known["document_languages"])),
        ("query languages", " ".join(known["query_languages"]) or "those of the documents"),
        *[
            (key.replace("_", " "), _text(value))
            for key, value in known.items()
            if key not in _SHOWN_ABOVE and value
        ],
        ("licence", known["licence"]),
        ("source", known["source"]),
    ]
    print_table(("", known["name"]), rows)


@app.command("pull")
def pull(
    name: NameArgument,
    lang: LangOption = None,
    doc_lang: DocLangOption = None,
    split: SplitOption = None,
    query_lang: OldQueryLangs = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a corpus into the cache, checked; run it again to go on after a break."""
    from xret.retriever.corpora.listing import pull_steps

    questions, documents = spelt_langs(lang, doc_lang, query_lang)
    steps = pull_steps(name, lang=questions, doc_lang=documents, split=split)
    files = show_progress(steps)
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
    if not files:  # it is here already, as was said
        return
    print_table(
        ("file", "bytes", "checksum"),
        [(str(each.path), f"{each.bytes:,}", each.checksum) for each in files],
    )
    message(f"{len(files):,} files, {sum(each.bytes for each in files):,} bytes, all checked")


_SHOWN_ABOVE = (
    "name",
    "languages",
    "documents",
    "licence",
    "source",
    "title",
    "document_languages",
    "query_languages",
    "documents_by_language",
)


def _count(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _few(languages: tuple[str, ...]) -> str:
    return " ".join(languages[:20]) + (f" and {len(languages) - 20} more" * (len(languages) > 20))


def _text(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
