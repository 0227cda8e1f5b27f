"""What `xret index` takes where no encoder is named, and what it says of the other one."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import Xret, write_corpus

DEFAULT = "xret-modular"
NO_TORCH = (
    "import sys; from xret.cli import main\n"
    "try: main()\n"
    "finally: assert 'torch' not in sys.modules, 'torch was imported'"
)


def test_the_default_encoder_indexes_and_searches_without_torch(xret: Xret, tmp_path: Path) -> None:
    write_corpus(tmp_path / "docs.jsonl", 4)
    built = xret("index", "--corpus", "docs.jsonl", "--output", "i", "--json", program=NO_TORCH)
    assert built.returncode == 0, built.stderr
    assert json.loads(built.stdout)["encoder"] == DEFAULT
    assert json.loads(xret("info", "i", "--json").stdout)["encoder"] == DEFAULT
    found = xret("search", "i", "river 3", "--lang", "en", "-k", "1", "--json", program=NO_TORCH)
    assert json.loads(found.stdout)["hits"][0]["id"] == "d3", found.stderr


def test_a_new_index_says_once_what_the_other_encoder_would_bring(
    xret: Xret, tmp_path: Path
) -> None:
    write_corpus(tmp_path / "docs.jsonl", 4)
    told = "xret-modular would index this"
    built = xret("index", "--corpus", "docs.jsonl", "--output", "i")
    assert built.stderr.count(told) == 1 and "--encoder xret-modular" in built.stderr
    assert "encoder\txret-static" in built.stdout
    write_corpus(tmp_path / "docs.jsonl", 5)
    assert told not in xret("index", "--corpus", "docs.jsonl", "--output", "i").stderr
