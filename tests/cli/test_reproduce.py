"""A table reproduced from end to end: real commands, a real index, a real comparison."""

import json
from pathlib import Path

import pytest
from command_line import Xret, write_corpus

TABLE = """
title = "Rivers"
citation = "Nobody: Rivers. 2026."
tolerance = 0.01
tolerance_reason = "a point"

[sources.paper]
place = "table 1, row static"
url = "https://example.org/rivers"

[[rows]]
name = "rivers-right"
corpus = "rivers"
encoder = "xret-static"
published = [
    { measure = "RR@10", value = 0.995, source = "paper" },
    { measure = "R@100", source = "paper" },
]

[[rows]]
name = "rivers-wrong"
corpus = "rivers"
encoder = "xret-static"
published = [{ measure = "RR@10", value = 0.5, source = "paper" }]
"""


@pytest.fixture
def rivers(tmp_path: Path) -> Path:
    """Two questions whose river is the only one of that number, and the table over them."""
    (tmp_path / "rivers").mkdir()
    write_corpus(tmp_path / "rivers" / "corpus.jsonl")
    (tmp_path / "rivers" / "queries.tsv").write_text("q1\triver 7\nq2\triver 3\n", encoding="utf-8")
    (tmp_path / "rivers" / "qrels.tsv").write_text("q1\t0\td7\t1\nq2\t0\td3\t1\n", encoding="utf-8")
    path = tmp_path / "rivers.toml"
    path.write_text(TABLE, encoding="utf-8")
    return path


def test_a_table_is_run_and_each_number_compared(xret: Xret, rivers: Path) -> None:
    done = xret("reproduce", "rivers.toml", "--display-commands", "--json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    right, wrong = report["rows"]
    assert [number["outcome"] for number in right["numbers"]] == [
        "match",
        "published value not verified",
    ]
    assert right["numbers"][0]["measured"] == 1.0
    assert right["numbers"][0]["difference"] == pytest.approx(0.005)
    assert (wrong["numbers"][0]["outcome"], wrong["numbers"][0]["published"]) == ("miss", 0.5)
    assert wrong["numbers"][0]["place"] == "table 1, row static"
    assert "$ xret eval rivers --index reproduction/rivers-right" in done.stderr
    assert (rivers.parent / "reproduction" / "rivers-right" / "catalog.sqlite").is_file()


def test_rows_that_match_leave_with_status_0(xret: Xret, rivers: Path) -> None:
    done = xret("reproduce", str(rivers), "--only", "*-right")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split("\t") == [
        "rivers-right",
        "RR@10",
        "0.9950",
        "1.0000",
        "+0.0050",
        "match",
    ]
    assert "wrong" not in done.stdout + done.stderr
    assert "match: within 0.01 (a point)" in done.stderr
    assert "table 1, row static, https://example.org/rivers" in done.stderr
    assert "$ xret" not in done.stderr


def test_a_dry_run_is_a_script_that_runs_nothing(xret: Xret, rivers: Path) -> None:
    done = xret("reproduce", "rivers.toml", "--dry-run")
    assert done.returncode == 0
    assert not (rivers.parent / "reproduction").exists()
    commands = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    assert commands[:2] == [
        "xret index --corpus rivers --output reproduction/rivers-right --encoder xret-static",
        "xret eval rivers --index reproduction/rivers-right --measure RR@10 --measure R@100 --json",
    ]
    assert "#   R@100: published value not verified (table 1" in done.stdout


def test_a_collection_that_is_not_here_is_named_with_the_command_that_fetches_it(
    xret: Xret, tmp_path: Path
) -> None:
    done = xret(
        "reproduce",
        "clirudit",
        "--only",
        "clirudit-xret-static",
        "--json",
        XRET_OFFLINE="1",
        HF_HUB_OFFLINE="1",
        HF_HOME=str(tmp_path / "hf"),
    )
    assert done.returncode == 1
    row = json.loads(done.stdout)["rows"][0]
    assert {number["outcome"] for number in row["numbers"]} == {"failed"}
    assert "xret corpus pull clirudit --doc-lang fr" in row["failure"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["colbert"], "did you mean colbert-xm?"),
        (["rivers.toml", "--only", "rivers-rigth"], "rivers-right"),
        (["no.toml"], "no.toml cannot be read"),
        (["hc4", "--only", "mmarco-*"], "hc4 has no row 'mmarco-*'"),
    ],
)
def test_what_is_not_there_is_one_message(
    xret: Xret, rivers: Path, words: list[str], said: str
) -> None:
    done = xret("reproduce", *words, "--dry-run")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (rivers.parent / "reproduction").exists()
