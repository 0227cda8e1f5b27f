"""What somebody new to the command line meets, at a terminal of 80 columns and in a pipe."""

import fcntl
import json
import os
import pty
import shlex
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from command_line import FAST_MAIN, Xret
from rich.cells import cell_len

import xret as library

MAIN = [sys.executable, "-c", FAST_MAIN]


def at_terminal(*words: str, home: Path) -> list[str]:
    """The lines that a command prints to a terminal of 80 columns, without styles."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "XRET_HOME": str(home), "TERM": "dumb"}
    environment.pop("COLUMNS", None)
    process = subprocess.Popen(
        [*MAIN, *words], stdout=theirs, stderr=subprocess.DEVNULL, env=environment
    )
    os.close(theirs)
    printed = b""
    try:
        while block := os.read(ours, 1 << 16):
            printed += block
    except OSError:  # how the end of a terminal is told
        pass
    finally:
        os.close(ours)
        process.wait()
    return printed.decode().splitlines()


def test_the_version_is_told(xret: Xret) -> None:
    assert xret("--version").stdout == f"xret {library.__version__}\n"
    # A variable of that name belongs to whoever set it.
    assert "Usage" in xret("--help", XRET_VERSION="1").stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["sea"], ["search"]),
        (["lang", "rem"], ["remove"]),
        (["search", "demo", "--doc"], ["--doc-lang"]),
        (["search", "demo", "--mode", ""], ["dense", "lexical", "hybrid"]),
    ],
)
def test_bash_completes(tmp_path: Path, typed: list[str], offered: list[str]) -> None:
    command = tmp_path / "xret"
    command.write_text(f'#!/bin/sh\nexec {shlex.join(MAIN)} "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    words = shlex.join(["xret", *typed])
    script = (
        'eval "$(_XRET_COMPLETE=source_bash xret)"\n'
        f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}\n"
        "_xret_completion xret\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env=environment
    )
    assert done.stdout.split() == offered, done.stderr


@pytest.mark.parametrize(("shell", "begins"), [("zsh", "#compdef xret"), ("fish", "complete ")])
def test_other_shells_get_their_script(xret: Xret, shell: str, begins: str) -> None:
    assert begins in xret(_XRET_COMPLETE=f"source_{shell}").stdout


def test_completion_outlives_a_broken_settings_file(xret: Xret, tmp_path: Path) -> None:
    (tmp_path / "xret.toml").write_text("[search", encoding="utf-8")
    done = xret(
        _XRET_COMPLETE="complete_bash", COMP_WORDS="xret verif", COMP_CWORD="1", HOME=str(tmp_path)
    )
    assert (done.stdout, done.stderr) == ("verify\n", "")


def test_words_without_quotes_are_one_question(xret: Xret, demo_folder: Path) -> None:
    quoted = xret("search", str(demo_folder), "how do vaccines work", "-k", "3")
    plain = xret("search", str(demo_folder), "how", "do", "vaccines", "work", "-k", "3")
    assert plain.stdout == quoted.stdout
    assert len(plain.stdout.splitlines()) == 4


def test_the_demo_says_how_it_is_built(xret: Xret, tmp_path: Path) -> None:
    done = xret("search", "demo", "tides", XRET_HOME=str(tmp_path / "nothing"))
    assert done.returncode == 2
    assert done.stderr.endswith("build it with: xret index --corpus demo\n")


def test_config_shows_what_is_set_or_a_command_or_all(xret: Xret, tmp_path: Path) -> None:
    nothing = xret("config")
    assert nothing.stdout == ""
    assert "nothing is set" in nothing.stderr
    (tmp_path / "xret.toml").write_text("[search]\nhits = 5\n", encoding="utf-8")
    rows = xret("config", XRET_EVAL_SEED="3").stdout.splitlines()
    assert rows == [
        "setting\tvalue\tfrom",
        "search --hits\t5\txret.toml",
        "eval --seed\t3\tXRET_EVAL_SEED",
    ]
    search = xret("config", "search").stdout
    assert "search --mode\t\tdefault" in search
    assert "eval --seed" not in search
    every = xret("config", "--all").stdout
    assert "lang add --steps" in every
    assert "lang add --steps" in xret("config", "lang", "add").stdout
    assert json.loads(xret("config", "--json").stdout) == {
        "settings": [{"setting": "search --hits", "value": "5", "from": "xret.toml"}]
    }
    wrong = xret("config", "serch")
    assert (wrong.returncode, "did you mean search?" in wrong.stderr) == (2, True)


def test_a_wrong_value_names_the_variable_that_is_set(xret: Xret, demo_folder: Path) -> None:
    done = xret("search", str(demo_folder), "tides", XRET_SEARCH_K="ten")
    assert done.returncode == 2
    assert "(env var: 'XRET_SEARCH_K')" in done.stderr


def test_no_hits_is_a_sentence(xret: Xret, demo_folder: Path) -> None:
    done = xret("search", str(demo_folder), "tides", "--doc-lang", "fi")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("no hits in ")


def test_a_hit_is_two_or_three_lines_of_a_terminal(demo_folder: Path, home: Path) -> None:
    lines = at_terminal("search", str(demo_folder), "how do vaccines work", "-k", "8", home=home)
    assert 16 <= len(lines) <= 24
    assert all(cell_len(line) <= 80 for line in lines)
    assert lines[0].split()[0] == "1"
    own = next(i for i, line in enumerate(lines) if line.endswith("work  vaccination.en"))
    assert lines[own + 1].startswith("    A vaccine shows the body")


def test_an_id_that_cannot_be_typed_is_quoted_and_deleted(xret: Xret, tmp_path: Path) -> None:
    ids = ["a\tb", "c\x0bd'e", "f\u0085g", "$'h'", "plain"]
    records = [{"_id": i, "text": "river to the sea", "lang": "en"} for i in ids]
    lines = "\n".join(map(json.dumps, records))
    (tmp_path / "c.jsonl").write_text(lines, encoding="utf-8")
    assert xret("index", "--corpus", "c.jsonl", "--output", "i").returncode == 0
    rows = xret("search", "i", "river").stdout.splitlines()[1:]
    shown = [row.split("\t")[3] for row in rows]
    assert len(shown) == 5
    printed = subprocess.run(
        ["bash", "-c", f"LC_ALL=C.UTF-8; printf '%s\\0' {' '.join(shown[:-1])}"],
        capture_output=True,
    )
    assert "$'a\\tb'" in shown
    assert b"a\tb" in printed.stdout.split(b"\0")
    (tmp_path / "ids").write_text("\n".join(shown), encoding="utf-8")
    assert xret("delete", "i", "--from", "ids").stdout == "5 documents deleted\n"


def test_completion_and_version_do_not_slow_the_start() -> None:
    program = (
        "import sys\nfrom xret.cli import app\nimport typer\ntyper.main.get_command(app)\n"
        "print(sorted({'rich', 'torch', 'shellingham'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "['shellingham']\n"
