"""A build names the texts whose end its encoder left out."""

import json
from pathlib import Path

from command_line import Xret
from tiny_encoders import tiny_bi_encoder


def write(path: Path, titles: dict[str, int]) -> None:
    """Documents with titles of so many words, which no encoder cuts into passages."""
    records = [
        {"id": name, "title": "word " * words, "text": "a short text", "lang": "en"}
        for name, words in titles.items()
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def names(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_cut_texts_are_listed_beside_the_index(xret: Xret, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"long": 3000, "short": 3, "longer": 4000})
    done = xret("index", "--corpus", "a.jsonl", "--output", "i")
    assert "2 texts were cut: see i/truncated.jsonl" in done.stderr, done.stderr
    assert names(tmp_path / "i" / "truncated.jsonl") == ["long", "longer"]
    write(tmp_path / "b.jsonl", {"third": 3000, "short": 3})
    xret("index", "--corpus", "b.jsonl", "--output", "i")
    assert names(tmp_path / "i" / "truncated.jsonl") == ["long", "longer", "third"]
    assert xret("verify", "i").returncode == 0


def test_nothing_is_listed_where_nothing_was_cut(xret: Xret, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"short": 3})
    done = xret("index", "--corpus", "a.jsonl", "--output", "i")
    assert done.returncode == 0
    assert "were cut" not in done.stderr
    assert not (tmp_path / "i" / "truncated.jsonl").exists()


def test_a_transformers_cut_texts_are_listed_too(xret: Xret, tmp_path: Path) -> None:
    tiny_bi_encoder(tmp_path / "model", max_tokens=32)
    write(tmp_path / "a.jsonl", {"short": 1, "long": 300})
    done = xret("index", "--corpus", "a.jsonl", "--output", "i", "--encoder", "model")
    assert done.returncode == 0, done.stderr
    assert set(names(tmp_path / "i" / "truncated.jsonl")) == {"long"}
