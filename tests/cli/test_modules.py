"""`xret module` as typed: learn, show, add, apply, and what it refuses."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_encoders import tiny_bi_encoder
from tiny_models import TEXTS, tiny_dpr_xm
from tiny_rankers import marked_rows, tiny_cross_encoder, write_rows

from xret.cli import lang, main, modules
from xret.cli.commands import app
from xret.errors import ModelError
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.module_card import ModelBase, ModuleCard
from xret.retriever.modules.base import model_base
from xret.retriever.modules.ranking import RankingAdapter
from xret.retriever.modules.sparse import SparseMask
from xret.retriever.modules.transforms import StaticTransforms
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.training.modules.base import open_base
from xret.types import Document


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


Xret = Callable[..., Done]


@pytest.fixture
def xret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Xret:
    """The command in this process: sentence-transformers takes seconds to import."""
    monkeypatch.chdir(tmp_path)
    for name, group in (("module", modules.app), ("lang", lang.app)):
        if not any(registered.name == name for registered in app.registered_groups):
            app.add_typer(group, name=name)

    def run(*words: str, group: str = "module") -> Done:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["xret", group, *words])
        status: object = 0
        try:
            main()
        except SystemExit as left:
            status = left.code or 0
        said = capfd.readouterr()
        return Done(int(str(status)), said.out, said.err)

    return run


@pytest.fixture
def base(tmp_path: Path) -> Path:
    write_rows(tmp_path / "rows.jsonl", marked_rows("reefs", n=40))
    return tiny_cross_encoder(tmp_path / "base")


def learn(xret: Xret, kind: str, output: str, *more: str) -> Done:
    return xret(
        "learn",
        kind,
        "--model",
        "base",
        "--data",
        "rows.jsonl",
        "--output",
        output,
        "--steps",
        "4",
        *more,
    )


def test_a_mask_is_learnt_shown_added_and_applied(xret: Xret, base: Path, tmp_path: Path) -> None:
    before = model_base(base).fingerprint
    done = learn(xret, "mask", "a.safetensors", "--keep", "2%", "--seed", "1", "--json")
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout)
    assert card["kind"] == "mask" and card["task"] == "ranking" and card["base"] == before
    assert card["size"] == round(0.02 * 36257) and card["steps"] == 4 and card["seed"] == 1
    assert card["results"].keys() == {"accuracy_before", "accuracy_after"}
    assert "rows.jsonl: 40 rows, xxh3-128" in card["data"]
    assert learn(xret, "mask", "b.safetensors", "--keep", "100", "--seed", "2").returncode == 0
    assert json.loads(xret("show", "b.safetensors", "--json").stdout)["size"] == 100
    shown = xret("show", "b.safetensors").stdout
    assert "kind\tsparse fine-tuning mask\n" in shown and "weights changed\t100\n" in shown
    done = xret("add", "a.safetensors", "b.safetensors", "--output", "c.safetensors", "--json")
    assert [part["seed"] for part in json.loads(done.stdout)["parts"]] == [1, 2]
    masks = [SparseMask.load(tmp_path / f"{name}.safetensors") for name in "abc"]
    assert len(masks[2]) == len(masks[0] + masks[1])
    done = xret("apply", "base", "a.safetensors", "b.safetensors", "--output", "new", "--json")
    assert json.loads(done.stdout)["weights_changed"] == len(masks[2])
    model = open_base(base)
    masks[2].apply(model)
    pairs = [("coral reefs", "the fish leave"), ("samaki", "reefs are warming")]
    assert (open_base(tmp_path / "new").predict(pairs) == model.predict(pairs)).all()
    assert model_base(base).fingerprint == before
    done = xret("apply", "new", "a.safetensors", "--output", "again")
    assert done.returncode == 2 and "of another model" in done.stderr
    assert not (tmp_path / "again").exists()


def test_a_ranking_adapter_is_learnt_and_cannot_be_folded(
    xret: Xret, base: Path, tmp_path: Path
) -> None:
    done = learn(xret, "ranking", "r.safetensors", "--bottleneck", "5")
    assert "xret train rerank" in done.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("\tvalue\n") and "bottleneck\t5\n" in done.stdout
    RankingAdapter.load(tmp_path / "r.safetensors", base=model_base(base))
    done = xret("add", "r.safetensors", "r.safetensors", "--output", "rr.safetensors", "--json")
    assert json.loads(done.stdout)["size"] == 10
    done = xret("apply", "base", "r.safetensors", "--output", "new")
    assert done.returncode == 2 and "Attach it when the model is loaded" in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_language_mask_is_learnt_from_text(xret: Xret, tmp_path: Path) -> None:
    tiny_bi_encoder(tmp_path / "bi")
    (tmp_path / "sw.txt").write_text("\n".join([TEXTS["sw"]] * 40), encoding="utf-8")
    output = tmp_path / "bi" / "masks" / "sw.safetensors"
    done = xret(
        "learn",
        "mask",
        "--model",
        "bi",
        "--lang",
        "swh",
        "--text",
        "sw.txt",
        "--keep",
        "50",
        "--steps",
        "3",
        "--output",
        str(output),
        "--json",
    )
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout)
    assert card["lang"] == "sw" and card["task"] is None and card["size"] == 50
    assert "loss_before" in card["results"] and len(SparseMask.load(output)) == 50


def test_a_language_adapter_is_learnt_from_text(xret: Xret, tmp_path: Path) -> None:
    tiny_bi_encoder(tmp_path / "bi")
    (tmp_path / "sw.txt").write_text("\n".join([TEXTS["sw"]] * 40), encoding="utf-8")
    words = ["learn", "language", "--model", "bi", "--lang", "sw", "--text", "sw.txt"]
    words += ["--bottleneck", "8", "--steps", "3", "--output", "languages/sw.safetensors"]
    done = xret(*words, "--invertible")
    assert done.returncode == 0, done.stderr
    assert "kind\tlanguage adapter\n" in done.stdout and "bottleneck\t8\n" in done.stdout
    assert "invertible\tyes\n" in done.stdout and "loss after\t" in done.stdout
    card = json.loads(xret("show", "languages/sw.safetensors", "--json").stdout)
    assert card["invertible"] is True and card["lang"] == "sw" and card["steps"] == 3
    done = xret("learn", "language", "--model", "bi", "--text", "sw.txt", "--output", "x")
    assert done.returncode == 2 and "--lang" in done.stderr


@pytest.fixture
def xmod(tmp_path: Path) -> Path:
    write_rows(tmp_path / "rows.jsonl", marked_rows("reefs", n=40))
    return tiny_dpr_xm(tmp_path / "xmod")


def learn_on_xmod(xret: Xret, kind: str, output: str) -> None:
    done = learn(xret, kind, output, "--model", "xmod", "--lang", "en", "--keep", "50")
    assert done.returncode == 0, done.stderr


def test_modules_stay_usable_when_a_language_goes_and_comes_back(
    xret: Xret, xmod: Path, tmp_path: Path
) -> None:
    learn_on_xmod(xret, "mask", "m.safetensors")
    learn_on_xmod(xret, "ranking", "r.safetensors")
    learn_on_xmod(xret, "mask", "n.safetensors")
    assert "vocabulary\t" in xret("show", "m.safetensors").stdout
    for n, step in enumerate(
        (
            ["export", "xmod", "sw", "--output", "sw.safetensors"],
            ["remove", "xmod", "sw"],
            ["import", "xmod", "sw.safetensors"],
        )
    ):
        done = xret(*step, group="lang")
        assert done.returncode == 0, done.stderr
        done = xret("apply", "xmod", "m.safetensors", "--output", f"new{n}")
        assert done.returncode == 0, done.stderr
        RankingAdapter.load(tmp_path / "r.safetensors", base=model_base(xmod))
    assert (
        xret("add", "m.safetensors", "n.safetensors", "--output", "sum.safetensors").returncode == 0
    )
    assert xret("apply", "xmod", "sum.safetensors", "--output", "summed").returncode == 0
    done = xret("apply", "summed", "m.safetensors", "--output", "again")
    assert done.returncode == 2 and "of another model" in done.stderr


def test_modules_bound_to_the_whole_folder_serve_the_unchanged_model(
    xret: Xret, xmod: Path, tmp_path: Path
) -> None:
    learn_on_xmod(xret, "mask", "m.safetensors")
    learn_on_xmod(xret, "ranking", "r.safetensors")
    whole = model_fingerprint(xmod, {}, modules=False)
    for name, kind in (("m", SparseMask), ("r", RankingAdapter)):
        module: Any = kind.load(tmp_path / f"{name}.safetensors")
        module.card = replace(module.card, base=whole, vocabulary=None)
        module.save(tmp_path / f"{name}-old.safetensors")
        described = json.loads(xret("show", f"{name}-old.safetensors", "--json").stdout)
        assert described["base"] == whole and "vocabulary" not in described
        again: Any = kind.load(tmp_path / f"{name}-old.safetensors", base=model_base(xmod))
        assert again.card.base == model_base(xmod).fingerprint
    masks = ["m-old.safetensors", "m.safetensors"]
    assert xret("apply", "xmod", *masks, "--output", "new").returncode == 0
    assert xret("remove", "xmod", "sw", group="lang").returncode == 0
    done = xret("apply", "xmod", masks[0], "--output", "newer")
    assert done.returncode == 2 and "of another model" in done.stderr


def test_a_module_is_bound_to_the_size_of_the_vocabulary() -> None:
    card = ModuleCard("mask", "shared", vocabulary=100)
    assert card.on(ModelBase("shared", 100, "whole"), what="it") == card
    with pytest.raises(ModelError, match="with 100 pieces in its vocabulary, and it has 103 now"):
        card.on(ModelBase("shared", 103, "whole"), what="it")
    with pytest.raises(ModelError, match="the second module is a sparse fine-tuning mask of this"):
        card.plus(ModuleCard("mask", "shared", vocabulary=103), size=0)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--keep", "0%"], 2, "a share from above 0% to 100%"),
        (["--keep", "many"], 2, "a share from above 0% to 100%"),
        (["--text", "rows.jsonl"], 2, "from one of two"),
        (["--data", "none.tsv"], 2, "no such file: none.tsv"),
        (["--data", "bad.tsv"], 2, "bad.tsv:2: query<TAB>positive"),
        (["--data", "few.tsv"], 1, "few.tsv has 1 rows"),
        (["--model", "no-such-model"], 2, "no encoder is called"),
        (["--rate", "1e38"], 1, "nothing was written"),
    ],
)
def test_what_cannot_be_learnt_is_said_and_nothing_is_written(
    xret: Xret, base: Path, tmp_path: Path, words: list[str], status: int, said: str
) -> None:
    assert base.is_dir()
    (tmp_path / "bad.tsv").write_text("q\tp\nalone\n")
    (tmp_path / "few.tsv").write_text("q\tp\n")
    done = learn(xret, "mask", "m.safetensors", *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.safetensors*")) and not list(tmp_path.glob(".*.part"))


def test_modules_of_different_kinds_are_not_added(xret: Xret, base: Path, tmp_path: Path) -> None:
    assert base.is_dir()
    assert learn(xret, "ranking", "r.safetensors").returncode == 0
    assert learn(xret, "mask", "m.safetensors", "--keep", "9").returncode == 0
    done = xret("add", "r.safetensors", "m.safetensors", "--output", "c.safetensors")
    assert done.returncode == 2 and "cannot be added" in done.stderr
    assert not (tmp_path / "c.safetensors").exists()
    done = xret("show", "rows.jsonl")
    assert done.returncode == 2 and "cannot be read as safetensors" in done.stderr


def test_a_full_disk_fails_the_work_and_leaves_what_was_there(
    xret: Xret, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert base.is_dir()
    assert learn(xret, "mask", "m.safetensors", "--keep", "9").returncode == 0
    before = (tmp_path / "m.safetensors").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    again = learn(xret, "mask", "m.safetensors", "--keep", "8")
    folded = xret("apply", "base", "m.safetensors", "--output", "new")
    for done in (again, folded):
        assert done.returncode == 1 and "No space left on device" in done.stderr
    assert (tmp_path / "m.safetensors").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "base",
        "m.safetensors",
        "rows.jsonl",
    ]


def test_a_transform_is_fitted_beside_the_model_and_applied(xret: Xret, tmp_path: Path) -> None:
    folder = tiny_bi_encoder(tmp_path / "bi")
    plain = load_encoder("bi")
    rows = [
        {"id": f"{code}{i}", "text": f"{TEXTS[code]} {i}", "lang": code}
        for code in ("fr", "sw")
        for i in range(100)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "docs.jsonl").write_text(text, encoding="utf-8")
    lines = [f"{TEXTS['fr']} {i}\t{TEXTS['en']} {i}\n" for i in range(100)]
    (tmp_path / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    learnt = ("learn", "transform", "--model", "bi")
    assert "--data" in xret(*learnt).stderr
    more = ("--data", "docs.jsonl", "--parallel", "pairs.tsv", "--lang", "fr", "--whiten")
    # A question that is its passage is found already: nothing can rank it better.
    same = [
        {
            "query": row["text"],
            "positive": row["text"],
            "query_lang": row["lang"],
            "positive_lang": row["lang"],
        }
        for row in rows[:3]
    ]
    (tmp_path / "same.jsonl").write_text("".join(json.dumps(row) + "\n" for row in same))
    refused = xret(*learnt, *more, "--held-out", "same.jsonl")
    assert refused.returncode == 1 and "no transform is installed" in refused.stderr
    assert not (folder / "transforms").exists()
    done = xret(*learnt, *more, "--outliers", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["vectors"] == {"en": 100, "fr": 200, "sw": 100}
    encoder = load_encoder("bi")
    assert encoder.spec.languages == ("en", "fr", "sw")
    assert encoder.spec.fingerprint != plain.spec.fingerprint
    french = [Document("", TEXTS["fr"], "fr")]
    moved = StaticTransforms.load(folder / "transforms").transform
    wanted = moved(plain.encode_documents(french).values, "fr")
    assert np.allclose(encoder.encode_documents(french).values, wanted, atol=1e-5)
    again = xret(*learnt, *more)
    assert again.returncode == 2 and "is there already" in again.stderr
    assert not list(folder.glob(".transforms.*"))


def test_what_takes_no_transform_is_refused(xret: Xret, tmp_path: Path) -> None:
    (tmp_path / "docs.jsonl").write_text('{"id": "1", "text": "a", "lang": "fr"}\n')
    done = xret("learn", "transform", "--model", "xret-static", "--data", "docs.jsonl")
    assert done.returncode == 2 and "takes no transforms" in done.stderr
