"""LoRA adapters against PEFT itself; centring and whitening against their definition."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from encoders import HashingEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from xret.errors import LanguageError, ModelError, TrainingError
from xret.retriever.modules.lora import LoraAdapters, bind_adapter
from xret.retriever.modules.transforms import (
    StaticTransforms,
    TransformSettings,
    fit_transforms,
)
from xret.types import Document, FloatArray

# PEFT 0.21 asks transformers 5.23 for a property by its old name.
pytestmark = pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
)

IDS = torch.tensor([[2, 7, 9, 11, 3], [2, 5, 30, 3, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
TARGETS = ["query", "value", "output.dense"]


def tiny_bert(hidden: int = 16) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=40,
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=16,
    )
    return BertModel(config, add_pooling_layer=False).eval()


def forward(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=IDS, attention_mask=MASK).last_hidden_state


def trained(folder: Path, lang: str, **options: object) -> torch.Tensor:
    """An adapter saved by PEFT, its matrices all random; returns what PEFT computes with it."""
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=4, lora_alpha=12, target_modules=TARGETS, **options)  # type: ignore[arg-type]
    model = peft.get_peft_model(tiny_bert(), config)
    torch.manual_seed(sum(map(ord, lang)))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(str(folder / lang))
    return forward(model.eval())


@pytest.fixture
def adapters(tmp_path: Path) -> Path:
    for lang in ("fr", "sw", "zh-Hant"):
        trained(tmp_path, lang)
    return tmp_path


def test_each_lora_adapter_gives_what_peft_gives(tmp_path: Path) -> None:
    wanted = {
        "fr": trained(tmp_path, "fr"),
        "zh-Hant": trained(tmp_path, "zh-Hant", use_rslora=True),
        "sw": trained(tmp_path, "sw", alpha_pattern={"query": 3}, rank_pattern={"value": 2}),
    }
    model = tiny_bert()
    plain = forward(model)
    modules = LoraAdapters.load(model, tmp_path)
    assert modules.adapters == ("fr", "sw", "zh-Hant")
    assert torch.equal(forward(model), plain)
    for lang in ("fr", "sw", "fr", "zh-Hant"):
        modules.select(lang)
        assert (forward(model) - plain).abs().max() > 0.05
        torch.testing.assert_close(forward(model), wanted[lang], atol=1e-5, rtol=1e-5)


def test_adapters_peft_loads_and_ours_are_the_same_files(adapters: Path) -> None:
    from peft import PeftModel

    theirs = PeftModel.from_pretrained(tiny_bert(), str(adapters / "fr")).eval()
    model = tiny_bert()
    LoraAdapters.load(model, adapters).select("fr")
    torch.testing.assert_close(forward(model), forward(theirs), atol=1e-5, rtol=1e-5)


def test_removing_adapters_leaves_the_model_bit_for_bit(adapters: Path) -> None:
    model = tiny_bert()
    before = copy.deepcopy(model.state_dict())
    modules = LoraAdapters.load(model, adapters)
    for lang in ("fr", "sw", "fr"):
        modules.select(lang)
    modules.remove()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_an_adapter_is_folded_in_for_an_export_and_taken_out_again(adapters: Path) -> None:
    model = tiny_bert()
    modules = LoraAdapters.load(model, adapters)
    modules.select("sw")
    swahili = forward(model)
    with modules.selected("fr"):
        assert not torch.equal(forward(model), swahili)
    assert torch.equal(forward(model), swahili)


def test_an_adapter_trained_inside_a_larger_model_is_found(adapters: Path) -> None:
    path = adapters / "fr" / "adapter_model.safetensors"
    tensors = load_file(path)
    model = tiny_bert()
    LoraAdapters.load(model, adapters).select("fr")
    wanted = forward(model)
    inside = {
        k.replace("base_model.model.", "base_model.model.bert."): t for k, t in tensors.items()
    }
    save_file(inside, path)
    other = tiny_bert()
    LoraAdapters.load(other, adapters).select("fr")
    assert torch.equal(forward(other), wanted)


def test_an_adapter_of_another_base_is_refused(adapters: Path) -> None:
    with pytest.raises(ModelError, match=r"adapter of another model: .* is .* by .*, the layer"):
        LoraAdapters.load(tiny_bert(hidden=20), adapters)
    shallow = tiny_bert()
    del shallow.encoder.layer[1]
    with pytest.raises(ModelError, match="no linear layer"):
        LoraAdapters.load(shallow, adapters)
    bind_adapter(adapters / "sw", "abc")
    LoraAdapters.load(tiny_bert(), adapters, base="abc")
    with pytest.raises(ModelError, match=r"sw is an adapter of another model \(base abc\)"):
        LoraAdapters.load(tiny_bert(), adapters, base="def")


def test_a_pickled_adapter_is_refused_with_the_way_to_convert_it(adapters: Path) -> None:
    (adapters / "fr" / "adapter_model.safetensors").rename(adapters / "fr" / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"is a pickle.*safe_serialization=True"):
        LoraAdapters.load(tiny_bert(), adapters)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peft_type": "IA3"}, "IA3 adapter"),
        ({"use_dora": True}, "use_dora is True"),
        ({"modules_to_save": ["pooler"]}, "modules_to_save"),
        ({"bias": "all"}, "bias is 'all'"),
    ],
)
def test_what_is_more_than_lora_is_refused(
    adapters: Path, change: dict[str, object], message: str
) -> None:
    path = adapters / "fr" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError, match=message):
        LoraAdapters.load(tiny_bert(), adapters)


def test_damaged_adapter_folders_are_refused(tmp_path: Path, adapters: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="no LoRA adapters"):
        LoraAdapters.load(tiny_bert(), tmp_path / "empty")
    path = adapters / "fr" / "adapter_model.safetensors"
    whole = load_file(path)
    save_file(dict(list(whole.items())[1:]), path)
    with pytest.raises(ModelError, match="only one of lora_A and lora_B"):
        LoraAdapters.load(tiny_bert(), adapters)
    save_file({**whole, "base_model.model.pooler.weight": torch.zeros(2)}, path)
    with pytest.raises(ModelError, match="no LoRA matrix"):
        LoraAdapters.load(tiny_bert(), adapters)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        LoraAdapters.load(tiny_bert(), adapters)
    (adapters / "fr").rename(adapters / "no language")
    with pytest.raises(LanguageError):
        LoraAdapters.load(tiny_bert(), adapters)


def test_an_adapter_that_was_not_loaded_cannot_be_selected(adapters: Path) -> None:
    with pytest.raises(LanguageError, match="'de'; there are fr, sw, zh-Hant"):
        LoraAdapters.load(tiny_bert(), adapters).select("de")


def sample(shift: float, *, n: int = 400, dim: int = 6, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, dim)) * np.linspace(0.5, 2, dim) + shift
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class VectorEncoder(HashingEncoder):
    """The 32 hashed dimensions of a text's words, moved to a place of each language's own."""

    def encode_documents(self, documents):  # type: ignore[no-untyped-def]
        embeddings = super().encode_documents(documents)
        shifts = np.repeat(
            [2.0 if d.lang == "fr" else -1.0 for d in documents], np.diff(embeddings.offsets)
        )
        values = embeddings.values + shifts[:, None].astype(np.float32) / 6
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        return type(embeddings)(values, embeddings.offsets)


def documents(n: int = 120) -> list[Document]:
    words = [f"w{i} v{i * 7 % 31} u{i % 5}" for i in range(n)]
    return [
        Document(f"{lang}{i}", text, lang)
        for i, text in enumerate(words)
        for lang in ("fr", "sw", "und")
    ]


def test_centring_moves_every_language_to_the_same_mean() -> None:
    encoder = VectorEncoder()
    texts = documents()
    transforms = fit_transforms(encoder, texts)
    assert transforms.adapters == ("fr", "sw")
    assert transforms.base == encoder.spec.fingerprint
    vectors = {
        lang: encoder.encode_documents([d for d in texts if d.lang == lang]).values
        for lang in ("fr", "sw")
    }
    moved = {lang: transforms.transform(rows, lang) for lang, rows in vectors.items()}
    before = np.linalg.norm(vectors["fr"].mean(0) - vectors["sw"].mean(0))
    after = np.linalg.norm(moved["fr"].mean(0) - moved["sw"].mean(0))
    assert before > 0.5 and after < 0.2 * before
    centred = vectors["fr"] - vectors["fr"].mean(0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(moved["fr"], centred, atol=1e-5)


def test_whitening_makes_the_directions_equally_long() -> None:
    encoder = VectorEncoder()
    settings_ = TransformSettings(whiten=True, shrinkage=0.0)
    transforms = fit_transforms(encoder, documents(400), settings=settings_)
    rows = encoder.encode_documents([d for d in documents(400) if d.lang == "sw"]).values
    assert transforms._matrices is not None
    white = (rows - rows.mean(0)) @ transforms._matrices[1]
    covariance = np.cov(white.T, bias=True)
    np.testing.assert_allclose(covariance, np.eye(32) * covariance[0, 0], atol=2e-3)


def test_shrinkage_is_towards_the_mean_variance() -> None:
    encoder, texts = VectorEncoder(), documents()
    rows = encoder.encode_documents([d for d in texts if d.lang == "sw"]).values
    covariance = np.cov(rows.T.astype(np.float64), bias=True)
    shrunk = 0.7 * covariance + 0.3 * np.trace(covariance) / 32 * np.eye(32)
    values, axes = np.linalg.eigh(shrunk)
    wanted = (rows - rows.mean(0)) @ (axes / np.sqrt(values)) @ axes.T
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    settings_ = TransformSettings(whiten=True, shrinkage=0.3)
    moved = fit_transforms(encoder, texts, settings=settings_).transform(rows, "sw")
    np.testing.assert_allclose(moved, wanted, atol=1e-4)


def test_full_shrinkage_is_centring() -> None:
    encoder = VectorEncoder()
    whole = TransformSettings(whiten=True, shrinkage=1.0)
    rows = encoder.encode_documents([d for d in documents() if d.lang == "fr"]).values
    np.testing.assert_allclose(
        fit_transforms(encoder, documents(), settings=whole).transform(rows, "fr"),
        fit_transforms(encoder, documents()).transform(rows, "fr"),
        atol=1e-5,
    )


@given(st.integers(0, 5), st.booleans(), st.integers(1, 30))
@settings(deadline=None, max_examples=25)
def test_transformed_rows_are_unit_length_and_independent(seed: int, white: bool, n: int) -> None:
    rng = np.random.default_rng(seed)
    matrices = rng.standard_normal((1, 6, 6)).astype(np.float32) if white else None
    transforms = StaticTransforms(
        ["sw"], rng.standard_normal((1, 6)).astype(np.float32) / 4, matrices, base="b"
    )
    rows = sample(0.2, n=n, seed=seed)
    moved = transforms.transform(rows, "sw")
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)
    for i in range(n):
        np.testing.assert_allclose(
            transforms.transform(rows[i : i + 1], "sw")[0], moved[i], atol=1e-5
        )


def test_rows_of_zeros_stay_zero() -> None:
    transforms = StaticTransforms(["sw"], np.full((1, 4), 0.3, np.float32), base="b")
    assert not transforms.transform(np.zeros((2, 4), np.float32), "sw").any()


@pytest.mark.parametrize("whiten", [False, True])
def test_transforms_saved_and_loaded_are_the_same(tmp_path: Path, whiten: bool) -> None:
    made = fit_transforms(VectorEncoder(), documents(), settings=TransformSettings(whiten=whiten))
    made.save(tmp_path)
    again = StaticTransforms.load(tmp_path, base="hashing-1")
    rows = sample(0.1, dim=32)
    assert again.fingerprint == made.fingerprint
    for lang in made.adapters:
        assert np.array_equal(again.transform(rows, lang), made.transform(rows, lang))


def test_transforms_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    made = fit_transforms(VectorEncoder(), documents())
    made.save(tmp_path)
    with pytest.raises(ModelError, match="transforms of another encoder"):
        StaticTransforms.load(tmp_path, base="another")
    with pytest.raises(ModelError, match="32 dimensions, the vectors of 6"):
        made.transform(sample(0.0), "fr")
    with pytest.raises(LanguageError, match="no transform 'de'; there are fr, sw"):
        made.select("de")
    path = tmp_path / "transforms.json"
    path.write_text(path.read_text().replace('"dim": 32', '"dim": 31'))
    with pytest.raises(ModelError, match="does not fit 2 languages of 31 dimensions"):
        StaticTransforms.load(tmp_path)
    path.write_text("{}")
    with pytest.raises(ModelError, match="no configuration of transforms"):
        StaticTransforms.load(tmp_path)
    (tmp_path / "transforms.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="no readable transforms"):
        StaticTransforms.load(tmp_path)


def test_too_small_a_sample_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"fr \(9\), sw \(9\).*at least 100"):
        fit_transforms(VectorEncoder(), documents(3))
    with pytest.raises(TrainingError, match="none at all"):
        fit_transforms(VectorEncoder(), [])
