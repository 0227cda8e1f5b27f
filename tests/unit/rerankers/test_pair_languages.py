"""Through whose adapters and masks a cross-encoder reads a pair of two languages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import LANGUAGES, TEXTS, randomise, tiny_tokenizer, tiny_xmod
from tiny_rerankers import tiny_classifier
from transformers import XmodConfig, XmodForSequenceClassification

from xret.errors import ConfigError, ModelError
from xret.retriever.models.module_card import ModuleCard
from xret.retriever.modules.madx import MadxAdapter
from xret.retriever.modules.madx_folder import save_language_adapters
from xret.retriever.modules.madx_languages import MadxLanguages
from xret.retriever.modules.ranking import RankingAdapter
from xret.retriever.modules.sparse import SparseChange, SparseMask
from xret.retriever.rerankers.loading import load_reranker
from xret.retriever.rerankers.pair_routing import PAIR_ROUTINGS, routed_tokens
from xret.retriever.rerankers.trained_layout import RerankLayout
from xret.types import Document, FloatArray, Query

QUERY = Query("q", TEXTS["de"], "de")
DOCUMENTS = [Document(lang, text, lang) for lang, text in TEXTS.items()]
IDS = {"en": 0, "fr": 1, "de": 2, "zh": 3, "ar": 4, "sw": 5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny X-MOD cross-encoder as transformers saves it."""
    here = tmp_path_factory.mktemp("pairs") / "model"
    config = XmodConfig(
        vocab_size=tiny_tokenizer(here),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=200,
        type_vocab_size=1,
        languages=list(LANGUAGES),
        num_labels=1,
    )
    model = XmodForSequenceClassification(config).eval()
    randomise(model, seed=4)
    model.save_pretrained(here)
    return here


def scores(name: str, documents: Sequence[Document] = DOCUMENTS) -> FloatArray:
    return load_reranker(name).scores(QUERY, documents)


def plainly(folder: Path, adapters: Sequence[int], *, still: bool = False) -> FloatArray:
    """transformers' own forward of each pair, the whole of it through one adapter.

    still: with adapters that add nothing.
    """
    model: Any = XmodForSequenceClassification.from_pretrained(folder)
    if still:
        for name, parameter in model.named_parameters():
            if "adapter_modules" in name and "dense2" in name:
                parameter.data.zero_()
    reranker: Any = load_reranker(f"{folder}#qlang")
    logits = []
    for document, adapter in zip(DOCUMENTS, adapters, strict=True):
        inputs = reranker._tokenizer(QUERY.text, document.text, return_tensors="pt")
        with torch.inference_mode():
            found = model(**inputs, lang_ids=torch.tensor([adapter])).logits[0, 0]
        logits.append(float(found))
    return np.array(logits, np.float32)


def test_a_pair_goes_whole_through_one_language_or_past_them(folder: Path) -> None:
    own = [IDS[document.lang] for document in DOCUMENTS]
    for routing, expected in {
        "qlang": plainly(folder, [IDS["de"]] * len(own)),
        "dlang": plainly(folder, own),
        "none": plainly(folder, own, still=True),
    }.items():
        assert np.allclose(scores(f"{folder}#{routing}"), expected, atol=1e-4), routing


def test_a_split_pair_goes_through_both(folder: Path) -> None:
    split, asked, told = (scores(f"{folder}#{way}") for way in ("split", "qlang", "dlang"))
    same = [n for n, document in enumerate(DOCUMENTS) if document.lang == "de"]
    assert np.allclose(split[same], asked[same], atol=1e-4)
    others = [n for n in range(len(DOCUMENTS)) if n not in same]
    assert (np.abs(split - asked)[others] > 1e-3).all()
    assert (np.abs(split - told)[others] > 1e-3).all()


def test_the_routing_of_a_batch_is_that_of_each_pair_alone(folder: Path) -> None:
    for routing in PAIR_ROUTINGS:
        reranker = load_reranker(f"{folder}#{routing}")
        together = reranker.scores(QUERY, DOCUMENTS)
        alone = [reranker.scores(QUERY, [document])[0] for document in DOCUMENTS]
        assert np.allclose(together, alone, atol=1e-4), routing


def test_every_token_has_an_adapter() -> None:
    for routing in ("qlang", "dlang", "split", "none"):
        ids = routed_tokens(routing, query=1, document=2, start=9, length=4)
        assert len(ids) == 4


def test_without_a_routing_an_xmod_cross_encoder_is_refused_with_what_to_type(
    folder: Path,
) -> None:
    with pytest.raises(ModelError, match="model#split"):
        load_reranker(str(folder))


def test_a_folder_says_its_own_routing(folder: Path, tmp_path: Path) -> None:
    copy = linked(folder, tmp_path)
    RerankLayout(routing="dlang").write(copy)
    assert np.array_equal(scores(str(copy)), scores(f"{folder}#dlang"))
    assert np.array_equal(scores(f"{copy}#qlang"), scores(f"{folder}#qlang"))
    (copy / "rerank.json").write_text('{"format": 1, "routing": "both"}')
    with pytest.raises(ModelError, match="routing that is none"):
        load_reranker(str(copy))
    (copy / "rerank.json").write_text('{"format": 1, "adapter": "../other.safetensors"}')
    with pytest.raises(ModelError, match="another place"):
        load_reranker(str(copy))


def test_a_routing_without_languages_is_refused(tmp_path: Path) -> None:
    plain = tiny_classifier(tmp_path / "plain")
    with pytest.raises(ConfigError, match="no language adapters and no masks"):
        load_reranker(f"{plain}#qlang")
    with pytest.raises(ConfigError, match="encoder is a XmodModel"):
        load_reranker(f"{tiny_xmod(tmp_path / 'encoder')}#split")


def test_masks_of_the_pair_are_in_the_weights_while_it_is_read(tmp_path: Path) -> None:
    plain = tiny_classifier(tmp_path / "plain")
    masks = {"de": mask(1, "de"), "sw": mask(2, "sw")}
    with_masks = linked(plain, tmp_path)
    for lang, each in masks.items():
        each.save(with_masks / "masks" / f"{lang}.safetensors")
    bare = dict(zip(TEXTS, scores(str(plain)), strict=True))
    one = {lang: masked(plain, [each]) for lang, each in masks.items()}
    both = masked(plain, list(masks.values()))
    expected = {
        "none": {**bare},
        "qlang": one["de"],
        "dlang": {**bare, "de": one["de"]["de"], "sw": one["sw"]["sw"]},
        "split": {**one["de"], "sw": both["sw"]},
    }
    for routing, wanted in expected.items():
        found = scores(f"{with_masks}#{routing}")
        assert np.allclose(found, [wanted[lang] for lang in TEXTS], atol=1e-4), routing
    with pytest.raises(ModelError, match="#split"):
        load_reranker(str(with_masks))


def test_masks_of_another_base_are_refused(tmp_path: Path) -> None:
    copy = linked(tiny_classifier(tmp_path / "plain"), tmp_path)
    mask(1, "de").save(copy / "masks" / "de.safetensors")
    RerankLayout(base="other", routing="dlang").write(copy)
    with pytest.raises(ModelError, match="another model"):
        load_reranker(str(copy))


def test_a_plain_encoders_pair_goes_through_language_adapters_beside_it(tmp_path: Path) -> None:
    plain = tiny_classifier(tmp_path / "plain")
    with_adapters = linked(plain, tmp_path)
    bare: Any = load_reranker(str(plain))
    adapters = {lang: language_adapter(bare._model, n) for n, lang in enumerate(("de", "sw"))}
    save_language_adapters(adapters, with_adapters / "language-adapters")
    whole = {lang: through(plain, adapters, n) for n, lang in enumerate(("de", "sw"))}
    # Languages without an adapter go through their nearest relative's, as X-MOD's do.
    mixed = dict(zip(TEXTS, scores(f"{with_adapters}#dlang"), strict=True))
    assert mixed["de"] == pytest.approx(whole["de"]["de"], abs=1e-4)
    assert mixed["sw"] == pytest.approx(whole["sw"]["sw"], abs=1e-4)
    assert mixed["en"] == pytest.approx(whole["de"]["en"], abs=1e-4)
    asked = scores(f"{with_adapters}#qlang")
    assert np.allclose(asked, [whole["de"][lang] for lang in TEXTS], atol=1e-4)
    assert np.array_equal(scores(f"{with_adapters}#none"), scores(str(plain)))
    split = dict(zip(TEXTS, scores(f"{with_adapters}#split"), strict=True))
    assert split["de"] == pytest.approx(whole["de"]["de"], abs=1e-4)
    assert min(abs(split["sw"] - whole[lang]["sw"]) for lang in ("de", "sw")) > 1e-3
    reranker = load_reranker(f"{with_adapters}#split")
    alone = [float(reranker.scores(QUERY, [document])[0]) for document in DOCUMENTS]
    assert np.allclose(alone, list(split.values()), atol=1e-4)
    with pytest.raises(ModelError, match="#split"):
        load_reranker(str(with_adapters))
    RerankLayout(base="other", routing="dlang").write(with_adapters)
    with pytest.raises(ModelError, match="language adapter of another model"):
        load_reranker(str(with_adapters))


def test_an_xmod_reranker_takes_no_other_language_adapters(folder: Path, tmp_path: Path) -> None:
    copy = linked(folder, tmp_path)
    bare: Any = load_reranker(str(tiny_classifier(tmp_path / "plain")))
    adapters = {"de": language_adapter(bare._model, 1)}
    save_language_adapters(adapters, copy / "language-adapters")
    with pytest.raises(ModelError, match="takes none of language-adapters"):
        load_reranker(f"{copy}#split")


def test_a_ranking_adapter_beside_the_weights_is_attached(tmp_path: Path) -> None:
    plain = tiny_classifier(tmp_path / "plain")
    copy = linked(plain, tmp_path)
    reranker: Any = load_reranker(str(plain))
    start = RankingAdapter.start(
        reranker._model, bottleneck=8, seed=1, card=ModuleCard("ranking", "base")
    )
    layers = [
        {**layer, "up.weight": torch.full_like(layer["up.weight"], 0.1)} for layer in start.layers
    ]
    adapter = RankingAdapter(layers, {}, start.card)
    adapter.save(copy / "ranking.safetensors")
    RerankLayout(adapter="ranking.safetensors").write(copy)
    adapter.attach(reranker._model)
    found = load_reranker(str(copy))
    assert np.allclose(found.scores(QUERY, DOCUMENTS), reranker.scores(QUERY, DOCUMENTS), atol=1e-5)
    assert found.fingerprint != reranker.fingerprint


def linked(folder: Path, tmp_path: Path) -> Path:
    """Another folder with the same files."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).hardlink_to(path)
    return copy


def mask(seed: int, lang: str) -> SparseMask:
    generator = torch.Generator().manual_seed(seed)
    name = "encoder.layer.0.output.dense.weight"
    places = torch.randperm(32 * 64, generator=generator)[:200].sort().values
    change = SparseChange((32, 64), places, torch.randn(200, generator=generator))
    return SparseMask({name: change}, ModuleCard("mask", "base", lang=lang))


def language_adapter(model: Any, seed: int) -> MadxAdapter:
    card = ModuleCard("language", "base")
    start = MadxAdapter.start(model, bottleneck=6, invertible=True, seed=seed, card=card)
    generator = torch.Generator().manual_seed(seed)

    def drawn(tensors: Any) -> dict[str, torch.Tensor]:
        return {n: 0.3 * torch.randn(t.shape, generator=generator) for n, t in tensors.items()}

    return MadxAdapter([drawn(layer) for layer in start.layers], drawn(start.coupling), card)


def through(folder: Path, adapters: dict[str, MadxAdapter], number: int) -> dict[str, float]:
    """Scores by language of the passage, every pair wholly through one adapter."""
    reranker: Any = load_reranker(str(folder))
    languages = MadxLanguages.attach(reranker._model, adapters)
    languages.select(languages.adapters[number])
    return dict(zip(TEXTS, reranker.scores(QUERY, DOCUMENTS).tolist(), strict=True))


def masked(folder: Path, masks: Sequence[SparseMask]) -> dict[str, float]:
    reranker: Any = load_reranker(str(folder))
    for each in masks:
        each.apply(reranker._model)
    return dict(zip(TEXTS, reranker.scores(QUERY, DOCUMENTS).tolist(), strict=True))
