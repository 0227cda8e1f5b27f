"""`xret model`: the encoders known by name, and the folders that were pulled."""

from __future__ import annotations

from typing import Annotated

import typer

from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table

__all__ = ["app"]

app = typer.Typer(help="Encoders known by name.", no_args_is_help=True)

UNPINNED = "unpinned: pinned on first use and recorded"

NameArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="Name of an encoder, or its id on the hub.")
]
FolderArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="Name of an encoder, or the folder of one.")
]


@app.callback()
def model() -> None:
    """Encoders known by name."""


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Every encoder known by name: kind, languages, licence, and how good, fast and large."""
    import xret

    known = xret.models()
    if as_json:
        print_json({"models": known})
        return
    print_table(
        (
            "name",
            "kind",
            "languages",
            "licence",
            "revision",
            "here",
            "MRR@10",
            "documents/s",
            "query ms",
            "MB",
            "note",
        ),
        [
            (
                each["name"],
                each["kind"],
                _count(each["languages"]),
                each["licence"] + ("" if each["commercial"] else " (non-commercial)"),
                each["revision"] or UNPINNED,
                "shipped" if each["shipped"] else "pulled" if each["folder"] else "no",
                _figure(each["quality"]),
                _figure(each["documents_per_s"]),
                _figure(each["query_ms"]),
                _figure(each["megabytes"]),
                each["note"],
            )
            for each in known
        ],
    )
    message(
        "MRR@10: an English question, passages in 15 other languages; documents/s: of 125 tokens, "
        "one core; all measured on one machine"
    )


@app.command("pull")
def pull_model(
    name: NameArgument,
    revision: Annotated[
        str | None, typer.Option("--revision", help="A commit, branch or tag of the model.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download a model's data files from the hub and record the commit; run it again to go on."""
    from xret.retriever.models.hub import model_folder, pull_from_hub
    from xret.retriever.models.registry import ENCODERS

    known = ENCODERS.get(name)
    if known is not None and not known.commercial:
        message(f"{name} is under {known.licence}: for non-commercial use only")
    if known is not None and known.note:
        message(f"{name}: {known.note}")
    pin = pull_from_hub(name, revision=revision)
    if as_json:
        print_json(pin)
        return
    print_table(
        ("", "value"),
        [
            ("model", pin.name),
            ("repository", pin.repo),
            ("revision", pin.revision),
            ("folder", str(model_folder(name))),
        ],
    )


@app.command("check")
def check_model(model: FolderArgument, as_json: AsJson = False) -> None:
    """Load a model and encode a text in each of its languages, each through its own adapter."""
    from xret.retriever.opening.check import check_encoder
    from xret.retriever.opening.encoder import load_encoder

    encoder = load_encoder(model)
    checked = list(check_encoder(encoder))
    if as_json:
        print_json(
            {
                "model": model,
                "fingerprint": encoder.spec.fingerprint,
                "dim": encoder.spec.dim,
                "languages": checked,
            }
        )
    else:
        print_table(
            ("language", "vectors", "ms", "adapter"),
            [(row.lang, str(row.vectors), f"{row.ms:.1f}", row.adapter) for row in checked],
        )
        message(f"{model} is sound: {len(checked)} texts, fingerprint {encoder.spec.fingerprint}")


def _count(languages: list[str]) -> str:
    return " ".join(languages) if len(languages) <= 12 else f"{len(languages)} languages"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
