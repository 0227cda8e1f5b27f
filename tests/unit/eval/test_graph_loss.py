"""What an int8 graph loses: measured through the real encoders, told by the command."""

import json
from pathlib import Path

import pytest
from tiny_int8 import tiny_encoder

from xret.cli.model_export import export_model
from xret.eval import graph_loss as measured
from xret.eval.graph_loss import graph_loss
from xret.retriever.encoders.onnx_session import OnnxCard
from xret.retriever.export.encoder import export_encoder
from xret.retriever.export.graph import GraphReport


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder with adapters for en, fr and sw, of which a graph has the last."""
    made = tiny_encoder(tmp_path_factory.mktemp("model"), "xmod", head="tokens")
    export_encoder(made, adapters=["sw"])
    return made


def test_a_graph_in_float32_loses_nothing_in_the_languages_that_it_has(folder: Path) -> None:
    loss = graph_loss(str(folder))
    assert loss is not None
    assert loss.float32 == loss.questions == loss.graph > 0 and loss.loss == 0
    # Only texts that go through the Swahili adapter.
    assert loss.documents == 50 and 0 < loss.n_questions < 30
    assert (loss.low, loss.high) == (0, 0)


def test_the_sample_is_as_large_as_there_is_time_for(folder: Path) -> None:
    loss = graph_loss(str(folder), limit_s=0)
    assert loss is not None and loss.documents == measured._BLOCK


def test_the_command_measures_int8_and_warns_of_a_loss(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measured, "LARGEST_LOSS", -100.0)
    export_model(str(folder), ["sw"], int8=True, as_json=True)
    said = capsys.readouterr()
    content = json.loads(said.out)
    assert content["graph"]["precision"] == "int8" and content["graph"]["adapters"] == {"sw": 0}
    lost = content["int8"]
    assert lost["loss"] == round(lost["float32"] - lost["graph"], 2)
    assert lost["low"] <= lost["loss"] <= lost["high"] and lost["documents"] == 50
    assert f"warning: int8 loses {lost['loss']:.2f} points of nDCG@10" in said.err
    assert "--precision int8" in said.err, "the kernels can run this model"
    path = folder / "onnx" / "model"
    report = GraphReport(path, OnnxCard.read(path), 1)
    monkeypatch.setattr("xret.retriever.export.encoder.export_encoder", lambda *_, **__: report)
    monkeypatch.setattr(measured, "LARGEST_LOSS", 100.0)
    export_model(str(folder), ["sw"], int8=True)
    said = capsys.readouterr()
    assert "loss in points" in said.out and "nDCG@10, all by the graph" in said.out
    assert "warning" not in said.err
    export_model(str(folder), ["sw"])
    assert "loss in points" not in capsys.readouterr().out
