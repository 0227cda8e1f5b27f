"""`xret explain` and `xret search --explain`, as they are typed."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import Xret

QUESTION = "Warum sind Korallenriffe wichtig für Fische?"


@pytest.fixture
def index(home: Path, demo_folder: Path) -> str:
    shutil.copytree(demo_folder, home / "indexes" / "demo", dirs_exist_ok=True)
    return str(home / "indexes" / "demo")


def test_a_document_is_explained_as_lines_json_drawing_and_page(
    xret: Xret, index: str, tmp_path: Path
) -> None:
    asked = ("explain", index, "coral-reefs.zh", QUESTION, "--lang", "de")
    lines = xret(*asked)
    assert lines.returncode == 0, lines.stderr
    head, *rows = [line.split("\t") for line in lines.stdout.splitlines()]
    assert head[:2] == ["query word", "document word"] and head[-1] == "share"
    assert sum(float(row[-1].rstrip("%")) for row in rows) == pytest.approx(100, abs=1)
    assert "the index gives" in lines.stderr
    found = json.loads(xret(*asked, "--json").stdout)
    (explained,) = found["explanations"]
    assert found["id"] == "coral-reefs.zh" and found["lang"] == "zh"
    assert len(explained["similarities"]) == len(explained["query"])
    contributions = sorted((pair["contribution"] for pair in explained["pairs"]), reverse=True)
    assert [float(row[8]) for row in rows] == pytest.approx(contributions, abs=1e-6)
    drawn = xret(*asked, "--svg", "map.svg", "--html", "page.html")
    assert drawn.returncode == 0 and "written: map.svg" in drawn.stderr and not drawn.stdout
    ElementTree.parse(tmp_path / "map.svg")
    assert "<mark" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_search_says_which_words_carry_its_hits(xret: Xret, index: str) -> None:
    plain = xret("search", index, QUESTION, "--lang", "de", "-k", "3")
    explained = xret("search", index, QUESTION, "--lang", "de", "-k", "3", "--explain")
    head, *rows = [line.split("\t") for line in explained.stdout.splitlines()]
    assert head[-1] == "words" and "Korallenriffe ~ " in rows[0][-1] and "%" in rows[0][-1]
    assert [row[:5] for row in rows] == [
        line.split("\t")[:5] for line in plain.stdout.splitlines()[1:]
    ]
    hits = json.loads(
        xret("search", index, QUESTION, "--lang", "de", "--explain", "--json").stdout
    )["hits"]
    assert all(hit["explanations"] for hit in hits)
    assert any(hit["snippets"][0]["spans"] for hit in hits)


def test_each_stage_is_told_with_a_reranker(xret: Xret, index: str, tmp_path: Path) -> None:
    asked = (QUESTION, "--lang", "de", "--rerank", "xret-static@5")
    lines = xret("search", index, *asked, "-k", "2", "--explain").stdout.splitlines()
    head, row = lines[0].split("\t"), lines[1].split("\t")
    assert head[-2:] == ["words", "stages"] and row[-1].startswith("first ")
    assert ", rerank " in row[-1] and "(rank " in row[-1]
    done = xret("explain", index, "coral-reefs.zh", *asked, "--html", "page.html", "--json")
    stages = json.loads(done.stdout)["stages"]
    assert next(iter(stages)) == "first" and stages["first"]["rank"] >= 1
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Its place at each stage" in page and "the list" in page
    told = xret("explain", index, "coral-reefs.zh", *asked).stderr
    assert "at each stage: first " in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope", "coral"], "has no document 'nope': there never was one, or it has been deleted"),
        (["coral-reefs.zh", " "], "the query is empty"),
        (["coral-reefs.zh", "x" * 9_000], "the query has 9,000 characters; at most 8,192"),
        (["coral-reefs.zh", "coral", "--mode", "none"], "--mode"),
        (["coral-reefs.zh", "coral", "--lang", "zz"], "'zz' is no language"),
        (["coral-reefs.zh", "coral", "--encoder", "nothing"], "nothing"),
        (["coral-reefs.zh", "coral", "--svg", "no/such/map.svg"], "no/such/map.svg"),
    ],
)
def test_what_cannot_be_explained_is_one_message(
    xret: Xret, index: str, words: list[str], said: str
) -> None:
    done = xret("explain", index, *words)
    assert done.returncode in (1, 2) and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not done.stdout


def test_an_index_that_is_not_there_is_one_message(xret: Xret) -> None:
    done = xret("explain", "nothing", "x", "coral")
    assert done.returncode == 2 and "no index called 'nothing'" in done.stderr
