"""Modules are learnt from what can teach them, and refused before any step otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_encoders import tiny_bi_encoder, tiny_xlmr
from tiny_models import tiny_dpr_xm
from tiny_rankers import drain, marked_rows, write_rows
from tiny_word_models import tiny_word_model

from xret.errors import ConfigError, ModelError
from xret.retriever.modules.base import model_base
from xret.retriever.modules.sparse import SparseMask
from xret.retriever.training.common.fitting import FitSettings
from xret.retriever.training.modules.learning import ModuleLearning, learn_module


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny_bi_encoder(folder / "bi")
    tiny_xlmr(folder / "bare")
    tiny_word_model(folder / "words")
    tiny_dpr_xm(folder / "xmod")
    return folder


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), -1.0, 0.0])
def test_a_rate_that_is_none_is_refused(models: Path, tmp_path: Path, rate: float) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", marked_rows("x", n=30))
    learning = ModuleLearning("ranking", models / "bi", data=rows, rate=rate)
    with pytest.raises(ConfigError, match="--rate"):
        drain(learn_module(learning, tmp_path / "module.safetensors"))


def test_a_folder_as_the_file_of_a_module_is_refused_before_any_step(
    models: Path, tmp_path: Path
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", marked_rows("x", n=30))
    learning = ModuleLearning("ranking", models / "bi", data=rows, fit=FitSettings(steps=1))
    steps: list[object] = []
    with pytest.raises(ConfigError, match="is a folder"):
        steps.extend(learn_module(learning, tmp_path))
    assert not steps


def test_a_mask_for_a_language_of_xmod_names_the_command_that_adds_one(
    models: Path, tmp_path: Path
) -> None:
    text = tmp_path / "sw.txt"
    text.write_text("".join(f"samaki wana joto {n}\n" for n in range(30)), encoding="utf-8")
    learning = ModuleLearning("mask", models / "words", text=text, lang="hu")
    with pytest.raises(ModelError, match="xret lang add"):
        drain(learn_module(learning, tmp_path / "sw.safetensors"))


def test_a_mask_of_a_language_that_xmod_has_leaves_adapters_and_words(
    models: Path, tmp_path: Path
) -> None:
    text = tmp_path / "fr.txt"
    text.write_text("".join(f"les poissons partent {n}\n" for n in range(30)), encoding="utf-8")
    settings = FitSettings(steps=2, batch_size=4)
    learning = ModuleLearning("mask", models / "xmod", text=text, lang="fr", keep=50, fit=settings)
    drain(learn_module(learning, tmp_path / "fr.safetensors"))
    mask = SparseMask.load(tmp_path / "fr.safetensors", base=model_base(models / "xmod"))
    assert len(mask) == 50
    assert mask.card.lang == "fr"
    assert not any("adapter" in name or "embeddings" in name for name in mask.changes)
