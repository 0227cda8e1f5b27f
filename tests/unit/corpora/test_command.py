"""`xret corpus`: what it prints, what it fetches, what it says when it cannot."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import run_xret
from hub_double import hub_of_datasets

from xret.retriever.corpora.registry import CORPORA


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "HF_HOME": str(tmp_path / "hf"),
        "IR_DATASETS_HOME": str(tmp_path / "irds"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "XRET_OFFLINE": "",
    }


def test_the_list_has_the_shape_that_others_rely_on(
    tmp_path: Path, home: Path, environment: dict[str, str]
) -> None:
    done = run_xret("corpus", "list", "--json", folder=tmp_path, home=home, **environment)
    rows = json.loads(done.stdout)["corpora"]
    assert [row["name"] for row in rows] == list(CORPORA)
    assert all(list(row) == ["name", "languages", "documents", "licence", "source"] for row in rows)
    clirudit = next(row for row in rows if row["name"] == "clirudit")
    assert (clirudit["languages"], clirudit["documents"]) == (["en", "fr"], 32_778)
    table = run_xret("corpus", "list", folder=tmp_path, home=home, **environment)
    heading, *rest = table.stdout.splitlines()
    assert heading.split("\t") == ["name", "languages", "documents", "licence", "source"]
    assert len(rest) == len(CORPORA)
    assert "any id of ir_datasets" in table.stderr


def test_info_says_revision_checksums_template_and_how_to_get_it(
    tmp_path: Path, home: Path, environment: dict[str, str]
) -> None:
    hc4 = run_xret("corpus", "info", "hc4", folder=tmp_path, home=home, **environment).stdout
    assert "31cbaebeb12a3e789de3909478441787be3f84f3" in hc4
    assert "download_documents.py" in hc4
    done = run_xret(
        "corpus", "info", "clirudit", "--json", folder=tmp_path, home=home, **environment
    )
    said = json.loads(done.stdout)
    assert said["revision"] == "pinned on first use and recorded"
    assert said["licence"].startswith("CC BY-NC 4.0")
    assert said["document_text"] == "title: subtitle, and abstract"
    assert "Valentini" in said["citation"]
    bad = run_xret("corpus", "info", "cliridut", folder=tmp_path, home=home, **environment)
    assert (bad.returncode, "did you mean clirudit" in bad.stderr) == (2, True)


def test_pull_shows_the_licence_first_fetches_and_needs_the_network_once(
    tmp_path: Path, home: Path, environment: dict[str, str]
) -> None:
    for name, columns in {
        "docs/fr.test-00000-of-00001": {"docid": ["a"], "title": ["t"], "abstract": ["x"]},
        "queries/en.test-00000-of-00001": {"qid": [1], "query": ["q"]},
        "qrels/en_fr.test-00000-of-00001": {"qid": [1], "docid": ["a"], "rel": [1]},
    }.items():
        path = tmp_path / "served" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)
    words = ("corpus", "pull", "clirudit", "--json")
    with hub_of_datasets({"ftvalentini/clirudit": tmp_path / "served"}) as (address, _):
        served = {**environment, "HF_ENDPOINT": address}
        done = run_xret(*words, folder=tmp_path, home=home, **served)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("licence: CC BY-NC 4.0: not for commercial use\n")
    files = json.loads(done.stdout)["files"]
    assert len(files) == 3
    assert all(file["checksum"].startswith("sha256:") and file["bytes"] for file in files)
    offline = {**environment, "XRET_OFFLINE": "1"}
    again = run_xret(*words, folder=tmp_path, home=home, **offline)
    assert (again.returncode, json.loads(again.stdout)["files"]) == (0, files)
    other = run_xret(*words, "--doc-lang", "en", folder=tmp_path, home=home, **offline)
    assert other.returncode == 2
    assert "the network is off (XRET_OFFLINE or HF_HUB_OFFLINE)" in other.stderr
    gone = run_xret(*words, "--doc-lang", "en", folder=tmp_path, home=home, **environment)
    assert gone.returncode == 2
    assert "cannot be fetched from the hub" in gone.stderr
    assert "Traceback" not in gone.stderr + other.stderr


def test_pulling_what_is_here_is_no_error(
    tmp_path: Path, home: Path, environment: dict[str, str]
) -> None:
    done = run_xret("corpus", "pull", "demo", folder=tmp_path, home=home, **environment)
    assert done.returncode == 0
    assert "demo is here already" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pull", "miracl"], "choose with --lang: ar bn de"),
        (["pull", "miracl", "--lang", "sw,klingon"], "miracl has no 'klingon'"),
        (["pull", "hc4"], "choose with --doc-lang: fa ru zh"),
        (["pull", "clirudit", "--lang", "fr"], "its queries are in: en. Choose documents with"),
        (["pull", "ciral", "--doc-lang", "sw", "--split", "test"], "it has test-a, test-a-pools"),
        (["pull", "antique/nope"], "no corpus is called 'antique/nope'"),
        (["info", "/tmp"], "no corpus is called '/tmp'"),
    ],
)
def test_wrong_words_are_answered_plainly(
    words: list[str], said: str, tmp_path: Path, home: Path, environment: dict[str, str]
) -> None:
    done = run_xret("corpus", *words, folder=tmp_path, home=home, **environment)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
