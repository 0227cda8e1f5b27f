"""`xret reproduce`: the commands of a published table, run and compared with it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table

if TYPE_CHECKING:
    from xret.eval.reproduction.comparison import Measured, RowResult
    from xret.eval.reproduction.table import Published, PublishedTable, SystemRow

__all__ = ["reproduce"]

HEADINGS = ("row", "measure", "published", "measured", "difference", "result")


def reproduce(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="colbert-xm, clirudit, hc4, miracl, parameter-efficient-reranking, or a TOML file "
            "of rows.",
        ),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="ROW", help="This row, or mmarco-*; repeatable."),
    ] = None,
    folder: Annotated[
        Path, typer.Option("--folder", help="Where the indices of the rows are kept.")
    ] = Path("reproduction"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List rows and commands, run nothing.")
    ] = False,
    display_commands: Annotated[
        bool, typer.Option("--display-commands", help="Show each command as it is run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the commands of a published table and say which numbers match."""
    from xret.eval.reproduction.comparison import commands_of, reproduce_row
    from xret.eval.reproduction.table import find_table

    found = find_table(table)
    rows = found.chosen(only or ())
    if dry_run:
        _list(found, [(row, commands_of(row, folder)) for row in rows], as_json=as_json)
        return
    results = []
    for number, row in enumerate(rows, 1):
        message(f"{row.name} ({number} of {len(rows)})")
        shown = _show if display_commands else _say_nothing
        results.append(reproduce_row(row, found, folder, on_command=shown))
        if results[-1].failure:
            message(f"{row.name}: {results[-1].failure}")
    if as_json:
        print_json({**_described(found), "rows": [_result(result) for result in results]})
    else:
        _print_results(found, results)
    outcomes = [number.outcome for result in results for number in result.numbers]
    if "miss" in outcomes or "failed" in outcomes:
        raise typer.Exit(1)


def _show(command: Sequence[str]) -> None:
    message(f"$ {shlex.join(command)}")


def _say_nothing(_: Sequence[str]) -> None:
    pass


def _list(
    found: PublishedTable,
    rows: Sequence[tuple[SystemRow, Sequence[Sequence[str]]]],
    *,
    as_json: bool,
) -> None:
    """Rows with their commands; without --json a script that a shell can run."""
    if as_json:
        listed = [
            {
                "name": row.name,
                "note": row.note,
                "pooling": row.pooling,
                "published": row.published,
                "commands": commands,
            }
            for row, commands in rows
        ]
        print_json({**_described(found), "rows": listed})
        return
    for line in (found.title, found.citation, f"match: within {_tolerance(found)}", found.note):
        if line:
            typer.echo(f"# {line}")
    for row, commands in rows:
        said = "; ".join(filter(None, (row.note, row.pooling and f"{row.pooling} pooling")))
        typer.echo(f"\n# {row.name}" + (f" ({said})" if said else ""))
        for published in row.published:
            typer.echo(f"#   {_in_words(published)}")
        for command in commands:
            typer.echo(shlex.join(command))


def _print_results(found: PublishedTable, results: Sequence[RowResult]) -> None:
    rows = []
    for result in results:
        for number in result.numbers:
            difference = "" if number.difference is None else f"{number.difference:+.4f}"
            rows.append(
                (
                    result.name,
                    number.measure,
                    _number(number.published),
                    _number(number.measured),
                    difference,
                    number.outcome,
                )
            )
    print_table(HEADINGS, rows)
    places = {f"{n.place}, {n.url}": None for r in results for n in r.numbers if n.place}
    for place in places:
        message(f"published: {place}")
    message(f"match: within {_tolerance(found)}")
    outcomes = [number.outcome for result in results for number in result.numbers]
    counts = {outcome: outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)}
    message(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))


def _in_words(published: Published) -> str:
    value = "published value not verified" if published.value is None else f"{published.value:g}"
    where = f" ({published.place}; {published.url})" if published.place else ""
    return f"{published.measure}: {value}{where}"


def _tolerance(found: PublishedTable) -> str:
    reason = f" ({found.tolerance_reason.strip()})" if found.tolerance_reason else ""
    return f"{found.tolerance:g}{reason}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _described(found: PublishedTable) -> dict[str, Any]:
    return {
        "table": found.name,
        "title": found.title,
        "citation": found.citation,
        "tolerance": found.tolerance,
        "tolerance_reason": found.tolerance_reason,
        "note": found.note,
    }


def _result(result: RowResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "commands": result.commands,
        "failure": result.failure,
        "numbers": [_number_fields(number) for number in result.numbers],
    }


def _number_fields(number: Measured) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(number), "difference": number.difference}
