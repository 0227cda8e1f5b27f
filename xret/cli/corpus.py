"""`xret corpus`: the corpora known by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from xret.cli.options import AsJson
from xret.cli.output import print_json, print_table

if TYPE_CHECKING:
    from xret.eval.corpora.registry import RegisteredCorpus

__all__ = ["app"]

app = typer.Typer(help="Corpora known by name.", no_args_is_help=True)


@app.callback()
def corpus() -> None:
    """Corpora known by name."""


@app.command("list")
def list_corpora(as_json: AsJson = False) -> None:
    """Name, languages, size, licence and source of every corpus."""
    from xret.eval.corpora.registry import CORPORA

    if as_json:
        rows = [{"name": name, **_described(known)} for name, known in CORPORA.items()]
        print_json({"corpora": rows})
        return
    print_table(
        ("name", "languages", "documents", "licence", "source"),
        [
            (name, " ".join(known.languages), str(known.documents), known.licence, known.source)
            for name, known in CORPORA.items()
        ],
    )


def _described(known: RegisteredCorpus) -> dict[str, object]:
    return {
        "languages": known.languages,
        "documents": known.documents,
        "licence": known.licence,
        "source": known.source,
    }
