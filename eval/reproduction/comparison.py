"""The commands of a row, run as a user would type them, and the numbers beside the published."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xret.errors import ModelError, RunError
from xret.eval.measures import measure_facts
from xret.eval.reproduction.requirements import missing_words, pooling_fault
from xret.eval.reproduction.table import Published, PublishedTable, SystemRow
from xret.retriever.corpora.registry import CORPORA, find_collection
from xret.retriever.models.registry import ENCODERS

__all__ = ["Measured", "RowResult", "commands_of", "reproduce_row"]

Command = tuple[str, ...]
Outcome = Literal["match", "miss", "published value not verified", "failed", "not run"]
Shell = Callable[[Command], subprocess.CompletedProcess[str]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One number against the published one; None where it was not measured."""

    measure: str
    published: float | None
    measured: float | None
    tolerance: float
    outcome: Outcome
    place: str
    url: str

    @property
    def difference(self) -> float | None:
        if self.published is None or self.measured is None:
            return None
        return self.measured - self.published


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of a row. failure: the command that failed and what to do, "" for none."""

    name: str
    commands: tuple[Command, ...]
    numbers: tuple[Measured, ...]
    failure: str = ""


def commands_of(row: SystemRow, folder: Path) -> tuple[Command, ...]:
    """What a user would type for a row, in order; indices go into `folder`.

    What is fetched comes first, so that it can be run alone where there is a network. None for
    a system that xret does not have.
    """
    if not row.encoder:
        return ()
    index = str(folder / row.name)
    chosen = [
        word
        for flag, value in (
            ("--lang", row.query_lang),
            ("--doc-lang", row.lang),
            ("--split", row.split),
        )
        if value
        for word in (flag, value)
    ]
    measures = [word for each in row.published for word in ("--measure", each.measure)]
    rerank = ["--rerank", row.rerank.format(folder=folder)] if row.rerank else []
    return (
        *_pulls(row, chosen),
        *(tuple(shlex.split(each.format(folder=folder))) for each in row.before),
        ("xret", "index", "--corpus", row.indexed, "--output", index, "--encoder", row.encoder),
        ("xret", "eval", row.corpus, *chosen, "--index", index, *rerank, *measures, "--json"),
    )


def reproduce_row(
    row: SystemRow,
    table: PublishedTable,
    folder: Path,
    *,
    shell: Shell | None = None,
    on_command: Callable[[Command], None] = lambda _: None,
) -> RowResult:
    """Run a row's commands until one fails, and compare what the last one measured.

    shell: runs one command and captures its stdout; the real command line by default.
    """
    commands = commands_of(row, folder)
    if not row.encoder:
        return RowResult(row.name, (), _unmeasured(row, table, "not run"))
    if missing := missing_words(row.needs):
        return RowResult(row.name, commands, _unmeasured(row, table), missing)
    output = ""
    for command in commands:
        if _is_kept(command):
            continue
        if row.pooling and command[1] == "index" and (fault := _pooling_fault(row)):
            return RowResult(row.name, commands, _unmeasured(row, table), fault)
        on_command(command)
        done = (shell or run_command)(command)
        if done.returncode == 130:
            raise KeyboardInterrupt
        if done.returncode:
            return _failed(row, table, commands, command)
        output = done.stdout
    means = _means(output)
    numbers = tuple(
        _compared(published, means.get(measure_facts(published.measure).name), table.tolerance)
        for published in row.published
    )
    return RowResult(row.name, commands, numbers)


def run_command(command: Command) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, by this very installation; stderr passes through."""
    words = [sys.executable, "-c", "from xret.cli import main; main()", *command[1:]]
    return subprocess.run(  # noqa: S603 — words of a table, never a shell's
        words, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False
    )


def _is_kept(command: Command) -> bool:
    """Whether a module was learnt for an earlier row; what else is made tells that itself."""
    return command[:3] == ("xret", "module", "learn") and Path(command[-1]).is_file()


def _pooling_fault(row: SystemRow) -> str:
    try:
        return pooling_fault(row.encoder, row.pooling)
    except ModelError as error:
        return str(error)


def _pulls(row: SystemRow, chosen: Sequence[str]) -> list[Command]:
    """What is fetched; of a row that needs what nobody can fetch, nothing."""
    if row.needs:
        return []
    pulls: list[Command] = []
    named = row.corpus in CORPORA
    shipped = named and find_collection(row.corpus).folder is not None
    if not shipped and not Path(row.corpus).exists():
        pulls.append(("xret", "corpus", "pull", row.corpus, *chosen))
    registered = ENCODERS.get(row.encoder)
    here = registered is not None and registered.folder is not None
    if not here and not Path(row.encoder).is_dir():
        pulls.append(("xret", "model", "pull", row.encoder))
    return pulls


def _failed(
    row: SystemRow, table: PublishedTable, commands: tuple[Command, ...], failed: Command
) -> RowResult:
    said = f"{' '.join(failed)} failed (its message is above)"
    fetched = [" ".join(command) for command in commands if command[2] == "pull"]
    if fetched:
        said += f"; with a network, fetch what this row needs by: {'; '.join(fetched)}"
    return RowResult(row.name, commands, _unmeasured(row, table), said)


def _unmeasured(
    row: SystemRow, table: PublishedTable, outcome: Outcome = "failed"
) -> tuple[Measured, ...]:
    return tuple(
        Measured(p.measure, p.value, None, table.tolerance, outcome, p.place, p.url)
        for p in row.published
    )


def _means(output: str) -> dict[str, float]:
    """The measures of all queries over all documents, out of `xret eval --json`; of several
    systems those of the last, which is the one with a reranker."""
    try:
        report = json.loads(output)
        results = (report["systems"][-1] if "systems" in report else report)["results"]
        whole = next(r for r in results if r["query_lang"] is None and r["doc_lang"] is None)
        return {name: float(value) for name, value in whole["measures"].items()}
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise RunError(f"xret eval printed no results of all queries: {error!r}") from error


def _compared(published: Published, measured: float | None, tolerance: float) -> Measured:
    outcome: Outcome
    if measured is None:
        outcome = "failed"
    elif published.value is None:
        outcome = "published value not verified"
    else:
        # Both are decimals: the last digit of a float must not turn a match into a miss.
        near = abs(measured - published.value) <= tolerance + 1e-9
        outcome = "match" if near else "miss"
    return Measured(
        published.measure,
        published.value,
        measured,
        tolerance,
        outcome,
        published.place,
        published.url,
    )
