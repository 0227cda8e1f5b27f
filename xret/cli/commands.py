"""The commands, put together: which there are, what they are called, how they are answered."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import xret
from xret.cli import (
    compact,
    corpus,
    doctor,
    evaluate,
    explain,
    export,
    fuse,
    index,
    inspect,
    key,
    lang,
    lang_add,
    mcp,
    model,
    model_choose,
    model_export,
    model_trim,
    modules,
    reproduce,
    rerank,
    search,
    serve,
    settings,
    shards,
    train,
    train_encoder,
    train_rerank,
    train_synthesise,
)
from xret.cli import run as run_command
from xret.cli.variadic import RunsCommand
from xret.config import read_settings

__all__ = ["Interrupted", "answer", "app"]


class Interrupted(BaseException):
    """Ctrl-C inside a command. typer would make of it an exit status without a word."""


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")  # pydantic's, inside typer
            raise


app = typer.Typer(
    name="xret",
    cls=_Commands,
    help="Search documents in one language with questions in another.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"xret {xret.__version__}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version, and stop."
        ),
    ] = False,
) -> None:
    """Search documents in one language with questions in another."""


app.command("index")(index.index)
app.command("search")(search.search)
app.command("explain")(explain.explain)
app.command("run")(run_command.run)
app.command("fuse")(fuse.fuse)
app.command("eval", cls=RunsCommand)(evaluate.evaluate)
app.command("reproduce")(reproduce.reproduce)
app.command("serve")(serve.serve)
app.command("mcp")(mcp.mcp)
app.command("info")(inspect.info)
app.command("verify")(inspect.verify)
app.command("delete")(compact.delete)
app.command("compact")(compact.compact)
app.command("shards")(shards.shards)
app.command("export")(export.export)
app.command("merge")(shards.merge)
app.command("config")(settings.config)
app.command("doctor")(doctor.doctor)
app.add_typer(corpus.app, name="corpus")
app.add_typer(key.app, name="key")
app.add_typer(lang.app, name="lang")
app.add_typer(model.app, name="model")
app.add_typer(modules.app, name="module")
app.add_typer(rerank.app, name="rerank")
app.add_typer(train.app, name="train")
lang.app.command("add")(lang_add.add)
model.app.command("choose")(model_choose.choose)
model.app.command("export")(model_export.export_model)
model.app.command("trim")(model_trim.trim_model)
train.app.command("contrastive", cls=train_encoder.FilesCommand)(train_encoder.train_contrastive)
train.app.command("distil", cls=train_encoder.FilesCommand)(train_encoder.train_distil)
train.app.command("align", cls=train_encoder.FilesCommand)(train_encoder.train_align)
train.app.command("mine")(train_encoder.mine)
train.app.command("synthesise")(train_synthesise.synthesise_questions)
train.app.command("rerank", cls=train_encoder.FilesCommand)(train_rerank.train_rerank)


def answer() -> None:
    """Answer the command line with the settings of the folder it was typed in.

    Leaves by SystemExit; raises XretError, OSError and Interrupted.
    """
    command: Any = typer.main.get_command(app)
    settings.name_variables(command)
    # What a shell asks for at the Tab key must not fail over a file that is being written.
    file = {} if "_XRET_COMPLETE" in os.environ else read_settings(Path.cwd())
    command(default_map=settings.checked(file, command), prog_name="xret")
