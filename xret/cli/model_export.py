"""`xret model export`: a model as a graph, and what it loses where that is in int8."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from xret.cli.model import FolderArgument
from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table, show_progress
from xret.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from xret.eval.graph_loss import GraphLoss
    from xret.eval.score_drift import ScoreDrift
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
    """Write a model's ONNX graph beside it; queries, and what a reranker reads, then need no
    torch.
    """
    from xret.retriever.languages.codes import language_code
    from xret.retriever.models.layout import is_classifier
    from xret.retriever.rerankers.loading import reranker_folder

    folder = reranker_folder(model)
    if is_classifier(folder):
        if lang:
            raise ConfigError("--lang chooses adapters of an encoder; a reranker's graph has none")
        _export_reranker(folder, int8=int8, as_json=as_json)
        return
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


def _export_reranker(folder: Path, *, int8: bool, as_json: bool) -> None:
    from xret.eval.score_drift import score_drift_steps
    from xret.retriever.export.classifier import export_classifier

    report = export_classifier(folder, int8=int8)
    loss = show_progress(score_drift_steps(str(folder))) if int8 else None
    _print_reranker(report, loss, as_json=as_json)


def _print_reranker(report: GraphReport, loss: ScoreDrift | None, *, as_json: bool) -> None:
    from xret.eval.score_drift import LEAST_CORRELATION

    if as_json:
        graph, lost = dataclasses.asdict(report.card), loss and dataclasses.asdict(loss)
        folder_name = str(report.folder)
        print_json({"folder": folder_name, "bytes": report.n_bytes, "graph": graph, "int8": lost})
    else:
        print_table(("", "value"), [*_rows(report)[:-1], *(_score_rows(loss) if loss else [])])
    if loss is not None and loss.correlation < LEAST_CORRELATION:
        message(
            f"warning: the scores in int8 have a correlation of {loss.correlation:.3f} with "
            f"torch's, below {LEAST_CORRELATION}: look at what it does to rankings (xret rerank "
            "check), or export without --int8"
        )


def _score_rows(loss: ScoreDrift) -> list[tuple[str, str]]:
    sample = f"{loss.n_questions} questions, {loss.n_pairs} pairs"
    return [
        ("correlation with torch's scores", f"{loss.correlation:.4f} ({sample})"),
        ("largest difference, in their deviations", f"{loss.largest:.3f}"),
        ("questions with the same first passage", f"{100 * loss.same_first:.0f} %"),
    ]


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
