"""The command line: `xret COMMAND --help` says what each command takes."""

import sys
from typing import TYPE_CHECKING, Any

from xret.errors import XretError

if TYPE_CHECKING:
    from xret.cli.commands import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; every error is one message and an exit status.

    0 done, 1 the work failed, 2 wrong use, 130 interrupted and resumable.
    """
    try:
        _run()
    except KeyboardInterrupt:
        # Nothing is imported here: the interrupt may have come in the middle of an import.
        print("xret: interrupted; run the same command again to go on", file=sys.stderr)
        raise SystemExit(130) from None


def _run() -> None:
    from xret.cli.commands import Interrupted, answer
    from xret.cli.output import prepare_streams

    prepare_streams()
    try:
        answer()
    except Interrupted:
        raise KeyboardInterrupt from None
    except XretError as error:
        _fail(str(error), error.exit_status)
    except OSError as error:
        _fail(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""), 1)


def _fail(text: str, status: int) -> None:
    from xret.cli.output import message

    message(f"xret: {text}")
    raise SystemExit(status)


def __getattr__(name: str) -> Any:
    """`app` on first use: what imports the commands must stand where Ctrl-C is answered."""
    if name != "app":
        raise AttributeError(f"module 'xret.cli' has no attribute {name!r}")
    from xret.cli.commands import app

    return app
