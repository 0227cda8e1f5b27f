"""A user's mistake gets one message and exit status 2, never a traceback."""

import json
import os
import shlex
import socket
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from command_line import FAST_MAIN, Xret, write_corpus
from conftest import build
from encoders import HashingEncoder

from xret.retriever.corpora.records import BadRecord
from xret.retriever.rejects import Rejects
from xret.types import Document


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
        (["index", "--corpus", "demo", "--doc-lang", "zz"], ["'zz' is no language"]),
        (
            ["index", "--corpus", "demo", "--duplicates", "maybe"],
            ["--duplicates", "): 'maybe' is not one of 'error', 'skip', 'replace'"],
        ),
        (["index"], ["--corpus"]),
        (["search", "nothing", "question"], ["no index called 'nothing'"]),
        (["info", "nothing"], ["no index called 'nothing'"]),
        (["verify", "nothing"], ["no index called 'nothing'"]),
        (["serve", "nothing"], ["no index called 'nothing'"]),
        (["eval", "nothing"], ["no corpus is called 'nothing'"]),
        (["eval", "demo", "--topics", "t.jsonl"], ["go together"]),
        (["eval", "demo", "--measure", "nDGC@10"], ["unknown measure"]),
        (
            ["eval", "demo", "--measure", "INST"],
            ["INST", "max_rel", "cannot be computed here"],
        ),
        (["eval", "demo", "--measure", "PEER"], ["'PEER' has no cutoff", "write PEER@20"]),
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
    codes = tmp_path / "i" / "segments" / "000001" / "codes.u8"
    content = bytearray(codes.read_bytes())
    content[10] ^= 1
    codes.write_bytes(content)
    check(xret("search", "i", "river"), "codes.u8", "has changed")
    check(xret("verify", "i"), "codes.u8", status=1)


def test_an_index_of_another_encoder_is_refused(
    xret: Xret, tmp_path: Path, encoder: HashingEncoder
) -> None:
    build([Document("a", "river", "en")], tmp_path / "i", encoder)
    write_corpus(tmp_path / "c.jsonl")
    check(xret("search", "i", "river", "--encoder", "xret-static"), "built by encoder")
    to_it = ("index", "--corpus", "c.jsonl", "--output", "i")
    check(xret(*to_it, "--encoder", "xret-static"), "built by encoder")
    check(xret(*to_it), "no encoder is called 'hashing'")


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
    command = [sys.executable, "-c", FAST_MAIN]
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


def test_a_home_of_nobody_is_said(xret: Xret) -> None:
    check(xret("search", "demo", "tides", XRET_HOME="~nosuchuser/x"), "no such user")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("search = 1", "search is a table; write [search]"),
        ("[search.k]\nx = 1", "search.k takes a value, and a table was found"),
        ("[serve.port]\nx = 1", "serve.port takes a value, and a table was found"),
        ('[serve]\nport = "x"', "serve.port cannot be 'x'"),
        ("[serve]\nport = 70000", "serve.port cannot be 70000"),
        ("[search]\nk = [1]", "search.k takes one value"),
        ('[search]\ndoc-lang = "fr"', "search.doc-lang takes a list"),
        ('[index]\nduplicates = "maybe"', "index.duplicates cannot be 'maybe'"),
        ("[search]\nk = 1\nhits = 2", "set twice"),
        ("[search]\nhit = 1", "no setting is called 'search.hit'; did you mean hits?"),
        ("[serch]\nk = 1", "no setting is called 'serch'; did you mean search?"),
    ],
)
@pytest.mark.parametrize("command", [["search", "demo", "tides"], ["config"]])
def test_settings_that_mean_nothing_are_refused_by_every_command(
    xret: Xret, tmp_path: Path, content: str, said: str, command: list[str]
) -> None:
    (tmp_path / "xret.toml").write_text(content, encoding="utf-8")
    check(xret(*command), "xret.toml: ", said)


@pytest.mark.parametrize("name", ["k", "hits"])
def test_a_setting_has_the_names_of_its_flag(xret: Xret, tmp_path: Path, name: str) -> None:
    (tmp_path / "xret.toml").write_text(
        f'[search]\n{name} = 3\ndoc-lang = ["sw"]\njson = true\n', encoding="utf-8"
    )
    shown = xret("config").stdout
    assert "search --hits\t3\txret.toml" in shown
    assert "search --doc-lang\t['sw']\txret.toml" in shown
    assert "search --json\tTrue\txret.toml" in shown
    variable = f"XRET_SEARCH_{name.upper()}"
    assert f"search --hits\t4\t{variable}" in xret("config", **{variable: "4"}).stdout


def test_a_variable_named_for_the_flag_is_read(
    xret: Xret, demo_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "xret.toml").write_text("[search]\nhits = 1\njson = true\n", encoding="utf-8")
    words = ("search", str(demo_folder), "tides")
    assert len(json.loads(xret(*words).stdout)["hits"]) == 1
    assert len(json.loads(xret(*words, XRET_SEARCH_HITS="2").stdout)["hits"]) == 2


def test_a_bad_file_with_a_name_that_is_not_unicode_is_listed(xret: Xret, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "good.txt").write_text("river", encoding="utf-8")
    bad = os.fsdecode(os.fsencode(tmp_path / "texts") + b"/caf\xe9.txt")
    Path(bad).write_bytes("\u00e9t\u00e9".encode("latin-1"))
    done = xret("index", "--corpus", "texts", "--output", "i")
    check(done, "1 records refused", status=0)
    listed = json.loads((tmp_path / "i" / "rejects.jsonl").read_text(encoding="utf-8"))
    assert listed["place"].startswith("texts/caf")
    check(xret("index", "--corpus", "texts", "--output", "j", "--on-error", "stop"), "iconv")


def test_metadata_nested_too_deep_is_a_reject(xret: Xret, tmp_path: Path) -> None:
    deep = '{"id": "1", "text": "x", "m": ' + "[" * 1010 + "]" * 1010 + "}\n"
    (tmp_path / "c.jsonl").write_text(deep + '{"id": "2", "text": "x"}\n', encoding="utf-8")
    check(xret("index", "--corpus", "c.jsonl", "--output", "i"), "1 records refused", status=0)


def test_a_cut_archive_does_not_become_an_index(xret: Xret, tmp_path: Path) -> None:
    import gzip

    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"river " * 1000)[:-9])
    check(xret("index", "--corpus", "c.txt.gz", "--output", "i"), "c.txt.gz is cut or damaged")


def test_a_list_of_rejects_is_replaced_by_the_next_and_kept_by_a_clean_run(
    xret: Xret, tmp_path: Path
) -> None:
    good = write_corpus(tmp_path / "good.jsonl", 3).read_text(encoding="utf-8")
    (tmp_path / "bad.jsonl").write_text(good + "no\n" * 3, encoding="utf-8")
    (tmp_path / "worse.jsonl").write_text(good + "no\n" * 5, encoding="utf-8")
    counts = []
    for corpus in ("bad", "worse", "good"):
        check(xret("index", "--corpus", f"{corpus}.jsonl", "--output", "i"), status=0)
        content = (tmp_path / "i" / "rejects.jsonl").read_text(encoding="utf-8")
        counts.append(len(content.splitlines()))
    assert counts == [3, 5, 5]
    assert not (tmp_path / "i" / "rejects.jsonl.part").exists()


def test_rejects_are_not_held_in_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    rejects = Rejects(stop=False)
    for number in range(50_000):
        rejects.add(BadRecord(f"c.jsonl:{number}", "not a JSON object"))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    rejects.write(tmp_path)
    assert rejects.count == 50_000
    assert len((tmp_path / "rejects.jsonl").read_bytes().splitlines()) == 50_000
    assert peak_bytes < 1 << 20
