"""A reranker's exported graph: the scores of torch, the same windows, no torch.

An export takes seconds: one in float32 of a model with a ranking adapter, one in int8.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import TEXTS
from tiny_rerankers import tiny_classifier

from xret.cli.model_export import export_model
from xret.errors import ConfigError, ModelError, RerankError
from xret.retriever.export.classifier import export_classifier
from xret.retriever.models.module_card import ModuleCard
from xret.retriever.modules.madx import MadxAdapter
from xret.retriever.modules.ranking import RankingAdapter
from xret.retriever.rerankers.loading import load_reranker
from xret.retriever.rerankers.onnx_classifier import OnnxClassifier
from xret.retriever.rerankers.trained_layout import RerankLayout
from xret.types import Document, FloatArray, Query

QUERY = Query("q", TEXTS["sw"], "sw")
DOCUMENTS = [
    *(
        Document(lang, text, lang, title="reefs" if lang == "fr" else "")
        for lang, text in TEXTS.items()
    ),
    Document("long", " ".join([TEXTS["en"], TEXTS["de"], TEXTS["sw"]] * 7), "en"),
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """XLM-R with a ranking adapter, in float32."""
    torch.set_num_threads(1)
    folder = tiny_classifier(tmp_path_factory.mktemp("graphs") / "float32")
    reranker: Any = load_reranker(str(folder))
    card = ModuleCard("ranking", "base")
    start = RankingAdapter.start(reranker._model, bottleneck=8, seed=1, card=card)
    layers = [
        {**layer, "up.weight": torch.full_like(layer["up.weight"], 0.1)} for layer in start.layers
    ]
    RankingAdapter(layers, {}, card).save(folder / "ranking.safetensors")
    RerankLayout(adapter="ranking.safetensors").write(folder)
    report = export_classifier(folder)
    assert report.card.kind == "scores"
    assert report.card.max_error <= 1e-4
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BERT, which is told the sides of a pair, in int8."""
    folder = tiny_classifier(tmp_path_factory.mktemp("graphs") / "int8", kind="Bert")
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(said):
        export_model(str(folder), int8=True, as_json=True)
    said.seek(0)
    told = json.loads(said.read())
    assert told["graph"]["precision"] == "int8"
    assert told["int8"]["n_pairs"] == 4 * told["int8"]["n_questions"] > 100
    assert told["int8"]["correlation"] >= 0.97  # random weights; trained ones are nearer
    assert 0 < told["int8"]["largest"] < 1
    assert told["int8"]["same_first"] > 0.8
    return folder


def scores(name: str) -> FloatArray:
    return load_reranker(name).scores(QUERY, DOCUMENTS)


def test_the_graph_gives_the_scores_of_torch(exported: Path) -> None:
    by_graph, by_torch = load_reranker(str(exported)), load_reranker(f"{exported}#torch")
    assert isinstance(by_graph, OnnxClassifier)
    assert not isinstance(by_torch, OnnxClassifier)
    wanted = by_torch.scores(QUERY, DOCUMENTS)
    near = 1e-4 * float(np.abs(wanted).max())
    assert np.allclose(by_graph.scores(QUERY, DOCUMENTS), wanted, atol=near)
    assert by_graph.fingerprint != by_torch.fingerprint
    alone = [float(by_graph.scores(QUERY, [one])[0]) for one in DOCUMENTS]
    assert np.allclose(alone, wanted, atol=near)


def test_a_graph_in_int8_is_near_and_a_pair_alone_scores_the_same(small: Path) -> None:
    wanted, found = scores(f"{small}#torch"), scores(f"{small}#onnx")
    assert np.corrcoef(found, wanted)[0, 1] >= 0.99
    assert np.abs(found - wanted).max() <= 0.3 * wanted.std()
    assert not np.array_equal(found, wanted)
    reranker = load_reranker(str(small))
    alone = [float(reranker.scores(QUERY, [document])[0]) for document in DOCUMENTS]
    assert np.array_equal(np.array(alone, np.float32), found)


def test_a_graph_is_run_without_torch(small: Path) -> None:
    code = (
        "import sys, json\n"
        "from xret.retriever.rerankers.loading import load_reranker\n"
        "from xret.types import Document, Query\n"
        f"reranker = load_reranker({str(small)!r})\n"
        "found = reranker.scores(Query('q', 'reefs', 'en'), [Document('d', 'the fish', 'en')])\n"
        "heavy = [name for name in ('torch', 'transformers') if name in sys.modules]\n"
        "print(json.dumps([float(found[0]), heavy]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    score, heavy = json.loads(done.stdout)
    assert heavy == []
    document = Document("d", "the fish", "en")
    here = load_reranker(str(small)).scores(Query("q", "reefs", "en"), [document])
    assert score == pytest.approx(float(here[0]))


def test_a_graph_of_other_weights_is_never_used(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(exported, folder)
    path = folder / "onnx" / "model" / "model.onnx"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    with pytest.raises(ModelError, match="not the graph"):
        load_reranker(str(folder))
    path.write_bytes(content)
    assert isinstance(load_reranker(str(folder)), OnnxClassifier)
    adapter = RankingAdapter.load(folder / "ranking.safetensors")
    adapter.scaled(0.5).save(folder / "ranking.safetensors")
    assert not isinstance(load_reranker(str(folder)), OnnxClassifier)
    with pytest.raises(ModelError, match="no graph exported from these weights"):
        load_reranker(f"{folder}#onnx")


def test_a_question_is_not_cut_by_the_graph_either(exported: Path) -> None:
    long = Query("q", " ".join([TEXTS["de"]] * 9), "de")
    said = []
    for backend in ("onnx", "torch"):
        with pytest.raises(RerankError, match="ask a shorter one") as refused:
            load_reranker(f"{exported}#{backend}").scores(long, DOCUMENTS)
        said.append(str(refused.value).replace(f"#{backend}", ""))
    assert said[0] == said[1]


def test_pairs_of_two_languages_have_no_graph(tmp_path: Path) -> None:
    folder = tiny_classifier(tmp_path / "model")
    reranker: Any = load_reranker(str(folder))
    card = ModuleCard("language", "base", lang="de")
    adapter = MadxAdapter.start(reranker._model, bottleneck=4, invertible=False, seed=0, card=card)
    adapter.save(folder / "language-adapters" / "de.safetensors")
    RerankLayout(routing="split").write(folder)
    with pytest.raises(ModelError, match="no one graph of it"):
        export_classifier(folder)
    with pytest.raises(ConfigError, match="a reranker's graph has none"):
        export_model(str(folder), ["de"])
    with pytest.raises(ConfigError, match="onnx and torch are of a cross-encoder's pairs"):
        load_reranker("xret-static#onnx")
