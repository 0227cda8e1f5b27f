"""`xret lang add` as typed: a language in, a report out, and what it says when it will not."""

import json
from pathlib import Path

import pytest
from command_line import Xret
from tiny_bilingual import DANISH, bilingual_model, pairs_of, write_pairs


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A model, a text and its translations in the folder where the command runs."""
    bilingual_model(tmp_path / "model")
    write_pairs(tmp_path, pairs_of(DANISH))
    return tmp_path


@pytest.mark.slow
def test_a_language_is_added_and_reported(xret: Xret, files: Path) -> None:
    words = ["--text", "text.txt", "--parallel", "parallel.tsv", "--model", "model"]
    done = xret("lang", "add", "Danish", *words, "--output", "new", "--steps", "30", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["lang"], report["relative"], report["steps"]) == ("da", "sv", 30)
    assert (report["installed"], report["refused"], report["better"]) == ("new", False, True)
    assert [row["name"] for row in report["measures"]] == [
        "Success@1 to English",
        "Success@1 from English",
        "MRR@10 of passages",
        "masked word loss",
    ]
    assert "installed: new now has an adapter for da" in done.stderr
    assert (files / "new" / "config.json").is_file()
    listed = json.loads(xret("lang", "list", "new", "--json").stdout)["languages"]
    assert [row["trained_by"] for row in listed if row["lang"] == "da"] == ["xret lang add"]
    again = xret("lang", "add", "da", *words[:4], "--model", "new")
    assert again.returncode == 2
    assert "has an adapter for Danish (da) already" in again.stderr


def test_a_table_for_people_and_a_refusal_that_says_why(xret: Xret, files: Path) -> None:
    lines = (files / "text.txt").read_text(encoding="utf-8").split()
    mixed = "\n".join(" ".join(lines[n : n + 7]) for n in range(0, 2_400, 7))
    (files / "mixed.txt").write_text(mixed, encoding="utf-8")
    words = ["lang", "add", "da", "--text", "mixed.txt", "--model", "model", "--steps", "1"]
    done = xret(*words, "--adapter-file", "da.safetensors")
    heading, row = (line.split("\t") for line in done.stdout.splitlines())
    assert heading == [
        "measure",
        "no adapter",
        "relative's",
        "own",
        "gain over relative's",
        "n",
    ]
    assert row[0] == "masked word loss"
    if done.returncode == 0:  # one step may help by a hair
        assert (files / "da.safetensors").is_file()
    else:
        assert done.returncode == 1
        assert "not installed: loss of masked words" in done.stderr
        assert not (files / "da.safetensors").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["da", "--text", "none.txt"], "no such file: none.txt"),
        (["da", "--text", "text.txt", "--parallel", "uneven.tsv"], "uneven.tsv:2: 1 columns"),
        (["xyzzy", "--text", "text.txt"], "'xyzzy' is no language"),
    ],
)
def test_what_will_not_do_is_said_in_a_line(
    xret: Xret, tmp_path: Path, words: list[str], said: str
) -> None:
    write_pairs(tmp_path, pairs_of(DANISH))
    (tmp_path / "model").mkdir()
    (tmp_path / "uneven.tsv").write_text("hus\thouse\nhund\n", encoding="utf-8")
    done = xret("lang", "add", *words, "--model", "model")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
