"""Sparse masks: algebra, files, what learning leaves untouched, composition."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_encoders import tiny_bi_encoder
from tiny_models import TEXTS, tiny_dpr_xm
from tiny_rankers import drain, marked_rows, tiny_bert_config, tiny_cross_encoder
from torch import nn
from transformers import BertForMaskedLM, BertForSequenceClassification, BertModel

from xret.errors import LanguageError, ModelError, TrainingError
from xret.retriever.models.module_card import ModelBase, ModuleCard
from xret.retriever.modules import LanguageModules
from xret.retriever.modules.folding import fold_masks
from xret.retriever.modules.language_masks import SparseLanguageMasks
from xret.retriever.modules.named_weights import named_weights
from xret.retriever.modules.sparse import SparseChange, SparseMask
from xret.retriever.training.common.fitting import FitSettings
from xret.retriever.training.modules.base import open_base
from xret.retriever.training.modules.masked_text import learn_language_mask
from xret.retriever.training.modules.ranking import learn_ranking_mask, ranking_accuracy
from xret.retriever.training.modules.sparse import learn_sparse_mask
from xret.types import Progress

SHAPES = {"encoder.weight": (3, 4), "head.bias": (5,)}
CARD = ModuleCard("mask", "base", task="ranking")


class Small(nn.Module):
    """Two tensors of the names in SHAPES."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Linear(4, 3, bias=False, dtype=dtype)
        self.head = nn.Module()
        self.head.bias = nn.Parameter(torch.randn(5, dtype=dtype))


def bits(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


@st.composite
def masks(draw: st.DrawFn) -> SparseMask:
    changes = {}
    for name, shape in SHAPES.items():
        n = int(np.prod(shape))
        places = sorted(draw(st.sets(st.integers(0, n - 1), max_size=n)))
        if places:
            value = st.floats(-4, 4, width=32)
            values = draw(st.lists(value, min_size=len(places), max_size=len(places)))
            changes[name] = SparseChange(shape, torch.tensor(places), torch.tensor(values))
    return SparseMask(changes, CARD)


@settings(deadline=None, max_examples=60)
@given(masks(), masks(), st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
def test_masks_add_in_any_order_and_leave_the_model_bit_for_bit(
    a: SparseMask, b: SparseMask, dtype: torch.dtype
) -> None:
    model = Small(dtype)
    before = bits(model)
    (a + b).apply(model)
    both = bits(model)
    dense = {n: torch.zeros(shape).flatten() for n, shape in SHAPES.items()}
    for mask in (a, b):
        for name, change in mask.changes.items():
            dense[name][change.indices] += change.values
    for name, added in dense.items():
        wanted = before[name].float() + added.view(SHAPES[name])
        assert torch.equal(both[name], wanted.to(dtype))
    for first, second in ((a, b), (b, a)):
        one = Small(dtype)
        first.apply(one)
        second.apply(one)
        assert same(bits(one), both)
        first.remove(one)
        alone = Small(dtype)
        second.apply(alone)
        assert same(bits(one), bits(alone))
        second.remove(one)
        assert same(bits(one), before)


@settings(deadline=None, max_examples=40)
@given(masks(), masks(), st.floats(-2, 2, width=32))
def test_a_sum_is_the_union_of_entries_and_scales_with_its_parts(
    a: SparseMask, b: SparseMask, factor: float
) -> None:
    total = a + b
    for name in SHAPES:
        places = [set(m.changes[name].indices.tolist()) for m in (a, b) if name in m.changes]
        found = total.changes[name].indices.tolist() if places else []
        assert found == sorted(set().union(*places))
    for name, change in total.scaled(factor).changes.items():
        parts = a.scaled(factor) + b.scaled(factor)
        torch.testing.assert_close(change.values, parts.changes[name].values)
    assert len(total.card.parts) == 2
    assert total.scaled(factor).card.parts[0].weight == pytest.approx(factor)


@settings(deadline=None, max_examples=25)
@given(masks().filter(len))
def test_a_saved_mask_is_the_same_mask(
    tmp_path_factory: pytest.TempPathFactory, a: SparseMask
) -> None:
    path = tmp_path_factory.mktemp("mask") / "a.safetensors"
    a.save(path)
    again = SparseMask.load(path, base=ModelBase("base"))
    assert again.card == a.card and again.changes.keys() == a.changes.keys()
    for name, change in a.changes.items():
        assert torch.equal(again.changes[name].indices, change.indices)
        assert torch.equal(again.changes[name].values, change.values)
    first = path.read_bytes()
    again.save(path)
    assert path.read_bytes() == first
    a.save(path, half=True)
    assert len(SparseMask.load(path)) == len(a)


def small_mask() -> SparseMask:
    change = SparseChange((3, 4), torch.tensor([1, 5, 11]), torch.tensor([1.0, -2.0, 0.5]))
    return SparseMask({"encoder.weight": change}, CARD)


@pytest.mark.parametrize(
    ("part", "tensor", "said"),
    [
        ("indices", torch.tensor([1, 5, 12]), "indices from 1 to 12, the tensor 0 to 11"),
        ("indices", torch.tensor([-1, 5, 11]), "indices from -1"),
        ("indices", torch.tensor([5, 1, 11]), "not in ascending order"),
        ("indices", torch.tensor([1, 1, 11]), "not in ascending order"),
        ("indices", torch.tensor([1.0, 5.0, 11.0]), "indices of type torch.float32"),
        ("values", torch.tensor([1.0, float("nan"), 0.5]), "values that are not finite"),
        ("values", torch.tensor([1.0, 2.0]), "for values of"),
        ("extra", torch.tensor([1]), "lacks, or has too much"),
    ],
)
def test_a_damaged_file_is_named_with_its_flaw(
    tmp_path: Path, part: str, tensor: torch.Tensor, said: str
) -> None:
    path = tmp_path / "m.safetensors"
    small_mask().save(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors[f"encoder.weight.{part}"] = tensor
    save_file(tensors, tmp_path / "d.safetensors", metadata)
    with pytest.raises(ModelError, match=said) as caught:
        SparseMask.load(tmp_path / "d.safetensors")
    assert "d.safetensors" in str(caught.value)


def test_what_does_not_belong_to_a_model_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    small_mask().save(path)
    with pytest.raises(ModelError, match=r"of another model \(base base\); this one is other"):
        SparseMask.load(path, base=ModelBase("other"))
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        SparseMask.load(tmp_path / "junk.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(ModelError, match="no card"):
        SparseMask.load(tmp_path / "plain.safetensors")
    model = Small()
    before = bits(model)
    other = SparseChange((4, 3), torch.tensor([0]), torch.tensor([1.0]))
    with pytest.raises(ModelError, match=r"encoder.weight was \(4, 3\) .* is \(3, 4\) here"):
        SparseMask({"encoder.weight": other}, CARD).apply(model)
    with pytest.raises(ModelError, match="no 'nothing' in this Small"):
        SparseMask({"nothing": other}, CARD).apply(model)
    with pytest.raises(ModelError, match="not in the model"):
        small_mask().remove(model)
    with pytest.raises(ModelError, match="other"):
        _ = small_mask() + SparseMask({}, ModuleCard("mask", "other"))
    half = Small(torch.float16)
    own = bits(half)
    far = SparseChange((3, 4), torch.tensor([0]), torch.tensor([1e6]))
    with pytest.raises(ModelError, match="beyond the range"):
        SparseMask({"encoder.weight": far}, CARD).apply(half)
    assert same(bits(model), before) and same(bits(half), own)


def test_a_full_disk_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.safetensors"
    small_mask().save(path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xret.retriever.models.published.os.fsync", full)
    with pytest.raises(OSError, match=r"No space left on device; what was there before stays"):
        small_mask().scaled(2).save(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["m.safetensors"]


def test_a_mask_means_the_same_weights_under_any_head() -> None:
    config = tiny_bert_config(40)
    mask = SparseMask(
        {
            "encoder.layer.1.output.dense.weight": SparseChange(
                (32, 64), torch.tensor([3, 700]), torch.tensor([1.0, -1.0])
            )
        },
        CARD,
    )
    for cls in (BertModel, BertForSequenceClassification, BertForMaskedLM):
        model = cls(config)
        weight = model.get_parameter(
            ("" if cls is BertModel else "bert.") + "encoder.layer.1.output.dense.weight"
        )
        before = weight.detach().clone()
        mask.apply(model)
        changed = (weight.detach() - before).flatten().nonzero().flatten().tolist()
        assert changed == [3, 700]


def toy_training(steps: int, *, decay: float, seed: int = 0) -> object:
    """AdamW on a random regression; one of the callables that `learn_sparse_mask` takes."""

    def train(model: nn.Module, stage: str) -> Iterator[Progress]:
        generator = torch.Generator().manual_seed(seed)
        inputs = torch.randn(64, 8, generator=generator)
        wanted = inputs @ torch.randn(8, 4, generator=generator)
        learning = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(learning, lr=0.05, weight_decay=decay)
        for step in range(steps):
            optimizer.zero_grad()
            (model(inputs) - wanted).square().mean().backward()
            optimizer.step()
            yield Progress(stage, step + 1, steps, "steps")

    return train


def net() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def test_only_kept_weights_move_even_under_weight_decay() -> None:
    model = net()
    before = bits(model)
    seen: list[int] = []
    train = toy_training(20, decay=0.5)

    def watched(whole: nn.Module, stage: str) -> Iterator[Progress]:
        for step in train(whole, stage):  # type: ignore[operator]
            now = bits(whole)
            seen.append(sum(int((now[n] != before[n]).sum()) for n in before))
            yield step

    mask = drain(learn_sparse_mask(model, watched, keep=17, card=CARD))
    assert len(mask) == mask.card.size == 17
    assert min(seen[:20]) > 150 and max(seen[20:]) <= 17
    assert same(bits(model), before)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_the_kept_weights_are_those_that_moved_most() -> None:
    model = net()
    before = bits(model)
    drain(learn_sparse_mask(model, toy_training(5, decay=0.1), keep=5, card=CARD))  # type: ignore[arg-type]
    for _ in toy_training(5, decay=0.1)(model, ""):  # type: ignore[operator]
        pass
    moved = {n: (bits(model)[n] - before[n]).abs().flatten() for n in before}
    wanted = torch.cat(list(moved.values())).sort(descending=True).values[4]
    again = net()
    mask = drain(learn_sparse_mask(again, toy_training(5, decay=0.1), keep=5, card=CARD))  # type: ignore[arg-type]
    for name, change in mask.changes.items():
        assert (moved[name][change.indices] >= wanted).all()


def test_a_share_an_l1_penalty_and_impossible_wishes() -> None:
    train = toy_training(10, decay=0.0)
    free = drain(learn_sparse_mask(net(), train, keep=0.25, card=CARD))  # type: ignore[arg-type]
    assert len(free) == round(0.25 * sum(p.numel() for p in net().parameters()))
    near = drain(learn_sparse_mask(net(), train, keep=0.25, card=CARD, l1=1.0))  # type: ignore[arg-type]

    def distance(mask: SparseMask) -> float:
        return sum(float(c.values.abs().sum()) for c in mask.changes.values())

    assert distance(near) < 0.8 * distance(free)
    for keep in (0, 10**6, 1.5):
        with pytest.raises(TrainingError, match="keep 1 to"):
            drain(learn_sparse_mask(net(), train, keep=keep, card=CARD))  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="no weight moved"):
        drain(learn_sparse_mask(net(), lambda *_: iter(()), keep=3, card=CARD))


def test_a_failing_or_abandoned_training_gives_the_model_back() -> None:
    def spoil(model: nn.Module, stage: str) -> Iterator[Progress]:
        with torch.no_grad():
            next(model.parameters()).fill_(float("nan"))
        yield Progress(stage, 1, 1, "steps")

    model = net()
    before = bits(model)
    with pytest.raises(TrainingError, match="no number"):
        drain(learn_sparse_mask(model, spoil, keep=3, card=CARD))
    steps = learn_sparse_mask(model, toy_training(5, decay=0.1), keep=3, card=CARD)  # type: ignore[arg-type]
    for _ in range(8):
        next(steps)
    steps.close()
    assert same(bits(model), before)
    assert all(p.requires_grad for p in model.parameters())


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_cross_encoder(tmp_path_factory.mktemp("ce"))


def test_masks_of_two_tasks_added_do_both_better_than_either(cross_encoder: Path) -> None:
    model = open_base(cross_encoder)
    before = bits(model)
    fit = FitSettings(steps=80, rate=3e-3)
    found: list[SparseMask] = [
        drain(learn_ranking_mask(model, marked_rows(marker), keep=0.05, settings=fit, card=CARD))
        for marker in ("coral", "samaki")
    ]
    assert same(bits(model), before)

    def both(mask: SparseMask) -> float:
        mask.apply(model)
        rows = [marked_rows(marker, n=60, seed=9) for marker in ("coral", "samaki")]
        accuracy = np.mean([ranking_accuracy(model, task) for task in rows])
        mask.remove(model)
        return float(accuracy)

    assert all(mask.card.results["accuracy_after"] > 0.9 for mask in found)
    assert both(found[0] + found[1]) > max(map(both, found)) + 0.05
    assert same(bits(model), before)


def test_a_seed_learns_the_same_mask_twice(cross_encoder: Path) -> None:
    made = []
    for seed in (4, 4, 5):
        fit = FitSettings(steps=6, rate=3e-3, seed=seed)
        rows = marked_rows("reefs", n=40)
        model = open_base(cross_encoder)
        mask = drain(learn_ranking_mask(model, rows, keep=99, settings=fit, card=CARD))
        made.append({n: (c.indices, c.values) for n, c in mask.changes.items()})
        assert len(mask) == 99
    one, two, other = (repr(sorted(changes.items())) for changes in made)
    assert one == two != other


def test_a_ranking_mask_of_xmod_leaves_embeddings_and_language_adapters(tmp_path: Path) -> None:
    model = open_base(tiny_dpr_xm(tmp_path), lang="en")
    fit = FitSettings(steps=10, rate=1e-3)
    mask = drain(
        learn_ranking_mask(model, marked_rows("reefs", n=40), keep=50, settings=fit, card=CARD)
    )
    assert len(mask) == 50
    assert not any("adapter" in n or n.startswith("embeddings") for n in mask.changes)
    french = open_base(tmp_path, lang="fr")
    mask.apply(french)


def test_a_language_mask_lowers_the_loss_of_masked_words(tmp_path: Path) -> None:
    folder = tiny_bi_encoder(tmp_path / "bi")
    words = TEXTS["sw"].split()
    lines = [" ".join(words[i % 4 : i % 4 + 4]) for i in range(200)]
    fit = FitSettings(steps=60, rate=5e-3)
    card = ModuleCard("mask", "base", lang="sw")
    mask = drain(learn_language_mask(folder, lines, keep=0.3, settings=fit, card=card))
    results = mask.card.results
    assert results["loss_after"] < 0.8 * results["loss_before"]
    model = open_base(folder)
    assert set(mask.changes) <= set(named_weights(model.transformers_model))
    with pytest.raises(ModelError, match="xret lang add"):
        drain(
            learn_language_mask(
                tiny_dpr_xm(tmp_path / "x", languages=("en_XX",)),
                lines,
                keep=5,
                settings=fit,
                card=card,
            )
        )


def bert() -> BertModel:
    torch.manual_seed(0)
    return BertModel(tiny_bert_config(40)).eval()


def language_mask(lang: str) -> SparseMask:
    generator = torch.Generator().manual_seed(sum(map(ord, lang)))
    changes = {}
    for name in ("embeddings.word_embeddings.weight", "encoder.layer.0.output.dense.bias"):
        shape = tuple(bert().get_parameter(name).shape)
        places = torch.randperm(int(np.prod(shape)), generator=generator)[:7].sort().values
        changes[name] = SparseChange(shape, places, torch.randn(7, generator=generator))
    return SparseMask(changes, ModuleCard("mask", "base", lang=lang))


def test_a_folder_of_masks_serves_as_language_modules(tmp_path: Path) -> None:
    for lang in ("fr", "sw", "zh-Hant"):
        language_mask(lang).save(tmp_path / f"{lang}.safetensors")
    model = bert()
    own = bits(model)
    loaded = SparseLanguageMasks.load(model, tmp_path, base=ModelBase("base"))
    modules: LanguageModules = loaded
    assert modules.adapters == ("fr", "sw", "zh-Hant") and same(bits(model), own)
    for lang in ("fr", "sw", "sw", "zh-Hant", "fr"):
        modules.select(lang)
        wanted = bert()
        language_mask(lang).apply(wanted)
        assert same(bits(model), bits(wanted))
    with loaded.selected("sw"):
        assert not same(bits(model), bits(wanted))
    assert same(bits(model), bits(wanted))
    vectors = np.ones((2, 3), np.float32)
    assert modules.transform(vectors, "fr") is vectors
    with pytest.raises(LanguageError, match=r"no sparse mask 'de'; there are fr, sw, zh-Hant"):
        modules.select("de")
    loaded.remove()
    assert same(bits(model), own)


def test_a_task_mask_stays_while_languages_change(tmp_path: Path) -> None:
    language_mask("fr").save(tmp_path / "fr.safetensors")
    language_mask("sw").save(tmp_path / "sw.safetensors")
    model = BertForSequenceClassification(tiny_bert_config(40, num_labels=1))
    own = bits(model)
    head = SparseChange((1, 32), torch.tensor([4]), torch.tensor([2.0]))
    task = language_mask("xx").changes | {"classifier.weight": head}
    ranking = SparseMask(task, ModuleCard("mask", "base", task="ranking"))
    ranking.apply(model)
    modules = SparseLanguageMasks.load(model.bert, tmp_path, base=ModelBase("base"))
    modules.select("fr")
    modules.select("sw")
    other = copy.deepcopy(model)
    wanted = BertForSequenceClassification(tiny_bert_config(40, num_labels=1))
    wanted.load_state_dict(own)
    (ranking + language_mask("sw")).apply(wanted)
    assert same(bits(model), bits(wanted))
    ranking.remove(model)
    modules.remove()
    assert same(bits(model), own) and same(bits(other), bits(wanted))


def test_masks_that_cannot_serve_a_language_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no masks"):
        SparseLanguageMasks.load(bert(), tmp_path)
    language_mask("fr").save(tmp_path / "sw.safetensors")
    with pytest.raises(ModelError, match=r"sw.safetensors is a mask for fr"):
        SparseLanguageMasks.load(bert(), tmp_path)
    language_mask("sw").save(tmp_path / "sw.safetensors")
    language_mask("sw").save(tmp_path / "swh.safetensors")
    with pytest.raises(ModelError, match="two masks for sw"):
        SparseLanguageMasks.load(bert(), tmp_path)
    (tmp_path / "swh.safetensors").unlink()
    with pytest.raises(ModelError, match=r"sw.safetensors.*no 'embeddings.word"):
        SparseLanguageMasks.load(Small(), tmp_path)


def test_a_folded_model_computes_what_the_masked_one_does(
    cross_encoder: Path, tmp_path: Path
) -> None:
    for beside in ("onnx", "adapters", ".cache"):
        (tmp_path / "base" / beside).mkdir(parents=True)
    for path in cross_encoder.iterdir():
        (tmp_path / "base" / path.name).write_bytes(path.read_bytes())
    base = open_base(tmp_path / "base")
    changes = {
        name: SparseChange(
            tuple(w.shape),
            torch.arange(0, w.numel(), 97),
            torch.linspace(-0.5, 0.5, len(range(0, w.numel(), 97))),
        )
        for name, w in named_weights(base).items()
    }
    mask = SparseMask(changes, CARD)
    assert fold_masks(tmp_path / "base", mask, tmp_path / "out") > 0
    assert not any((tmp_path / "out" / n).exists() for n in ("onnx", "adapters", ".cache"))
    mask.apply(base)
    folded = open_base(tmp_path / "out")
    assert same(bits(base), bits(folded))
    pairs = [("coral reefs", "the fish leave"), ("samaki", "reefs are warming")]
    assert np.array_equal(base.predict(pairs), folded.predict(pairs))
    with pytest.raises(ModelError, match="exists already"):
        fold_masks(tmp_path / "base", mask, tmp_path / "out")
    odd = SparseMask({"pooled.weight": changes["pooler.dense.weight"]}, CARD)
    with pytest.raises(ModelError, match=r"no 'pooled\.weight'"):
        fold_masks(tmp_path / "base", odd, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "out"]


def test_compact_rows_become_float16_where_a_mask_is_folded(tmp_path: Path) -> None:
    rows = torch.randint(-127, 127, (6, 4), dtype=torch.int8)
    scale = torch.rand(6).half()
    (tmp_path / "base").mkdir()
    save_file(
        {"embeddings.weight": rows, "embeddings.weight_scale": scale, "other": torch.ones(2)},
        tmp_path / "base" / "model.safetensors",
    )
    (tmp_path / "base" / "config.json").write_text(json.dumps({}))
    change = SparseChange((6, 4), torch.tensor([2, 9]), torch.tensor([0.25, -0.25]))
    fold_masks(tmp_path / "base", SparseMask({"embeddings.weight": change}, CARD), tmp_path / "o")
    made = load_file(tmp_path / "o" / "model.safetensors")
    assert made.keys() == {"embeddings.weight", "other"}
    wanted = (rows.float() * scale.float()[:, None]).half().flatten()
    wanted[[2, 9]] = (wanted[[2, 9]].float() + change.values).half()
    assert torch.equal(made["embeddings.weight"].flatten(), wanted)
