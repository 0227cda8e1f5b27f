"""Runs and judgements in the TREC formats, and what a run says of itself."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from xret.errors import CorpusError, RunError
from xret.eval.environment import describe_environment
from xret.eval.metadata import (
    parse_metadata,
    read_side_file,
    run_metadata,
    side_file,
    to_yaml,
    write_side_file,
)
from xret.eval.trec import ranked, read_run, read_run_file, trec_eval_order, write_run
from xret.retriever.corpora.qrels import read_qrels
from xret.types import Hit, Run

LINE = "q1 Q0 a 1 2.0 t\n"


@pytest.mark.parametrize(
    "content",
    [
        "1 0 a 2\n1 0 b 0\n2 0 a 1\n",
        "1\t0\ta\t2\n1 Q0\tb 0\n\n2 0  a\t1\n",
        "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t0\n2\ta\t1\n",
        "1 0\ta\t2\n1 0\tb\t0\n2 0\ta\t1\n",
        "# a comment\n1 0 a 2\n# and 4 cells x\n#another one\n1 0 b 0\n2 0 a 1\n",
        "1 0 a 2.0\n1 0 b 0.0\n2 0 a 1.0\n",
        "qid docno label\n1 a 2\n1 b 0\n2 a 1\n",
        "qid,iteration,docno,label\n1,0,a,2\n1,0,b,0\n2,0,a,1\n",
        "label,docid,docno,qid\n2,7,a,1\n0,8,b,1\n1,7,a,2\n",
        "topic\titer\tdocument\trel\n1\t0\ta\t2\n1\t0\tb\t0\n2\t0\ta\t1\n",
        "q_id,doc_id,score\n1,a,2\n1,b,0\n2,a,1\n",
        '{"1": {"a": 2, "b": 0}, "2": {"a": 1}}',
        '{\n "1": {"a": 2.0, "b": 0},\n "2": {"a": 1}}\n',
        "1 0 a 2\r\n1 0 b 0\r\n2 0 a 1",
    ],
)
def test_judgements_of_every_layout_read_alike(content: str, tmp_path: Path) -> None:
    (tmp_path / "qrels.tsv").write_text(content, encoding="utf-8")
    assert read_qrels(tmp_path / "qrels.tsv") == {"1": {"a": 2, "b": 0}, "2": {"a": 1}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1 0 a\tx\n", "no integer"),
        ("1 0 a 0.5\n", "grade '0.5' is no integer; write grades as whole numbers"),
        ("1 0 a nan\n", "no integer"),
        ("query,doc_id,label\n1,a,1,2\n", r"qrels.tsv:2: 4 cells where the first line names 3"),
        ('{"1": ["a"]}', "a JSON object of the documents of 1 was expected, as ranx writes it"),
        ('{"1": {"a": "1"}}', "'a' of query '1' has no number"),
        ('{"1": {', "begins like JSON and is none"),
        ("1 2\n", "2 cells"),
        ("", "no judgement"),
        ("1 0 a b c\n", "5 cells"),
        ("1 0 a 2147483647\n", "over 1,000"),
    ],
)
def test_bad_judgements_are_refused_with_the_line(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "qrels.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=words):
        read_qrels(tmp_path / "qrels.tsv")


def test_ids_may_hold_spaces_where_tabs_separate(tmp_path: Path) -> None:
    (tmp_path / "beir.tsv").write_text("q 1\tmy notes.txt\t1\n", encoding="utf-8")
    (tmp_path / "trec.tsv").write_text("q 1\t0\tmy notes.txt\t1\n", encoding="utf-8")
    for name in ("beir", "trec"):
        assert read_qrels(tmp_path / f"{name}.tsv") == {"q 1": {"my notes.txt": 1}}


@pytest.mark.parametrize("name", ["a b", "a\tb", "a\nb", "", " a", "a\x0bb"])
def test_an_id_that_a_run_cannot_hold_is_refused_before_a_line_is_written(
    name: str, tmp_path: Path
) -> None:
    for hits in ({"q": [Hit("a", 1.0), Hit(name, 0.5)]}, {name: [Hit("a", 1.0)]}):
        with pytest.raises(RunError, match="white space"):
            write_run(tmp_path / "run.txt", Run("tag", hits))
    assert not (tmp_path / "run.txt").exists()


def test_scores_that_print_alike_are_a_tie_in_the_run_too(tmp_path: Path) -> None:
    hits = ranked([Hit("b", 0.1234564), Hit("a", 0.1234561), Hit("c", -1e-9)])
    assert [hit.doc_id for hit in hits] == ["a", "b", "c"]
    write_run(tmp_path / "run.txt", Run("two words", {"q": hits}))
    assert read_run(tmp_path / "run.txt") == Run("two-words", {"q": hits})
    assert "-0.0" not in (tmp_path / "run.txt").read_text(encoding="utf-8")


def test_a_run_survives_its_file(tmp_path: Path) -> None:
    run = Run("tag", {"q1": [Hit("a", 2.5), Hit("b", -1.0)], "q2": [Hit("a", 0.25)]})
    write_run(tmp_path / "run.txt", run)
    lines = (tmp_path / "run.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "q1 Q0 a 1 2.500000 tag"
    assert read_run(tmp_path / "run.txt") == run


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("q Q0 a 1 nan t\n", "NaN"),
        ("q Q0 a 1 x t\n", "no number"),
        ("q Q0 a 1 1 t\nq Q0 a 2 0 t\n", "appears twice"),
        ("q a 1\n", "3 cells"),
    ],
)
def test_a_bad_run_is_refused(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=words):
        read_run(tmp_path / "run.txt")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("q Q0 a 1 inf t\n", "not finite"),
        ("q Q0 a 1 -1e999 t\n", "not finite"),
        ("q Q0 my a 1 1.0 t\n", "7 cells where 6 are expected: query Q0 document rank"),
        ("q Q0 a 1 1 1.0 t\n", "7 cells where 6 are expected"),
        ("q Q0 a 1 1_0 t\n", "no number"),
        ("", "holds no line of a run"),
        ("# only a comment\n", "holds no line of a run"),
    ],
)
def test_a_run_that_says_no_order_is_refused(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_text(LINE.replace("q1", "q0") * bool(content) + content, "utf-8")
    if not content.strip() or content.startswith("#"):
        (tmp_path / "run.txt").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=words):
        read_run_file(tmp_path / "run.txt")


RUN = Run("t", {"q1": [Hit("a", 2.0), Hit("b", -1.5)], "q2": [Hit("a", 0.25)]})


@pytest.mark.parametrize(
    "content",
    [
        "q1 Q0 a 1 2.0 t\nq1 Q0 b 2 -1.5 t\nq2 Q0 a 1 .25 t\n",
        "q1 Q0  a 1 2.0 t\n\n  q1 Q0 b 2 -15e-1 t\r\nq2 Q0 a 1 +0.25 t",
        "q1\tQ0\ta\t1\t2.0\tt\nq1\tQ0\tb\t2\t-1.5\tt\nq2\tQ0\ta\t1\t.25\tt\n",
        "q1 Q0\ta 1\t2.0 t\nq1 Q0 b 2 -1.5 t\nq2 Q0\ta 1 .25 t\n",
        "q2 Q0 a 1 .25 t\nq1 Q0 b 2 -1.5 t\nq1 Q0 a 1 2.0 t\n",
        "\ufeff# of whom\n#and when\nq1 Q0 a 1 2.0 t\n# x\nq1 Q0 b 2 -1.5 t\nq2 Q0 a 1 .25 t\n",
        "qid,docid,docno,rank,score,query\n"
        'q1,7,a,0,2.0,"who, me?"\nq1,8,b,1,-1.5,x\nq2,7,a,0,.25,y\n',
        "q_id,doc_id,score\nq1,a,2.0\nq1,b,-1.5\nq2,a,0.25\n",
        "score\tdocno\tqid\n-1.5\tb\tq1\n2.0\ta\tq1\n0.25\ta\tq2\n",
        '{"q1": {"b": -1.5, "a": 2}, "q2": {"a": 0.25}}',
    ],
)
def test_runs_of_every_layout_read_alike(content: str, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(content.encode())
    read = read_run_file(tmp_path / "t.txt")
    assert read.run == RUN
    assert not read.warnings


def test_a_tag_may_have_spaces(tmp_path: Path) -> None:
    lines = "q1 Q0 a 1 2.0 my best run\nq1 Q0 b 2 1.0 my best run\n"
    (tmp_path / "run.txt").write_text(lines, encoding="utf-8")
    assert read_run(tmp_path / "run.txt").tag == "my best run"


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u2003", "\u0085", "\x1c"])
def test_cells_are_split_at_ascii_white_space(space: str, tmp_path: Path) -> None:
    """As trec_eval splits them: what is white space to Python only is part of an id."""
    name = f"a{space}b"
    write_run(tmp_path / "run.txt", Run("t", {name: [Hit(name, 1.0)]}))
    assert read_run(tmp_path / "run.txt").hits == {name: [Hit(name, 1.0)]}
    (tmp_path / "qrels.txt").write_text(f"{name} 0 {name} 1\n", encoding="utf-8")
    assert read_qrels(tmp_path / "qrels.txt") == {name: {name: 1}}


def test_ids_of_a_run_may_hold_spaces_where_tabs_separate(tmp_path: Path) -> None:
    lines = "q 1\tQ0\tmy a.txt\t1\t2.0\tt\nq 1\tQ0\tb\t2\t1.0\tt\n"
    (tmp_path / "run.txt").write_text(lines, encoding="utf-8")
    assert read_run(tmp_path / "run.txt").hits == {"q 1": [Hit("my a.txt", 2.0), Hit("b", 1.0)]}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_run_in_utf_16_is_told_how_to_become_utf_8(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_bytes((LINE * 9).encode(encoding))
    with pytest.raises(CorpusError, match=r"UTF-16; convert it: iconv -f utf-16 -t utf-8"):
        read_run_file(tmp_path / "run.txt")


def test_a_line_that_is_no_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_bytes(LINE.encode() + "q1 Q0 é 2 1.0 t\n".encode("latin-1"))
    with pytest.raises(RunError, match=r"run\.txt:2: not UTF-8 at byte 6; .* iconv -f latin1"):
        read_run_file(tmp_path / "run.txt")


@pytest.mark.parametrize("block", [16, 40, 10_000])
def test_blocks_of_any_size_read_alike(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranks that contradict scores are met across the border of two blocks too."""
    monkeypatch.setattr("xret.retriever.corpora.lines.BLOCK_BYTES", block)
    lines = [f"q{n // 4} Q0 d{n} {n % 4 + 1} {9 - n % 4}.5 t\n" for n in range(40)]
    lines[22] = "q5 Q0 d22 3 9.9 u\n"
    (tmp_path / "run.txt").write_text("".join(lines), encoding="utf-8")
    read = read_run_file(tmp_path / "run.txt")
    assert len(read.run.hits) == 10
    assert [hit.doc_id for hit in read.run.hits["q5"]] == ["d22", "d20", "d21", "d23"]
    assert [warning[:20] for warning in read.warnings] == [
        "in 1 of 10 queries t",
        "2 different tags sta",
    ]


def test_the_line_of_a_mistake_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_text(LINE + "q1 Q0 b 2 nan t\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"run\.txt:2: the score is NaN"):
        read_run_file(tmp_path / "run.txt")


def test_a_compressed_run_reads_like_a_plain_one(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_text(LINE, encoding="utf-8")
    (tmp_path / "run.trec.gz").write_bytes(gzip.compress(LINE.encode()))
    assert read_run(tmp_path / "run.trec.gz") == read_run(tmp_path / "run.txt")


def test_a_cut_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "run.gz").write_bytes(gzip.compress(LINE.encode() * 900)[:-9])
    with pytest.raises(CorpusError, match=r"run\.gz"):
        read_run_file(tmp_path / "run.gz")


def test_ranks_against_the_scores_are_counted_by_query(tmp_path: Path) -> None:
    lines = ["q1 Q0 a 1 1.0 t", "q1 Q0 b 2 2.0 t", "q2 Q0 a 1 2.0 t", "q2 Q0 b 2 1.0 t"]
    (tmp_path / "run.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    read = read_run_file(tmp_path / "run.txt")
    assert read.warnings == (
        "in 1 of 2 queries the ranks contradict the scores; the scores were taken, as trec_eval "
        "takes them",
    )
    assert [hit.doc_id for hit in read.run.hits["q1"]] == ["b", "a"]


def test_ranks_from_zero_and_ties_are_no_contradiction(tmp_path: Path) -> None:
    lines = ["q Q0 b 0 1.0 t", "q Q0 a 1 1.0 t", "q Q0 c 2 0.5 t"]
    (tmp_path / "run.txt").write_text("\n".join(lines), encoding="utf-8")
    assert read_run_file(tmp_path / "run.txt").warnings == ()


def test_several_tags_in_one_run_are_told(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_text(LINE + "q1 Q0 b 2 1.0 u\n", encoding="utf-8")
    assert read_run_file(tmp_path / "run.txt").warnings == ("2 different tags stand in one run",)


def test_a_query_id_may_begin_like_a_comment(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_text("# six cells in a comment #\n#7 Q0 a 1 1.0 t\n", "utf-8")
    assert list(read_run(tmp_path / "run.txt").hits) == ["#7"]


def test_trec_eval_takes_double_precision_and_the_last_id_first() -> None:
    hits = [Hit("a", 20.000003), Hit("b", 20.000001), Hit("c", 21.0)]
    assert [hit.doc_id for hit in trec_eval_order(hits)] == ["c", "a", "b"]
    close = [Hit("b", 20.0000001), Hit("a", 20.0000002)]  # one single-precision number
    assert [hit.doc_id for hit in trec_eval_order(close)] == ["a", "b"]


def test_hits_in_order_are_not_sorted_again() -> None:
    hits = [Hit("a", 2.0), Hit("b", 1.0)]
    assert trec_eval_order(hits) is hits


METADATA: dict[str, Any] = {
    "schema version": 0.2,
    "tag": "a run",
    "languages": ["no", "sw", "yes: maybe", "1.5", "#x", ""],
    "empty": {},
    "nested": {"list": [{"name": "x", "params": {"k": 3, "flag": True}}, {"name": "y"}]},
    "absent": None,
    "text": "line\nbreak \u0633\u0624\u0627\u0644 '\"\\",
}


def test_what_is_written_is_yaml_of_the_same_values() -> None:
    kept = {key: value for key, value in METADATA.items() if value is not None}
    assert yaml.safe_load(to_yaml(METADATA)) == kept


def test_metadata_survives_beside_the_run_and_in_its_first_lines(tmp_path: Path) -> None:
    kept = {key: value for key, value in METADATA.items() if value is not None}
    run = Run("tag", {"q1": [Hit("a", 2.0)]})
    write_run(tmp_path / "beside.trec", run)
    assert read_run_file(tmp_path / "beside.trec").metadata == {}
    assert write_side_file(tmp_path / "beside.trec", METADATA) == side_file(
        tmp_path / "beside.trec"
    )
    header = f"ir_metadata.start\n{to_yaml(METADATA)}ir_metadata.end"
    write_run(tmp_path / "within.trec", run, header=header)
    for name in ("beside.trec", "within.trec"):
        read = read_run_file(tmp_path / name)
        assert (read.run, read.metadata) == (run, kept)


def test_metadata_of_other_programs_is_read() -> None:
    """As repro_eval writes it (behind `#`), and as tirex-tracker does (a file)."""
    header = "# ir_metadata.start\n# tag: bm25\n# method:\n#   automatic: true\n# ir_metadata.end\n"
    assert parse_metadata(header) == {"tag": "bm25", "method": {"automatic": True}}
    assert parse_metadata("#ir_metadata.start\n#tag: x\n#ir_metadata.end") == {"tag": "x"}
    assert parse_metadata("schema version: 0.2\nplatform: {}\n") == {
        "schema version": 0.2,
        "platform": {},
    }


@pytest.mark.parametrize(
    "text",
    [
        "# just a comment\n# and another",
        "ir_metadata.start\n[unclosed\nir_metadata.end",
        "ir_metadata.start\n!!python/object/apply:os.system [ls]\nir_metadata.end",
        "ir_metadata.start\n- a list\nir_metadata.end",
        "",
        "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
        "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
        "e: [*d, *d, *d, *d, *d, *d, *d, *d, *d]\n",
        "[" * 5000,
    ],
)
def test_metadata_that_cannot_be_read_is_none(text: str) -> None:
    assert parse_metadata(text) == {}


def test_values_that_json_has_no_place_for_become_texts() -> None:
    body = 'big: 99999999999999999999999\nnan: .nan\nday: 2026-11-21\nhalf: "\\ud800"\n1: true\n'
    read = parse_metadata(f"ir_metadata.start\n{body}ir_metadata.end")
    assert read == {"big": "9" * 23, "nan": "nan", "day": "2026-11-21", "half": "?", "1": True}
    assert orjson.loads(orjson.dumps(read)) == read


def test_an_unreadable_side_file_does_not_stop_a_run(tmp_path: Path) -> None:
    (tmp_path / "r.trec").write_text(LINE, encoding="utf-8")
    side_file(tmp_path / "r.trec").write_bytes(b"\xff\xfe{{{")
    assert read_side_file(tmp_path / "r.trec") == {}
    assert read_run_file(tmp_path / "r.trec").run.tag == "t"


def test_the_metadata_of_a_run_has_the_components_of_the_schema() -> None:
    made = run_metadata(
        "tag",
        retrieval={"name": "x"},
        corpus={"name": "demo"},
        environment=describe_environment(seed=0),
    )
    read = parse_metadata(f"ir_metadata.start\n{to_yaml(made)}ir_metadata.end\n")
    assert read["schema version"] == 0.2
    assert set(read) >= {"tag", "platform", "implementation", "method", "data", "resources"}
    assert read["platform"]["software"]["retrieval toolkit"][0].startswith("xret==")
    assert read["platform"]["hardware"]["cpu"]["number of cores"] >= 1


def test_scores_that_differ_past_the_sixth_digit_are_not_tied(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.write_text("q Q0 b 1 0.00000030 t\nq Q0 c 2 0.00000020 t\nq Q0 a 3 0.00000010 t\n")
    assert [hit.doc_id for hit in read_run_file(run).run.hits["q"]] == ["b", "c", "a"]
