"""`--device`: one option of four commands, one variable, one line of xret.toml."""

from pathlib import Path

import pytest
from command_line import Xret

torch = pytest.importorskip("torch")
absent = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
MISSING = "no device cuda: torch "


@absent
@pytest.mark.parametrize(
    "words",
    [
        ["search", "INDEX", "coral", "--device", "cuda"],
        ["index", "--corpus", "demo", "--output", "own", "--device", "cuda"],
        ["eval", "demo", "--device", "cuda"],
        ["serve", "INDEX", "--port", "0", "--device", "cuda"],
    ],
    ids=lambda words: words[0],
)
def test_a_gpu_that_is_not_there_is_one_message_that_says_what_to_do(
    xret: Xret, words: list[str], tmp_path: Path, demo_folder: Path
) -> None:
    done = xret(*(str(demo_folder) if word == "INDEX" else word for word in words))
    assert done.returncode == 2
    said = done.stderr.splitlines()[-1]
    assert MISSING in said
    assert "install" in said
    assert "choose device cpu" in said
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "own").exists()


@absent
def test_the_variable_and_the_file_set_it_and_a_flag_goes_before(
    xret: Xret, tmp_path: Path, demo_folder: Path
) -> None:
    words = ("search", str(demo_folder), "coral")
    assert MISSING in xret(*words, XRET_DEVICE="cuda").stderr
    (tmp_path / "xret.toml").write_text('device = "cuda"\n', encoding="utf-8")
    assert MISSING in xret(*words).stderr
    assert xret(*words, "--device", "cpu").returncode == 0
    shown = xret("config").stdout
    assert [line for line in shown.splitlines() if line.startswith(("search", "serve"))] == [
        "search --device\tcuda\txret.toml",
        "serve --device\tcuda\txret.toml",
    ]
    (tmp_path / "xret.toml").write_text('device = "tpu"\n', encoding="utf-8")
    assert "'tpu' is no device; use cpu, cuda or cuda:<number>" in xret(*words).stderr
