"""Mistakes of a user of `xret train`, `xret module` and `xret lang`: refused, nothing is lost."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_bilingual import DANISH, bilingual_model, pairs_of, write_pairs
from tiny_encoders import tiny_bi_encoder, tiny_static, tiny_xlmr
from tiny_rankers import drain, marked_rows, write_rows
from tiny_word_models import tiny_word_model

from xret.cli import main
from xret.errors import ConfigError, LanguageError, ModelError, TrainingError
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.module_card import ModuleCard
from xret.retriever.modules.composing import apply_masks
from xret.retriever.modules.sparse import SparseChange, SparseMask
from xret.retriever.training.common.fitting import FitSettings
from xret.retriever.training.common.trainer import designed_error
from xret.retriever.training.language.add import chosen_relative
from xret.retriever.training.modules.learning import ModuleLearning, learn_module
from xret.retriever.training.recipes.drawing import with_negatives
from xret.retriever.training.recipes.recipe import run_recipe
from xret.retriever.training.recipes.records import Example
from xret.retriever.training.recipes.settings import Recipe
from xret.retriever.trim.trim import ModelTrim
from xret.retriever.xmod.installed import copy_model


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


def test_negatives_are_filled_in_time_that_grows_with_the_examples() -> None:
    examples = [Example(f"q{n}", f"p{n}") for n in range(60_000)]
    began = time.process_time()
    filled = with_negatives(examples, 1, seed=0)
    assert time.process_time() - began < 20  # a shuffle of all for each takes a minute
    assert all(len(one.negatives) == 1 and one.negatives[0] != one.positive for one in filled)


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
    learning = ModuleLearning("mask", models / "words", text=text, lang="sw")
    with pytest.raises(ModelError, match="xret lang add"):
        drain(learn_module(learning, tmp_path / "sw.safetensors"))


def test_copies_of_a_changed_model_are_no_pulled_revision_and_no_run(
    models: Path, tmp_path: Path
) -> None:
    for name in ("bi", "words"):
        shutil.copytree(models / name, tmp_path / name)
        (tmp_path / name / "pin.json").write_text('{"revision": "0"}', encoding="utf-8")
        (tmp_path / name / "work").mkdir()
        (tmp_path / name / "work" / "state.safetensors").write_bytes(b"much")
    base = model_fingerprint(tmp_path / "bi", {}, modules=False)
    name = "embeddings.LayerNorm.bias"
    size = next(
        len(t)
        for n, t in load_file(tmp_path / "bi" / "model.safetensors").items()
        if n.endswith(name)
    )
    change = SparseChange((size,), torch.tensor([0]), torch.tensor([0.5]))
    SparseMask({name: change}, ModuleCard("mask", base)).save(tmp_path / "mask.safetensors")
    apply_masks(tmp_path / "bi", [tmp_path / "mask.safetensors"], tmp_path / "folded")
    for made in (tmp_path / "folded", copy_model(tmp_path / "words", tmp_path / "copy")):
        assert not {"pin.json", "work"} & {path.name for path in made.iterdir()}
    assert (tmp_path / "folded" / "model.safetensors").stat().st_mode & 0o044 == 0o044


def test_the_command_that_a_message_names_is_one(models: Path) -> None:
    with pytest.raises(LanguageError, match=rf"xret lang remove {models / 'words'} sw"):
        chosen_relative(models / "words", "sw", None, aligned=False)


def test_memory_that_is_too_small_is_no_traceback(tmp_path: Path) -> None:
    error = torch.OutOfMemoryError("CUDA out of memory")
    assert isinstance(designed_error(error, tmp_path), TrainingError)


def typed(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["xret", *map(str, words)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def corpus_file(path: Path, mark: str) -> Path:
    lines = [json.dumps({"_id": f"{mark}{n}", "text": f"fish {mark} {n}"}) for n in range(8)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_negatives_come_from_the_corpus_that_was_named_last(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, mined = data_file(tmp_path / "data.jsonl"), tmp_path / "mined.jsonl"
    for mark in ("first", "second"):
        corpus = corpus_file(tmp_path / "corpus.jsonl", mark)
        assert (
            typed(
                monkeypatch,
                "train",
                "mine",
                "--queries",
                queries,
                "--corpus",
                corpus,
                "--output",
                mined,
                "--model",
                models / "bi",
                "--margin",
                "0",
            )
            == 0
        )
    said = [
        text
        for line in mined.read_text(encoding="utf-8").splitlines()
        for text in json.loads(line)["negatives"]
    ]
    assert said and not any("first" in text for text in said)


def test_an_index_is_mined_with_its_own_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = data_file(tmp_path / "data.jsonl")
    assert (
        typed(
            monkeypatch,
            "train",
            "mine",
            "--queries",
            queries,
            "--index",
            tmp_path / "index",
            "--model",
            "bi",
            "--output",
            tmp_path / "mined.jsonl",
        )
        == 2
    )
    assert "--model goes with --corpus" in " ".join(capsys.readouterr().err.split())


def test_what_is_said_of_indices_of_a_changed_model_is_so(
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, index = tmp_path / "model", tmp_path / "index"
    shutil.copytree(models / "words", model)
    lines = [
        json.dumps({"_id": str(n), "text": f"samaki wana {n}", "lang": "sw"}) for n in range(4)
    ]
    (tmp_path / "docs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert (
        typed(
            monkeypatch,
            "index",
            "--corpus",
            tmp_path / "docs.jsonl",
            "--encoder",
            model,
            "--output",
            index,
        )
        == 0
    )
    search = ("search", index, "samaki", "--query-lang", "sw", "--mode", "dense")
    for lang, status in (("fr", 0), ("sw", 2)):
        capsys.readouterr()
        assert typed(monkeypatch, "lang", "remove", model, lang) == 0
        said = " ".join(capsys.readouterr().err.split())
        assert f"stays good, unless documents in it went through the {lang} adapter" in said
        assert typed(monkeypatch, *search) == status


def test_the_list_says_what_trained_an_added_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, _ = write_pairs(tmp_path, pairs_of(DANISH))
    model = bilingual_model(tmp_path / "model")
    threads = torch.get_num_threads()
    try:
        assert (
            typed(
                monkeypatch,
                "lang",
                "add",
                "da",
                "--text",
                text,
                "--model",
                model,
                "--steps",
                "1",
                "--force",
            )
            == 0
        )
    finally:
        torch.set_num_threads(threads)
    capsys.readouterr()
    assert typed(monkeypatch, "lang", "list", model, "--json") == 0
    listed = json.loads(capsys.readouterr().out)["languages"]
    assert [row["trained_by"] for row in listed if row["lang"] == "da"] == ["xret lang add"]


def test_a_trimmed_model_has_no_cards_of_languages_that_it_lacks(
    models: Path, tmp_path: Path
) -> None:
    shutil.copytree(models / "words", tmp_path / "words")
    (tmp_path / "words" / "adapter_cards").mkdir()
    for lang in ("sw", "fr"):
        (tmp_path / "words" / "adapter_cards" / f"{lang}.json").write_text("{}", encoding="utf-8")
    drain(ModelTrim(str(tmp_path / "words"), tmp_path / "small", langs=["sw", "en"]).run())
    cards = (tmp_path / "small" / "adapter_cards").iterdir()
    assert [path.name for path in cards] == ["sw.json"]
