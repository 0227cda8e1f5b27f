"""Whatever the terminal, the pipe or the keyboard does, the command ends in order."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import FAST_MAIN, Xret

MAIN = [sys.executable, "-c", FAST_MAIN]
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u009b31mred\ttab\nline"


@pytest.fixture
def hostile(xret: Xret, tmp_path: Path) -> Path:
    """An index whose one document tries to drive the terminal."""
    one_line = HOSTILE.replace("\n", "")  # as an id must be
    record = {"_id": f"a{one_line}", "title": HOSTILE, "text": f"river {HOSTILE}", "lang": "en"}
    (tmp_path / "c.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    assert xret("index", "--corpus", "c.jsonl", "--output", "i").returncode == 0
    return tmp_path / "i"


def at_terminal(command: list[str]) -> bytes:
    """What a command prints to a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL)
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
    return printed


def test_a_corpus_cannot_drive_the_terminal(xret: Xret, hostile: Path) -> None:
    piped = xret("search", str(hostile), "river").stdout
    assert len(piped.splitlines()) == 2
    assert not set("\x1b\x07\u009b") & set(piped)
    # Over the width of a terminal a table is folded, and its own styles are escapes too.
    shown = at_terminal([*MAIN, "search", str(hostile), "river"])
    assert b"owned" in shown.replace(b"\r\n", b"")
    for sequence in (b"\x1b]0;", b"\x07", b"\x1b[2J", "\u009b".encode()):
        assert sequence not in shown


def test_a_message_cannot_drive_the_terminal(xret: Xret, tmp_path: Path) -> None:
    (tmp_path / "c\x1b[2J.jsonl").write_text("no\n", encoding="utf-8")
    done = xret("index", "--corpus", "c\x1b[2J.jsonl", "--output", "i")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr


def test_what_an_encoding_cannot_say_is_escaped(xret: Xret, demo_folder: Path) -> None:
    words = ("search", str(demo_folder), "tides", "--doc-lang", "zh", "-k", "1")
    done = xret(*words, PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u6f6e" in done.stdout


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_closed_stream_is_no_failure_and_harms_no_file(
    xret: Xret, hostile: Path, closed: str, words: list[str]
) -> None:
    command = shlex.join([*MAIN, "search", str(hostile), "river", *words])
    done = subprocess.run(["bash", "-c", f"{command} {closed}"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert xret("verify", str(hostile)).returncode == 0


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_an_index_built_with_closed_streams_is_sound(
    xret: Xret, hostile: Path, tmp_path: Path, closed: str
) -> None:
    words = ["index", "--corpus", str(hostile.parent / "c.jsonl"), "--output", str(tmp_path / "j")]
    done = subprocess.run(["bash", "-c", f"{shlex.join([*MAIN, *words])} {closed}"])
    assert done.returncode == 0
    assert xret("verify", str(tmp_path / "j")).returncode == 0


@pytest.mark.parametrize("module", ["typer", "xret.cli.search", "xret.retriever.searcher"])
def test_ctrl_c_has_one_message_at_every_moment(hostile: Path, module: str) -> None:
    """Pressed while a module is imported: before there are commands, and inside one."""
    program = f"""
import importlib.abc, signal, sys
class Pressed(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)
from xret.cli import main
sys.meta_path.insert(0, Pressed())
main()
"""
    command = [sys.executable, "-c", program, "search", str(hostile), "river"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr == "xret: interrupted; run the same command again to go on\n"


def test_ctrl_c_from_the_keyboard_is_answered(hostile: Path) -> None:
    """The command says when it is inside, and then waits for the signal."""
    program = (
        "import time, xret.config\n"
        "def wait(index):\n    print('inside', flush=True); time.sleep(60)\n"
        "xret.config.find_index = wait\n"
        "from xret.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "info", str(hostile)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "inside\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == "xret: interrupted; run the same command again to go on\n"


def test_a_command_stopped_and_committed_says_only_that(hostile: Path) -> None:
    """Exit status 130 that a command chose itself is not answered a second time."""
    program = (
        "import typer, xret.config\n"
        "def stop(index):\n    raise typer.Exit(130)\n"
        "xret.config.find_index = stop\n"
        "from xret.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "info", str(hostile)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")
