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
    data: Annotated[
        Path,
        typer.Option(
            "--data", exists=True, file_okay=False, help="Folder with train/ and lexicon/."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", help="Folder for the encoder.")],
    teacher: Annotated[
        Path | None,
        typer.Option("--teacher", help="Folder of a small English sentence encoder to learn from."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="What everything random follows from.")] = 0,
) -> None:
    """Train a static multilingual encoder on parallel text; run again to go on."""
    from xret.errors import MissingLibraryError

    try:
        from xret.retriever.training.settings import StaticTraining
        from xret.retriever.training.static import train_static as run
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            f"training needs {error.name}; install it with: pip install torch transformers"
        ) from error
    show_progress(run(data, output, settings=StaticTraining(seed=seed, teacher=teacher)))
    message(f"trained: {output}; try it with: xret index --corpus demo --encoder {output}")
