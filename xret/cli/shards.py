"""`xret shards` and `xret merge`: indices that are searched as one, and those that become one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xret.cli.output import message, show_progress

__all__ = ["merge", "shards"]


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


def merge(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The folder of the new index.")],
    parts: Annotated[
        list[str],
        typer.Argument(metavar="PART...", help="Names or folders of indices to copy into it."),
    ],
) -> None:
    """Copy several indices into one, without encoding anything again."""
    from xret.retriever.shards import merge_steps

    held = show_progress(merge_steps(output, parts))
    typer.echo(f"{held.documents:,} documents in {held.segments} segments")
    message(f"next: xret compact {output}, which joins small segments")
