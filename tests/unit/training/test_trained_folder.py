"""The folder that a recipe fills: what it replaces, what it starts from, who can read it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_encoders import tiny_bi_encoder, tiny_static, tiny_xlmr
from tiny_rankers import drain
from tiny_word_models import tiny_word_model

from xret.errors import ModelError, TrainingError
from xret.retriever.training.recipes.recipe import run_recipe
from xret.retriever.training.recipes.settings import Recipe


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny_bi_encoder(folder / "bi")
    tiny_xlmr(folder / "bare")
    tiny_word_model(folder / "words")
    return folder


def data_file(path: Path, word: str = "reefs") -> Path:
    rows = [{"query": f"coral {word} {n}", "positive": f"the fish {n}"} for n in range(12)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def trained(model: Path, output: Path, *, resume: bool = True, **more: Any) -> Path:
    data = more.pop("data", None) or data_file(output.with_name("data.jsonl"))
    settings = {"batch_size": 4, "steps": 2, "max_tokens": 8, "device": "cpu"}
    recipe = Recipe("contrastive", str(model), output, (data,), **settings, **more)
    drain(run_recipe(recipe, resume=resume))
    return output


def test_anew_replaces_a_model_and_nothing_else(models: Path, tmp_path: Path) -> None:
    precious = tmp_path / "thesis" / "chapter.txt"
    precious.parent.mkdir()
    precious.write_text("years of work", encoding="utf-8")
    with pytest.raises(TrainingError, match="no trained model"):
        trained(models / "bi", precious.parent, resume=False)
    assert precious.read_text(encoding="utf-8") == "years of work"
    output = trained(models / "bi", tmp_path / "model")
    before = (output / "model.safetensors").read_bytes()
    trained(models / "bi", output, resume=False, seed=1)
    assert (output / "model.safetensors").read_bytes() != before


def test_data_that_was_mended_is_trained_on_without_more_words(
    models: Path, tmp_path: Path
) -> None:
    data = tmp_path / "pairs.jsonl"
    data.write_text("{not json\n", encoding="utf-8")
    with pytest.raises(Exception, match="no JSON"):
        trained(models / "bi", tmp_path / "model", data=data)
    data_file(data)
    assert (trained(models / "bi", tmp_path / "model", data=data) / "modules.json").is_file()


def test_a_bare_transformer_without_all_its_weights_is_refused(
    models: Path, tmp_path: Path
) -> None:
    shutil.copytree(models / "bare", tmp_path / "cut")
    path = tmp_path / "cut" / "model.safetensors"
    tensors = {n: t for n, t in load_file(path).items() if ".layer.1." not in n}
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(ModelError, match=r"lack .* parameters"):
        trained(tmp_path / "cut", tmp_path / "model", kind="bi-encoder")


def test_a_table_of_words_can_be_trained(tmp_path: Path) -> None:
    tiny_static(tmp_path / "table")
    output = trained(tmp_path / "table", tmp_path / "model")
    before, after = (load_file(f / "model.safetensors") for f in (tmp_path / "table", output))
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_trained_model_can_be_read_by_others(models: Path, tmp_path: Path) -> None:
    weights = trained(models / "bi", tmp_path / "model") / "model.safetensors"
    assert weights.stat().st_mode & 0o044 == 0o044
