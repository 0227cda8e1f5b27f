"""`xret train static | modular`: the embedded encoders, from parallel text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xret.cli.fields import options_of
from xret.cli.output import message, show_progress
from xret.retriever.training.modular.settings import ModularTraining
from xret.retriever.training.static.settings import StaticTraining

__all__ = ["app"]

app = typer.Typer(help="Train encoders.", no_args_is_help=True)

Data = Annotated[
    Path,
    typer.Option("--data", exists=True, file_okay=False, help="Folder with train/ and lexicon/."),
]
Output = Annotated[Path, typer.Option("--output", help="Folder for the encoder.")]


@app.callback()
def train() -> None:
    """Train encoders."""


@app.command("static")
@options_of(StaticTraining)
def train_static(data: Data, output: Output, **fields: Any) -> None:
    """Train a static multilingual encoder on parallel text; run again to go on."""
    from xret.errors import MissingLibraryError

    try:
        from xret.retriever.training.static.static import train_static as run
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            f"training needs {error.name}; install it with: pip install torch transformers"
        ) from error
    show_progress(run(data, output, settings=StaticTraining(**fields)))
    message(f"trained: {output}; try it with: xret index --corpus demo --encoder {output}")


@app.command("modular")
@options_of(ModularTraining)
def train_modular(
    data: Data,
    output: Output,
    base: Annotated[
        str, typer.Option("--base", help="BERT bi-encoder to start from: a name or a folder.")
    ] = "multilingual-e5-small",
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="A language of the data to leave out; repeatable."),
    ] = None,
    **fields: Any,
) -> None:
    """Train an X-MOD encoder from a pretrained BERT; run again to go on."""
    from xret.errors import MissingLibraryError
    from xret.retriever.models.location import model_location

    try:
        from xret.retriever.training.modular.modular import train_modular as run
    except ImportError as error:
        raise MissingLibraryError(
            f"training needs {error.name}; install it with: pip install 'xret[train]'"
        ) from error
    settings = ModularTraining(**fields).without(without or [])
    show_progress(run(data, model_location(base), output, settings=settings))
    message(f"trained: {output}; try it with: xret index --corpus demo --encoder {output}")
