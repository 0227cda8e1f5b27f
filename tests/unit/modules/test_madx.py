"""MAD-X's language adapters: where they stand, what undoes them, through which a token goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_encoders import tiny_bi_encoder
from tiny_models import TEXTS, random_xmod
from tiny_rankers import drain, tiny_bert_config, tiny_cross_encoder
from torch import nn
from torch.nn import functional
from transformers import (
    BertForMaskedLM,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    T5Config,
    T5EncoderModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from xret.errors import ConfigError, LanguageError, ModelError
from xret.retriever.models.module_card import ModelBase, ModuleCard, read_card
from xret.retriever.modules.base import model_base
from xret.retriever.modules.composing import add_modules, apply_masks
from xret.retriever.modules.coupling import Coupling, still_coupling
from xret.retriever.modules.madx import MadxAdapter
from xret.retriever.modules.madx_folder import read_language_adapters, save_language_adapters
from xret.retriever.modules.madx_languages import MadxLanguages
from xret.retriever.modules.named_weights import named_weights
from xret.retriever.modules.ranking import RankingAdapter
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.training.common.fitting import FitSettings
from xret.retriever.training.modules.learning import ModuleLearning, learn_module
from xret.types import Document

CARD = ModuleCard("language", "base", lang="sw")
IDS = torch.tensor([[2, 7, 9, 11, 3], [2, 5, 30, 3, 1]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
SPLIT = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1]])


def bert() -> Any:
    torch.manual_seed(0)
    return BertModel(tiny_bert_config(40), add_pooling_layer=False).eval()


def xlmr() -> Any:
    return XLMRobertaModel(XLMRobertaConfig(**tiny_bert_config(40).to_diff_dict())).eval()


def distilbert() -> Any:
    config = DistilBertConfig(
        vocab_size=40, dim=32, n_layers=2, n_heads=4, hidden_dim=64, pad_token_id=1
    )
    return DistilBertModel(config).eval()


def random_tensors(tensors: Any, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: 0.3 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in tensors.items()
    }


def random_adapter(model: nn.Module, seed: int, *, invertible: bool = True) -> MadxAdapter:
    start = MadxAdapter.start(model, bottleneck=6, invertible=invertible, seed=seed, card=CARD)
    layers = [random_tensors(layer, seed + n) for n, layer in enumerate(start.layers)]
    coupling = random_tensors(start.coupling, seed + 9) if start.coupling else None
    return MadxAdapter(layers, coupling, CARD)


@torch.no_grad()
def forward(model: Any, **more: Any) -> torch.Tensor:
    states: torch.Tensor = model(input_ids=IDS, attention_mask=MASK, **more).last_hidden_state
    return states[MASK.bool()]


def by_hand(hidden: torch.Tensor, layer: Any) -> torch.Tensor:
    narrow = (hidden @ layer["down.weight"].T + layer["down.bias"]).clamp_min(0)
    return narrow @ layer["up.weight"].T + layer["up.bias"]


@given(
    width=st.integers(2, 33),
    seed=st.integers(0, 1000),
    scale=st.sampled_from([1e-3, 1.0, 30.0]),
)
@settings(max_examples=40, deadline=None)
def test_a_coupling_is_undone_whatever_it_has_learnt(width: int, seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    coupling = Coupling(random_tensors(still_coupling(width, generator=generator), seed))
    hidden = scale * torch.randn(3, 4, width, generator=generator)
    with torch.no_grad():
        bent = coupling(hidden)
        near = 1e-5 * float(bent.abs().max() + hidden.abs().max())
        assert torch.allclose(coupling.inverse(bent), hidden, atol=near)
        assert torch.allclose(coupling(coupling.inverse(hidden)), hidden, atol=near)
        assert float((bent - hidden).abs().max()) > 1e-4


def test_a_coupling_moves_the_halves_in_turn() -> None:
    tensors = random_tensors(still_coupling(5, generator=torch.Generator()), 1)
    sides = [{name[2:]: t for name, t in tensors.items() if name.startswith(side)} for side in "fg"]
    x = torch.randn(7, 5)
    first = x[:, :2] + by_hand(x[:, 2:], sides[0])
    second = x[:, 2:] + by_hand(first, sides[1])
    assert torch.allclose(Coupling(tensors)(x), torch.cat([first, second], 1), atol=1e-5)


@pytest.mark.parametrize("kind", [bert, xlmr, distilbert])
def test_an_adapter_stands_before_the_norm_of_every_layer(kind: Callable[[], Any]) -> None:
    model = kind()
    own, bits = forward(model), {k: v.clone() for k, v in model.state_dict().items()}
    still = MadxAdapter.start(model, bottleneck=6, invertible=True, seed=1, card=CARD)
    attached = MadxLanguages.attach(model, {"sw": still})
    assert torch.equal(forward(model), own)  # it has not learnt yet
    assert named_weights(model).keys() == named_weights(kind()).keys()
    attached.detach()
    adapter = random_adapter(model, 3)
    attached = MadxLanguages.attach(model, {"sw": adapter})
    found = forward(model)
    attached.detach()
    assert torch.equal(forward(model), own)
    assert all(torch.equal(bits[k], v) for k, v in model.state_dict().items())
    hooks = plainly(model, adapter)
    assert torch.allclose(found, forward(model), atol=1e-5)
    assert float((found - own).abs().max()) > 0.1
    for hook in hooks:
        hook.remove()


def plainly(model: Any, adapter: MadxAdapter) -> list[Any]:
    """The same with plain matrices: the layer's input to its norm, the norm, and the norm again."""
    layers = list(model.transformer.layer if hasattr(model, "transformer") else model.encoder.layer)
    norms = [getattr(one, "output_layer_norm", None) or one.output.LayerNorm for one in layers]

    def before(number: int) -> Callable[..., Any]:
        def hook(norm: Any, inputs: Any) -> Any:
            plain = functional.layer_norm(inputs[0], (32,), norm.weight, norm.bias, norm.eps)
            return (inputs[0] + by_hand(plain, adapter.layers[number]),)

        return hook

    assert adapter.coupling is not None
    coupling = Coupling(adapter.coupling)
    return [
        model.embeddings.register_forward_hook(lambda _m, _i, out: coupling(out)),
        *(norm.register_forward_pre_hook(before(n)) for n, norm in enumerate(norms)),
    ]


def test_each_token_goes_through_its_own_adapter() -> None:
    model = bert()
    adapters = {"de": random_adapter(model, 1), "sw": random_adapter(model, 5, invertible=False)}
    alone = {}
    for lang, adapter in adapters.items():
        attached = MadxLanguages.attach(model, {lang: adapter})
        alone[lang] = forward(model)
        attached.detach()
    languages = MadxLanguages.attach(model, adapters)
    assert languages.adapters == ("de", "sw")
    for number, lang in enumerate(languages.adapters):
        for ids in (torch.tensor([number, number]), torch.full_like(IDS, number)):
            assert torch.allclose(forward(model, lang_ids=ids), alone[lang], atol=1e-5)
        languages.select(lang)
        assert torch.allclose(forward(model), alone[lang], atol=1e-5)
    together = forward(model, lang_ids=SPLIT)
    rows = [SPLIT.where(torch.tensor([[first], [1 - first]]) == 1, 0) for first in (1, 0)]
    each = [forward(model, lang_ids=ids) for ids in rows]
    assert torch.allclose(together[:5], each[0][:5], atol=1e-5)  # whatever else is in the batch
    assert torch.allclose(together[5:], each[1][5:], atol=1e-5)
    assert not torch.allclose(together, alone["de"], atol=1e-2)
    assert not torch.allclose(together, alone["sw"], atol=1e-2)
    with pytest.raises(LanguageError, match="ids 0 to 1"):
        forward(model, lang_ids=torch.tensor([0, 2]))
    languages.detach()


def test_without_a_choice_several_adapters_are_refused() -> None:
    model = bert()
    MadxLanguages.attach(model, {"de": random_adapter(model, 1), "sw": random_adapter(model, 2)})
    with pytest.raises(LanguageError, match="2 language adapters"):
        forward(model)
    with pytest.raises(ModelError, match="already"):
        MadxLanguages.attach(model, {"fr": random_adapter(model, 1)})


def test_a_ranking_adapter_stands_on_the_language_adapter() -> None:
    model = bert()
    card = ModuleCard("ranking", "base")
    start = RankingAdapter.start(model, bottleneck=4, seed=1, card=card)
    ranking = RankingAdapter([random_tensors(one, 7) for one in start.layers], {}, card)
    adapter = random_adapter(model, 3)
    found = []
    for order in ((0, 1), (1, 0)):
        attached: list[Any] = [None, None]
        for part in order:
            if part:
                ranking.attach(model)
            else:
                attached[0] = MadxLanguages.attach(model, {"sw": adapter})
        found.append(forward(model))
        attached[0].detach()
        ranking.detach(model)
    assert torch.equal(*found)
    hooks = plainly(model, adapter)
    ranking.attach(model)
    assert torch.allclose(found[0], forward(model), atol=1e-5)
    assert len(hooks) == 3


def test_guessed_words_come_from_states_with_the_coupling_undone() -> None:
    torch.manual_seed(0)
    model = BertForMaskedLM(tiny_bert_config(40)).eval()
    adapter = random_adapter(model, 3)
    attached = MadxLanguages.attach(model, {"sw": adapter})
    with torch.no_grad():
        found = model(input_ids=IDS, attention_mask=MASK).logits
        states = model.bert(input_ids=IDS, attention_mask=MASK).last_hidden_state
        attached.detach()
        assert adapter.coupling is not None
        before = Coupling(adapter.coupling).inverse(model.cls.predictions.transform(states))
        assert torch.allclose(found, model.cls.predictions.decoder(before), atol=1e-4)


def test_a_saved_adapter_is_the_same_adapter(tmp_path: Path) -> None:
    model = bert()
    for invertible in (True, False):
        adapter = random_adapter(model, 2, invertible=invertible)
        adapter.save(tmp_path / "sw.safetensors")
        card = read_card(tmp_path / "sw.safetensors")
        assert (card.kind, card.size, card.invertible) == ("language", 6, invertible)
        again = MadxAdapter.load(tmp_path / "sw.safetensors", base=ModelBase("base"))
        assert all(
            torch.equal(one[name], other[name])
            for one, other in zip(adapter.layers, again.layers, strict=True)
            for name in one
        )
        assert (again.coupling is None) == (not invertible)
    with pytest.raises(ModelError, match="another model"):
        MadxAdapter.load(tmp_path / "sw.safetensors", base=ModelBase("other"))
    with pytest.raises(ModelError, match="a ranking adapter is needed"):
        RankingAdapter.load(tmp_path / "sw.safetensors")
    with pytest.raises(ModelError, match="not added"):
        add_modules([tmp_path / "sw.safetensors"] * 2, tmp_path / "two.safetensors")
    base = tiny_cross_encoder(tmp_path / "base")
    with pytest.raises(ModelError, match="folder language-adapters beside"):
        apply_masks(base, [tmp_path / "sw.safetensors"], tmp_path / "folded")


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        ("layer.1.up.weight", torch.zeros(5, 6), r"layer 1, up.weight is \(5, 6\), expected"),
        ("layer.0.down.bias", torch.full((6,), float("inf")), "not finite"),
        ("layer.0.norm", torch.zeros(6), "'layer.0.norm' that is no part"),
        ("coupling.f.up.bias", torch.zeros(3), r"coupling's f, up.bias is \(3,\), expected"),
        ("coupling.h.up.bias", torch.zeros(3), None),
    ],
)
def test_a_damaged_adapter_is_named_with_its_flaw(
    tmp_path: Path, name: str, tensor: torch.Tensor, said: str | None
) -> None:
    path = tmp_path / "r.safetensors"
    random_adapter(bert(), 1).save(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file({**load_file(path), name: tensor}, tmp_path / "d.safetensors", metadata)
    with pytest.raises(ModelError, match=said or "no part"):
        MadxAdapter.load(tmp_path / "d.safetensors")


def test_what_takes_no_adapter_is_refused() -> None:
    deep = BertModel(tiny_bert_config(40, num_hidden_layers=3))
    with pytest.raises(ModelError, match="for 2 layers of width 32, the model has 3 of 32"):
        MadxLanguages.attach(deep, {"sw": random_adapter(bert(), 1)})
    with pytest.raises(ModelError, match="xret lang add"):
        MadxAdapter.start(random_xmod(40), bottleneck=4, invertible=True, seed=0, card=CARD)
    t5 = T5EncoderModel(T5Config(vocab_size=40, d_model=32, d_kv=8, num_layers=2, num_heads=4))
    with pytest.raises(ModelError, match="do not end in a norm"):
        MadxAdapter.start(t5, bottleneck=4, invertible=False, seed=0, card=CARD)


def hub_folder(folder: Path, adapter: MadxAdapter, *, old: bool = False, **config: Any) -> Path:
    """As AdapterHub's library writes it; old: as before its version 2."""
    folder.mkdir(parents=True)
    kind, inverse = (
        ("layer_text_lang_adapters", "invertible_lang_adapters")
        if old
        else (
            "adapters",
            "invertible_adapters",
        )
    )
    tensors = {}
    for n, layer in enumerate(adapter.layers):
        for part, tensor in layer.items():
            step, which = part.split(".")
            named = f"adapter_{step}{'.0' if step == 'down' else ''}.{which}"
            tensors[f"bert.encoder.layer.{n}.output.{kind}.sw.{named}"] = tensor
    for part, tensor in (adapter.coupling or {}).items():
        side, step, which = part.split(".")
        number = "0" if step == "down" else "2"
        tensors[f"bert.{inverse}.sw.{side.upper()}.{number}.{which}"] = tensor
    save_file(tensors, folder / "adapter.safetensors")
    settings = {
        "mh_adapter": False,
        "output_adapter": True,
        "original_ln_before": True,
        "original_ln_after": True,
        "residual_before_ln": True,
        "adapter_residual_before_ln": False,
        "ln_before": False,
        "ln_after": False,
        "non_linearity": "relu",
        "reduction_factor": 2,
        "inv_adapter": "nice" if adapter.coupling else None,
        "leave_out": [],
    }
    content = {
        "config": settings | config,
        "name": "sw",
        "model_name": "bert-base",
        "hidden_size": 32,
    }
    (folder / "adapter_config.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.mark.parametrize("old", [False, True])
def test_adapterhubs_folders_are_read(tmp_path: Path, old: bool) -> None:
    model = bert()
    adapter = random_adapter(model, 4)
    hub_folder(tmp_path / "all" / "sw", adapter, old=old)
    found = read_language_adapters(tmp_path / "all", base=ModelBase("mine"))["sw"]
    assert found.card.base == "mine" and found.card.lang == "sw" and "bert-base" in found.card.data
    attached = MadxLanguages.attach(model, {"sw": adapter})
    wanted = forward(model)
    attached.detach()
    MadxLanguages.attach(model, {"sw": found})
    assert torch.equal(forward(model), wanted)


def test_adapterhubs_other_adapters_are_refused_with_a_reason(tmp_path: Path) -> None:
    adapter = random_adapter(bert(), 4)
    for config, said in (
        ({"mh_adapter": True}, "mh_adapter is True"),
        ({"non_linearity": "swish"}, "non_linearity is 'swish'"),
        ({"inv_adapter": "glow"}, "inv_adapter is 'glow'"),
    ):
        folder = tmp_path / said.split()[0]
        hub_folder(folder / "sw", adapter, **config)
        with pytest.raises(ModelError, match=said):
            read_language_adapters(folder)
    pickled = hub_folder(tmp_path / "pickled" / "sw", adapter)
    (pickled / "adapter.safetensors").rename(pickled / "pytorch_adapter.bin")
    with pytest.raises(ModelError, match="is a pickle, which can run code"):
        read_language_adapters(tmp_path / "pickled")
    other = hub_folder(tmp_path / "other" / "sw", adapter)
    tensors = load_file(other / "adapter.safetensors")
    save_file(tensors | {"bert.loras.sw.A": torch.zeros(2)}, other / "adapter.safetensors")
    with pytest.raises(ModelError, match=r"'bert\.loras\.sw\.A' is no part"):
        read_language_adapters(tmp_path / "other")


def test_a_folder_names_each_language_once(tmp_path: Path) -> None:
    adapter = random_adapter(bert(), 4)
    save_language_adapters({"sw": adapter, "swh": adapter}, tmp_path)
    with pytest.raises(ModelError, match="two adapters for sw"):
        read_language_adapters(tmp_path)
    (tmp_path / "swh.safetensors").rename(tmp_path / "de.safetensors")
    with pytest.raises(ModelError, match="for sw, by its card"):
        read_language_adapters(tmp_path)
    with pytest.raises(ModelError, match="no language adapters"):
        read_language_adapters(tmp_path / "nowhere")


def test_a_language_is_learnt_and_its_encoder_has_it_beside_it(tmp_path: Path) -> None:
    folder = tiny_bi_encoder(tmp_path / "bi")
    text = tmp_path / "sw.txt"
    text.write_text("\n".join([TEXTS["sw"]] * 40), encoding="utf-8")
    plain = load_encoder(str(folder)).encode_documents([Document("d", TEXTS["sw"], "sw")]).values
    learning = ModuleLearning(
        "language",
        folder,
        text=text,
        lang="swh",
        bottleneck=8,
        invertible=True,
        rate=1e-2,
        fit=FitSettings(steps=25, batch_size=8),
    )
    output = folder / "language-adapters" / "sw.safetensors"
    base = model_base(folder)
    drain(learn_module(learning, output))
    adapter = MadxAdapter.load(output, base=base)
    assert model_base(folder) == base
    assert adapter.card.results["loss_after"] < adapter.card.results["loss_before"] - 0.2
    assert adapter.card.lang == "sw" and adapter.card.invertible
    encoder = load_encoder(str(folder))
    assert encoder.spec.languages == ("sw",)
    adapted = encoder.encode_documents([Document("d", TEXTS["sw"], "sw")]).values
    assert abs(adapted - plain).max() > 1e-3
    with pytest.raises(ConfigError, match="--text FILE instead of --data"):
        drain(learn_module(ModuleLearning("language", folder, data=text, lang="sw"), output))
