"""A language for an encoder made from a pretrained one: its upper layers learn, nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from tiny_bilingual import DANISH, GEORGIAN, pairs_of
from tiny_pretrained import pretrained_model

from xret.errors import ConfigError, LanguageError, TrainingError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.models.compact import stored_zeros
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.training.language.adapted import NONE, OWN, UPPER_LAYERS, AdaptedModel
from xret.retriever.training.language.add import AddedLanguage, Destination, add_language
from xret.retriever.training.language.course import CourseSettings
from xret.retriever.training.language.report import RETRIEVAL
from xret.retriever.xmod.fingerprints import language_fingerprints, shared_fingerprint
from xret.retriever.xmod.installed import adapters_of, export_adapter
from xret.types import Document

TEXTS = ["hund hus mor", "den røde", "bog"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrained_model(tmp_path_factory.mktemp("models") / "model")


def add(folder: Path, lang: str, words: list[str], **options: Any) -> AddedLanguage:
    rows = pairs_of(words)
    made: list[AddedLanguage] = []
    chosen = {
        "lines": [text for text, _ in rows],
        "pairs": rows,
        "settings": CourseSettings(steps=4, batch_size=16),
    } | options
    for _ in add_language(folder, lang, made=made, **chosen):
        pass
    return made[0]


@pytest.fixture(scope="module")
def danish(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[AddedLanguage, Path]:
    output = tmp_path_factory.mktemp("added") / "changed"
    settings = CourseSettings(steps=60, batch_size=32)
    return add(model, "da", DANISH, destination=Destination(output), settings=settings), output


def test_the_language_is_found_better_than_through_no_adapter(
    danish: tuple[AddedLanguage, Path],
) -> None:
    report = danish[0].report
    own, none = (
        np.mean([getattr(row, column).mean for row in report.measures])
        for column in ("own", "none")
    )
    assert own > none + 0.1
    assert [row.name for row in report.measures] == list(RETRIEVAL)  # no loss of masked words
    assert any("sv adds nothing" in note for note in report.notes)


def test_less_of_an_adapter_says_less(model: Path) -> None:
    adapted = AdaptedModel.load(model, lang="da", relative="sv", english=False)
    adapted._dtype = None
    for parameter in adapted.parameters().values():
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(3))
    full = {name: parameter.clone() for name, parameter in adapted.adapter().items()}
    none, own = (
        adapted.embed(TEXTS, adapter, task="query").vectors.detach() for adapter in (NONE, OWN)
    )
    adapted.weaken(0.25)
    less = adapted.embed(TEXTS, OWN, task="query").vectors.detach()
    assert 0 < float((less - none).norm()) < float((own - none).norm())
    for name, parameter in adapted.adapter().items():
        share = 0.25 if ".dense2." in name else 1.0
        assert torch.allclose(parameter, full[name] * share), name


def test_how_much_is_kept_is_said_and_chosen(danish: tuple[AddedLanguage, Path]) -> None:
    assert any("30% of what was learnt is kept" in note for note in danish[0].report.notes)
    with pytest.raises(ConfigError, match="strength is 0"):
        CourseSettings(strength=0)


def test_only_the_upper_layers_have_numbers_and_the_rest_is_left_out(
    danish: tuple[AddedLanguage, Path], model: Path
) -> None:
    _, folder = danish
    weights = folder / "model.safetensors"
    with safe_open(weights, framework="pt") as file:
        stored = {name for name in file.keys() if ".da." in name}  # noqa: SIM118 (no mapping)
    zeros = {name for name in stored_zeros(weights) if ".da." in name}
    assert len(stored | zeros) == 6 * 4
    first = 6 - UPPER_LAYERS
    assert {int(name.split(".")[2]) for name in stored} == set(range(first, 6))
    assert {name for name in zeros if int(name.split(".")[2]) < first} == zeros
    assert shared_fingerprint(folder) == shared_fingerprint(model)
    before, after = language_fingerprints(model), language_fingerprints(folder)
    assert {lang: after[lang] for lang in before} == before
    assert set(export_adapter(folder, "da").tensors) == set(export_adapter(model, "sv").tensors)


def test_other_languages_keep_every_bit(danish: tuple[AddedLanguage, Path], model: Path) -> None:
    for lang in ("en", "sv", "fr"):
        before, after = (
            load_encoder(str(path), options=EncoderOptions(backend="torch")).encode_documents(
                [Document("1", "the dog reads a book", lang)]
            )
            for path in (model, danish[1])
        )
        assert np.array_equal(before.values, after.values), lang


@pytest.mark.parametrize("task", ["query", "document"])
def test_kept_states_give_the_vectors_and_gradients_of_the_whole_model(
    model: Path, task: Any
) -> None:
    vectors, gradients = [], []
    for kept in (False, True):
        adapted = AdaptedModel.load(model, lang="da", relative="sv", english=True)
        adapted._dtype = None
        for parameter in adapted.parameters().values():
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(3))
        if kept:
            assert list(adapted.keep(TEXTS, task))
        packed = adapted.embed(TEXTS, OWN, task=task)
        (packed.vectors[:, 0].sum() + packed.whole[:, 1].sum()).backward()
        vectors.append((packed.vectors.detach(), packed.whole.detach(), packed.offsets))
        gradients.append([p.grad for p in adapted.parameters().values()])
        again = adapted.embed(TEXTS, "en", task=task)  # the model is whole again
        assert torch.equal(again.vectors, adapted.embed(TEXTS, NONE, task=task).vectors)
        assert len(adapted.backbone.encoder.layer) == 6
    for one, other in zip(vectors[0], vectors[1], strict=True):
        assert torch.allclose(one, other, atol=5e-3)
    for one, other in zip(gradients[0], gradients[1], strict=True):
        assert torch.allclose(one, other, atol=0.02 * float(one.abs().max()))


def test_text_alone_is_refused_where_states_predict_no_words(model: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="give sentences with their English"):
        add(model, "da", DANISH, pairs=None, destination=Destination(tmp_path / "new"))


def test_a_script_that_a_unigram_vocabulary_cannot_read_is_refused(
    model: Path, tmp_path: Path
) -> None:
    with pytest.raises(LanguageError, match=r"100% of the letters of Georgian.*Unigram"):
        add(model, "ka", GEORGIAN, destination=Destination(tmp_path / "new"), force=True)


def test_some_unread_letters_are_said_in_a_note(model: Path, tmp_path: Path) -> None:
    words = [f"{word}ð" for word in DANISH]
    target = Destination(adapter_file=tmp_path / "da")
    report = add(model, "da", words, destination=target, force=True).report
    assert 0.05 < report.unknown_share < 0.5
    assert any("cannot read" in note and "Unigram" in note for note in report.notes)
    assert report.new_pieces == 0


def test_a_language_that_is_there_is_learnt_on_only_when_replaced(
    model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new"
    options: dict[str, Any] = {"destination": Destination(output), "force": True}
    with pytest.raises(LanguageError, match="say --replace"):
        add(model, "sv", DANISH, **options)
    added = add(model, "sv", DANISH, replace=True, **options)
    assert (added.report.relative, added.report.reason) == ("sv", "its own until now")
    assert [found.lang for found in adapters_of(output)] == ["en", "sv", "fr"]
    before, after = language_fingerprints(model), language_fingerprints(output)
    assert {lang for lang in before if before[lang] != after[lang]} == {"sv"}
