"""Exported graphs, compared with transformers alone."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file
from tiny_models import LANGUAGES, TEXTS, randomise, tiny_colbert_xm, tiny_tokenizer
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoTokenizer, BertConfig, BertModel, XmodModel

from xret.errors import ModelError
from xret.retriever.encoders.onnx_session import TOKENIZER, OnnxCard, OnnxSession, find_graphs
from xret.retriever.export import graph as export
from xret.retriever.export.graph import (
    GraphReport,
    PooledGraph,
    Reference,
    TokenGraph,
    export_graph,
    weights_hash,
)
from xret.retriever.xmod.stacked import stack_adapters
from xret.retriever.xmod.xmod import XMOD_ADAPTERS
from xret.retriever.xmod.xmod_checkpoint import load_xmod
from xret.types import FloatArray

MIXED = [*TEXTS.values(), "", "a\ud800b", "the coral " * 30]


@pytest.fixture(scope="module")
def colbert_xm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """colbert-xm with a graph of its French and its Swahili adapter."""
    folder = tiny_colbert_xm(tmp_path_factory.mktemp("models") / "colbert-xm", layers=1)
    model = load_xmod(folder)
    projection = nn.Linear(32, 16, bias=False)
    weight = load_file(folder / "model.safetensors")["linear.weight"]
    projection.weight = nn.Parameter(weight)
    card = OnnxCard(
        kind="tokens",
        base=weights_hash(model),
        dim=16,
        max_length=24,
        pad_id=1,
        vocab_size=model.config.vocab_size,
        adapters={"fr": 0, "sw": 1},
        projection=True,
    )
    stacked, rows = stack_adapters(model, ["fr", "sw"])
    assert rows == [0, 1]
    lang_ids = {name: LANGUAGES.index(XMOD_ADAPTERS[name]) for name in card.adapters}
    export_graph(
        TokenGraph(stacked, projection=projection),
        folder / "onnx" / "model",
        card=card,
        tokenizer=folder / "tokenizer.json",
        reference=Reference(TokenGraph(model, projection=projection), lang_ids),
    )
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> tuple[BertModel, GraphReport]:
    """A transformer without adapters as a bi-encoder in int8, weights beside the graph."""
    folder = tmp_path_factory.mktemp("bert")
    size = tiny_tokenizer(folder)
    config = BertConfig(
        vocab_size=size,
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=128,
        pad_token_id=1,
    )
    model = BertModel(config, add_pooling_layer=False).train(False)
    randomise(model)
    card = OnnxCard(
        kind="pooled",
        base=weights_hash(model),
        dim=64,
        max_length=64,
        pad_id=1,
        vocab_size=size,
        pooling="mean",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "ONE_FILE_BYTES", 0)
        report = export_graph(
            PooledGraph(model, pooling="mean"),
            folder / "onnx" / "model",
            card=card,
            tokenizer=folder / "tokenizer.json",
            int8=True,
        )
    return model, report


def colbert_vectors(folder: Path, text: str, language: str, *, length: int = 24) -> FloatArray:
    """(t, 16): by transformers and the projection alone, through the adapter of a language."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    clean = text.encode("utf-8", "replace").decode("utf-8")
    features = tokenizer([clean], truncation=True, max_length=length, return_tensors="pt")
    lang_ids = torch.tensor([LANGUAGES.index(XMOD_ADAPTERS[language])])
    model = XmodModel.from_pretrained(folder).train(False)
    weight = load_file(folder / "model.safetensors")["linear.weight"]
    with torch.inference_mode():
        hidden = model(**features, lang_ids=lang_ids).last_hidden_state[0]
        vectors: FloatArray = nn.functional.normalize(hidden @ weight.T, dim=-1).numpy()
    return vectors


def graph_vectors(
    session: OnnxSession, folder: Path, texts: list[str], adapters: tuple[str, ...] = ()
) -> list[FloatArray]:
    """What a graph gives for one batch of texts, padding left out, by adapters in turn."""
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.enable_truncation(session.card.max_length)
    tokenizer.enable_padding(pad_id=session.card.pad_id)
    clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    encoded = tokenizer.encode_batch(clean)
    ids = np.array([text.ids for text in encoded], np.int64)
    mask = np.array([text.attention_mask for text in encoded], np.int64)
    rows = [
        session.card.adapters[adapters[i % len(adapters)]] for i in range(len(ids) * bool(adapters))
    ]
    vectors = session.forward(ids, mask, np.array(rows, np.int64))
    if session.card.kind == "pooled":
        return list(vectors)
    return [rows[seen == 1] for rows, seen in zip(vectors, mask, strict=True)]


def test_texts_of_one_batch_go_through_the_adapters_inside_the_graph(colbert_xm: Path) -> None:
    graphs = find_graphs(colbert_xm)
    assert graphs == dict.fromkeys(("fr", "sw"), colbert_xm / "onnx" / "model")
    session = OnnxSession.open(graphs["fr"], base=weights_hash(load_xmod(colbert_xm)))
    for adapters in (("fr",), ("sw",), ("fr", "sw")):
        found = graph_vectors(session, graphs["fr"], MIXED, adapters)
        assert {vectors.dtype for vectors in found} == {np.dtype(np.float32)}
        for i, (vectors, text) in enumerate(zip(found, MIXED, strict=True)):
            wanted = colbert_vectors(colbert_xm, text, adapters[i % len(adapters)])
            np.testing.assert_allclose(vectors, wanted, atol=1e-5)
    assert session.card.max_error < 1e-5


def test_a_graph_that_takes_another_adapter_than_torch_is_refused(
    colbert_xm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, made = load_xmod(colbert_xm), colbert_xm / "onnx" / "model"

    def same_graph(_: nn.Module, path: Path, **_kept: bool) -> None:
        shutil.copyfile(made / "model.onnx", path)

    monkeypatch.setattr(export, "_write_graph", same_graph)
    projection = nn.Linear(32, 16, bias=False)
    projection.weight = nn.Parameter(load_file(colbert_xm / "model.safetensors")["linear.weight"])
    whole = TokenGraph(model, projection=projection)

    def exported(**lang_ids: int) -> GraphReport:
        return export_graph(
            whole,
            tmp_path / "onnx" / "model",
            card=OnnxCard.read(made),
            tokenizer=colbert_xm / "tokenizer.json",
            reference=Reference(whole, lang_ids),
        )

    assert exported(fr=1, sw=5).card.max_error < 1e-5
    with pytest.raises(ModelError, match="differs from torch"):
        exported(fr=5, sw=1)


def test_a_graph_carries_neither_other_adapters_nor_paths_of_the_exporting_machine(
    colbert_xm: Path,
) -> None:
    graph = onnx.load(colbert_xm / "onnx" / "model" / "model.onnx").graph
    stacks = [part.dims[0] for part in graph.initializer if len(part.dims) == 3]
    assert stacks == [2] * 4, "of six adapters the two that were asked for"
    assert b".py" not in graph.SerializeToString()


def test_int8_is_per_channel_close_to_float32_and_a_quarter_of_its_size(
    bert: tuple[BertModel, GraphReport],
) -> None:
    model, report = bert
    assert sorted(path.name for path in report.folder.iterdir()) == [
        "model.onnx",
        "tokenizer.json",
        "xret_onnx.json",
    ]
    assert report.card.precision == "int8" and report.card.max_error < 1e-5
    assert 0.995 < report.card.cosine < 1
    parts = {part.name: part for part in onnx.load(report.folder / "model.onnx").graph.initializer}
    codes = [part for part in parts.values() if part.data_type == onnx.TensorProto.INT8]
    tables = [part for part in codes if part.name.endswith(".codes")]
    products = [part for part in codes if part.name.endswith("_quantized")]
    assert len(tables) >= 1 and len(products) == 6
    for part in products:
        scales = parts[part.name.removesuffix("_quantized") + "_scale"]
        assert list(scales.dims) == [part.dims[1]], "one scale an output channel"
    for part in tables:
        scales = parts[part.name.removesuffix(".codes") + ".scales"]
        assert list(scales.dims) == [part.dims[0], 1], "one scale a token"
    weights = sum(parameter.numel() for parameter in model.parameters())
    assert (report.folder / "model.onnx").stat().st_size < 0.5 * 4 * weights
    session = OnnxSession.open(report.folder)
    found = [graph_vectors(session, report.folder, [text])[0] for text in MIXED[:6]]
    tokenizer = AutoTokenizer.from_pretrained(report.folder.parents[1])
    for row, text in zip(found, MIXED, strict=False):
        features = tokenizer([text], return_tensors="pt")
        with torch.inference_mode():
            wanted = model(**features).last_hidden_state[0].mean(0).numpy()
        assert row @ wanted / np.linalg.norm(wanted) > 0.995


def test_a_graph_that_differs_from_torch_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bert: tuple[BertModel, GraphReport]
) -> None:
    model, report = bert

    def other_graph(_: nn.Module, path: Path, **_kept: bool) -> None:
        shutil.copyfile(report.folder / "model.onnx", path)

    monkeypatch.setattr(export, "_write_graph", other_graph)
    tokenizer = report.folder / "tokenizer.json"
    card = dataclasses.replace(report.card, precision="float32", cosine=1.0)
    with pytest.raises(ModelError, match="differs from torch"):
        graph = PooledGraph(model, pooling="cls")
        export_graph(graph, tmp_path / "onnx" / "model", card=card, tokenizer=tokenizer)
    assert list((tmp_path / "onnx").iterdir()) == []
    with pytest.raises(ModelError, match="from float32"):
        half = PooledGraph(BertModel(model.config).half(), pooling="cls")
        export_graph(half, tmp_path / "onnx" / "model", card=card, tokenizer=tokenizer)


def test_a_changed_or_foreign_graph_is_refused(colbert_xm: Path, tmp_path: Path) -> None:
    def changed(file: str, content: bytes) -> Path:
        folder = tmp_path / file.replace(".", "-")
        shutil.copytree(colbert_xm / "onnx" / "model", folder)
        (folder / file).write_bytes(content)
        return folder

    card = json.loads((colbert_xm / "onnx" / "model" / "xret_onnx.json").read_text())
    for folder, reason in (
        (changed("model.onnx", b"no graph"), "not the graph"),
        (changed("tokenizer.json", b"{}"), "not the tokenizer"),
        (changed("xret_onnx.json", json.dumps(card | {"format": 9}).encode()), "another version"),
        (tmp_path / "nothing", "holds no exported model"),
    ):
        with pytest.raises(ModelError, match=reason):
            OnnxSession.open(folder)
    with pytest.raises(ModelError, match="another base model"):
        OnnxSession.open(colbert_xm / "onnx" / "model", base="0" * 32)


def test_token_ids_of_another_tokenizer_are_refused(colbert_xm: Path) -> None:
    session = OnnxSession.open(colbert_xm / "onnx" / "model")
    ids = np.full((1, 4), session.card.vocab_size)
    with pytest.raises(ModelError, match="tokenizer is that of another model"):
        session.forward(ids, np.ones_like(ids))


def test_a_graph_runs_without_torch(colbert_xm: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from xret.retriever.encoders.onnx_session import OnnxSession\n"
        f"session = OnnxSession.open(Path({str(colbert_xm / 'onnx' / 'model')!r}))\n"
        "ids = np.ones((1, 3), np.int64)\n"
        "assert session.forward(ids, ids, np.array([1])).shape == (1, 3, 16)\n"
        "print(sorted({'torch', 'transformers', 'onnx'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
