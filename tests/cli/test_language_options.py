"""`--lang` is the question's language and `--doc-lang` the documents', in old spellings too."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Xret

NOTICE = "--query-lang is the old spelling of --lang"
OLD_WAY = "read the old way, --lang as the documents' language"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    folder = tmp_path / "pairs"
    for asked, held, words in (("de", "en", "gold river"), ("fr", "en", "silver moon")):
        write_pair(folder / f"{asked}-{held}", asked, held, words)
        write_pair(folder / f"{held}-{asked}", held, asked, words)
    return tmp_path


def write_pair(folder: Path, asked: str, held: str, words: str) -> None:
    folder.mkdir(parents=True)
    for kind, text, lang in (("corpus", f"the {words}", held), ("queries", words, asked)):
        record = {"_id": f"{folder.name}-{kind}", "text": text, "lang": lang}
        (folder / f"{kind}.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    judged = f"{folder.name}-queries\t0\t{folder.name}-corpus\t1\n"
    (folder / "qrels.tsv").write_text(judged, encoding="utf-8")


def measured(done: Any) -> set[tuple[str, str]]:
    """The language pairs of an evaluation, without its averages."""
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["results"]
    return {(row["query_lang"], row["doc_lang"]) for row in rows if row["doc_lang"]}


@pytest.mark.usefixtures("pairs")
@pytest.mark.parametrize(
    ("words", "expected", "said"),
    [
        (["--lang", "de"], {("de", "en")}, ""),
        (["--doc-lang", "fr"], {("en", "fr")}, ""),
        (["--lang", "en", "--doc-lang", "de"], {("en", "de")}, ""),
        (["--query-lang", "de"], {("de", "en")}, NOTICE),
        (["--query-lang", "en", "--doc-lang", "fr"], {("en", "fr")}, NOTICE),
        (["--query-lang", "en", "--lang", "fr"], {("en", "fr")}, OLD_WAY),
    ],
)
def test_the_pairs_of_a_folder_are_chosen(
    xret: Xret, words: list[str], expected: set[tuple[str, str]], said: str
) -> None:
    done = xret("eval", "pairs", *words, "--measure", "Success@1", "--json")
    assert measured(done) == expected
    assert said in done.stderr
    assert ("old" in done.stderr) == bool(said)


def test_the_demo_is_evaluated_between_chosen_languages(xret: Xret) -> None:
    words = ("--measure", "RR@10", "--json")
    new = xret("eval", "demo", "--lang", "sw", "--doc-lang", "fr", *words)
    assert measured(new) == {("sw", "fr")}
    old = xret("eval", "demo", "--query-lang", "sw", "--lang", "fr", *words)
    assert OLD_WAY in old.stderr
    assert json.loads(old.stdout)["results"] == json.loads(new.stdout)["results"]


def test_a_run_ranks_documents_of_the_chosen_languages(xret: Xret, pairs: Path) -> None:
    record = '{{"_id": "{0}", "text": "the river", "lang": "{0}"}}\n'
    (pairs / "docs.jsonl").write_text(record.format("en") + record.format("fr"), encoding="utf-8")
    (pairs / "topics.tsv").write_text("q\triver\n", encoding="utf-8")
    assert xret("index", "--corpus", "docs.jsonl", "--output", "i").returncode == 0
    runs = {
        "new": ("i", "--topics", "topics.tsv", "--lang", "en", "--doc-lang", "fr"),
        "old": ("i", "--topics", "topics.tsv", "--query-lang", "en", "--doc-lang", "fr"),
    }
    for name, words in runs.items():
        done = xret("run", *words, "--output", name, "--metadata", "none")
        assert done.returncode == 0, done.stderr
        assert (NOTICE in done.stderr) == (name == "old")
        ranked = (pairs / name).read_text(encoding="utf-8").splitlines()
        assert [line.split()[2] for line in ranked] == ["fr"]
    corpus = ("run", "pairs", "--metadata", "none", "--output")
    for name, words in {
        "a": ("--lang", "en", "--doc-lang", "fr"),
        "b": ("--query-lang", "en", "--lang", "fr"),
    }.items():
        done = xret(*corpus, name, *words)
        assert done.returncode == 0, done.stderr
        assert (OLD_WAY in done.stderr) == (name == "b")
    assert (pairs / "a").read_bytes() == (pairs / "b").read_bytes()
    assert (pairs / "a").read_text(encoding="utf-8").split()[:3] == [
        "en-fr-queries",
        "Q0",
        "en-fr-corpus",
    ]


def test_documents_that_name_no_language_are_indexed_in_that_of_doc_lang(
    xret: Xret, tmp_path: Path
) -> None:
    (tmp_path / "docs.jsonl").write_text('{"_id": "a", "text": "mto"}\n', encoding="utf-8")
    for output, option in (("new", "--doc-lang"), ("old", "--lang")):
        done = xret("index", "--corpus", "docs.jsonl", "--output", output, option, "sw", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["languages"] == {"sw": 1}
        assert ("the old spelling of --doc-lang" in done.stderr) == (option == "--lang")


def test_a_question_is_asked_in_the_language_of_lang(xret: Xret, tmp_path: Path) -> None:
    (tmp_path / "docs.jsonl").write_text('{"_id": "a", "text": "mto"}\n', encoding="utf-8")
    xret("index", "--corpus", "docs.jsonl", "--output", "i", "--doc-lang", "sw")
    for option in ("--lang", "--query-lang"):
        done = xret("search", "i", "mto", option, "sw", "--json")
        assert json.loads(done.stdout)["query"]["lang"] == "sw"
        assert (NOTICE in done.stderr) == (option == "--query-lang")


@pytest.mark.usefixtures("pairs")
def test_settings_of_the_old_spelling_go_on(xret: Xret, tmp_path: Path) -> None:
    (tmp_path / "xret.toml").write_text('[eval]\nquery-lang = ["de"]\n', encoding="utf-8")
    done = xret("eval", "pairs", "--measure", "Success@1", "--json")
    assert (measured(done), NOTICE in done.stderr) == ({("de", "en")}, True)
    (tmp_path / "xret.toml").unlink()
    done = xret("eval", "pairs", "--measure", "Success@1", "--json", XRET_EVAL_QUERY_LANG="fr")
    assert (measured(done), NOTICE in done.stderr) == ({("fr", "en")}, True)


@pytest.mark.parametrize(
    ("command", "hidden"),
    [
        (("eval",), "--query-lang"),
        (("run",), "--query-lang"),
        (("search",), "--query-lang"),
        (("corpus", "pull"), "--query-lang"),
        (("index",), "--lang "),
    ],
)
def test_help_shows_the_new_spelling_alone(
    xret: Xret, command: tuple[str, ...], hidden: str
) -> None:
    shown = xret(*command, "--help").stdout
    assert "--doc-lang" in shown
    assert hidden not in shown
