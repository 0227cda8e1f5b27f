"""What commands print: results on stdout, progress and messages on stderr."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
import unicodedata
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any, TypeVar, overload

import typer

from xret.types import Progress, Work

__all__ = [
    "message",
    "prepare_streams",
    "print_json",
    "print_table",
    "printable",
    "show_progress",
]

T = TypeVar("T")

PLAIN_EVERY_S = 30.0


def prepare_streams() -> None:
    """Make the standard streams ones that anything can be printed to.

    What an encoding cannot say is written as an escape. A stream that was closed (`>&-`)
    becomes the null device: opened in the order of their numbers, each takes its own place,
    so that no file of an index can be opened as number 1 and be printed into.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def printable(text: str, *, keep: str = "") -> str:
    """A text without control characters: tabs and line ends become spaces, others U+FFFD.

    A corpus may hold the sequences that move a terminal's cursor or retitle its window.
    keep: control characters that stay.

    >>> printable("a\\tb\\x1b[2J")
    'a b\ufffd[2J'
    """
    return "".join(
        character
        if character in keep or unicodedata.category(character) != "Cc"
        else " "
        if character.isspace()
        else "\ufffd"
        for character in text
    )


def message(text: str) -> None:
    """A line, or several, for people on stderr."""
    typer.echo(printable(text, keep="\n"), err=True)


def print_json(value: Any) -> None:
    """Dataclasses, dicts and lists as indented JSON in UTF-8."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    sys.stdout.buffer.write(orjson.dumps(value, option=options))
    sys.stdout.flush()


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, follows: bool = False
) -> None:
    """A table for people at a terminal, tab-separated lines anywhere else.

    follows: whether these lines go on with those of a table printed before.
    """
    if not sys.stdout.isatty():
        for row in [*([] if follows else [headings]), *rows]:
            typer.echo("\t".join(map(printable, row)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*[Text(printable(cell)) for cell in row])
    Console().print(table)


@overload
def show_progress(  # type: ignore[overload-overlap]  # every Work is an Iterable too
    steps: Work[T],
    *,
    clock: Callable[[], float] = ...,
    on_part: Callable[[Progress], None] = ...,
    stoppable: bool = ...,
) -> T: ...
@overload
def show_progress(
    steps: Iterable[Progress], *, clock: Callable[[], float] = ..., stoppable: bool = ...
) -> None: ...
def show_progress(
    steps: Iterable[Progress],
    *,
    clock: Callable[[], float] = time.monotonic,
    on_part: Callable[[Progress], None] = lambda _: None,
    stoppable: bool = False,
) -> Any:
    """Run the work to its end: a bar at a terminal, else one plain line every 30 s.

    Returns what the work returns. on_part: given each step with a part of the result, before
    the end. stoppable: whether the first Ctrl-C asks the work to keep what was done and stop,
    at a step where it can.
    """
    work = _Shown(steps)
    with _stop_once(work) if stoppable else nullcontext():
        if sys.stderr.isatty():
            _show_bar(work, on_part)
        else:
            _show_lines(work, on_part, clock=clock)
    return work.result


class _Shown:
    """The steps of a work, its notes printed on the way; `result` is what it returns."""

    result: Any

    def __init__(self, steps: Iterable[Progress]) -> None:
        self.stoppable = self.stopping = False
        self._steps = steps

    def __iter__(self) -> Iterator[Progress]:
        work, asked = _as_work(self._steps), None
        while True:
            try:
                step = work.send(asked)
            except StopIteration as end:
                self.result = end.value
                return
            if step.note:
                message(step.note)
            self.stoppable = step.stoppable
            yield step
            asked = self.stopping or None


def _as_work(steps: Iterable[Progress]) -> Generator[Progress, bool | None, Any]:
    return (yield from steps)


@contextmanager
def _stop_once(work: _Shown) -> Iterator[None]:
    """The first Ctrl-C stops the work after its next step, the second interrupts at once."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        if not work.stoppable:
            raise KeyboardInterrupt
        message("stopping after this batch; press Ctrl-C again to stop at once")
        work.stopping = True

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _show_lines(
    steps: Iterable[Progress],
    on_part: Callable[[Progress], None],
    *,
    clock: Callable[[], float],
) -> None:
    last = began = clock()
    first: Progress | None = None
    for step in steps:
        if step.part is not None:
            on_part(step)
        now = clock()
        if first is None or step.stage != first.stage:
            first, began = step, now
        if now - last >= PLAIN_EVERY_S:
            last = now
            message(_plain(step, now - began, done_before=first.done))


def _plain(step: Progress, elapsed_s: float, *, done_before: int) -> str:
    """One line of a stage; the rate is that of this run, whatever an earlier one had done."""
    line = f"{step.stage}: {step.done:,}"
    if step.total is not None:
        line += f" of {step.total:,}"
    line += f" {step.unit}"
    rate = (step.done - done_before) / elapsed_s if elapsed_s > 0 else 0.0
    if rate == 0:
        return line
    line += f", {rate:,.1f} {step.unit}/s"
    return line if step.total is None else f"{line}, {(step.total - step.done) / rate:,.0f} s left"


def _show_bar(steps: Iterable[Progress], on_part: Callable[[Progress], None]) -> None:
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
            if step.part is not None:
                bars.stop()  # a bar at work takes what is printed to its own stream
                on_part(step)
                bars.start()
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(step.stage, unit=step.unit, rate=0.0)
            task = bars.tasks[tasks[step.stage]]
            rate = step.done / task.elapsed if task.elapsed else 0.0
            bars.update(task.id, completed=step.done, total=step.total, rate=rate)
