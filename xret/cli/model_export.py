"""`xret model export`: a model as a graph, and what it loses where that is in int8."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from xret.cli.model import FolderArgument
from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table, show_progress

if TYPE_CHECKING:
    from xret.eval.graph_loss import GraphLoss
    from xret.retriever.export.graph import GraphReport

__all__ = ["export_model"]


def export_model(
    model: FolderArgument,
    lang: Annotated[
        list[str] | None,
        typer.Option(
            "--lang", help="A language whose adapter goes into the graph; repeatable; all if none."
        ),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Weights in int8, per channel; then half a minute goes to what that loses on "
            "real questions.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a model's ONNX graph beside it; queries then need no torch."""
    from xret.retriever.languages.codes import language_code
    from xret.retriever.models.location import model_location

    folder = model_location(model)
    adapters = [language_code(code) for code in lang] if lang else None
    # heavy: after the words are checked
    from xret.eval.graph_loss import graph_loss_steps
    from xret.retriever.export.encoder import export_encoder

    report = export_encoder(folder, adapters=adapters, int8=int8)
    loss = show_progress(graph_loss_steps(model)) if int8 else None
    if as_json:
        lost = None if loss is None else {**dataclasses.asdict(loss), "loss": round(loss.loss, 2)}
        graph = dataclasses.asdict(report.card)
        folder_name = str(report.folder)
        print_json({"folder": folder_name, "bytes": report.n_bytes, "graph": graph, "int8": lost})
    else:
        print_table(("", "value"), [*_rows(report), *(_loss_rows(loss) if loss else [])])
    if int8:
        _say(loss)


def _rows(report: GraphReport) -> list[tuple[str, str]]:
    card = report.card
    rows = [("graph", str(report.folder)), ("bytes", f"{report.n_bytes:,}")]
    if card.adapters:
        rows.append(("languages", str(len(card.adapters))))
        rows.append(("adapters that differ", str(len(set(card.adapters.values())))))
    rows.append(("largest difference from torch", f"{card.max_error:.1e}"))
    rows.append(("smallest cosine to float32", f"{card.cosine:.4f}"))
    return rows


def _loss_rows(loss: GraphLoss) -> list[tuple[str, str]]:
    from xret.eval.graph_loss import MEASURE

    sample = f"{loss.documents} texts, {loss.n_questions} questions"
    return [
        (f"{MEASURE}, torch in float32", f"{loss.float32:.2f} ({sample})"),
        (f"{MEASURE}, questions by the graph", f"{loss.questions:.2f}"),
        (f"{MEASURE}, all by the graph", f"{loss.graph:.2f}"),
        ("loss in points", f"{loss.loss:.2f} [{loss.low:.2f}, {loss.high:.2f}]"),
    ]


def _say(loss: GraphLoss | None) -> None:
    """What the loss means, on stderr."""
    from xret.eval.graph_loss import LARGEST_LOSS, MEASURE

    if loss is None:
        message("what int8 loses was not measured: the demo corpus has none of these languages")
    elif loss.loss > LARGEST_LOSS:
        other = "export without --int8"
        if loss.kernels:
            other = "run the model by --precision int8 without a graph, or " + other
        message(
            f"warning: int8 loses {loss.loss:.2f} points of {MEASURE} on the demo corpus, more "
            f"than {LARGEST_LOSS}: the graph has one scale for all activations of a text; {other}"
        )
