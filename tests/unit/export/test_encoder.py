"""Whole encoders through their exported graphs, compared with torch text by text."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_int8 import TEXTS, tiny_encoder

from xret.errors import ModelError
from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.encoders.onnx_session import OnnxCard
from xret.retriever.export.encoder import export_encoder
from xret.retriever.models.compact import compacted, save_compact
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Query

LANGS = ["en", "fr", "sw", "sw", "fr", "en"]
ASKED = [Query(str(i), text, lang) for i, (text, lang) in enumerate(zip(TEXTS, LANGS, strict=True))]
STORED = [Document(query.query_id, query.text, query.lang) for query in ASKED]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_encoder(tmp_path_factory.mktemp("bert"), "bert", head="tokens")
    export_encoder(folder)
    return folder


@pytest.fixture(scope="module")
def xmod(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three languages: two adapters of their own, and one of zeros that no file holds."""
    folder = tiny_encoder(tmp_path_factory.mktemp("xmod"), "xmod", head="tokens")
    path = folder / "model.safetensors"
    weights = {name: tensor.clone() for name, tensor in load_file(path).items()}
    path.unlink()
    for name in weights:
        if ".adapter_modules.fr.dense2." in name:
            weights[name] = torch.zeros_like(weights[name])
    blocks = [n for n in weights if n.endswith("dense.weight") and weights[n].shape[1] % 32 == 0]
    words = [n for n in weights if n.endswith(("query.weight", "word_embeddings.weight"))]
    save_compact(compacted(weights, in_blocks=blocks, in_rows=words), path)
    export_encoder(folder)
    return folder


def loaded(folder: Path, backend: str, **options: object) -> Encoder:
    chosen = EncoderOptions(backend=backend, precision="fp32", **options)  # type: ignore[arg-type]
    return load_encoder(str(folder), options=chosen)


def check_alike(folder: Path, **options: object) -> None:
    """The graph has a vector where torch has one, and the same."""
    torchs, graphs = (loaded(folder, backend, **options) for backend in ("torch", "onnx"))
    for found, wanted in (
        (graphs.encode_documents(STORED), torchs.encode_documents(STORED)),
        (graphs.encode_queries(ASKED), torchs.encode_queries(ASKED)),
    ):
        assert found.offsets.tolist() == wanted.offsets.tolist()
        np.testing.assert_allclose(found.values, wanted.values, atol=1e-4)


@pytest.mark.parametrize("kind", ["bert", "xmod"])
def test_a_graph_of_token_vectors_leaves_out_the_tokens_that_torch_leaves_out(
    kind: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    check_alike(folder)
    check_alike(folder, prompts={"query": "miamba ya ", "document": "the coral "})
    check_alike(folder, pool_factor=3.0)


def test_every_text_of_a_mixed_batch_goes_through_its_own_adapter(xmod: Path) -> None:
    encoder = loaded(xmod, "onnx")
    text = "the coral reefs are warming"
    mixed = encoder.encode_queries([Query(lang, text, lang) for lang in ("sw", "en", "fr", "sw")])
    for vectors, lang in zip(mixed, ("sw", "en", "fr", "sw"), strict=True):
        alone = loaded(xmod, "torch").encode_queries([Query("q", text, lang)])
        np.testing.assert_allclose(vectors, alone.values, atol=1e-4)
    assert np.abs(mixed[0] - mixed[1]).max() > 1e-2 < np.abs(mixed[1] - mixed[2]).max()


def test_one_graph_holds_all_languages_and_a_row_for_each_that_differs(xmod: Path) -> None:
    assert [path.name for path in sorted((xmod / "onnx").iterdir())] == ["encoder.json", "model"]
    card = OnnxCard.read(xmod / "onnx" / "model")
    assert card.adapters == {"en": 0, "fr": 1, "sw": 2} and card.max_error < 1e-4
    graph = onnx.load(xmod / "onnx" / "model" / "model.onnx").graph
    assert [each.name for each in graph.input] == ["input_ids", "attention_mask", "lang_ids"]
    stacks = [part for part in graph.initializer if len(part.dims) == 3 and part.dims[0] == 3]
    assert len(stacks) == 8, "two products in each of two layers, weight and bias"


def test_an_export_takes_the_place_of_a_graph_a_language(xmod: Path, tmp_path: Path) -> None:
    """As earlier versions wrote them: one left there must not answer beside the new graph."""
    folder = shutil.copytree(xmod, tmp_path / "model")
    content = json.loads((folder / "onnx" / "model" / "xret_onnx.json").read_text())
    del content["adapters"]
    old = folder / "onnx" / "sw"
    old.mkdir()
    (old / "xret_onnx.json").write_text(json.dumps(content | {"format": 1, "adapter": "sw"}))
    assert OnnxCard.read(old).adapters == {"sw": 0}
    report = export_encoder(folder, adapters=["sw", "en"])
    assert report.card.adapters == {"sw": 0, "en": 1} and not old.exists()
    with pytest.raises(ModelError, match="no graph was exported for the adapter fr"):
        loaded(folder, "onnx").encode_queries(ASKED)


def test_int8_keeps_the_adapters_in_float32(xmod: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(xmod, tmp_path / "int8", ignore=shutil.ignore_patterns("onnx"))
    card = export_encoder(folder, int8=True).card
    assert card.precision == "int8" and 0.98 < card.cosine < 1
    graph = onnx.load(folder / "onnx" / "model" / "model.onnx").graph
    stacks = [part for part in graph.initializer if len(part.dims) == 3 and part.dims[0] == 3]
    assert {part.data_type for part in stacks} == {onnx.TensorProto.FLOAT} and len(stacks) == 8


def test_a_graph_with_another_mean_inside_is_never_used(bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(bert, tmp_path / "other")
    mean = folder / "1_TokenVectors" / "model.safetensors"
    mean.unlink()
    save_file({"mean": torch.ones(48)}, mean)
    with pytest.raises(ModelError, match="no graph exported from these weights"):
        loaded(folder, "onnx")
