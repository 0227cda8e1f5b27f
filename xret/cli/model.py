"""`xret model`: the encoders known by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from xret.cli.options import AsJson
from xret.cli.output import print_json, print_table

if TYPE_CHECKING:
    from xret.retriever.encoder import RegisteredEncoder

__all__ = ["app"]

app = typer.Typer(help="Encoders known by name.", no_args_is_help=True)


@app.callback()
def model() -> None:
    """Encoders known by name."""


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Name, kind, languages, licence and revision of every encoder."""
    from xret.retriever.encoder import ENCODERS, languages_of

    if as_json:
        rows = [{"name": name, **_described(known)} for name, known in ENCODERS.items()]
        print_json({"models": rows})
        return
    print_table(
        ("name", "kind", "languages", "licence", "revision", "shipped"),
        [
            (
                name,
                known.kind,
                " ".join(languages_of(known)),
                known.licence,
                known.revision,
                "yes" if known.shipped else "no",
            )
            for name, known in ENCODERS.items()
        ],
    )


def _described(known: RegisteredEncoder) -> dict[str, object]:
    from xret.retriever.encoder import languages_of

    return {
        "kind": known.kind,
        "languages": languages_of(known),
        "licence": known.licence,
        "revision": known.revision,
        "shipped": known.shipped,
    }
