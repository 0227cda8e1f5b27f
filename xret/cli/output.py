"""What commands print: results on stdout, progress and messages on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import typer

from xret.types import Progress

__all__ = ["message", "print_json", "print_table", "show_progress"]

PLAIN_EVERY_S = 30.0


def message(text: str) -> None:
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """Dataclasses, dicts and lists as indented JSON in UTF-8."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    sys.stdout.buffer.write(orjson.dumps(value, option=options))
    sys.stdout.flush()


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table for people at a terminal, tab-separated lines anywhere else."""
    if not sys.stdout.isatty():
        for row in [headings, *rows]:
            typer.echo("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])
    Console().print(table)


def show_progress(
    steps: Iterable[Progress], *, clock: Callable[[], float] = time.monotonic
) -> None:
    """Run the work to its end: a bar at a terminal, else one plain line every 30 s."""
    if sys.stderr.isatty():
        _show_bar(steps)
        return
    started = last = clock()
    for step in steps:
        now = clock()
        if now - last >= PLAIN_EVERY_S:
            last = now
            message(_plain(step, now - started))


def _plain(step: Progress, elapsed_s: float) -> str:
    rate = step.done / elapsed_s if elapsed_s > 0 else 0.0
    line = f"{step.stage}: {step.done:,}"
    if step.total is None:
        return f"{line} {step.unit}, {rate:,.0f} {step.unit}/s"
    left_s = (step.total - step.done) / rate if rate else 0.0
    return f"{line} of {step.total:,} {step.unit}, {rate:,.1f} {step.unit}/s, {left_s:,.0f} s left"


def _show_bar(steps: Iterable[Progress]) -> None:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as Bars,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}, {task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}
        for step in steps:
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(step.stage, unit=step.unit, rate=0.0)
            task = bars.tasks[tasks[step.stage]]
            rate = step.done / task.elapsed if task.elapsed else 0.0
            bars.update(task.id, completed=step.done, total=step.total, rate=rate)
