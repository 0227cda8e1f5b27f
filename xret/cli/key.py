"""`xret key`: who may ask a server what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table

__all__ = ["app"]

FileOption = Annotated[
    Path | None, typer.Option("--file", help="The file of keys; else keys.json beside the indices.")
]
HEADINGS = ("id", "scopes", "indices", "filter", "expires", "a minute", "note")

app = typer.Typer(
    help="Make, list and remove the keys of a server's clients.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def key() -> None:
    """Make, list and remove the keys of a server's clients."""


@app.command("add")
def add_key(
    scope: Annotated[
        list[str],
        typer.Option("--scope", help="search, embed, write or admin; may be repeated."),
    ],
    index: Annotated[
        list[str] | None,
        typer.Option("--index", help="Only this index, as it is served; may be repeated."),
    ] = None,
    filter: Annotated[
        str | None,
        typer.Option("--filter", help="Only such documents, for this key there are no others."),
    ] = None,
    days: Annotated[
        float | None, typer.Option("--days", min=0.001, max=36_500, help="How long it is good for.")
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option("--per-minute", min=1, help="Requests that it has.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Whose it is, or what for.")] = "",
    file: FileOption = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once: only its hash is kept.

    As soon as there is one, the server asks everybody for a key; a running server sees new keys
    and removed ones at once, but has to be started anew for the first.
    """
    from xret.server.border.keyring import Keyring, keys_file, new_key

    secret, made = new_key(
        scope, indexes=index or (), filter=filter, days=days, per_minute=per_minute, note=note
    )
    keyring = Keyring(file or keys_file())
    keyring.add(made)
    if as_json:
        print_json({"id": made.id, "key": secret, "file": str(keyring.path)})
        return
    typer.echo(secret)
    message(f"key {made.id} is in {keyring.path}; it is not shown again")


@app.command("list")
def list_keys(file: FileOption = None, as_json: AsJson = False) -> None:
    """The keys there are, without their secrets."""
    from xret.server.border.keyring import Keyring, keys_file

    keyring = Keyring(file or keys_file())
    keys = keyring.current()
    if as_json:
        print_json({"file": str(keyring.path), "keys": [key.described() for key in keys]})
        return
    if not keys:
        message(f"no keys in {keyring.path}")
        return
    rows = [
        (
            key.id,
            " ".join(key.scopes),
            " ".join(key.indexes) or "all",
            key.filter or "",
            key.expires or "never",
            str(key.per_minute or ""),
            key.note,
        )
        for key in keys
    ]
    print_table(HEADINGS, rows)


@app.command("remove")
def remove_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `xret key list` has it.")],
    file: FileOption = None,
) -> None:
    """Remove a key; it is refused from the next request on."""
    from xret.server.border.keyring import Keyring, keys_file

    removed = Keyring(file or keys_file()).remove(key_id)
    typer.echo(f"key {removed.id} removed")
