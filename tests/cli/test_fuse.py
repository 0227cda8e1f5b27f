"""`xret fuse`: runs and indices into one run, and what it says of bad words."""

import json
from pathlib import Path

import pytest
from command_line import Xret, write_corpus

from xret.eval.trec import read_run
from xret.retriever.fusion import Fusion

A = "q1 Q0 a 1 9 one\nq1 Q0 b 2 5 one\nq2 Q0 c 1 1 one\n"
B = "q1 Q0 b 1 0.5 two\nq1 Q0 d 2 0.1 two\nq3 Q0 a 1 1 two\n"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, content in (("a.trec", A), ("b.trec", B)):
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("method", ["rrf", "min-max", "z-score", "combmnz"])
def test_runs_are_fused_query_by_query(xret: Xret, runs: Path, method: str) -> None:
    words = ("--weight", "0.7", "--weight", "0.3", "--method", method, "--json")
    done = xret("fuse", "a.trec", "b.trec", "--output", "f.trec", *words)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["queries"], summary["tag"]) == (3, f"fused-{method}")
    fused, first, second = (read_run(runs / name).hits for name in ("f.trec", "a.trec", "b.trec"))
    fusion = Fusion(method, weights=(0.7, 0.3))  # type: ignore[arg-type]
    for query_id in ("q1", "q2", "q3"):
        wanted = fusion.fuse([first.get(query_id, ()), second.get(query_id, ())])
        assert [hit.doc_id for hit in fused[query_id]] == [hit.doc_id for hit in wanted]


def test_an_index_is_asked_and_fused_with_a_run(xret: Xret, tmp_path: Path) -> None:
    write_corpus(tmp_path / "docs.jsonl")
    xret("index", "--corpus", "docs.jsonl", "--output", "i")
    (tmp_path / "topics.tsv").write_text("q1\triver 7\n", encoding="utf-8")
    (tmp_path / "mine.trec").write_text("q1 Q0 d3 1 1.0 mine\n", encoding="utf-8")
    words = ("fuse", "i", "mine.trec", "--topics", "topics.tsv", "-k", "5", "--output", "f.trec")
    done = xret(*words, "--metadata", "none")
    assert done.returncode == 0, done.stderr
    hits = read_run(tmp_path / "f.trec").hits["q1"]
    assert len(hits) == 5 and {"d3", "d7"} == {hit.doc_id for hit in hits[:2]}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.trec"], "two or more"),
        (["a.trec", "b.trec", "--weight", "1"], "1 weights for 2 rankings"),
        (["a.trec", "b.trec", "--weight", "-1", "--weight", "1"], "0 or more"),
        (["a.trec", "b.trec", "--weight", "0", "--weight", "0"], "not all 0"),
        (["a.trec", "nowhere"], "--topics"),
    ],
)
def test_wrong_words_are_answered_plainly(
    xret: Xret, runs: Path, words: list[str], said: str
) -> None:
    done = xret("fuse", *words, "--output", "f.trec")
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr
    assert not (runs / "f.trec").exists()
