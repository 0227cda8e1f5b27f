"""`xret info` and `xret verify`: what an index holds, and whether it is sound."""

from __future__ import annotations

import typer

from xret.cli.options import AsJson, IndexArgument
from xret.cli.output import message, print_json, print_table

__all__ = ["info", "verify"]


def info(index: IndexArgument, as_json: AsJson = False) -> None:
    """Documents, languages, encoder and size of an index."""
    import xret

    answer = xret.info(index)
    if as_json:
        print_json(answer)
        return
    warnings = answer.pop("warnings", [])
    languages = ", ".join(f"{lang} {count:,}" for lang, count in answer["languages"].items())
    rows = [(name, str(value)) for name, value in {**answer, "languages": languages}.items()]
    print_table(("", "value"), rows)
    for warning in warnings:
        message(warning)


def verify(index: IndexArgument) -> None:
    """Check every file and every stored document; exit status 1 when one is damaged."""
    import xret
    from xret.config import find_index

    faults = xret.verify(index)
    for fault in faults:
        message(f"xret: {fault}")
    if faults:
        raise typer.Exit(1)
    typer.echo(f"{find_index(index)} is sound")
