"""`xret model`, and indexing with any encoder, as typed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hub_double import COMMIT, hub
from tiny_encoders import tiny_bi_encoder
from tiny_models import TEXTS, tiny_colbert_xm

from xret.cli import main
from xret.retriever.models.registry import ENCODERS

E5 = "intfloat/multilingual-e5-small"


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

    def run(*words: str) -> Done:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["xret", *words])
        status: object = 0
        try:
            main()
        except SystemExit as left:
            status = left.code or 0
        said = capfd.readouterr()
        return Done(int(str(status)), said.out, said.err)

    return run


def pull(home: Path, *words: str, endpoint: str, offline: str = "0") -> Done:
    """`xret model pull` in a process of its own: the hub's client reads its address once."""
    environment = {
        **os.environ,
        "XRET_HOME": str(home),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_OFFLINE": offline,
        "NO_PROXY": "127.0.0.1",
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(
        [sys.executable, "-c", "from xret.cli import main; main()", "model", "pull", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def ok(done: Done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_texts(path: Path) -> Path:
    texts = {**TEXTS, "gl": "os arrecifes de coral"}
    lines = [{"_id": lang, "text": text, "lang": lang} for lang, text in texts.items()]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return path


def test_the_list_says_what_is_known(xret: Xret) -> None:
    models = json.loads(ok(xret("model", "list", "--json")))["models"]
    rows = {row["name"]: row for row in models}
    assert set(rows) == set(ENCODERS)
    assert {"name", "kind", "languages", "licence", "revision", "shipped"} <= set(models[0])
    assert rows["colbert-xm"]["revision"] is None and not rows["colbert-xm"]["shipped"]
    assert len(rows["colbert-xm"]["languages"]) == 81
    assert rows["colbert-xm"]["quality"] is None
    for name in ("xret-static", "xret-modular", "multilingual-e5-small"):
        figures = ("quality", "documents_per_s", "query_ms", "megabytes")
        assert all(rows[name][figure] > 0 for figure in figures)
    table = ok(xret("model", "list"))
    assert "MRR@10\tdocuments/s\tquery ms\tMB" in table
    assert "unpinned: pinned on first use and recorded" in table
    assert "CC-BY-NC-4.0 (non-commercial)" in table


def test_a_model_is_pulled_pinned_and_used_offline(
    xret: Xret,
    tmp_path: Path,
    home: Path,
) -> None:
    source = tiny_bi_encoder(tmp_path / "source")
    (source / "pytorch_model.bin").write_bytes(b"a pickle")
    (source / "modeling.py").write_text("raise SystemExit", encoding="utf-8")
    (source / "onnx").mkdir()
    (source / "onnx" / "model.json").write_text("{}", encoding="utf-8")
    with hub(E5, source) as (address, asked):
        pin = json.loads(ok(pull(home, "multilingual-e5-small", "--json", endpoint=address)))
        assert pin == {"name": "multilingual-e5-small", "repo": E5, "revision": COMMIT}
        assert not [path for path in asked if path.endswith((".bin", ".py")) or "onnx" in path]
        ok(pull(home, "multilingual-e5-small", endpoint=address))  # again: nothing to do
    folder = home / "models" / "multilingual-e5-small"
    assert not list(folder.glob("*.bin")) and not list(folder.glob("*.py"))
    rows = json.loads(ok(xret("model", "list", "--json")))["models"]
    assert next(row["revision"] for row in rows if row["repo"] == E5) == COMMIT
    checked = json.loads(ok(xret("model", "check", "multilingual-e5-small", "--json")))
    assert len(checked["languages"]) == len(ENCODERS["multilingual-e5-small"].languages)
    write_texts(tmp_path / "c.jsonl")
    ok(xret("index", "--corpus", "c.jsonl", "--output", "i", "--encoder", "multilingual-e5-small"))
    answer = json.loads(ok(xret("search", "i", TEXTS["sw"], "--json")))
    assert answer["model"] == "multilingual-e5-small" and len(answer["hits"]) == 7


@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_pull_without_a_connection_says_what_to_do(home: Path, offline: str) -> None:
    done = pull(home, "LaBSE", endpoint="http://127.0.0.1:9", offline=offline)
    assert done.returncode == 2 and "cannot be pulled" in done.stderr
    assert "HF_HUB_OFFLINE" in done.stderr and "Traceback" not in done.stderr


def test_a_repository_with_pickles_only_is_refused_before_the_download(
    tmp_path: Path, home: Path
) -> None:
    source = tiny_bi_encoder(tmp_path / "source")
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    with hub("BAAI/bge-m3", source) as (address, asked):
        done = pull(home, "bge-m3", endpoint=address)
    assert done.returncode == 2 and "pytorch_model.bin" in done.stderr
    assert not [path for path in asked if "resolve" in path]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model", "pull", "xret-static"), "comes with the package"),
        (("model", "pull", "no-such-model"), "no encoder is called"),
        (("model", "check", "no-such-model"), "no encoder is called"),
        (("model", "check", "colbert-xm"), "xret model pull colbert-xm"),
        (("model", "export", "colbert-xm"), "xret model pull colbert-xm"),
        (
            ("index", "--corpus", "c.jsonl", "--output", "i", "--encoder", "colbert-xm"),
            "model pull",
        ),
        (("index", "--corpus", "c.jsonl", "--output", "i", "--encoder", "."), "is no model"),
        (("index", "--corpus", "c.jsonl", "--lang-policy", "maybe"), "--lang-policy"),
    ],
)
def test_wrong_words_are_answered_plainly(
    xret: Xret,
    tmp_path: Path,
    words: tuple[str, ...],
    said: str,
) -> None:
    write_texts(tmp_path / "c.jsonl")
    done = xret(*words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr


def test_each_text_goes_through_its_own_adapter_from_the_command_line(
    xret: Xret,
    tmp_path: Path,
) -> None:
    tiny_colbert_xm(tmp_path / "my-model")
    write_texts(tmp_path / "c.jsonl")
    refused = xret(
        "index",
        "--corpus",
        "c.jsonl",
        "--output",
        "s",
        "--encoder",
        "./my-model",
        "--lang-policy",
        "strict",
    )
    assert refused.returncode == 2 and "Galician" in refused.stderr
    ok(xret("index", "--corpus", "c.jsonl", "--output", "i", "--encoder", "./my-model"))
    answer = json.loads(ok(xret("search", "i", TEXTS["fr"], "--query-lang", "fr", "--json")))
    assert answer["query"]["adapter"] == "" and answer["hits"][0]["id"] == "fr"
    adapters = {hit["id"]: hit["adapter"] for hit in answer["hits"]}
    assert adapters["gl"] == "Galician through the French adapter" and adapters["sw"] == ""
    plain = xret("search", "i", "arrecifes", "--lang", "gl")
    assert "Galician through the French adapter" in plain.stderr
    strict = xret("search", "i", "arrecifes", "--lang", "gl", "--lang-policy", "strict")
    assert strict.returncode == 2 and "strict" in strict.stderr
    other = xret("search", "i", "arrecifes", "--lang", "fr", "--lang-policy", "default")
    assert other.returncode == 2 and "encoder" in other.stderr


def test_settings_are_ranked_for_a_corpus_that_nobody_judged(xret: Xret) -> None:
    done = xret("model", "choose", "bm25", "--corpus", "demo", "--lang", "en", "--passages", "30")
    headings, row = ok(done).strip().split("\n")
    assert headings.startswith("encoder\tmode\tnDCG@10")
    assert row.startswith("bm25\tlexical\t0.")
    assert "xret index --corpus demo --encoder bm25" in done.stderr
