"""`xret train`: encoders of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xret.cli.output import message, show_progress

__all__ = ["app"]

app = typer.Typer(help="Train encoders.", no_args_is_help=True)


@app.callback()
def train() -> None:
    """Train encoders."""


@app.command("static")
def train_static(
    data: Annotated[Path, typer.Option("--data", help="Folder with train/ and lexicon/.")],
    output: Annotated[Path, typer.Option("--output", help="Folder for the encoder.")],
) -> None:
    """Train a static multilingual encoder on parallel text; run again to go on."""
    from xret.retriever.training.static import StaticTraining
    from xret.retriever.training.static import train_static as run

    show_progress(run(data, output, settings=StaticTraining()))
    message(f"trained: {output}; try it with --encoder {output}")
