"""`xret.fuse_runs`: one run from several run files and indices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from xret.cli.options import AsJson, CalibrateOption
from xret.cli.output import message, print_json, print_table, show_progress
from xret.types import Mode

__all__ = ["fuse"]


def fuse(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="RUN|INDEX...", help="Run files, and indices that are asked."),
    ],
    output: Annotated[Path, typer.Option("--output", help="The run file to write.")],
    method: Annotated[
        Literal["rrf", "min-max", "z-score", "combmnz"],
        typer.Option(
            "--method",
            help="By rank (rrf), or by scores made comparable: min-max, z-score, or min-max times "
            "the number of rankings that have the document (combmnz).",
        ),
    ] = "rrf",
    weight: Annotated[
        list[float] | None,
        typer.Option("--weight", help="Of each ranking, in their order; equal without."),
    ] = None,
    hits: Annotated[int, typer.Option("-k", "--hits", min=1, max=10_000, help="Depth.")] = 1_000,
    topics: Annotated[
        Path | None, typer.Option("--topics", help="The questions that indices are asked.")
    ] = None,
    lang: Annotated[
        list[str] | None, typer.Option("--lang", help="Language of topics that name none.")
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option("--mode", help="How indices are asked: by vectors, words, both.")
    ] = None,
    calibrate: CalibrateOption = None,
    tag: Annotated[
        str | None, typer.Option("--tag", help="Name of the run, its last column.")
    ] = None,
    metadata: Annotated[
        Literal["file", "header", "none"],
        typer.Option("--metadata", help="ir_metadata beside the run, in its first lines, or not."),
    ] = "file",
    as_json: AsJson = False,
) -> None:
    """Make one run of several: run files of any program, and indices asked the same questions."""
    from xret.eval.fused_run import fuse_runs_steps

    steps = fuse_runs_steps(
        sources,
        output,
        method=method,
        weights=weight or (),
        hits=hits,
        topics=topics,
        lang=lang or (),
        mode=mode,
        calibrate=calibrate,
        tag=tag,
        metadata=metadata,
    )
    summary = show_progress(steps, stoppable=True).as_json()
    if as_json:
        print_json(summary)
        return
    print_table(("", "value"), [(name, str(value or "")) for name, value in summary.items()])
    asked = "" if topics is None else f" --topics {topics}"
    message(f"next: xret eval --runs {output}{asked} --qrels QRELS")
