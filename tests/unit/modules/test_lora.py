"""LoRA adapters against PEFT itself."""

import copy
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from xret.errors import LanguageError, ModelError
from xret.retriever.modules.lora import LoraAdapters, bind_adapter

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
