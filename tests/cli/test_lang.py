"""`xret lang check` on files and corpora, good and bad."""

import json
from pathlib import Path

import pytest
from command_line import Xret

from xret.retriever.corpora.registry import open_corpus


@pytest.fixture
def parallel(tmp_path: Path) -> Path:
    """The demo corpus's titles are no translations; its sentences repeated are, of themselves."""
    texts = [
        document.text.split(".")[0]
        for document in open_corpus("demo", doc_langs=["en"]).documents(on_reject=lambda _: None)
    ]
    lines = [f"ms\t{text}, kata dia\t{text}" for text in texts]
    lines += [f"bo\tབོད་ཀྱི་སྐད་ཡིག {number}\t{text}" for number, text in enumerate(texts)]
    path = tmp_path / "sentences.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_worst_language_is_first_and_named_unfit(xret: Xret, parallel: Path) -> None:
    done = xret("lang", "check", "--parallel", str(parallel))
    assert done.returncode == 0, done.stderr
    heading, worst, best = (line.split("\t") for line in done.stdout.splitlines())
    assert heading[:2] == ["language", "verdict"]
    assert (worst[0], worst[1]) == ("bo (Tibetan), not in the encoder's list", "unfit")
    assert best[:2] == ["ms (Malay)" + best[0].removeprefix("ms (Malay)"), "fit"]
    assert "xret-static is unfit for 1: bo" in done.stderr
    assert "1 of 2 languages are served well" in done.stderr
    assert "ms: the texts look like English (en), not ms" in done.stderr
    assert "ms: only" in done.stderr


def test_the_numbers_are_there_as_json(xret: Xret, parallel: Path) -> None:
    done = xret("lang", "check", "Tibetan", "--parallel", str(parallel), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    (found,) = report["languages"]
    assert (report["encoder"], found["lang"], found["name"]) == ("xret-static", "bo", "Tibetan")
    assert found["alignment"]["mexa"]["low"] <= found["alignment"]["mexa"]["mean"] < 0.5
    assert found["fertility"]["unknown"] > 0.4
    assert found["reasons"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sw"], "either with --parallel FILE or with --corpus"),
        (["sw", "--parallel", "sentences.tsv", "--corpus", "flores"], "either with --parallel"),
        (["en", "--parallel", "sentences.tsv"], "English is what other languages"),
        (["xyzzy", "--parallel", "sentences.tsv"], "'xyzzy' is no language"),
        (["sw", "--parallel", "sentences.tsv"], "no sentences in sw; it has bo ms"),
        (["--parallel", "none.tsv"], "no such file: none.tsv"),
        (["--corpus", "nowhere"], "no corpus is called 'nowhere'"),
        (["bo", "--parallel", "few.tsv"], "1 different sentence pairs in Tibetan (bo) are too few"),
        (["--parallel", "sentences.tsv", "--encoder", "nobody"], "no encoder is called 'nobody'"),
    ],
)
def test_wrong_use_is_one_message(xret: Xret, parallel: Path, words: list[str], said: str) -> None:
    (parallel.parent / "few.tsv").write_text("བོད་\tTibet\n", encoding="utf-8")
    done = xret("lang", "check", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_english_alone_prints_no_language_group_by_mistake(xret: Xret) -> None:
    done = xret("lang", "--help")
    assert done.returncode == 0
    assert "check" in done.stdout
