"""`xret export`: an index in another program's format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from xret.cli.options import AsJson, IndexArgument
from xret.cli.output import print_json, show_progress

__all__ = ["export"]


def export(
    index: IndexArgument,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The folder to write.")],
    to: Annotated[
        Literal["faiss", "lance", "npz", "vespa"],
        typer.Option(
            "--to",
            help="A FAISS file, a Lance data set, NumPy archives, or Vespa's schema and feed.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Write an index's vectors and texts for another program."""
    from xret.retriever.index_export import export_index_steps

    report = show_progress(export_index_steps(index, output, to=to))
    if as_json:
        print_json(report)
        return
    typer.echo(
        f"{report.documents:,} documents, {report.passages:,} passages and {report.vectors:,} "
        f"vectors in {report.folder}"
    )
