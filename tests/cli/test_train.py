"""`xret train` as typed: trained models, and a message with status 2 for what cannot be."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_encoders import tiny_bi_encoder

import xret.cli.train_encoder  # noqa: F401 (its commands)
from xret.cli import main
from xret.retriever.opening.encoder import load_encoder
from xret.types import Query

ROWS = [
    {
        "query": f"river {i}",
        "positive": f"river {i} flows to the sea",
        "query_lang": "en",
        "positive_lang": "en",
    }
    for i in range(12)
]
BASICS = ("--batch-size", "4", "--steps", "3", "--precision", "fp32", "--device", "cpu")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model and training files, in which commands are typed."""
    tiny_bi_encoder(tmp_path / "bi")
    write(tmp_path / "data.jsonl", ROWS)
    write(tmp_path / "more.jsonl", [{**row, "query": f"what of {row['query']}"} for row in ROWS])
    (tmp_path / "pairs.tsv").write_text("".join(f"en\tfr\tsea {i}\tmer {i}\n" for i in range(12)))
    documents = [{"_id": str(i), "text": row["positive"]} for i, row in enumerate(ROWS)]
    write(tmp_path / "corpus.jsonl", [*documents, {"_id": "x", "text": "bread needs flour"}])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


class Typed:
    """Types commands in this process, and keeps what they print."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capfd = monkeypatch, capfd
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        self._monkeypatch.setattr(sys, "argv", ["xret", *words])
        self._capfd.readouterr()
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        self.out, self.err = self._capfd.readouterr()
        assert "Traceback" not in self.err
        return status


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Typed:
    return Typed(monkeypatch, capfd)


def test_contrastive_takes_several_files_and_leaves_a_model(work: Path, typed: Typed) -> None:
    words = (
        "train",
        "contrastive",
        "--model",
        "bi",
        "--data",
        "data.jsonl",
        "more.jsonl",
        "--output",
        "out",
        *BASICS,
    )
    assert typed(*words, "--json") == 0
    assert json.loads(typed.out) == {"model": "out", "card": "out/README.md"}
    assert "24 training examples" in (work / "out" / "README.md").read_text()
    assert load_encoder("out").encode_queries([Query("", "river", "en")]).values.shape == (1, 32)
    assert typed(*words) == 0  # again: done already
    assert "trained: out" in typed.err and typed.out == ""
    assert typed(*words, "--seed", "1") == 1
    assert "--anew" in typed.err


def test_align_and_distil_leave_models(work: Path, typed: Typed) -> None:
    assert (
        typed(
            "train", "align", "--model", "bi", "--parallel", "pairs.tsv", "--output", "a", *BASICS
        )
        == 0
    )
    assert (
        typed(
            "train",
            "distil",
            "--model",
            "bi",
            "--teacher",
            "a",
            "--from",
            "vectors",
            "--data",
            "pairs.tsv",
            "--output",
            "b",
            *BASICS,
        )
        == 0
    )
    assert (work / "a" / "model.safetensors").is_file()
    assert "Teacher: a" in (work / "b" / "README.md").read_text()


def test_mined_negatives_are_trained_on(work: Path, typed: Typed) -> None:
    assert (
        typed(
            "train",
            "mine",
            "--queries",
            "data.jsonl",
            "--corpus",
            "corpus.jsonl",
            "--output",
            "mined.jsonl",
            "--negatives",
            "2",
            "--json",
        )
        == 0
    )
    told = json.loads(typed.out)
    assert told["queries"] == 12 and told["negatives"] > 0
    lines = [json.loads(line) for line in (work / "mined.jsonl").read_text().splitlines()]
    assert all("bread needs flour" in line["negatives"] or line["negatives"] for line in lines)
    assert (
        typed(
            "train",
            "contrastive",
            "--model",
            "bi",
            "--data",
            "mined.jsonl",
            "--output",
            "out",
            *BASICS,
        )
        == 0
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("contrastive --model bi --data absent.jsonl --output out", "absent.jsonl"),
        ("contrastive --model nobody --data data.jsonl --output out", "nobody"),
        ("contrastive --model bi --data data.jsonl --output out --batch-size 0", "--batch-size"),
        ("contrastive --model bi --data data.jsonl --output out --rate 7", "--rate"),
        ("contrastive --model bi --data pairs.tsv bad.jsonl --output out", "bad.jsonl:1"),
        ("contrastive --model bi --data data.jsonl --output out --cross-lingual 0.5", "one id"),
        ("distil --model bi --data data.jsonl --output out --from scores", "--teacher"),
        ("distil --model bi --data pairs.tsv --output out --from vectors", "--teacher"),
        ("align --model bi --parallel three.tsv --output out", "three.tsv:1"),
        ("mine --queries data.jsonl --output out", "--corpus"),
        ("mine --queries data.jsonl --corpus corpus.jsonl --output out --negatives 90", "90"),
        ("mine --queries data.jsonl --index nowhere --output out", "nowhere"),
    ],
)
def test_wrong_use_is_a_message_and_status_2(
    work: Path, typed: Typed, words: str, said: str
) -> None:
    (work / "bad.jsonl").write_text("{\n")
    (work / "three.tsv").write_text("a\tb\tc\n")
    assert typed("train", *words.split()) == 2
    assert said in typed.err
    assert not (work / "out").exists()


def data_file(path: Path, word: str = "reefs") -> Path:
    rows = [{"query": f"coral {word} {n}", "positive": f"the fish {n}"} for n in range(12)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_negatives_come_from_the_corpus_that_was_named_last(work: Path, typed: Typed) -> None:
    words = ("--queries", "data.jsonl", "--corpus", "said.jsonl", "--output", "mined.jsonl")
    for mark in ("first", "second"):
        write(work / "said.jsonl", [{"_id": f"{mark}{n}", "text": f"{mark} {n}"} for n in range(8)])
        assert typed("train", "mine", *words, "--model", "bi", "--margin", "0") == 0, typed.err
    lines = (work / "mined.jsonl").read_text(encoding="utf-8").splitlines()
    negatives = [text for line in lines for text in json.loads(line)["negatives"]]
    assert negatives and not any("first" in text for text in negatives)


@pytest.mark.usefixtures("work")
def test_an_index_is_mined_with_its_own_encoder(typed: Typed) -> None:
    words = ("--queries", "data.jsonl", "--index", "index", "--output", "mined.jsonl")
    assert typed("train", "mine", *words, "--model", "bi") == 2
    assert "--model goes with --corpus" in " ".join(typed.err.split())


@pytest.mark.usefixtures("work")
def test_a_reranker_is_trained_and_put_over_an_index(typed: Typed) -> None:
    learnt = ("--train", "adapter", "--reduction", "4", "--loss", "pairwise", *BASICS)
    words = ("train", "rerank", "--model", "bi", "--data", "data.jsonl", "more.jsonl")
    assert typed(*words, "--output", "ranker", *learnt, "--max-tokens", "48") == 0, typed.err
    assert "--rerank ranker@20" in typed.err
    assert typed("index", "--corpus", "corpus.jsonl", "--output", "index", "--encoder", "bi") == 0
    asked = ("search", "index", "river 3", "--lang", "en", "--rerank", "ranker@5", "--json")
    assert typed(*asked) == 0, typed.err
    hits = json.loads(typed.out)["hits"]
    assert "rerank" in hits[0]["stages"]
    assert typed(*asked, "--pair-routing", "split") == 2
    assert "no language adapters and no masks" in typed.err
    assert typed("search", "index", "river", "--pair-routing", "split") == 2
    assert "name it with --rerank" in typed.err


def test_a_reranker_that_cannot_be_trained_is_refused_in_words(work: Path, typed: Typed) -> None:
    words = ("train", "rerank", "--model", "bi", "--data", "data.jsonl", "--output", "no", *BASICS)
    assert typed(*words, "--train", "adapter", "--reduction", "5") == 2
    assert "power of two" in typed.err
    assert typed(*words, "--loss", "hinge") == 2
    assert typed(*words, "--pair-routing", "dlang") == 2
    assert "no language adapters" in typed.err
    assert not (work / "no").exists()


@pytest.mark.usefixtures("work")
def test_questions_are_made_without_a_model(work: Path, typed: Typed) -> None:
    words = ("train", "synthesise", "--corpus", "demo", "--output", "q.jsonl", "--json")
    choice = ("--passages", "8", "--lang", "sw", "--lang", "en", "--round-trip", "0")
    assert typed(*words, *choice) == 0, typed.err
    report = json.loads(typed.out)
    rows = [json.loads(line) for line in (work / "q.jsonl").read_text("utf-8").splitlines()]
    assert report["asked"] == 16
    assert report["written"] == len(rows) > 0
    assert {row["query_lang"] for row in rows} == {"sw", "en"}
