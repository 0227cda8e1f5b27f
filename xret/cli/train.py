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
        from xret.retriever.training.static.settings import StaticTraining
        from xret.retriever.training.static.static import train_static as run
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            f"training needs {error.name}; install it with: pip install torch transformers"
        ) from error
    show_progress(run(data, output, settings=StaticTraining(seed=seed, teacher=teacher)))
    message(f"trained: {output}; try it with: xret index --corpus demo --encoder {output}")


@app.command("modular")
def train_modular(
    data: Annotated[
        Path,
        typer.Option(
            "--data", exists=True, file_okay=False, help="Folder with train/ and lexicon/."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", help="Folder for the encoder.")],
    static: Annotated[
        str, typer.Option("--static", help="Static encoder to start from: a name or a folder.")
    ] = "xret-static",
    steps: Annotated[int, typer.Option("--steps", min=1, help="Batches of 128 pairs.")] = 700,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="A language of the data to leave out; repeatable."),
    ] = None,
    rate: Annotated[
        float, typer.Option("--rate", min=1e-8, max=1.0, help="Adam's, at its highest.")
    ] = 2e-4,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Processor threads.")] = 2,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu or cuda; cpu where none is given.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="What everything random follows from.")] = 0,
) -> None:
    """Train a small X-MOD encoder over a static one's vocabulary; run again to go on."""
    from xret.errors import MissingLibraryError
    from xret.retriever.models.location import model_location

    try:
        from xret.retriever.training.modular.modular import train_modular as run
        from xret.retriever.training.modular.settings import ModularTraining
    except ImportError as error:
        raise MissingLibraryError(
            f"training needs {error.name}; install it with: pip install 'xret[train]'"
        ) from error
    settings = ModularTraining(seed=seed, steps=steps, rate=rate, threads=threads, device=device)
    settings = settings.without(without or [])
    show_progress(run(data, model_location(static), output, settings=settings))
    message(f"trained: {output}; try it with: xret index --corpus demo --encoder {output}")
