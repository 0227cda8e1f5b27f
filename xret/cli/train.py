"""`xret train static | modular | translation-table`: what is embedded, from parallel text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xret.cli.fields import options_of
from xret.cli.output import message, show_progress
from xret.retriever.training.modular.settings import ModularTraining
from xret.retriever.training.static.settings import StaticTraining
from xret.retriever.training.translation.settings import TranslationTraining

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


@app.command("translation-table")
@options_of(TranslationTraining)
def train_table(
    data: Data,
    output: Annotated[Path, typer.Option("--output", help="Folder for the table.")],
    lang: Annotated[
        list[str] | None,
        typer.Option("--lang", help="A language of the data; repeatable. All that are usual."),
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(
            "--leave-out",
            metavar="SOURCE[:LANG]",
            help="A file of the data not to use, by its name; repeatable.",
        ),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(
            "--held-out",
            exists=True,
            file_okay=False,
            help="Evaluation sets to keep out of the text; eval/ of the data where there is one.",
        ),
    ] = None,
    **fields: Any,
) -> None:
    """Learn which English words translate a language's, by word alignment of parallel text."""
    from xret.retriever.languages.codes import language_code
    from xret.retriever.training.translation.translation_table import (
        train_translation_table_steps,
    )

    if lang:
        fields["languages"] = tuple(dict.fromkeys(language_code(code).lower() for code in lang))
    settings = TranslationTraining(leave_out=tuple(leave_out or ()), held_out=held_out, **fields)
    facts = show_progress(train_translation_table_steps(data, output, settings=settings))
    message(
        f"trained: {output}, {facts.n_bytes:,} bytes; use it with: xret index --corpus demo "
        f"--encoder bm25 --psq {output} --output demo-psq"
    )
