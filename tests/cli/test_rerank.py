"""`--rerank` in search, run and eval."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Xret, write_corpus

from xret.eval.trec import read_run_file

RERANK = ("--rerank", "xret-static@5")


@pytest.fixture
def indexed(xret: Xret, tmp_path: Path) -> Path:
    write_corpus(tmp_path / "docs.jsonl")
    xret("index", "--corpus", "docs.jsonl", "--output", "i")
    (tmp_path / "topics.tsv").write_text("q1\triver 7\nq2\triver 3 sea\n", encoding="utf-8")
    (tmp_path / "qrels.txt").write_text("q1 0 d7 1\nq2 0 d3 1\n", encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("indexed")
def test_a_search_shows_what_each_stage_made_of_a_hit(xret: Xret) -> None:
    done = xret("search", "i", "river 7", "--lang", "en", "-k", "6", *RERANK, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [set(hit["stages"]) for hit in answer["hits"]] == [{"first", "rerank"}] * 5 + [set()]
    assert answer["timings"]["rerank_ms"] > 0
    late = xret("search", "i", "river 7", *RERANK, "--deadline-ms", "0.001")
    assert late.returncode == 0
    assert "time ran out" in late.stderr
    unknown = xret("search", "i", "river 7", "--rerank", "nobody@3")
    assert unknown.returncode == 2
    assert "nobody" in unknown.stderr


def test_a_run_says_that_it_was_reranked(xret: Xret, indexed: Path) -> None:
    words = ("run", "i", "--topics", "topics.tsv", "--lang", "en")
    assert xret(*words, "--output", "first.trec").returncode == 0
    assert xret(*words, "--output", "second.trec", *RERANK).returncode == 0
    first, second = (read_run_file(indexed / f"{name}.trec") for name in ("first", "second"))
    retrieval = second.metadata["method"]["retrieval"][0]
    assert (retrieval["reranker"], retrieval["reranked"]) == ("xret-static", 5)
    for query_id, hits in first.run.hits.items():
        ids = [hit.doc_id for hit in second.run.hits[query_id]]
        assert ids[5:] == [hit.doc_id for hit in hits][5:]
        assert set(ids[:5]) == {hit.doc_id for hit in hits[:5]}


@pytest.mark.usefixtures("indexed")
def test_an_evaluation_compares_with_and_without(xret: Xret) -> None:
    words = ("eval", "i", "--topics", "topics.tsv", "--qrels", "qrels.txt", "--lang", "en")
    done = xret(*words, *RERANK)
    assert done.returncode == 0, done.stderr
    assert "i + xret-static@5 against i" in done.stderr or "i against i +" in done.stderr
    nobody = xret(*words, "--rerank", "http://127.0.0.1:9/rerank@5")
    assert nobody.returncode == 0, nobody.stderr
    assert "the reranker failed for" in nobody.stderr


def test_a_check_says_where_a_reranker_helps(xret: Xret, indexed: Path) -> None:
    asked = ("--topics", "topics.tsv", "--qrels", "qrels.txt", "--lang", "en", "-n", "5")
    done = xret("rerank", "check", "i", "xret-static@5", *asked)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split("\t")[-1] == "verdict"
    assert done.stdout.splitlines()[1].endswith("too few questions")
    assert "is off for 0 of 1 language pairs" in done.stderr
    done = xret("rerank", "check", "i", "xret-static@5", "-n", "10", "--no-record", "--json")
    report = json.loads(done.stdout)
    assert report["source"] == "the index's own documents"
    assert [pair["query_lang"] for pair in report["pairs"]] == ["*"]
    assert not report["recorded"]
    wrong = xret("rerank", "check", "i", "xret-static@5", "--lang", "en")
    assert wrong.returncode == 2
    assert "name a corpus" in wrong.stderr
    assert (indexed / "i").is_dir()
