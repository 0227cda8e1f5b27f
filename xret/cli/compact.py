"""`xret delete` and `xret compact`: documents out of an index, and their vectors after them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from xret.cli.ids import typed
from xret.cli.options import AsJson, IndexArgument
from xret.cli.output import message, print_json, print_table, show_progress

__all__ = ["compact", "delete"]


def delete(
    index: IndexArgument,
    doc_ids: Annotated[
        list[str] | None, typer.Argument(metavar="DOC_ID", help="Ids of documents to delete.")
    ] = None,
    listed: Annotated[
        Path | None, typer.Option("--from", help="A file with one id a line; - for stdin.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Delete documents by their ids; their vectors stay on disk until `xret compact`."""
    import xret
    from xret.retriever.upkeep import read_ids

    wanted = list(doc_ids or [])
    if listed is not None:
        content = sys.stdin.buffer.read() if str(listed) == "-" else listed.read_bytes()
        wanted += map(typed, read_ids(content, listed))
    deletion = xret.delete(index, wanted)
    if as_json:
        print_json(deletion)
        return
    typer.echo(f"{deletion.deleted:,} documents deleted")
    if deletion.missing:
        message(f"{deletion.missing:,} ids were not in the index")


def compact(index: IndexArgument, as_json: AsJson = False) -> None:
    """Rewrite an index without deleted documents, joining small segments.

    Searches go on meanwhile. Killed at any moment it has lost nothing; run it again to go on.
    """
    from dataclasses import asdict

    from xret.retriever.upkeep import compact_steps

    report = show_progress(compact_steps(index))
    if as_json:
        print_json(report)
        return
    print_table(("", "value"), [(name, str(value)) for name, value in asdict(report).items()])
