"""`xret run`: the six columns, and what stands beside them."""

import json
from pathlib import Path

import pytest
from command_line import Xret, write_corpus

from xret.eval.trec import read_run_file


@pytest.fixture
def indexed(xret: Xret, tmp_path: Path) -> Path:
    write_corpus(tmp_path / "docs.jsonl")
    xret("index", "--corpus", "docs.jsonl", "--output", "i")
    (tmp_path / "topics.tsv").write_text("q1\triver 7\nq2\triver 3 sea\n", encoding="utf-8")
    return tmp_path


def test_a_run_of_an_index_is_what_trec_eval_reads(xret: Xret, indexed: Path) -> None:
    done = xret("run", "i", "--topics", "topics.tsv", "--output", "run.trec", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["queries"], summary["hits"], summary["tag"]) == (2, 40, "xret-static")
    lines = (indexed / "run.trec").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 40
    query_id, q0, doc_id, rank, score, tag = lines[0].split(" ")
    assert (query_id, q0, doc_id, rank, tag) == ("q1", "Q0", "d7", "1", "xret-static")
    assert len(score.partition(".")[2]) == 6
    read = read_run_file(indexed / "run.trec")
    assert read.warnings == ()
    assert read.metadata["schema version"] == 0.2
    assert read.metadata["implementation"]["executable"]["cmd"].startswith("xret run i --topics")
    retrieval = read.metadata["method"]["retrieval"][0]
    assert (retrieval["encoder"], retrieval["documents"], retrieval["hits"]) == (
        "xret-static",
        20,
        1000,
    )
    assert len(retrieval["encoder fingerprint"]) >= 16
    again = xret("run", "i", "--topics", "topics.tsv", "--output", "again.trec")
    assert again.returncode == 0
    assert (indexed / "again.trec").read_bytes() == (indexed / "run.trec").read_bytes()


def test_metadata_may_stand_in_the_run_or_nowhere(xret: Xret, indexed: Path) -> None:
    words = ("run", "i", "--topics", "topics.tsv", "-k", "3", "--tag", "my tag")
    for where in ("header", "none"):
        assert xret(*words, "--output", f"{where}.trec", "--metadata", where).returncode == 0
    header = read_run_file(indexed / "header.trec")
    plain = read_run_file(indexed / "none.trec")
    assert header.run == plain.run
    assert (header.metadata["tag"], plain.metadata) == ("my-tag", {})
    assert [len(hits) for hits in plain.run.hits.values()] == [3, 3]
    assert not list(indexed.glob("*.yml"))


def test_a_run_of_a_corpus_is_that_of_the_evaluation(xret: Xret, tmp_path: Path) -> None:
    """A folder in the BEIR layout, indexed on the way, by both commands alike."""
    (tmp_path / "c").mkdir()
    write_corpus(tmp_path / "c" / "corpus.jsonl")
    (tmp_path / "c" / "queries.tsv").write_text("q1\triver 7\nq2\triver 3\n", encoding="utf-8")
    (tmp_path / "c" / "qrels.tsv").write_text("q1\t0\td7\t1\nq2\t0\td3\t1\n", encoding="utf-8")
    ran = xret("run", "c", "--output", "a.trec")
    assert (ran.returncode, "indexing it" in ran.stderr) == (0, True), ran.stderr
    evaluated = xret("eval", "c", "--output", "b.trec", "--json")
    assert (evaluated.returncode, "indexing it" in evaluated.stderr) == (0, False)
    assert (tmp_path / "a.trec").read_bytes() == (tmp_path / "b.trec").read_bytes()
    read = xret("eval", "c", "--runs", "a.trec", "--json")
    both = [json.loads(done.stdout)["results"][-1]["measures"] for done in (evaluated, read)]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "demo"], "--output"),
        (["run", "nothing", "--output", "r"], "no corpus is called 'nothing'"),
        (["run", "i", "--topics", "none.tsv", "--output", "r"], "no such file: none.tsv"),
        (["run", "demo", "--output", "no/such/r"], "name a file in a folder that is there"),
        (["run", "demo", "--output", "r", "--hits", "0"], "--hits"),
        (["run", "demo", "--output", "r", "--metadata", "x"], "--metadata"),
        (["run", "i", "--topics", "t", "--split", "dev", "--output", "r"], "leave it out"),
    ],
)
def test_wrong_words_are_answered_plainly(xret: Xret, words: list[str], said: str) -> None:
    done = xret(*words)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr
