"""`--device`: one option of six commands, one variable, one line of xret.toml."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from xret.cli import main

torch = pytest.importorskip("torch")
absent = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
MISSING = "no device cuda: torch "


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


Typed = Callable[..., Done]


@pytest.fixture
def typed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Typed:
    """The command line in this process, where torch has been imported already."""
    for name in [name for name in os.environ if name.startswith("XRET_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XRET_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("xret.retriever.models.registry.DEFAULT_ENCODER", "xret-static")

    def run(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["xret", *words])
        with pytest.raises(SystemExit) as ended:
            main()
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    return run


@absent
@pytest.mark.parametrize(
    "words",
    [
        ["search", "INDEX", "coral", "--device", "cuda"],
        ["explain", "INDEX", "tides.en", "coral", "--device", "cuda"],
        ["run", "demo", "--index", "INDEX", "--output", "own", "--device", "cuda"],
        ["index", "--corpus", "demo", "--output", "own", "--device", "cuda"],
        ["eval", "demo", "--index", "INDEX", "--device", "cuda"],
        ["serve", "INDEX", "--port", "0", "--device", "cuda"],
    ],
    ids=lambda words: words[0],
)
def test_a_gpu_that_is_not_there_is_one_message_that_says_what_to_do(
    typed: Typed, words: list[str], tmp_path: Path, demo_folder: Path
) -> None:
    done = typed(*(str(demo_folder) if word == "INDEX" else word for word in words))
    assert done.status == 2
    said = done.err.splitlines()[-1]
    assert MISSING in said
    assert "install" in said
    assert "choose device cpu" in said
    assert "Traceback" not in done.err
    assert not (tmp_path / "own").exists()


@absent
def test_the_variable_and_the_file_set_it_and_a_flag_goes_before(
    typed: Typed, tmp_path: Path, demo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("search", str(demo_folder), "coral")
    monkeypatch.setenv("XRET_DEVICE", "cuda")
    assert MISSING in typed(*words).err
    monkeypatch.delenv("XRET_DEVICE")
    (tmp_path / "xret.toml").write_text('device = "cuda"\n', encoding="utf-8")
    assert MISSING in typed(*words).err
    assert typed(*words, "--device", "cpu").status == 0
    shown = typed("config").out
    assert [line for line in shown.splitlines() if line.startswith(("search", "run"))] == [
        "search --device\tcuda\txret.toml",
        "run --device\tcuda\txret.toml",
    ]
    (tmp_path / "xret.toml").write_text('device = "tpu"\n', encoding="utf-8")
    assert "'tpu' is no device; use cpu, cuda or cuda:<number>" in typed(*words).err
