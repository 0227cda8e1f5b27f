"""`xret model trim` as typed."""

import gzip
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tiny_encoders import tiny_static
from tiny_models import TEXTS, tiny_dpr_xm

import xret.cli.model_trim
from xret.cli import main
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document


@dataclass
class Done:
    status: int
    out: str
    err: str


Xret = Callable[..., Done]


@pytest.fixture
def xret_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Xret:
    """The command in this process: sentence-transformers takes seconds to import."""
    assert xret.cli.model_trim.trim_model is not None
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Done:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["xret", *words])
        status: object = 0
        try:
            main()
        except SystemExit as left:
            status = left.code or 0
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        return Done(int(str(status)), said.out, said.err)

    return run


def write_texts(folder: Path) -> list[str]:
    """One file of each kind, and the words that name them."""
    (folder / "plain.txt").write_text(TEXTS["sw"] + "\n\n", encoding="utf-8")
    with gzip.open(folder / "lines.gz", "wt", encoding="utf-8") as file:
        file.write(TEXTS["en"] + "\n")
    rows = [
        {"text": "samaki wengi", "title": "baharini", "lang": "swh"},
        {"text": TEXTS["fr"], "lang": "fr"},
        {"nothing": 1},
    ]
    with gzip.open(folder / "records.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(map(json.dumps, rows)))
    names = ("plain.txt", "lines.gz", "records.jsonl.gz")
    return [word for name in names for word in ("--text", name)]


def test_a_model_is_trimmed_to_texts_of_every_kind_of_file(
    xret_command: Xret, tmp_path: Path
) -> None:
    tiny_dpr_xm(tmp_path / "model")
    words = write_texts(tmp_path)
    done = xret_command(
        "model",
        "trim",
        "model",
        "--lang",
        "Swahili",
        "--lang",
        "en",
        *words,
        "--output",
        "small",
        "--json",
    )
    assert done.status == 0, done.err
    report = json.loads(done.out)
    assert report["languages"] == ["sw", "en"] and report["languages_after"] == ["en", "sw"]
    assert (report["lines"], report["identical"], report["skipped"]) == (3, 3, 1)
    assert report["held_out"] is None and report["languages_dropped"] == 4 / 6
    assert report["bytes_saved"] == sum(file["saved"] for file in report["files"]) > 0
    assert "1 records could not be read" in done.err and "records.jsonl.gz:3" in done.err
    document = Document("", "samaki wengi", "sw", "baharini")
    whole, small = (load_encoder(name).encode_documents([document]) for name in ("model", "small"))
    assert np.abs(whole.values - small.values).max() <= 1e-6
    checked = xret_command("model", "check", "small")
    assert checked.status == 0 and "2 texts" in checked.err


def test_the_table_says_what_was_saved_and_how_far_it_goes(
    xret_command: Xret, tmp_path: Path
) -> None:
    tiny_static(tmp_path / "model")
    (tmp_path / "t.txt").write_text(f"{TEXTS['sw']}\n{TEXTS['en']}\n" * 10, encoding="utf-8")
    done = xret_command(
        "model", "trim", "model", "--lang", "sw", "--text", "t.txt", "--output", "small"
    )
    assert done.status == 0, done.err
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in done.out.splitlines()}
    before, after = (
        (tmp_path / name / "model.safetensors").stat().st_size for name in ("model", "small")
    )
    saved = f"{before - after:,} ({1 - after / before:.1%})"
    assert rows["model.safetensors"] == [f"{before:,}", f"{after:,}", saved]
    assert rows["pieces"][0] == "497" and "all files, bytes" in rows
    assert "20 of 20 lines" in done.err and "100.0% (2 of 2)" in done.err
    assert "Other texts may be cut otherwise" in done.err
    scripts = xret_command("model", "trim", "model", "--lang", "sw", "--output", "all")
    assert scripts.status == 0 and "every piece in Latn is kept" in scripts.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere", "--lang", "sw", "--output", "o"), "no encoder is called"),
        (("model", "--lang", "gl", "--output", "o"), "the model has no gl"),
        (("model", "--lang", "qqzzxx", "--output", "o"), "is no language code"),
        (("model", "--lang", "sw", "--output", "model"), "not empty"),
        (("model", "--lang", "sw", "--output", "o", "--min-count", "2"), "give --text"),
        (("model", "--lang", "sw", "--output", "o", "--pieces", "99"), "give --text"),
        (("model", "--lang", "sw", "--output", "o", "--text", "gone.txt"), "no such file"),
        (("model", "--lang", "sw", "--output", "o", "--text", "empty.txt"), "the texts are empty"),
        (("model", "--lang", "sw", "--output", "o", "--text", "zh.txt"), "none of sw"),
        (("model", "--lang", "sw", "--output", "o", "--text", "latin.txt"), "latin.txt:1"),
        (("model", "--lang", "sw", "--output", "o", "--text", "cut.gz"), "cut or damaged"),
        (("bare", "--lang", "sw", "--output", "o"), "its own tokenizer.json"),
        (("model", "--lang", "sw"), "--output"),
        (("model", "--output", "o"), "--lang"),
    ],
)
def test_mistakes_are_answered_plainly(
    xret_command: Xret, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    tiny_dpr_xm(tmp_path / "model")
    (tmp_path / "empty.txt").write_text(" \n", encoding="utf-8")
    (tmp_path / "zh.txt").write_text(TEXTS["zh"], encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes("réchauffent".encode("latin-1"))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(TEXTS["sw"].encode())[:-9])
    if words[0] == "bare":
        (tmp_path / "model" / "tokenizer.json").unlink()
        (tmp_path / "model").rename(tmp_path / "bare")
    done = xret_command("model", "trim", *words)
    assert done.status == 2, done.err
    assert said in done.err.replace("\n", " ")
    assert not (tmp_path / "o").exists() and not list(tmp_path.glob(".*"))
