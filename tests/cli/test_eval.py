"""`xret eval` of several systems and of run files, as typed, and what it says of bad ones."""

import json
import shutil
from pathlib import Path

import pytest
from command_line import Xret, write_corpus

from xret.retriever.models.registry import ENCODERS

QRELS = "q1 0 a 1\nq1 0 b 0\nq2 0 c 2\nq3 0 a 1\n"
GOOD = "q1 Q0 a 1 3.0 good\nq1 Q0 b 2 2.0 good\nq2 Q0 c 1 1.0 good\nq3 Q0 a 1 1.0 good\n"
BAD = "q1 Q0 b 1 3.0 bad\nq1 Q0 a 2 2.0 bad\nq2 Q0 b 1 1.0 bad\nq3 Q0 c 1 1.0 bad\n"
LANGS = "a\ten\nb\tfr\nc\tfr\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    contents = {
        "qrels": QRELS,
        "good.trec": GOOD,
        "bad.trec": BAD,
        "langs.tsv": LANGS,
        "half.trec": GOOD.partition("q3")[0],
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("files")
def test_run_files_are_evaluated_and_compared(xret: Xret) -> None:
    done = xret(
        "eval",
        "--runs",
        "good.trec",
        "bad.trec",
        "--qrels",
        "qrels",
        "--measure",
        "RR@10",
        "--measure",
        "AP",
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert lines[0] == ["system", "query", "documents", "queries", "RR@10", "AP"]
    assert lines[2] == ["good.trec", "all", "all", "3", "1.0000", "1.0000"]
    assert lines[-1] == ["bad.trec", "all", "all", "3", "0.1667", "0.1667"]
    assert "bad.trec against good.trec, RR@10: -0.8333" in done.stderr
    assert "0 better, 0 equal, 3 worse of 3 queries" in done.stderr
    assert "p = 0.250 (exact), Holm = 0.250" in done.stderr


def test_the_modes_of_an_index_are_compared(xret: Xret) -> None:
    modes = ("--mode", "dense", "--mode", "lexical", "--mode", "hybrid")
    done = xret("eval", "demo", *modes, "--measure", "nDCG@10")
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    mixed = {line[0]: float(line[-1]) for line in lines if line[1:3] == ["all", "all"]}
    assert mixed["xret-static hybrid"] > mixed["xret-static lexical"] > 0.7
    assert mixed["xret-static hybrid"] > mixed["xret-static dense"] > 0.7
    assert "xret-static lexical against xret-static dense" in done.stderr


def test_ways_to_calibrate_are_compared_by_fairness_too(xret: Xret) -> None:
    done = xret("eval", "demo", "--mode", "dense", "--calibrate", "off", "--calibrate", "z")
    assert done.returncode == 0, done.stderr
    heading, *lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert {"nDCG@10", "PEER@20", "OwnFirst@10", "OwnShare@10"} <= {*heading}
    mixed = {
        line[0]: dict(zip(heading, line, strict=True))
        for line in lines
        if line[1:3] == ["all", "all"]
    }
    raw, calibrated = mixed["xret-static not calibrated"], mixed["xret-static calibrated by z"]
    assert float(calibrated["nDCG@10"]) > float(raw["nDCG@10"]) + 0.1
    assert float(calibrated["OwnShare@10"]) < 0.25 < float(raw["OwnShare@10"])
    pairs = {
        name: [line[1:4] + line[4:5] for line in lines if line[0] == name and line[2] != "all"]
        for name in mixed
    }
    assert pairs["xret-static not calibrated"] == pairs["xret-static calibrated by z"]
    wrong = xret("eval", "demo", "--calibrate", "some")
    assert wrong.returncode != 0 and "off, fixed, z" in wrong.stderr


@pytest.mark.usefixtures("files")
def test_the_json_of_several_systems_has_their_comparison(xret: Xret) -> None:
    done = xret(
        "eval",
        "--runs",
        "good.trec",
        "--runs",
        "bad.trec",
        "--qrels",
        "qrels",
        "--json",
        "--measure",
        "AP",
        "--seed",
        "7",
        "--baseline",
        "bad.trec",
    )
    report = json.loads(done.stdout)
    assert [system["run"] for system in report["systems"]] == ["good.trec", "bad.trec"]
    comparison = report["comparisons"][0]
    assert (comparison["baseline"], comparison["system"]) == ("bad.trec", "good.trec")
    assert comparison["difference"]["mean"] == pytest.approx(5 / 6)
    assert comparison["p_randomisation_holm"] == 0.25
    assert report["seed"] == 7


def test_a_run_is_cut_by_the_languages_of_a_table(xret: Xret, files: Path) -> None:
    (files / "topics.tsv").write_text("id\ttext\tlang\nq1\tx\ten\nq2\ty\ten\nq3\tz\tfr\n", "utf-8")
    done = xret(
        "eval",
        "--runs",
        "good.trec",
        "--topics",
        "topics.tsv",
        "--qrels",
        "qrels",
        "--doc-langs",
        "langs.tsv",
        "--measure",
        "RR@10",
        "--measure",
        "AWRF@10",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    pairs = {(r["query_lang"], r["doc_lang"]) for r in report["results"]}
    mixed = {("en", None), ("fr", None), (None, None)}
    assert pairs == {("en", "en"), ("fr", "en"), ("en", "fr")} | mixed
    assert report["results"][-1]["measures"]["AWRF@10"] > 0.9


@pytest.mark.usefixtures("files")
def test_queries_that_one_run_lacks_are_said_and_are_zero_in_the_comparison(xret: Xret) -> None:
    done = xret("eval", "--runs", "good.trec", "half.trec", "--qrels", "qrels", "--measure", "AP")
    assert done.stdout.splitlines()[-1].split("\t")[-1] == "0.6667"
    assert "half.trec answers 2 of 3 judged queries; the others count as 0 for it" in done.stderr
    assert "counts as 0 for it in tests as in means" in done.stderr
    assert "2 equal, 1 worse of 3 queries" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("q1 Q0 zzz 1 1.0 t\n", "none of its first 100 documents is judged for any query"),
        ("q1 Q0 a 1 1.0 t\nq1 Q0 b 2 2.0 t\n", "in 1 of 1 queries the ranks contradict"),
        ("q1 Q0 a 1 1.0 t\nq1 Q0 b 2 0.5 u\n", "2 different tags stand in one run"),
        ("q9 Q0 a 1 1.0 t\nq1 Q0 a 1 1.0 t\n", "1 of its 2 queries are neither topics nor judged"),
    ],
)
def test_an_odd_run_is_measured_and_warned_of(
    xret: Xret, files: Path, content: str, said: str
) -> None:
    (files / "odd.trec").write_text(content, encoding="utf-8")
    done = xret("eval", "--runs", "odd.trec", "--qrels", "qrels")
    assert (done.returncode, said in done.stderr) == (0, True), done.stderr
    assert "warning: odd.trec" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("q1 Q0 a 1 nan t\n", "odd.trec:1: the score is NaN"),
        ("q1 Q0 a 1 inf t\n", "odd.trec:1: the score 'inf' is not finite"),
        ("q1 Q0 a 1 1 t\nq1 Q0 a 2 0 t\n", "odd.trec:2: 'a' appears twice for query 'q1'"),
        ("q1 Q0 a 1 1.0\n", "odd.trec:1: 5 cells where 6 are expected"),
        ("", "odd.trec holds no line of a run"),
        ("q9 Q0 a 1 1.0 t\n", "answers none of the 3 judged queries; the run has q9, the"),
    ],
)
def test_a_bad_run_is_refused_with_the_line(
    xret: Xret, files: Path, content: str, said: str
) -> None:
    (files / "odd.trec").write_text(content, encoding="utf-8")
    done = xret("eval", "--runs", "odd.trec", "--qrels", "qrels")
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["eval"], "name a corpus or an index, or run files with --runs and --qrels"),
        (["eval", "--runs", "good.trec"], "without a corpus there are no judgements"),
        (["eval", "--runs", "none.trec", "--qrels", "qrels"], "no such file: none.trec"),
        (["eval", "--runs", "good.trec", "--qrels", "zeros"], "no judgement of these queries is"),
        (
            ["eval", "--runs", "good.trec", "--qrels", "qrels", "--measure", "PEER@20"],
            "PEER@20 needs the languages of the documents; name them with --doc-langs",
        ),
        (
            ["eval", "--runs", "good.trec", "bad.trec", "--qrels", "qrels", "--baseline", "x"],
            "no system is called 'x'; there are: good.trec, bad.trec",
        ),
        (
            ["eval", "--runs", "good.trec", "--qrels", "qrels", "--baseline", "good.trec"],
            "--baseline needs another to compare",
        ),
        (["eval", "--runs", "good.trec", "--qrels", "qrels", "--output", "r"], "use xret run"),
        (["eval", "demo", "--index", "i", "--encoder", "a", "--encoder", "b"], "not both"),
        (
            ["eval", "--runs", "good.trec", "--qrels", "qrels", "--doc-langs", "qrels"],
            "qrels:1: 4 cells where 2 are expected",
        ),
        (["eval", "demo", "--seed", "-1"], "--seed"),
        (["eval", "demo", "--mode", "fuzzy"], "no mode 'fuzzy'; use dense, lexical, hybrid"),
        (["eval", "demo", "--output", "no/such/run"], "name a file in a folder that is there"),
        (["eval", "demo", "--report", "qrels"], "--report qrels is a file; name a folder"),
        (
            ["eval", "demo", "--topics", "t", "--qrels", "qrels", "--doc-lang", "fr"],
            "leave them out",
        ),
    ],
)
def test_wrong_words_are_answered_plainly(
    xret: Xret, files: Path, words: list[str], said: str
) -> None:
    (files / "zeros").write_text("q1 0 a 0\nq2 0 c 0\n", encoding="utf-8")
    done = xret(*words)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_report_is_written_and_named(xret: Xret, files: Path) -> None:
    done = xret("eval", "--runs", "good.trec", "bad.trec", "--qrels", "qrels", "--report", "out")
    assert done.returncode == 0, done.stderr
    written = [line.partition(": ")[2] for line in done.stderr.splitlines() if "written: " in line]
    assert [Path(path).suffix for path in written] == [".html"]
    page = (files / written[0]).read_text(encoding="utf-8")
    assert "good.trec" in page
    assert "bad.trec" in page


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder in the BEIR layout, in two languages, and another encoder beside it."""
    folder = tmp_path / "c"
    folder.mkdir()
    path = write_corpus(folder / "corpus.jsonl")
    french = '{"_id": "f1", "text": "la rivi\u00e8re coule vers la mer", "lang": "fr"}\n'
    path.write_text(path.read_text(encoding="utf-8") + french, encoding="utf-8")
    queries = [
        '{"_id": "q1", "text": "river 7", "lang": "en"}',
        '{"_id": "q2", "text": "la mer", "lang": "fr"}',
    ]
    (folder / "queries.jsonl").write_text("\n".join(queries) + "\n", encoding="utf-8")
    (folder / "qrels.tsv").write_text("q1\t0\td7\t1\nq2\t0\tf1\t1\n", encoding="utf-8")
    mine = tmp_path / "mine"
    shutil.copytree(str(ENCODERS["xret-static"].folder), mine)
    config = json.loads((mine / "config.json").read_text(encoding="utf-8"))
    changed = json.dumps({**config, "query_power": 1.0})
    (mine / "config.json").write_text(changed, encoding="utf-8")
    return folder


@pytest.mark.usefixtures("corpus")
def test_several_encoders_index_the_corpus_each(xret: Xret, home: Path) -> None:
    words = ("eval", "c", "--encoder", "xret-static", "--encoder", "./mine", "--json")
    done = xret(*words)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [system["system"] for system in report["systems"]] == ["xret-static", "./mine"]
    assert len(report["comparisons"]) == 3
    assert done.stderr.count("indexing it") == len(list((home / "indexes").iterdir())) == 2
    again = xret(*words)
    assert (again.returncode, "indexing it" in again.stderr) == (0, False)
    assert json.loads(again.stdout) == report


@pytest.mark.usefixtures("corpus")
def test_chosen_languages_have_an_index_of_their_own(xret: Xret) -> None:
    both, french = xret("eval", "c", "--json"), xret("eval", "c", "--doc-lang", "fr", "--json")
    assert french.returncode == 0, french.stderr
    pairs = [
        {(row["query_lang"], row["doc_lang"]) for row in json.loads(done.stdout)["results"]}
        for done in (both, french)
    ]
    assert ("en", "en") in pairs[0]
    assert pairs[1] == {("fr", "fr"), ("fr", None), (None, None)}


@pytest.mark.usefixtures("corpus")
def test_half_an_index_is_never_evaluated(xret: Xret, corpus: Path, home: Path) -> None:
    """What an interrupted evaluation had indexed is completed, not taken for the whole."""
    whole = json.loads(xret("eval", "c", "--json").stdout)
    index = next((home / "indexes").iterdir())
    shutil.rmtree(index)
    part = corpus.parent / "first.jsonl"
    lines = (corpus / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    part.write_text("\n".join(lines[:9]) + "\n", encoding="utf-8")
    xret("index", "--corpus", str(part), "--output", f"{index}.part")
    assert json.loads(xret("eval", "c", "--json").stdout) == whole


@pytest.mark.usefixtures("files")
def test_measures_of_other_programs_depth_and_own_documents(xret: Xret) -> None:
    words = ["eval", "--runs", "bad.trec", "--qrels", "qrels", "--measure", "mrr@10,map"]
    head, values = xret(*words).stdout.splitlines()[0], xret(*words, "--depth", "1").stdout
    assert head.split("\t")[-2:] == ["RR@10", "AP"]
    assert values.splitlines()[-1].split("\t")[-2:] == ["0.0000", "0.0000"]
    assert xret(*words, "--exclude-self").returncode == 0
    assert "did you mean RR" in xret(*words[:-1], "recip_rnk").stderr
