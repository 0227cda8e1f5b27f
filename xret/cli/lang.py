"""`xret lang`: the languages of a model, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xret.cli import lang_check
from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table

if TYPE_CHECKING:
    from xret.retriever.opening.languages import ChangedModel

__all__ = ["app"]

app = typer.Typer(help="Languages, and how encoders serve them.", no_args_is_help=True)

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="Name of an encoder, or the folder of one.")
]
LangArgument = Annotated[str, typer.Argument(metavar="LANG", help="A language, such as sw.")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", help="Folder for a changed copy; needed for a model known by its name."
    ),
]

HEADINGS = (
    "language",
    "kind",
    "parameters",
    "bytes",
    "rows",
    "trained by",
    "origin",
)


@app.callback()
def lang() -> None:
    """Languages, and how encoders serve them."""


app.command("check")(lang_check.check)


@app.command("list")
def list_languages(model: ModelArgument, as_json: AsJson = False) -> None:
    """The languages that a model has something of its own for, and what that is."""
    import xret

    rows = xret.model_languages(model)
    if as_json:
        print_json({"model": model, "languages": rows})
        return
    print_table(HEADINGS, map(_row, rows))


@app.command("export")
def export_language(
    model: ModelArgument,
    lang: LangArgument,
    output: Annotated[Path, typer.Option("--output", help="The safetensors file to write.")],
    as_json: AsJson = False,
) -> None:
    """Write a language of a model as one file, for others who have the same base."""
    from xret.retriever.opening.languages import export_language as export

    adapter = export(model, lang, output)
    _print_result(
        {
            "language": adapter.lang,
            "file": str(output),
            "bytes": output.stat().st_size,
            "parameters": adapter.parameters,
            "rows": len(adapter.pieces),
            "base": adapter.base,
        },
        as_json=as_json,
    )


@app.command("import")
def import_language(
    model: ModelArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `xret lang export` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of the model's own adapter.")
    ] = False,
    output: OutputOption = None,
    as_json: AsJson = False,
) -> None:
    """Add the language in a file to a model; the vectors of its other languages stay the same."""
    from xret.retriever.opening.languages import import_language

    changed = import_language(model, file, replace=replace, output=output)
    _print_changed(changed, as_json=as_json)


@app.command("remove")
def remove_language(
    model: ModelArgument, lang: LangArgument, output: OutputOption = None, as_json: AsJson = False
) -> None:
    """Take a language out of a model; the vectors of its other languages stay the same."""
    from xret.retriever.opening.languages import remove_language as remove

    _print_changed(remove(model, lang, output=output), as_json=as_json)


def _row(described: Mapping[str, Any]) -> Sequence[str]:
    numbers = [described.get(name) for name in ("parameters", "bytes", "rows")]
    return (
        f"{described['lang']} ({described['name']})",
        described["kind"],
        *("" if number is None else f"{number:,}" for number in numbers),
        described.get("trained_by", ""),
        described.get("origin", ""),
    )


def _print_changed(changed: ChangedModel, *, as_json: bool) -> None:
    folder = changed.folder
    _print_result(
        {
            "language": changed.lang,
            "model": str(folder),
            "languages": list(changed.languages),
        },
        as_json=as_json,
    )
    message(
        f"{folder} is another encoder by its content now; an index that was built with it before "
        f"stays good, unless documents in it went through the {changed.lang} adapter that it had"
    )
    if changed.stale_graphs:
        message(f"its graphs are of the model as it was; run: xret model export {folder}")


def _print_result(result: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(dict(result))
        return
    shown = {
        name: " ".join(value)
        if isinstance(value, list)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
        for name, value in result.items()
    }
    print_table(("", "value"), list(shown.items()))
