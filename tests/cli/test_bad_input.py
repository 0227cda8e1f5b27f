"""A user's mistake gets one message and exit status 2, never a traceback."""

import json
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Xret, write_corpus


def check(done: object, *words: str, status: int = 2) -> None:
    assert done.returncode == status, done.stderr  # type: ignore[attr-defined]
    message = done.stderr  # type: ignore[attr-defined]
    assert "Traceback" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["index", "--corpus", "missing.jsonl"], ["no such file or folder: missing.jsonl"]),
        (["index", "--corpus", "dmeo"], ["'dmeo'", "did you mean demo"]),
        (["index", "--corpus", "demo", "--encoder", "xret-statik"], ["xret-static"]),
        (["index", "--corpus", "demo", "--lang", "zz"], ["'zz' is no language"]),
        (["index", "--corpus", "demo", "--duplicates", "maybe"], ["--duplicates"]),
        (["index"], ["--corpus"]),
        (["search", "nothing", "question"], ["no index called 'nothing'"]),
        (["info", "nothing"], ["no index called 'nothing'"]),
        (["verify", "nothing"], ["no index called 'nothing'"]),
        (["serve", "nothing"], ["no index called 'nothing'"]),
        (["eval", "nothing"], ["no corpus is called 'nothing'"]),
        (["eval", "demo", "--topics", "t.jsonl"], ["go together"]),
        (["eval", "demo", "--measure", "nDGC@10"], ["unknown measure"]),
        (["train", "static", "--data", "nowhere", "--output", "out"], ["nowhere"]),
        (["no-such-command"], ["No such command"]),
    ],
)
def test_wrong_words_are_answered_plainly(xret: Xret, words: list[str], said: list[str]) -> None:
    check(xret(*words), *said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([""], "the query is empty"),
        ([" \t\n"], "the query is empty"),
        (["\u200b\u0007"], "the query is empty"),
        (["x" * 100_000], "100,000 characters"),
        (["tides", "-k", "0"], "greater than or equal to 1"),
        (["tides", "-k", "-3"], "greater than or equal to 1"),
        (["tides", "-k", "100000"], "at most 10,000"),
        (["tides", "-k", "ten"], "valid integer"),
        (["tides", "--lang", "zz"], "'zz' is no language"),
        (["tides", "--doc-lang", "zz"], "'zz' is no language"),
    ],
)
def test_bad_questions_are_answered_plainly(
    xret: Xret,
    demo_folder: Path,
    words: list[str],
    said: str,
) -> None:
    check(xret("search", str(demo_folder), *words), said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no document"),
        (b"\n\n", "no document"),
        (b'{"_id": "1", "text": "a"}\n{"_id": "1", "text": "b"}\n', "'1' appears twice"),
        (b"not json\n", "1 records refused"),
        ('{"_id": "1", "text": "\u00e9t\u00e9"}\n'.encode("latin-1"), "iconv -f latin1"),
        ('{"_id": "1"}'.encode("utf-16"), "UTF-16"),
    ],
)
def test_bad_corpora_are_answered_plainly(
    xret: Xret,
    tmp_path: Path,
    content: bytes,
    said: str,
) -> None:
    (tmp_path / "c.jsonl").write_bytes(content)
    check(xret("index", "--corpus", "c.jsonl", "--output", "i"), said)


def test_a_damaged_segment_is_named_by_search_and_verify(xret: Xret, tmp_path: Path) -> None:
    write_corpus(tmp_path / "c.jsonl")
    xret("index", "--corpus", "c.jsonl", "--output", "i")
    codes = tmp_path / "i" / "segments" / "000001" / "codes.i8"
    content = bytearray(codes.read_bytes())
    content[10] ^= 1
    codes.write_bytes(content)
    check(xret("search", "i", "river"), "codes.i8", "has changed")
    check(xret("verify", "i"), "codes.i8", status=1)


def test_an_index_of_another_encoder_is_refused(xret: Xret, tmp_path: Path) -> None:
    import sqlite3

    write_corpus(tmp_path / "c.jsonl")
    xret("index", "--corpus", "c.jsonl", "--output", "i")
    with sqlite3.connect(tmp_path / "i" / "catalog.sqlite") as catalog:
        catalog.execute("UPDATE settings SET value = 'feed' WHERE name = 'encoder_fingerprint'")
    catalog.close()
    check(xret("search", "i", "river"), "built by encoder")
    check(xret("index", "--corpus", "c.jsonl", "--output", "i"), "built by encoder")


def test_an_output_that_is_something_else_is_left_alone(xret: Xret, tmp_path: Path) -> None:
    write_corpus(tmp_path / "c.jsonl")
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    check(xret("index", "--corpus", "c.jsonl", "--output", "taken"), "taken is a file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine", encoding="utf-8")
    check(xret("index", "--corpus", "c.jsonl", "--output", "full"), "not empty")


@pytest.mark.parametrize("limit_kb", [1, 40, 2000])
def test_a_disk_that_is_full_loses_nothing(xret: Xret, tmp_path: Path, limit_kb: int) -> None:
    write_corpus(tmp_path / "few.jsonl", 5)
    write_corpus(tmp_path / "many.jsonl", 9000)
    xret("index", "--corpus", "few.jsonl", "--output", "i")
    command = [sys.executable, "-c", "from xret.cli import main; main()"]
    command += ["index", "--corpus", "many.jsonl", "--output", "i"]
    limited = f"ulimit -f {limit_kb}; exec {shlex.join(command)}"
    full = subprocess.run(["bash", "-c", limited], cwd=tmp_path, capture_output=True, text=True)
    check(full, "xret: ", status=1)
    assert json.loads(xret("info", "i", "--json").stdout)["documents"] == 5
    again = json.loads(xret("index", "--corpus", "many.jsonl", "--output", "i", "--json").stdout)
    assert (again["documents"], again["unchanged"]) == (9000, 5)


def test_a_port_in_use_is_said(xret: Xret, demo_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        check(xret("serve", str(demo_folder), "--port", port), f"port {port}", "in use")


def test_json_errors_are_still_plain(xret: Xret) -> None:
    done = xret("search", "nothing", "q", "--json")
    check(done, "no index")
    assert done.stdout == ""
    assert not done.stdout or json.loads(done.stdout)
