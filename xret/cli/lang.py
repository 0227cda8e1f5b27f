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
    from xret.retriever.xmod.installed import InstalledAdapter

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
_TRAINED_BY = ("trained_by", "tool", "command")


@app.callback()
def lang() -> None:
    """Languages, and how encoders serve them."""


app.command("check")(lang_check.check)


@app.command("list")
def list_languages(model: ModelArgument, as_json: AsJson = False) -> None:
    """The languages that a model has something of its own for, and what that is."""
    from xret.retriever.models.location import model_location

    rows = _languages(model_location(model))
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
    from xret.errors import ConfigError
    from xret.retriever.languages.codes import language_code
    from xret.retriever.models.location import model_location
    from xret.retriever.xmod.installed import export_adapter

    code = language_code(lang)
    if output.suffix != ".safetensors":
        raise ConfigError(f"{output} should end in .safetensors, which it will be")
    adapter = export_adapter(model_location(model), code)
    adapter.save(output)
    _print_result(
        {
            "language": code,
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
    from xret.retriever.models.location import model_location
    from xret.retriever.xmod.installed import changed_copy, install_adapter
    from xret.retriever.xmod.language_adapter import LanguageAdapter

    adapter = LanguageAdapter.load(file)
    folder = model_location(model)
    if output is None:
        install_adapter(folder, adapter, replace=replace)
    else:
        with changed_copy(folder, output) as copy:
            install_adapter(copy, adapter, replace=replace)
    _print_changed(adapter.lang, output or folder, as_json=as_json)


@app.command("remove")
def remove_language(
    model: ModelArgument, lang: LangArgument, output: OutputOption = None, as_json: AsJson = False
) -> None:
    """Take a language out of a model; the vectors of its other languages stay the same."""
    from xret.retriever.languages.codes import language_code
    from xret.retriever.models.location import model_location
    from xret.retriever.xmod.installed import changed_copy, remove_adapter

    code = language_code(lang)
    folder = model_location(model)
    if output is None:
        remove_adapter(folder, code)
    else:
        with changed_copy(folder, output) as copy:
            remove_adapter(copy, code)
    _print_changed(code, output or folder, as_json=as_json)


def _languages(folder: Path) -> list[dict[str, Any]]:
    """As JSON has them. Raises ModelError for a model without any modules by language."""
    from xret.errors import ModelError
    from xret.retriever.languages.codes import language_name
    from xret.retriever.modules.installed_languages import InstalledLanguages
    from xret.retriever.xmod.installed import adapters_of

    installed = InstalledLanguages.of(folder)
    if installed.kind == "X-MOD adapters":
        return [_described(adapter) for adapter in adapters_of(folder)]
    if not installed.names:
        raise ModelError(
            f"{folder} has no languages of its own: it reads texts of all languages alike"
        )
    return [
        {"lang": code, "name": language_name(code), "kind": installed.kind}
        for code in installed.names
    ]


def _described(adapter: InstalledAdapter) -> dict[str, Any]:
    from xret.retriever.languages.codes import language_name

    return {
        "lang": adapter.lang,
        "name": language_name(adapter.lang),
        "kind": "X-MOD adapters",
        "parameters": adapter.parameters,
        "bytes": adapter.n_bytes,
        "rows": adapter.pieces,
        "trained_by": _trained_by(adapter.card),
        "origin": "added" if adapter.added else "the model's own",
        "card": adapter.card,
    }


def _trained_by(card: Mapping[str, Any]) -> str:
    return next((str(card[name]) for name in _TRAINED_BY if card.get(name)), "")


def _row(described: Mapping[str, Any]) -> Sequence[str]:
    numbers = [described.get(name) for name in ("parameters", "bytes", "rows")]
    return (
        f"{described['lang']} ({described['name']})",
        described["kind"],
        *("" if number is None else f"{number:,}" for number in numbers),
        described.get("trained_by", ""),
        described.get("origin", ""),
    )


def _print_changed(lang: str, folder: Path, *, as_json: bool) -> None:
    from xret.retriever.xmod.installed import adapters_of

    langs = [adapter.lang for adapter in adapters_of(folder)]
    _print_result({"language": lang, "model": str(folder), "languages": langs}, as_json=as_json)
    message(
        f"{folder} is another encoder by its content now; an index that was built with it before "
        f"stays good, unless documents in it went through the {lang} adapter that it had"
    )
    if (folder / "onnx").is_dir():
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
