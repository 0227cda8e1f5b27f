"""Recipes on tiny models: what they read, draw, learn, keep and say."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from tiny_encoders import tiny_bi_encoder, tiny_late, tiny_xlmr
from tiny_models import TEXTS, tiny_xmod
from torch import Tensor
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

from xret.errors import (
    ConfigError,
    CorpusError,
    MissingLibraryError,
    ModelError,
    TrainingError,
    XretError,
)
from xret.retriever.corpora.rows import Example
from xret.retriever.models.kinds import Kind
from xret.retriever.models.quiet import quiet_libraries
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.training.common import trainer as trainers
from xret.retriever.training.recipes import recipe as recipes
from xret.retriever.training.recipes.development import DevelopmentSet
from xret.retriever.training.recipes.drawing import Draw, with_negatives
from xret.retriever.training.recipes.facts import energy_meter
from xret.retriever.training.recipes.plan import plan_batches
from xret.retriever.training.recipes.recipe import run_recipe
from xret.retriever.training.recipes.records import ExampleReader
from xret.retriever.training.recipes.settings import Recipe
from xret.retriever.training.recipes.student import Student
from xret.retriever.training.recipes.switching import Lexicon
from xret.types import Document, Query

LANGS = ("en", "fr", "de", "sw")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models, and training files for them."""
    torch.set_num_threads(1)
    here = tmp_path_factory.mktemp("recipes")
    with quiet_libraries():
        tiny_bi_encoder(here / "bi", prompts={"query": "query: ", "document": "passage: "})
        tiny_late(here / "late")
        tiny_xmod(here / "xmod")
        tiny_bi_encoder(here / "teacher", seed=5)
        _reranker(here / "reranker")
    wide = json.loads((here / "teacher" / "modules.json").read_text())
    wide.append(
        {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    )
    (here / "teacher" / "modules.json").write_text(json.dumps(wide))
    _dense(here / "teacher" / "2_Dense", 32, 12)
    rows = []
    for i in range(24):
        lang = LANGS[i % 4]
        rows.append(
            {
                "id": i // 4,
                "query": f"{TEXTS[lang].split()[i % 3]} {i // 4} {lang}",
                "positive": f"{TEXTS[lang]} {i}",
                "query_lang": lang,
                "positive_lang": lang,
                "negatives": [f"{TEXTS['en']} no {i} {k}" for k in range(2)],
            }
        )
    write(here / "data.jsonl", rows)
    write(here / "held.jsonl", [{**row, "id": None, "query": f"{row['query']} ?"} for row in rows])
    pairs = [f"en\tfr\t{TEXTS['en']} {i}\t{TEXTS['fr']} {i}" for i in range(16)]
    (here / "pairs.tsv").write_text("\n".join(pairs), encoding="utf-8")
    words = [f"fr\t{word}\t{word[::-1]}" for word in {w for t in TEXTS.values() for w in t.split()}]
    (here / "lexicon.tsv").write_text("\n".join(words), encoding="utf-8")
    return here


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


def _dense(folder: Path, n_in: int, n_out: int) -> None:
    from safetensors.torch import save_file

    folder.mkdir()
    settings = {
        "in_features": n_in,
        "out_features": n_out,
        "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    (folder / "config.json").write_text(json.dumps(settings))
    drawn = torch.randn(n_out, n_in, generator=torch.Generator().manual_seed(3))
    save_file({"linear.weight": drawn}, folder / "model.safetensors")


def _reranker(folder: Path) -> None:
    tiny_xlmr(folder)
    config = XLMRobertaConfig.from_pretrained(folder, num_labels=1)
    torch.manual_seed(1)
    XLMRobertaForSequenceClassification(config).save_pretrained(folder)


def settings(folder: Path, output: Path, **changes: Any) -> Recipe:
    plain: dict[str, Any] = {
        "task": "contrastive",
        "model": str(folder / "bi"),
        "output": output / "trained",
        "data": (folder / "data.jsonl",),
        "steps": 4,
        "batch_size": 4,
        "rate": 1e-2,
        "checkpoint_steps": 2,
        "precision": "fp32",
        "device": "cpu",
    }
    return Recipe(**(plain | changes))


def trained(recipe: Recipe, **how: Any) -> dict[str, Tensor]:
    """All weights of the model that the recipe leaves."""
    for _ in run_recipe(recipe, **how):
        pass
    return all_weights(recipe.output)


def all_weights(folder: Path) -> dict[str, Tensor]:
    return {
        f"{path.parent.relative_to(folder)}/{name}": tensor
        for path in sorted(folder.rglob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


# What is read

LINE = {"query": "q", "positive": "p"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "no JSON"),
        ("[1]", "a JSON object was expected"),
        ('{"query": "q"}', "positive"),
        (json.dumps(LINE | {"query": " "}), "query must be text, found an empty text"),
        (json.dumps(LINE | {"negatives": "n"}), "negatives must be a list"),
        (json.dumps(LINE | {"negatives": ["n"], "scores": [1]}), "1 scores"),
        (json.dumps(LINE | {"scores": [True]}), "numbers"),
        (json.dumps(LINE | {"scores": [1e999]}), "finite"),
        (json.dumps(LINE | {"query_lang": "x9!"}), "x9!"),
        (json.dumps(LINE | {"query": "\ud800"}), "surrogate"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_line_that_is_no_example_is_named_or_counted(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(f"{json.dumps(LINE)}\n\n{line}\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=f"data.jsonl:3: .*{said}"):
        list(ExampleReader().read([path]))
    reader = ExampleReader(on_error="skip")
    list(reader.read([path]))
    assert len(reader.examples) == 1
    assert (reader.files[0].lines, reader.files[0].skipped) == (3, 1)


def test_every_form_of_a_file_is_read_alike(tmp_path: Path) -> None:
    rows = "q\tp\tn1\tn2\nquoi\tpoisson\n"
    (tmp_path / "a.tsv").write_text(rows, encoding="utf-8-sig")
    with gzip.open(tmp_path / "b.tsv.gz", "wt", encoding="utf-8") as file:
        file.write(rows)
    lines = [
        {"query": "q", "positive": ["p"], "negatives": ["n1", "n2"]},
        {"source": "quoi", "target": "poisson"},
    ]
    write(tmp_path / "c.jsonl", lines)
    found = []
    for name in ("a.tsv", "b.tsv.gz", "c.jsonl"):
        reader = ExampleReader()
        list(reader.read([tmp_path / name]))
        found.append(reader.examples)
    assert found[0] == found[1] == found[2]
    assert found[0][0].negatives == ("n1", "n2")


def test_several_answers_are_examples_that_never_meet(tmp_path: Path) -> None:
    reader = ExampleReader()
    list(reader.read([write(tmp_path / "a.jsonl", [{"query": "q", "positive": ["p1", "p2"]}])]))
    one, other = reader.examples
    assert one.text_id == other.text_id != ""


def test_damaged_and_unknown_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "cut.tsv.gz").write_bytes(gzip.compress(b"q\tp\n" * 999)[:-9])
    (tmp_path / "text.doc").write_text("q\tp")
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "latin.tsv").write_bytes(b"q\tp\xe9\n")
    said = {
        "cut.tsv.gz": "cut.tsv.gz:1: the file is cut or damaged",
        "text.doc": "ending .doc",
        "empty.jsonl": "no example",
        "latin.tsv": "latin.tsv:1: not UTF-8",
        "absent.tsv": "no such file",
    }
    for name, words in said.items():
        with pytest.raises(CorpusError, match=words):
            list(ExampleReader().read([tmp_path / name]))


def test_lexicon_replaces_whole_english_words_only(tmp_path: Path) -> None:
    path = tmp_path / "l.tsv"
    path.write_text("fr\twater\teau\nfr\tcold water\teau froide\nde\twater\tWasser\n")
    lexicon = Lexicon.read([path])
    assert lexicon.languages == ["de", "fr"]
    rng = np.random.default_rng(0)
    assert lexicon.switch("Water, waters water", "fr", rng, share=1.0) == "eau, waters eau"
    assert lexicon.switch("water", "fr", rng, share=0.0) == "water"
    path.write_text("fr\twater\n")
    with pytest.raises(CorpusError, match=r"l.tsv:1: .*found 2 columns"):
        Lexicon.read([path])


# What is drawn


def test_no_text_and_no_version_of_one_stands_twice_in_a_batch() -> None:
    examples = [Example(f"q{i % 7}", f"p{i % 5}", text_id=str(i % 11)) for i in range(60)]
    plan = plan_batches(examples, batch_size=4, seed=1, epochs=2)
    for start, end in zip(plan.starts[:-1], plan.starts[1:], strict=True):
        rows = [examples[row] for row in plan.rows[start:end]]
        for name in ("query", "positive", "text_id"):
            assert len({getattr(one, name) for one in rows}) == len(rows) > 1
    again = plan_batches(examples, batch_size=4, seed=1, epochs=2)
    assert np.array_equal(plan.rows, again.rows)
    assert not np.array_equal(
        plan.rows, plan_batches(examples, batch_size=4, seed=2, epochs=2).rows
    )


def test_examples_that_are_all_alike_make_no_batch() -> None:
    with pytest.raises(TrainingError, match="no batch can be made"):
        plan_batches([Example("q", "p")] * 3, batch_size=2, seed=0)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_share_of_batches_asks_in_another_language(share: float) -> None:
    examples = [
        Example(f"q{i}", f"p{i}", query_lang=lang, positive_lang=lang, text_id=str(i))
        for i in range(40)
        for lang in ("en", "fr")
    ]
    plan = plan_batches(examples, batch_size=8, seed=0, steps=100)
    draw = Draw(examples, plan, seed=0, cross_lingual=share)
    crossing = []
    for start, end in zip(plan.starts[:-1], plan.starts[1:], strict=True):
        differ = {draw.at(i).query.lang != draw.at(i).positive.lang for i in range(start, end)}
        assert len(differ) == 1  # a batch is one or the other
        crossing.append(differ.pop())
    assert abs(np.mean(crossing) - share) < 0.15


def test_cross_lingual_batches_need_versions() -> None:
    examples = [Example(f"q{i}", f"p{i}", query_lang="en", positive_lang="en") for i in range(4)]
    plan = plan_batches(examples, batch_size=2, seed=0)
    with pytest.raises(ConfigError, match="lines with one id"):
        Draw(examples, plan, seed=0, cross_lingual=0.5)


def test_examples_that_lack_negatives_get_other_passages() -> None:
    examples = [Example(f"q{i}", f"p{i}", negative_langs=(), text_id=str(i // 2)) for i in range(8)]
    for i, one in enumerate(with_negatives(examples, 3, seed=0)):
        assert len(set(one.negatives)) == 3
        assert not {f"p{i}", f"p{i ^ 1}"} & set(one.negatives)  # its own version's neither


# What is learnt

WAYS: dict[str, dict[str, Any]] = {
    "late interaction, in small parts": {"model": "late", "mini_batch": 2},
    "X-MOD by ColBERT-XM's recipe": {
        "model": "xmod",
        "kind": "late interaction",
        "cross_lingual": 0.5,
        "switch": True,
        "switch_share": 0.9,
    },
    "scores of a reranker": {"task": "scores", "teacher": "reranker"},
    "margins into late interaction": {
        "task": "scores",
        "teacher": "bi",
        "loss": "margin",
        "model": "late",
    },
    "vectors of another width": {"task": "vectors", "teacher": "teacher"},
    "alignment": {"task": "align"},
    "alignment of late interaction": {"task": "align", "model": "late"},
}


def of_way(folder: Path, output: Path, way: str, **more: Any) -> Recipe:
    changes = dict(WAYS[way])
    for name in ("model", "teacher"):
        if name in changes:
            changes[name] = str(folder / changes[name])
    if changes.pop("switch", False):
        changes["switch"] = (folder / "lexicon.tsv",)
    if changes.get("task") in ("vectors", "align"):
        changes["data"] = (folder / "pairs.tsv",)
    return settings(folder, output, **changes, **more)


class Killed(BaseException):
    """What ends a process without a word."""


@pytest.mark.parametrize("way", WAYS)
def test_killed_and_resumed_ends_with_the_weights_of_one_unbroken_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    whole = of_way(folder, tmp_path / "whole", way)
    weights = trained(whole)
    broken = of_way(folder, tmp_path / "broken", way)
    learn = trainers._SafeTrainer.training_step

    def until(self: Any, *args: Any, **named: Any) -> Tensor:
        if self.state.global_step == 3:
            raise Killed
        return learn(self, *args, **named)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(trainers._SafeTrainer, "training_step", until)
        trained(broken)
    assert not broken.output.exists()
    assert same(trained(broken), weights)
    assert [path.name for path in broken.output.parent.iterdir()] == ["trained"]
    encoder = load_encoder(str(broken.output))
    assert np.isfinite(encoder.encode_queries([Query("", "the reefs", "en")]).values).all()


def test_late_interaction_starts_as_the_states_of_a_bi_encoder(folder: Path) -> None:
    student = Student.load(folder / "bi", kind=Kind.LATE_INTERACTION, device="cpu")
    texts = ["the reefs are warming", "the fish leave", "coral"]
    list(student.set_mean(texts))
    values = student.encoder().encode_documents([Document("", texts[0], "en")]).values
    base = SentenceTransformer(str(folder / "bi"), device="cpu")
    n_prompt = len(base.tokenizer("passage:")["input_ids"]) - 2
    states = [  # without the marks at both ends and the prompt
        base.encode(f"passage: {text}", output_value="token_embeddings").numpy()[1 + n_prompt : -1]
        for text in texts
    ]
    wanted = states[0] - np.concatenate(states).mean(axis=0)
    assert values.shape == wanted.shape
    assert np.allclose(values, wanted / np.linalg.norm(wanted, axis=1)[:, None], atol=1e-5)


def test_xmod_learns_with_embeddings_and_adapters_frozen(folder: Path, tmp_path: Path) -> None:
    way = {"model": str(folder / "xmod"), "kind": "late interaction"}
    before = load_file(folder / "xmod" / "model.safetensors")
    after = {n.removeprefix("./"): t for n, t in trained(settings(folder, tmp_path, **way)).items()}
    changed = {name for name, tensor in before.items() if not torch.equal(after[name], tensor)}
    assert not [name for name in changed if "embeddings" in name or "adapter" in name]
    assert "encoder.layer.0.attention.self.query.weight" in changed
    adapted = trained(settings(folder, tmp_path / "adapted", **way, train_adapters=True))
    moved = {name for name in before if not torch.equal(adapted[f"./{name}"], before[name])}
    used = {name.split("adapter_modules.")[1][:5] for name in moved if "adapter_modules" in name}
    assert used == {"en_XX", "fr_XX", "de_DE", "sw_KE"}  # not Chinese, which no text is in
    assert not [name for name in moved if "embeddings" in name]


def test_each_text_goes_through_the_adapter_of_its_language(folder: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (folder / "data.jsonl").read_text().splitlines()]
    other = write(tmp_path / "other.jsonl", [{**row, "positive_lang": "zh"} for row in rows])
    way = {"model": str(folder / "xmod"), "kind": "bi-encoder", "steps": 1}
    own = trained(settings(folder, tmp_path / "a", **way))
    through = trained(settings(folder, tmp_path / "b", **way, data=(other,)))
    assert not same(own, through)


def test_small_parts_of_a_large_batch_give_its_gradients(folder: Path) -> None:
    from xret.retriever.training.recipes.contrastive import ranking_loss

    for name in ("bi", "late"):
        gradients = []
        for mini_batch in (None, 2):
            student = Student.load(folder / name, kind=None, device="cpu")
            loss = ranking_loss(student, mini_batch=mini_batch)
            texts = [[f"{TEXTS['en']} {i}" for i in range(4)], [f"{i} reefs" for i in range(4)]]
            columns = [
                student.model.preprocess(one, task=task)
                for one, task in zip(texts, ("query", "document"), strict=True)
            ]
            loss(columns, None).backward()
            gradients.append([p.grad for p in student.model.parameters() if p.grad is not None])
        for one, other in zip(*gradients, strict=True):
            assert torch.allclose(one, other, atol=1e-5)


def test_distillation_brings_the_student_nearer_to_its_teacher(
    folder: Path, tmp_path: Path
) -> None:
    recipe = settings(
        folder,
        tmp_path,
        task="vectors",
        teacher=str(folder / "bi"),
        steps=20,
        rate=5e-3,
        data=(folder / "pairs.tsv",),
        model=str(folder / "xmod"),
        kind="bi-encoder",
        loss="cosine",
    )
    trained(recipe)
    losses = [
        float(row.split("|")[2])
        for row in (recipe.output / "README.md").read_text().splitlines()
        if row.startswith("| ") and row.count("|") == 3 and row[2].isdigit()
    ]
    assert losses[-1] < 0.7 * losses[0]


# What is kept and said


def test_best_moment_is_what_remains_and_the_card_says_so(folder: Path, tmp_path: Path) -> None:
    recipe = settings(
        folder,
        tmp_path,
        held_out=(folder / "held.jsonl",),
        steps=6,
        rate=0.3,
        licence="CC BY 4.0",
    )
    trained(recipe)
    card = (recipe.output / "README.md").read_text(encoding="utf-8")
    rows = [
        row.split(" | ")
        for row in card.split("## Results")[1].splitlines()
        if row.startswith("| ") and "MRR" not in row
    ]
    figures = {row[0].strip("| "): float(row[1]) for row in rows}
    assert list(figures) == ["before", "2", "4", "6"]
    best = max(("2", "4", "6"), key=lambda step: figures[step])
    assert f"Kept: step {best}." in card
    reader = ExampleReader()
    list(reader.read(recipe.held_out))
    held_out = DevelopmentSet.of(reader.examples)
    student = Student.load(recipe.output, kind=None, device="cpu")
    assert held_out.measure(student)["MRR@10"] == pytest.approx(figures[best], abs=2e-3)


def test_what_does_not_help_is_not_written_where_a_gain_is_asked_for(
    folder: Path, tmp_path: Path
) -> None:
    held_out = (folder / "held.jsonl",)
    recipe = settings(folder, tmp_path, held_out=held_out, rate=1e-12, only_if_better=True)
    with pytest.raises(TrainingError, match=r"no model is written: MRR@10 .* before and 0\."):
        trained(recipe)
    assert not recipe.output.exists()
    trained(dataclasses.replace(recipe, only_if_better=False))
    assert (recipe.output / "README.md").is_file()
    with pytest.raises(ConfigError, match="name --held-out"):
        settings(folder, tmp_path, only_if_better=True)


def test_card_says_what_was_done_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    from xret.retriever.models.hashes import file_hash

    recipe = settings(folder, tmp_path)
    trained(recipe)
    card = (recipe.output / "README.md").read_text(encoding="utf-8")
    assert f"| data.jsonl | 24 | 0 | {file_hash(folder / 'data.jsonl')} |" in card
    assert "Licence of the training text: not stated" in card
    assert "nothing was measured" in card
    assert "4 steps of at most 4 examples; 16 examples seen" in card
    assert str(folder) not in card
    assert ("Energy: not measured" in card) == (energy_meter() is None)


def test_energy_is_what_the_counters_say_even_where_they_run_over(tmp_path: Path) -> None:
    assert energy_meter(tmp_path) is None
    package = tmp_path / "intel-rapl:0"
    package.mkdir()
    (package / "max_energy_range_uj").write_text("10000000\n")
    (package / "energy_uj").write_text("9000000\n")
    joules = energy_meter(tmp_path)
    assert joules is not None
    (package / "energy_uj").write_text("1000000\n")
    assert joules() == pytest.approx(2.0)
    (package / "energy_uj").write_text("2000000\n")
    assert joules() == pytest.approx(3.0)


def test_run_again_is_done_and_another_run_is_refused(folder: Path, tmp_path: Path) -> None:
    recipe = settings(folder, tmp_path)
    first = trained(recipe)
    assert [step.stage for step in run_recipe(recipe)] == ["written"]
    other = dataclasses.replace(recipe, seed=1)
    with pytest.raises(TrainingError, match="--anew"):
        list(run_recipe(other))
    assert same(all_weights(recipe.output), first)
    assert not same(trained(other, resume=False), first)
    run = run_recipe(dataclasses.replace(recipe, output=tmp_path / "begun"))
    while next(run).stage != "training":
        pass
    run.close()
    with pytest.raises(TrainingError, match="other settings or data"):
        list(run_recipe(dataclasses.replace(other, output=tmp_path / "begun")))


def test_full_disk_while_the_model_is_written_keeps_what_was_learnt(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = trained(settings(folder, tmp_path / "whole"))
    recipe = settings(folder, tmp_path / "full")

    def full(_: Student, path: Path) -> None:
        path.mkdir()
        (path / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(TrainingError, match="no space left"):
        patch.setattr(Student, "save", full)
        trained(recipe)
    assert not recipe.output.exists()
    assert same(trained(recipe), weights)


def test_missing_library_is_named_with_its_install_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "_NEEDED", ("datasets", "no_such_library"))
    with pytest.raises(MissingLibraryError, match=r"no_such_library.*pip install xret\[train\]"):
        list(run_recipe(settings(folder, tmp_path)))


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"model": "xmod"}, ConfigError, "--kind bi-encoder"),
        ({"model": "late", "kind": "bi-encoder"}, ConfigError, "cannot be trained as"),
        ({"model": "."}, ModelError, "is no model"),
        ({"model": "xret-static"}, ModelError, "xret train static"),
        ({"task": "scores"}, ConfigError, "--teacher"),
        ({"task": "scores", "teacher": "bi", "n_negatives": 0}, ConfigError, "--negatives 1"),
        ({"task": "vectors", "teacher": "late", "data": "pairs.tsv"}, ConfigError, "--from scores"),
        (
            {"task": "vectors", "teacher": "bi", "model": "late", "data": "pairs.tsv"},
            ConfigError,
            "--from scores",
        ),
        ({"data": "absent.jsonl"}, ConfigError, "no such file"),
        ({"device": "cuda:99"}, ConfigError, "cuda:99"),
        ({"steps": 0}, ConfigError, "--steps is 0"),
        ({"rate": float("nan")}, ConfigError, "--rate"),
        ({"switch_share": 2.0}, ConfigError, "--switch-share"),
        ({"loss": "kl"}, ConfigError, "--loss kl"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(
    folder: Path, tmp_path: Path, changes: dict[str, Any], error: type[XretError], said: str
) -> None:
    changes = dict(changes)
    for name in ("model", "teacher"):
        if name in changes and changes[name] != "xret-static":
            changes[name] = str(folder / changes[name])
    if "data" in changes:
        changes["data"] = (folder / changes["data"],)
    with pytest.raises(error, match=said):
        list(run_recipe(settings(folder, tmp_path, **changes)))
    assert not (tmp_path / "trained").exists()
