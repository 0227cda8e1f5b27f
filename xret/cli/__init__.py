"""The command line: `xret COMMAND --help` says what each command takes."""

import sys
from pathlib import Path

import typer

from xret.cli import corpus, evaluate, index, inspect, model, search, serve, settings, train
from xret.config import read_settings
from xret.errors import XretError

__all__ = ["app", "main"]

app = typer.Typer(
    name="xret",
    help="Search documents in one language with questions in another.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"auto_envvar_prefix": "XRET", "help_option_names": ["-h", "--help"]},
)
app.command("index")(index.index)
app.command("search")(search.search)
app.command("eval")(evaluate.evaluate)
app.command("serve")(serve.serve)
app.command("info")(inspect.info)
app.command("verify")(inspect.verify)
app.command("config")(settings.config)
app.add_typer(corpus.app, name="corpus")
app.add_typer(model.app, name="model")
app.add_typer(train.app, name="train")


def main() -> None:
    """Run the command line; every error is one message and an exit status.

    0 done, 1 the work failed, 2 wrong use, 130 interrupted and resumable.
    """
    try:
        app(default_map=settings.checked(read_settings(Path.cwd()), app))
    except XretError as error:
        _fail(str(error), error.exit_status)
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        _fail("interrupted; run the same command again to go on", 130)
    except OSError as error:
        _fail(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""), 1)


def _fail(message: str, status: int) -> None:
    typer.echo(f"xret: {message}", err=True)
    raise SystemExit(status)
