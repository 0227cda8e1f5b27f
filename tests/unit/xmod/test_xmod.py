"""X-MOD as a module of ours, compared with transformers alone."""

import copy
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import (
    LANGUAGES,
    TEXTS,
    random_xmod,
    take_weights,
    tiny_colbert_xm,
    tiny_dpr_xm,
    tiny_xmod,
)
from torch import Tensor
from transformers import AutoModel, AutoTokenizer, XmodModel

from xret.errors import LanguageError, ModelError
from xret.retriever.languages.codes import language_code
from xret.retriever.xmod.xmod import (
    XMOD_ADAPTERS,
    adapter_name,
    freeze_for_retrieval,
    prepare_xmod,
)
from xret.retriever.xmod.xmod_checkpoint import XmodCheckpoint, load_xmod

pytestmark = pytest.mark.vectors

VOCABULARY = 97
ADAPTERS = tuple(adapter_name(spelling) for spelling in LANGUAGES)


def inputs(lengths: list[int], *, seed: int = 0) -> dict[str, Tensor]:
    """Random texts of those lengths, padded with token 1."""
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(5, VOCABULARY, mask.shape, generator=generator)
    return {"input_ids": ids * mask + (1 - mask), "attention_mask": mask}


def states(model: XmodModel, features: dict[str, Tensor], lang_ids: Tensor | None) -> Tensor:
    """(b, t, h), zeros at padding."""
    with torch.inference_mode():
        hidden: Tensor = model(**features, lang_ids=lang_ids).last_hidden_state
    return hidden * features["attention_mask"][..., None]


@pytest.fixture(scope="module")
def stock() -> XmodModel:
    return random_xmod(VOCABULARY)


@pytest.fixture(scope="module")
def ours(stock: XmodModel) -> XmodModel:
    model = copy.deepcopy(stock)
    prepare_xmod(model)
    return model


@pytest.fixture(scope="module")
def colbert_xm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_colbert_xm(tmp_path_factory.mktemp("models") / "colbert-xm")


def test_there_are_81_adapters_each_under_its_bcp47_code() -> None:
    assert len(XMOD_ADAPTERS) == len(set(XMOD_ADAPTERS.values())) == 81
    assert [language_code(code) for code in XMOD_ADAPTERS] == list(XMOD_ADAPTERS)
    assert [adapter_name(spelling) for spelling in XMOD_ADAPTERS.values()] == list(XMOD_ADAPTERS)
    for spelling in ("zh_CN", "zh_TW", "no_XX", "tl_XX", "ku_TR", "sw_KE", "en_XX"):
        assert XMOD_ADAPTERS[language_code(spelling)] == spelling


@pytest.mark.parametrize(
    "lengths", [[9], [6, 6, 6], [3, 11, 7, 1, 11, 5, 2]], ids=["one", "equal", "padded"]
)
@pytest.mark.parametrize("order", [[0], [0, 0, 1, 1, 3, 5, 5], [5, 0, 3, 0, 5, 1, 2]])
def test_a_mixed_batch_gives_the_numbers_of_transformers_loop(
    stock: XmodModel, ours: XmodModel, lengths: list[int], order: list[int]
) -> None:
    features = inputs(lengths)
    lang_ids = torch.tensor((order * len(lengths))[: len(lengths)])
    wanted = states(stock, features, lang_ids)
    torch.testing.assert_close(states(ours, features, lang_ids), wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("lengths", [[8, 8], [3, 9, 6]])
def test_each_token_of_a_code_switched_text_goes_through_its_own_adapter(
    stock: XmodModel, ours: XmodModel, lengths: list[int]
) -> None:
    features = inputs(lengths)
    generator = torch.Generator().manual_seed(3)
    lang_ids = torch.randint(0, len(LANGUAGES), features["input_ids"].shape, generator=generator)
    wanted = states(stock, features, lang_ids)
    torch.testing.assert_close(states(ours, features, lang_ids), wanted, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(wanted, states(stock, features, lang_ids[:, 0]), atol=1e-2)


def test_a_text_has_the_same_vectors_alone_and_in_a_batch_of_six_languages(ours: XmodModel) -> None:
    lengths = [4, 12, 7, 2, 9, 5]
    features = inputs(lengths)
    together = states(ours, features, torch.arange(6))
    for i, length in enumerate(lengths):
        alone = {name: part[i : i + 1, :length] for name, part in features.items()}
        vectors = states(ours, alone, torch.tensor([i]))[0]
        torch.testing.assert_close(together[i, :length], vectors, atol=1e-5, rtol=1e-5)


def test_a_token_that_nobody_attends_to_keeps_its_vector(stock: XmodModel, ours: XmodModel) -> None:
    features = inputs([4, 12])
    features["input_ids"][0, 4:10] = 96  # ColBERT's query expansion: masked, and scored
    lang_ids = torch.tensor([1, 2])
    with torch.inference_mode():
        wanted = stock(**features, lang_ids=lang_ids).last_hidden_state
        found = ours(**features, lang_ids=lang_ids).last_hidden_state
    torch.testing.assert_close(found[0, :10], wanted[0, :10], atol=1e-6, rtol=1e-5)
    assert found[0, 10:].abs().max() == 0


def test_states_of_every_layer_come_whole_when_asked_for(stock: XmodModel, ours: XmodModel) -> None:
    features, lang_ids = inputs([3, 9]), torch.tensor([0, 1])
    with torch.inference_mode():
        wanted = stock(**features, lang_ids=lang_ids, output_hidden_states=True).hidden_states
        found = ours(**features, lang_ids=lang_ids, output_hidden_states=True).hidden_states
    assert len(found) == len(wanted) == 3
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("wrong", [-1, len(LANGUAGES), 700])
def test_an_adapter_id_out_of_range_is_refused(ours: XmodModel, wrong: int) -> None:
    features = inputs([5, 5])
    with pytest.raises(LanguageError, match=rf"\[{wrong}\].*ids 0 to 5"):
        ours(**features, lang_ids=torch.tensor([0, wrong]))
    with pytest.raises(LanguageError, match="do not exist"):
        ours(**features, lang_ids=torch.full((2, 5), wrong))


def test_a_call_that_leaves_the_language_open_is_refused(stock: XmodModel) -> None:
    model = copy.deepcopy(stock)
    model.config.default_language = "en_XX"
    prepare_xmod(model)
    with pytest.raises(LanguageError, match="6 language adapters"):
        model(**inputs([5]))
    with pytest.raises(LanguageError, match="one id a text"):
        model(**inputs([5, 5]), lang_ids=torch.tensor([0, 0, 0]))
    with pytest.raises(TypeError, match="keywords"):
        model(*inputs([5]).values())


def test_pruning_changes_no_bit(stock: XmodModel) -> None:
    model = copy.deepcopy(stock)
    adapters = prepare_xmod(model)
    features = inputs([7, 4, 7])
    before = states(model, features, adapters.ids(["sw", "zh", "sw"]))
    size = sum(p.numel() for p in model.parameters())
    adapters.keep(["zh", "sw"])
    assert adapters.adapters == ("zh", "sw")
    assert adapters.ids(["sw", "zh", "sw"]).tolist() == [1, 0, 1]
    assert torch.equal(states(model, features, adapters.ids(["sw", "zh", "sw"])), before)
    assert size - sum(p.numel() for p in model.parameters()) == 4 * adapters.parameters_each
    assert model.config.languages == ["zh_CN", "sw_KE"]


def test_an_adapter_that_is_not_installed_is_named_with_those_that_are(stock: XmodModel) -> None:
    adapters = prepare_xmod(copy.deepcopy(stock))
    with pytest.raises(LanguageError, match="no adapter 'gl'; it has ar, de, en, fr, sw, zh"):
        adapters.ids(["fr", "gl"])
    with pytest.raises(LanguageError, match="no adapter 'gl'"):
        adapters.keep(["gl"])
    with pytest.raises(LanguageError, match="at least one"):
        adapters.keep([])


def test_training_leaves_embeddings_and_adapters_alone(stock: XmodModel) -> None:
    model = copy.deepcopy(stock)
    prepare_xmod(model)
    learning = freeze_for_retrieval(model)
    model.train()
    model(**inputs([4, 9]), lang_ids=torch.tensor([2, 0])).last_hidden_state.sum().backward()
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {
        name
        for name, _ in model.named_parameters()
        if name.startswith("embeddings.") or ".adapter_modules." in name
    }
    assert all(p.grad is None for p in model.parameters() if not p.requires_grad)
    attention = model.encoder.layer[0].attention.self.query.weight
    assert attention.grad is not None and attention.grad.abs().max() > 0
    assert learning == sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_gradients_through_groups_are_those_of_transformers_loop(stock: XmodModel) -> None:
    gradients = []
    for prepared in (False, True):
        model = copy.deepcopy(stock)
        if prepared:
            prepare_xmod(model)
        features = inputs([3, 9, 6])
        hidden = model(**features, lang_ids=torch.tensor([4, 0, 4])).last_hidden_state
        (hidden * features["attention_mask"][..., None]).pow(2).sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    for name, wanted in gradients[0].items():
        found = gradients[1][name]
        if found is None:  # an adapter that the batch does not use
            assert wanted is None or wanted.abs().max() == 0, name
        else:
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4, msg=name)


def test_only_the_wanted_adapters_are_read(colbert_xm: Path) -> None:
    checkpoint = XmodCheckpoint.open(colbert_xm)
    assert checkpoint.adapters == ADAPTERS
    model = checkpoint.load(["sw", "fr"])
    adapters = prepare_xmod(model)
    assert adapters.adapters == ("sw", "fr")
    read = sum(p.numel() for p in model.parameters()) * 4
    assert checkpoint.n_bytes(["sw", "fr"]) == read
    assert checkpoint.n_bytes(ADAPTERS) - read == 4 * adapters.parameters_each * 4
    assert not any("de_DE" in name for name in checkpoint.tensors(["sw", "fr"]))


def test_colbert_xm_gives_the_numbers_of_transformers_and_its_projection(colbert_xm: Path) -> None:
    weights = load_file(colbert_xm / "model.safetensors")
    assert {name.partition(".")[0] for name in weights} == {"roberta", "linear"}
    tokenizer = AutoTokenizer.from_pretrained(colbert_xm)
    features = dict(tokenizer(list(TEXTS.values()), padding=True, return_tensors="pt"))
    bare = XmodModel.from_pretrained(colbert_xm)
    model = load_xmod(colbert_xm, adapters=[*TEXTS])
    lang_ids = prepare_xmod(model).ids([*TEXTS])
    stock_ids = torch.tensor([LANGUAGES.index(XMOD_ADAPTERS[code]) for code in TEXTS])
    wanted, found = (
        torch.nn.functional.normalize(states(one, features, ids) @ weights["linear.weight"].T)
        for one, ids in ((bare, stock_ids), (model, lang_ids))
    )
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("prefix", ["", "roberta.", "bert.", "model."])
def test_the_encoder_is_found_under_any_prefix(tmp_path: Path, prefix: str) -> None:
    folder = tiny_xmod(tmp_path / "model")
    wanted = take_weights(folder)
    renamed = {prefix + name: weight for name, weight in wanted.items()}
    renamed["lm_head.bias"] = torch.zeros(3)
    save_file(renamed, folder / "model.safetensors")
    found = load_xmod(folder).state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_dpr_xm_mixes_languages_through_sentence_transformers(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = tiny_dpr_xm(tmp_path / "dpr-xm")
    bi_encoder = SentenceTransformer(str(folder), device="cpu")
    backbone = bi_encoder[0].auto_model
    adapters = prepare_xmod(backbone)
    features = bi_encoder.preprocess(list(TEXTS.values()))
    features["lang_ids"] = adapters.ids([*TEXTS])
    with torch.inference_mode():
        found = bi_encoder(features)["sentence_embedding"]
    stock = AutoModel.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for row, (code, text) in zip(found, TEXTS.items(), strict=True):
        alone = dict(tokenizer([text], return_tensors="pt"))
        lang_ids = torch.tensor([LANGUAGES.index(XMOD_ADAPTERS[code])])
        wanted = states(stock, alone, lang_ids)[0].mean(0)
        torch.testing.assert_close(row, wanted, atol=1e-5, rtol=1e-5)


def test_weights_in_parts_are_read_through_their_index(tmp_path: Path) -> None:
    folder = tiny_xmod(tmp_path / "model")
    whole = take_weights(folder)
    names = sorted(whole)
    parts = {"model-1.safetensors": names[:20], "model-2.safetensors": names[20:]}
    for file, here in parts.items():
        save_file({name: whole[name] for name in here}, folder / file)
    index = {"weight_map": {name: file for file, here in parts.items() for name in here}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    found = load_xmod(folder).state_dict()
    assert all(torch.equal(found[name], whole[name]) for name in whole)


def test_folders_that_hold_no_usable_model_say_what_is_wrong(tmp_path: Path) -> None:
    def refused(reason: str) -> None:
        with pytest.raises(ModelError, match=reason):
            load_xmod(tmp_path)

    refused("no model folder")
    (tmp_path / "config.json").write_text("[not json")
    refused("cannot be read")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    refused("type 'bert'")
    tiny_xmod(tmp_path)
    weights = take_weights(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04 no tensors")
    refused("no readable safetensors")
    save_file({"linear.weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    refused("no X-MOD encoder")
    adapter = "encoder.layer.0.output.adapter_modules.fr_XX.dense1.weight"
    save_file(weights | {adapter: torch.zeros(8, 16)}, tmp_path / "model.safetensors")
    refused(r"dense1.weight has shape \(8, 16\).*another base")
    del weights[adapter]
    save_file(weights, tmp_path / "model.safetensors")
    refused("the weights lack .*fr_XX")
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    refused("pickle form only.*save_pretrained")


def test_a_language_without_an_adapter_is_refused_at_loading(colbert_xm: Path) -> None:
    with pytest.raises(LanguageError, match="no adapter 'yo'"):
        load_xmod(colbert_xm, adapters=["fr", "yo"])
