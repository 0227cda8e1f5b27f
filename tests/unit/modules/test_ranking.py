"""Ranking adapters: where they stand, how they add up, what learning leaves untouched."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_encoders import tiny_bi_encoder, tiny_late
from tiny_models import random_xmod, tiny_dpr_xm
from tiny_rankers import drain, marked_rows, tiny_bert_config, tiny_cross_encoder, write_rows
from torch import nn
from transformers import (
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from xret.errors import CorpusError, LanguageError, ModelError, TrainingError
from xret.retriever.corpora.rows import Example
from xret.retriever.models.module_card import ModelBase, ModuleCard
from xret.retriever.modules.named_weights import named_weights, transformer_layers
from xret.retriever.modules.ranking import RankingAdapter
from xret.retriever.modules.sparse import SparseChange, SparseMask
from xret.retriever.training.common.fitting import FitSettings
from xret.retriever.training.modules.base import freeze_languages, is_cross_encoder, open_base
from xret.retriever.training.modules.ranking import (
    learn_ranking_adapter,
    ranking_accuracy,
    split_rows,
)
from xret.retriever.training.modules.rows import read_ranking_rows, rows_with_negatives
from xret.retriever.xmod.xmod import prepare_xmod

CARD = ModuleCard("ranking", "base", task="ranking")
IDS = torch.tensor([[2, 7, 9, 11, 3], [2, 5, 30, 3, 1]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])


def bits(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def bert() -> nn.Module:
    return BertModel(tiny_bert_config(40), add_pooling_layer=False)


def xlmr() -> nn.Module:
    return XLMRobertaModel(XLMRobertaConfig(**tiny_bert_config(40).to_diff_dict()))


def distilbert() -> nn.Module:
    config = DistilBertConfig(
        vocab_size=40, dim=32, n_layers=2, n_heads=4, hidden_dim=64, pad_token_id=1
    )
    return DistilBertModel(config)


def xmod() -> nn.Module:
    model = random_xmod(40)
    prepare_xmod(model)
    return model


KINDS = [bert, xlmr, distilbert, xmod]


def forward(model: nn.Module, **more: Any) -> torch.Tensor:
    if "Xmod" in type(model).__name__ and not more:
        more = {"lang_ids": torch.tensor([1, 4])}
    with torch.no_grad():
        made = model.eval()(input_ids=IDS, attention_mask=MASK, **more)
    return made.last_hidden_state[MASK.bool()]


def random_adapter(model: nn.Module, seed: int, *, size: int = 6) -> RankingAdapter:
    adapter = RankingAdapter.start(model, bottleneck=size, seed=seed, card=CARD)
    generator = torch.Generator().manual_seed(seed)
    layers = [
        {part: 0.3 * torch.randn(tensor.shape, generator=generator) for part, tensor in one.items()}
        for one in adapter.layers
    ]
    return RankingAdapter([*layers], {}, CARD)


def by_hand(model: nn.Module, adapters: list[RankingAdapter]) -> list[Any]:
    """h + the sum of U relu(D h + a) + b behind every layer, with plain matrices."""

    def behind(i: int) -> Callable[..., Any]:
        def hook(_layer: Any, _inputs: Any, output: Any) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
            added = torch.zeros_like(hidden)
            for layer in (adapter.layers[i] for adapter in adapters):
                narrow = (hidden @ layer["down.weight"].T + layer["down.bias"]).clamp_min(0)
                added = added + narrow @ layer["up.weight"].T + layer["up.bias"]
            new = hidden + added
            return (new, *output[1:]) if isinstance(output, tuple) else new

        return hook

    return [
        layer.register_forward_hook(behind(i)) for i, layer in enumerate(transformer_layers(model))
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_works_behind_every_layer_and_leaves_no_trace(
    kind: Callable[[], nn.Module],
) -> None:
    torch.manual_seed(0)
    model = kind()
    before, plain = bits(model), forward(model)
    start = RankingAdapter.start(model, bottleneck=4, seed=0, card=CARD)
    start.attach(model)
    assert torch.equal(forward(model), plain)
    start.detach(model)
    one, two = random_adapter(model, 1), random_adapter(model, 2, size=3)
    for parts in ([one], [one, two]):
        hooks = by_hand(model, parts)
        wanted = forward(model)
        for hook in hooks:
            hook.remove()
        assert (wanted - plain).abs().max() > 0.05
        for part in parts:
            part.attach(model)
        torch.testing.assert_close(forward(model), wanted, atol=1e-5, rtol=1e-5)
        for part in parts:
            part.detach(model)
    assert same(bits(model), before) and torch.equal(forward(model), plain)


def test_attached_one_by_one_is_attached_as_a_sum_in_any_order() -> None:
    model = bert()
    one, two = random_adapter(model, 1), random_adapter(model, 2, size=3)
    (one + two).attach(model)
    wanted = forward(model)
    other = bert()
    other.load_state_dict({k: v for k, v in model.state_dict().items() if "ranking" not in k})
    one.attach(other)
    two.attach(other)
    assert torch.equal(forward(other), wanted)
    one.detach(other)
    one.attach(other)
    torch.testing.assert_close(forward(other), wanted, atol=1e-5, rtol=1e-5)
    assert (one + two).card.size == 9 and len((one + two).card.parts) == 2


def test_half_of_an_adapter_twice_is_the_adapter() -> None:
    model = bert()
    one = random_adapter(model, 1)
    one.attach(model)
    wanted = forward(model)
    one.detach(model)
    (one + one).scaled(0.5).attach(model)
    torch.testing.assert_close(forward(model), wanted, atol=1e-5, rtol=1e-5)


def test_the_ranking_adapter_stands_on_the_language_adapter_of_each_text() -> None:
    model = xmod()
    adapter = random_adapter(model, 1)
    adapter.attach(model)
    mixed = forward(model, lang_ids=torch.tensor([1, 4]))
    alone = [forward(model, lang_ids=torch.tensor([lang, lang])) for lang in (1, 4)]
    torch.testing.assert_close(mixed[:5], alone[0][:5], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mixed[5:], alone[1][5:], atol=1e-5, rtol=1e-5)
    assert (alone[0] - alone[1]).abs().max() > 0.05


def test_a_copy_of_a_model_has_an_adapter_of_its_own() -> None:
    model = bert()
    adapter = random_adapter(model, 1)
    adapter.attach(model)
    wanted = forward(model)
    other = copy.deepcopy(model)
    adapter.detach(model)
    assert torch.equal(forward(other), wanted)


def test_a_saved_adapter_is_the_same_adapter(tmp_path: Path) -> None:
    model = bert()
    adapter = random_adapter(model, 1)
    adapter.save(tmp_path / "r.safetensors")
    again = RankingAdapter.load(tmp_path / "r.safetensors", base=ModelBase("base"))
    assert again.card == adapter.card
    for mine, read in zip(adapter.layers, again.layers, strict=True):
        assert mine.keys() == read.keys() and all(torch.equal(mine[p], read[p]) for p in mine)


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        ("layer.1.up.weight", torch.zeros(5, 6), r"layer.1.up.weight is \(5, 6\), expected"),
        ("layer.0.down.bias", torch.full((6,), float("inf")), "values that are not finite"),
        ("layer.0.down.bias", torch.zeros(6).half(), "of type torch.float16"),
        ("layer.0.norm", torch.zeros(6), "'layer.0.norm' that is no part"),
    ],
)
def test_a_damaged_adapter_is_named_with_its_flaw(
    tmp_path: Path, name: str, tensor: torch.Tensor, said: str
) -> None:
    path = tmp_path / "r.safetensors"
    random_adapter(bert(), 1).save(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file({**load_file(path), name: tensor}, tmp_path / "d.safetensors", metadata)
    with pytest.raises(ModelError, match=said):
        RankingAdapter.load(tmp_path / "d.safetensors")


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    model = bert()
    adapter = random_adapter(model, 1)
    adapter.save(tmp_path / "r.safetensors")
    with pytest.raises(ModelError, match=r"ranking adapter of another model \(base base\)"):
        RankingAdapter.load(tmp_path / "r.safetensors", base=ModelBase("other"))
    with pytest.raises(ModelError, match="is a ranking adapter; a sparse fine-tuning mask"):
        SparseMask.load(tmp_path / "r.safetensors")
    deep = BertModel(tiny_bert_config(40, num_hidden_layers=3))
    with pytest.raises(ModelError, match="for 2 layers of width 32, the model has 3 of 32"):
        adapter.attach(deep)
    with pytest.raises(ModelError, match="not in the model"):
        adapter.detach(model)
    headed = RankingAdapter(adapter.layers, {"classifier.weight": torch.zeros(1, 32)}, CARD)
    with pytest.raises(ModelError, match=r"learnt with a classifier\.weight"):
        headed.attach(model)
    with pytest.raises(ModelError, match="a mask changes weights, an adapter adds layers"):
        adapter.card.plus(ModuleCard("mask", "base"), size=0)
    with pytest.raises(ModelError, match="no layers that an adapter could stand behind"):
        transformer_layers(nn.Linear(2, 2))


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_cross_encoder(tmp_path_factory.mktemp("ce"))


def bce(model: Any, rows: list[Example]) -> float:
    pairs = [(r.query, d) for r in rows for d in (r.positive, r.negatives[0])]
    scores = np.asarray(model.predict(pairs, activation_fn=nn.Sigmoid(), show_progress_bar=False))
    right = np.where(np.arange(len(scores)) % 2 == 0, scores, 1 - scores)
    return float(-np.log(np.maximum(right, 1e-9)).mean())


def test_a_learnt_adapter_ranks_better_and_the_base_keeps_its_bits(
    cross_encoder: Path, tmp_path: Path
) -> None:
    model = open_base(cross_encoder)
    before = bits(model)
    rows, fresh = marked_rows("samaki"), marked_rows("samaki", n=60, seed=9)
    loss, accuracy = bce(model, fresh), ranking_accuracy(model, fresh)
    fit = FitSettings(steps=150, rate=1e-2)
    adapter = drain(learn_ranking_adapter(model, rows, bottleneck=32, settings=fit, card=CARD))
    assert same(bits(model), before)
    assert all(p.requires_grad and p.grad is None for p in named_weights(model).values())
    assert adapter.head.keys() == {"classifier.weight", "classifier.bias"}
    adapter.save(tmp_path / "r.safetensors")
    RankingAdapter.load(tmp_path / "r.safetensors").attach(model)
    assert bce(model, fresh) < 0.5 * loss
    assert ranking_accuracy(model, fresh) > accuracy + 0.15
    held_out = split_rows(rows)[1]
    assert ranking_accuracy(model, held_out) == adapter.card.results["accuracy_after"]


@pytest.mark.slow
def test_adapters_of_two_tasks_added_do_both_better_than_either(cross_encoder: Path) -> None:
    model = open_base(cross_encoder)
    fit = FitSettings(steps=150, rate=1e-2)
    found: list[RankingAdapter] = [
        drain(
            learn_ranking_adapter(
                model, marked_rows(marker), bottleneck=32, settings=fit, card=CARD
            )
        )
        for marker in ("coral", "joto")
    ]

    def both(adapter: RankingAdapter) -> float:
        adapter.attach(model)
        rows = [marked_rows(marker, n=60, seed=9) for marker in ("coral", "joto")]
        accuracy = np.mean([ranking_accuracy(model, task) for task in rows])
        adapter.detach(model)
        return float(accuracy)

    assert both(found[0] + found[1]) > max(map(both, found)) + 0.05


@pytest.mark.parametrize("make", [tiny_cross_encoder, tiny_bi_encoder, tiny_late, tiny_dpr_xm])
def test_any_kind_of_base_learns_the_same_adapter_twice(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = make(tmp_path)
    lang = "sw" if make is tiny_dpr_xm else None
    fit = FitSettings(steps=6, rate=1e-3, seed=3)
    made = []
    for _ in range(2):
        model = open_base(folder, lang=lang)
        before = bits(model)
        torch.manual_seed(len(made))
        outside = torch.random.get_rng_state()
        learning = learn_ranking_adapter(
            model, marked_rows("reefs", n=40), bottleneck=4, settings=fit, card=CARD
        )
        made.append(drain(learning))
        assert same(bits(model), before)
        assert torch.equal(torch.random.get_rng_state(), outside)
    for one, two in zip(made[0].layers, made[1].layers, strict=True):
        assert all(torch.equal(one[part], two[part]) for part in one)
    assert any(one["up.weight"].any() for one in made[0].layers)
    assert bool(made[0].head) == is_cross_encoder(folder)


def test_masks_and_adapters_with_heads_leave_in_any_order(cross_encoder: Path) -> None:
    model = open_base(cross_encoder)
    before = bits(model)
    plain = random_adapter(model, 1)
    head = {"classifier.weight": torch.full((1, 32), 0.5)}
    adapter = RankingAdapter(plain.layers, head, CARD)
    change = SparseChange((1, 32), torch.tensor([0, 7]), torch.tensor([1.0, 2.0]))
    mask = SparseMask({"classifier.weight": change}, ModuleCard("mask", "base"))
    weight = named_weights(model)["classifier.weight"]
    own = weight.detach().clone()
    adapter.attach(model)
    mask.apply(model)
    assert weight[0, 7].item() == pytest.approx(own[0, 7].item() + 2.5)
    adapter.detach(model)
    assert weight[0, 7].item() == pytest.approx(own[0, 7].item() + 2.0)
    adapter.attach(model)
    mask.remove(model)
    adapter.detach(model)
    assert same(bits(model), before)


def test_a_loss_that_is_no_number_stops_learning(cross_encoder: Path) -> None:
    model = open_base(cross_encoder)
    with torch.no_grad():
        named_weights(model)["classifier.bias"].fill_(float("nan"))
    fit = FitSettings(steps=5)
    with pytest.raises(TrainingError, match=r"loss of step 1 is nan.*nothing was written"):
        drain(
            learn_ranking_adapter(
                model, marked_rows("reefs", n=40), bottleneck=4, settings=fit, card=CARD
            )
        )
    assert not any("ranking_adapter" in name for name, _ in model.named_parameters())


def test_a_base_that_cannot_learn_is_refused(tmp_path: Path, cross_encoder: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        open_base(tmp_path / "none")
    folder = tiny_dpr_xm(tmp_path / "x")
    with pytest.raises(LanguageError, match=r"name the language of the data by --lang.*sw"):
        open_base(folder)
    with pytest.raises(LanguageError, match="no adapter 'ja'"):
        open_base(folder, lang="ja")
    freeze_languages(model := open_base(folder, lang="sw"))
    frozen = [name for name, p in named_weights(model).items() if not p.requires_grad]
    assert any("adapter_modules" in name for name in frozen)
    (tmp_path / "ce").mkdir()
    for path in cross_encoder.iterdir():
        (tmp_path / "ce" / path.name).write_bytes(path.read_bytes())
    tensors = load_file(tmp_path / "ce" / "model.safetensors")
    kept = {name: t.clone() for name, t in tensors.items() if not name.startswith("classifier")}
    (tmp_path / "ce" / "model.safetensors").unlink()
    save_file(kept, tmp_path / "ce" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lack 2 parameters.*classifier"):
        open_base(tmp_path / "ce")


def test_rows_are_read_from_tabs_and_from_json(tmp_path: Path) -> None:
    rows = marked_rows("reefs", n=25)
    assert read_ranking_rows(write_rows(tmp_path / "r.jsonl", rows)) == rows
    lines = ["\t".join([row.query, row.positive, *row.negatives]) for row in rows]
    (tmp_path / "r.tsv").write_text("\ufeff" + "\r\n\r\n".join(lines), encoding="utf-8")
    assert read_ranking_rows(tmp_path / "r.tsv") == rows


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"query alone", "2 or more columns; found 1"),
        (b"query\t\tnegative", "an empty text"),
        (b"query\tsame\tsame", "one text as positive and as negative"),
        (b'{"query": "q"}', "positive must be text, found nothing; the row has 'query'"),
        (b'{"query": "q", "positive": 3}', "must be text, found int"),
        (b'{"query": "q", "positive": "p", "negatives": {}}', "must be a list"),
        (b'{"query": "q"', "no JSON"),
        (b"query\t\xff\xfe", "not UTF-8"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, line: bytes, said: str) -> None:
    path = tmp_path / "r.tsv"
    path.write_bytes(b"q\tp\tn\n\n" + line + b"\n")
    with pytest.raises(CorpusError, match=said) as caught:
        read_ranking_rows(path)
    assert f"{path}:3" in str(caught.value)


def test_too_few_rows_and_rows_without_negatives(tmp_path: Path) -> None:
    path = tmp_path / "r.tsv"
    path.write_text("q\tp\tn\n" * 19)
    with pytest.raises(TrainingError, match="has 19 rows; ranking is learnt from at least 20"):
        read_ranking_rows(path)
    rows = [Example("a", "x"), Example("b", "x"), Example("c", "y", ("z",))]
    assert [row.negatives for row in rows_with_negatives(rows)] == [("y",), ("y",), ("z",)]
    with pytest.raises(TrainingError, match="same positive"):
        rows_with_negatives(rows[:2])
