"""Encoders in int8 by the compiled kernels: torch's vectors nearly, the same bits on every path."""

import itertools
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import build
from safetensors.torch import load_file, save_file
from tiny_int8 import TEXTS, tiny_encoder

from xret.errors import ConfigError, EncoderMismatchError, LanguageError, ModelError
from xret.index.scoring.kernel_path import NUMPY, VARIABLE, kernel_reasons
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.int8_folder import WORDS, Int8Folder
from xret.retriever.encoders.int8_model import FAST_PATHS, Int8Model
from xret.retriever.models.compact import compacted, save_compact
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.retriever.xmod.installed import remove_adapter
from xret.types import Document, Query

PATHS = [path for path, reason in kernel_reasons().items() if not reason and path != NUMPY]
pytestmark = [
    pytest.mark.vectors,
    pytest.mark.skipif(not PATHS, reason="the kernels were not compiled"),
]
LANGS = ["en", "sw", "sw", "en", "fr", "sw"]
DOCUMENTS = [Document(str(i), text, LANGS[i]) for i, text in enumerate(TEXTS)]
NORMS = (
    {"adapter_layer_norm": False, "adapter_reuse_layer_norm": False},
    {"adapter_layer_norm": False, "adapter_reuse_layer_norm": True, "ln_before_adapter": False},
    {"adapter_layer_norm": True, "adapter_reuse_layer_norm": False, "ln_before_adapter": True},
)


def encoder(folder: Path, **options: Any) -> Any:
    return load_encoder(str(folder), options=EncoderOptions(**options))


def by_kernels(folder: Path, **options: Any) -> Any:
    return encoder(folder, backend="kernels", **options)


@pytest.fixture(scope="module")
def xmod(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("xmod"), "xmod", head="tokens")


def _alike(vectors: np.ndarray, expected: np.ndarray) -> bool:
    """Whether they point the same way, and are zero for the same texts of which nothing is read."""
    read = expected.any(axis=1)
    same = bool((vectors.any(axis=1) == read).all())
    return same and (vectors * expected).sum(axis=1)[read].min() > 0.995


@pytest.mark.parametrize("config", [*NORMS, None])
@pytest.mark.parametrize("head", ["mean", "tokens"])
def test_vectors_are_those_of_torch_but_for_rounding(
    config: dict[str, bool] | None, head: str, tmp_path: Path
) -> None:
    kind = "bert" if config is None else "xmod"
    folder = tiny_encoder(tmp_path / "model", kind, head=head, **(config or {}))
    ours, torchs = by_kernels(folder), encoder(folder, backend="torch")
    queries = [Query(d.doc_id, d.text, d.lang) for d in DOCUMENTS]
    for asked, expected in (
        (ours.encode_documents(DOCUMENTS), torchs.encode_documents(DOCUMENTS)),
        (ours.encode_queries(queries), torchs.encode_queries(queries)),
    ):
        assert asked.offsets.tolist() == expected.offsets.tolist()
        assert _alike(asked.values, expected.values)
    assert (ours.truncated, ours.last_cut) == (torchs.truncated, torchs.last_cut)
    assert ours.truncated
    assert ours.spec.dim == torchs.spec.dim
    assert ours.spec.fingerprint == torchs.spec.fingerprint


def test_a_single_vector_is_the_mean_of_all_states(xmod: Path) -> None:
    ours = by_kernels(xmod, single_vector=True).encode_documents(DOCUMENTS)
    expected = encoder(xmod, backend="torch", single_vector=True).encode_documents(DOCUMENTS)
    assert _alike(ours.values, expected.values)


@pytest.mark.parametrize("path", PATHS)
def test_the_kernels_compute_what_numpy_does_in_the_same_integers(
    path: str, xmod: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, path)
    folder = Int8Folder(xmod)
    model = Int8Model(folder, EncoderOptions(), ["en", "fr", "sw"])
    ids = [np.array([0, 2]), np.array([0, *range(5, 28), 2]), np.array([0])]
    offsets = np.cumsum([0, *map(len, ids)]).astype(np.int64)
    states = np.random.default_rng(0).normal(size=(offsets[-1], 48)).astype(np.float32)
    expected = [
        _numpy_forward(folder, states[a:b].astype(np.float64), lang)
        for (a, b), lang in zip(itertools.pairwise(offsets), ("en", "sw", "fr"), strict=True)
    ]
    model._forward(states, offsets, ["en", "sw", "fr"])
    error = np.abs(states - np.concatenate(expected))
    # Where a sum lies between two bytes, a last bit of float32 moves it to the other.
    assert error.max() < 0.03
    assert np.median(error) < 2e-6


def test_every_path_gives_the_same_bits(xmod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = []
    for path in PATHS:
        monkeypatch.setenv(VARIABLE, path)
        values.append(by_kernels(xmod).encode_documents(DOCUMENTS).values)
    assert all(np.array_equal(values[0], others) for others in values[1:])


@pytest.mark.parametrize("path", PATHS)
def test_a_text_has_the_same_bits_alone_in_any_batch_and_with_any_threads(
    path: str, xmod: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    model = by_kernels(xmod)
    together = model.encode_documents(DOCUMENTS)
    for i, document in enumerate(DOCUMENTS):
        alone = model.encode_documents([document]).values
        start, end = together.offsets[i : i + 2]
        assert np.array_equal(alone, together.values[start:end])
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert np.array_equal(model.encode_documents(DOCUMENTS).values, together.values)
    small = by_kernels(xmod, batch_tokens=1).encode_documents(DOCUMENTS)
    assert np.array_equal(small.values, together.values)


def test_each_token_goes_through_the_adapter_of_its_own_language(xmod: Path) -> None:
    ours, torchs = by_kernels(xmod).document_model, encoder(xmod, backend="torch").document_model
    text, mixed = TEXTS[0], ["en"] * 5 + ["sw"]
    vectors = [
        model.vectors(model.features([text], "query"), np.array([0]), [mixed], "query")[0]
        for model in (ours, torchs)
    ]
    plain = ours.vectors(ours.features([text], "query"), np.array([0]), ["en"], "query")[0]
    assert (vectors[0] * vectors[1]).sum(axis=1).min() > 0.995
    assert (plain * vectors[1]).sum(axis=1).min() < 0.95
    assert ours.features([text], "query").offsets == torchs.features([text], "query").offsets
    with pytest.raises(LanguageError, match="no adapter 'ru'"):
        ours.vectors(ours.features([text], "query"), np.array([0]), ["ru"], "query")


def test_an_adapter_that_adds_nothing_is_left_out_and_changes_nothing(tmp_path: Path) -> None:
    folder = tiny_encoder(tmp_path / "model", "xmod", head="tokens", **NORMS[1])
    expected = encoder(folder, backend="torch").encode_documents(DOCUMENTS[:1]).values
    weights = load_file(folder / "model.safetensors")
    stilled = {
        name: tensor * 0 if ".fr.dense2" in name or ".sw.dense2" in name else tensor.clone()
        for name, tensor in weights.items()
    }
    (folder / "model.safetensors").unlink()
    blocks = [n for n in stilled if n.endswith("dense.weight") and stilled[n].shape[1] % 32 == 0]
    rows = [n for n in stilled if n.endswith(("query.weight", WORDS))]
    stored = compacted(stilled, in_blocks=blocks, in_rows=rows)
    save_compact(stored, folder / "model.safetensors")
    model = by_kernels(folder).document_model
    features = model.features(TEXTS[:1], "document")
    vectors = {
        lang: model.vectors(features, np.array([0]), [lang], "document")[0]
        for lang in ("en", "fr", "sw")
    }
    assert model._layers.adapter("fr") is None
    assert np.array_equal(vectors["fr"], vectors["sw"])
    assert (vectors["en"] * vectors["fr"]).sum(axis=1).min() < 0.99
    assert (vectors["en"] * expected).sum(axis=1).min() > 0.97  # in 4 bits at rest


def test_a_model_made_for_int8_is_run_so_and_without_torch(tmp_path: Path) -> None:
    if not set(PATHS) & set(FAST_PATHS):
        pytest.skip("this processor has none of the fast paths")
    folder = tiny_encoder(tmp_path / "model", "xmod", head="tokens", precision="int8")
    script = f"""
import sys
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Query
encoder = load_encoder({str(folder)!r})
encoder.encode_queries([Query("", "coral reefs", "en")])
encoder.encode_documents([Document("", "coral reefs", "sw")])
heavy = {{"torch", "transformers", "onnxruntime", "scipy"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_where_the_kernels_cannot_run_torch_does_and_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_encoder(tmp_path / "model", "bert", head="tokens", precision="int8")
    monkeypatch.setenv(VARIABLE, NUMPY)
    with pytest.warns(UserWarning, match="made to be run in int8, and is run in fp32 by torch"):
        loaded = encoder(folder)
    expected = encoder(folder, backend="torch", precision="fp32")
    assert np.array_equal(
        loaded.encode_documents(DOCUMENTS).values, expected.encode_documents(DOCUMENTS).values
    )
    with pytest.raises(ModelError, match="cannot be run by the int8 kernels"):
        by_kernels(folder)


def test_what_the_kernels_do_not_know_is_left_to_torch(tmp_path: Path) -> None:
    folder = tiny_encoder(tmp_path / "gelu", "bert", hidden_act="relu")
    with pytest.raises(ConfigError, match="not in bf16"):
        by_kernels(folder, precision="bf16")
    with pytest.raises(ModelError, match="its activation is 'relu'"):
        by_kernels(folder)
    folder = tiny_encoder(tmp_path / "norm", "xmod", head="tokens", pre_norm=True)
    with pytest.raises(ModelError, match="normalises before"):
        by_kernels(folder)


@pytest.mark.parametrize(
    ("tensor", "change", "message"),
    [
        ("encoder.layer.1.output.dense.weight", lambda t: t[:, :-1], "has the shape"),
        ("encoder.layer.0.attention.self.key.bias", lambda t: t * np.nan, "not finite"),
        ("embeddings.position_embeddings.weight", lambda t: t[:, :-1], "not \\(n, 48\\)"),
        (WORDS, lambda t: t[:8], "belongs to another model"),
        (WORDS, lambda t: t.repeat(2, 1), "belongs to another model"),
        ("encoder.layer.0.output.LayerNorm.bias", None, "has no tensor"),
    ],
)
def test_damaged_weights_are_one_message(
    tensor: str, change: Any, message: str, tmp_path: Path
) -> None:
    folder = tiny_encoder(tmp_path / "model", "bert")
    path = folder / "model.safetensors"
    weights = {name: weight.clone() for name, weight in load_file(path).items()}
    weight = weights.pop(tensor)
    if change is not None:
        weights[tensor] = change(weight).contiguous()
    path.unlink()
    save_file(weights, path)
    with pytest.raises(ModelError, match=message):
        by_kernels(folder).encode_documents(DOCUMENTS)


def test_arrays_that_do_not_belong_together_are_refused(xmod: Path) -> None:
    from xret.index import _kernels

    layers = Int8Model(Int8Folder(xmod), EncoderOptions(), ["en", "fr", "sw"])._layers
    states, offsets = np.zeros((3, 48), np.float32), np.array([0, 1, 3])
    fitting: dict[str, Any] = {
        "model": layers.model,
        "adapters": (layers.adapter("en"),),
        "states": states,
        "offsets": offsets,
        "which": np.zeros(3, np.int32),
        "heads": 3,
    }

    def encode(**changed: Any) -> None:
        a = fitting | changed
        _kernels.encode(
            PATHS[-1],
            a["model"],
            a["adapters"],
            a["states"],
            a["offsets"],
            a["which"],
            2,
            48,
            a["heads"],
            96,
            16,
            2,
            True,
            1e-5,
            len(a["offsets"]) - 1,
            0,
            2,
        )

    encode()
    for name, value in (
        ("model", layers.model[:-64]),
        ("model", np.zeros(len(layers.model) + 1, np.uint8)[1:]),
        ("adapters", (layers.model,)),
        ("states", states[:2]),
        ("offsets", np.array([0, 4, 3])),
        ("which", np.array([0, 0, 1], np.int32)),
        ("which", np.array([0, -2, 0], np.int32)),
        ("heads", 4),
        ("heads", 0),
    ):
        with pytest.raises(ValueError, match="do not belong together"):
            encode(**{name: value})


def _numpy_forward(folder: Int8Folder, states: Any, lang: str) -> Any:
    """The forward pass of one text: products of the kernels' integers, the rest in float64."""
    shape, weights = folder.shape, folder.weights
    assert (shape.adapter_norm, shape.norm_is_residual) == (2, True)

    def array(name: str) -> Any:
        return weights.array(folder.prefix + name)

    def norm(x: Any, name: str) -> Any:
        mean, deviation = x.mean(1, keepdims=True), np.sqrt(x.var(1, keepdims=True) + shape.epsilon)
        return (x - mean) / deviation * array(f"{name}.weight") + array(f"{name}.bias")

    def dense(x: Any, name: str, *, factor: float = 1.0) -> Any:
        weight, bias = array(f"{name}.weight") * np.float32(factor), array(f"{name}.bias") * factor
        scales = np.abs(weight).max(axis=1) / 127
        codes = np.rint(weight / scales[:, None]).astype(np.int64)
        low, high = np.minimum(x.min(1), 0), np.maximum(x.max(1), 0)
        step = (high - low) / 255
        zero = np.rint(-low / step)
        integers = np.clip(np.rint(x / step[:, None] + zero[:, None]), 0, 255) - zero[:, None]
        return (integers.astype(np.int64) @ codes.T) * step[:, None] * scales + bias

    def gelu(x: Any) -> Any:
        return x * (1 + np.vectorize(math.erf)(x / np.sqrt(2))) / 2

    x = norm(states, "embeddings.LayerNorm")
    for i in range(shape.layers):
        layer = f"encoder.layer.{i}."
        width = shape.dim // shape.heads
        query = dense(x, f"{layer}attention.self.query", factor=np.log2(np.e) / np.sqrt(width))
        key, value = (dense(x, f"{layer}attention.self.{part}") for part in ("key", "value"))
        context = np.empty_like(x)
        for head in range(shape.heads):
            part = slice(head * width, (head + 1) * width)
            scores = query[:, part] @ key[:, part].T
            share = np.exp2(scores - scores.max(1, keepdims=True))
            context[:, part] = share / share.sum(1, keepdims=True) @ value[:, part]
        x = x + dense(context, f"{layer}attention.output.dense")
        x = norm(x, f"{layer}attention.output.LayerNorm")
        inner = gelu(dense(x, f"{layer}intermediate.dense"))
        x = norm(x + dense(inner, f"{layer}output.dense"), f"{layer}output.LayerNorm")
        adapter = f"{layer}output.adapter_modules.{lang}."
        x = x + dense(gelu(dense(x, f"{adapter}dense1")), f"{adapter}dense2")
        x = norm(x, f"{layer}output.LayerNorm")
    return x


def test_an_index_that_the_kernels_built_goes_on_when_a_language_comes(tmp_path: Path) -> None:
    whole = tiny_encoder(tmp_path / "whole", "xmod", head="tokens", precision="int8")
    less = shutil.copytree(whole, tmp_path / "less")
    remove_adapter(less, "sw")
    documents = [Document("en", TEXTS[0], "en"), Document("fr", TEXTS[4], "fr")]
    build(documents, tmp_path / "index", load_encoder(str(less)))
    hits = []
    for folder in (less, whole):
        with Searcher.open(tmp_path / "index", encoder=str(folder)) as index:
            hits.append([(hit.doc_id, hit.score) for hit in index.search(TEXTS[0], lang="en")])
    assert hits[0] == hits[1] != []
    other = shutil.copytree(whole, tmp_path / "other")
    remove_adapter(other, "fr")
    with pytest.raises(EncoderMismatchError, match=r"documents in fr .* has none"):
        Searcher.open(tmp_path / "index", encoder=str(other))
