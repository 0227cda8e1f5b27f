"""`xret shards`: indices that are searched as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xret.cli.output import message

__all__ = ["shards"]


def shards(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The folder to make.")],
    parts: Annotated[
        list[str],
        typer.Argument(
            metavar="PART...",
            help="Folders of indices, and addresses of served ones: "
            "http://HOST:8000/v1/indexes/NAME.",
        ),
    ],
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Answer without parts that do not answer, and say so."),
    ] = False,
) -> None:
    """Make several indices one: searched where they lie, with the scores of one index."""
    import xret

    held = xret.join_shards(output, parts, partial=partial)
    typer.echo(f"{held.documents:,} documents in {len(parts)} shards")
    message(f'next: xret search {output} "your question in any language"')
