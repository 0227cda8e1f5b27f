"""Published tables: what stands in them, and when a number counts as reproduced."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from xret.errors import ConfigError, RunError, UnknownCorpusError
from xret.eval.measures import measure_facts
from xret.eval.reproduction.comparison import commands_of, reproduce_row
from xret.eval.reproduction.table import (
    TABLES,
    Published,
    PublishedTable,
    SystemRow,
    find_table,
    read_table,
)
from xret.retriever.corpora.registry import CORPORA, find_collection, open_corpus
from xret.retriever.languages.codes import language_code
from xret.retriever.models.registry import ENCODERS

FINE = 'title = "t"\ntolerance = 0.01\n[[rows]]\nname = "a"\ncorpus = "c"\nencoder = "e"\n'


@pytest.mark.parametrize("name", TABLES)
def test_every_row_asks_for_what_there_is(name: str) -> None:
    """Collections, languages, splits, encoders and measures of our tables all exist."""
    for row in find_table(name).rows:
        if row.corpus in CORPORA:
            choice = find_collection(row.corpus).choose(
                [row.lang], [row.query_lang] if row.query_lang else [], split=row.split or None
            )
            assert len(choice.doc_langs) == 1
        assert not row.encoder or row.encoder in ENCODERS or row.encoder.count("/") == 1
        for published in row.published:
            assert measure_facts(published.measure).name == published.measure
            assert published.place
            assert published.url.startswith("https://")


@pytest.mark.parametrize("name", TABLES)
def test_what_is_indexed_is_the_documents_that_are_evaluated(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many documents by either spelling; opening a corpus fetches nothing."""
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path))
    monkeypatch.setenv("XRET_OFFLINE", "1")
    for row in find_table(name).rows:
        if row.needs:  # of a folder of the reader's own
            continue
        indexed = open_corpus(row.indexed)
        evaluated = open_corpus(
            row.corpus, doc_langs=[row.lang] if row.lang else [], split=row.split or None
        )
        assert indexed.count_records() == evaluated.count_records() is not None


def test_numbers_of_the_published_tables_are_those_that_were_read() -> None:
    """Spot checks against the pages, and the averages that the pages print."""
    rows = {row.name: row for row in find_table("colbert-xm").rows}
    assert rows["mmarco-fr-colbert-xm"].published[0].value == 0.269
    assert rows["mmarco-ar-dpr-xm"].published[0].value == 0.151
    for encoder, average in (("colbert-xm", 26.2), ("dpr-xm", 21.3)):
        of_it = [r for n, r in rows.items() if n.startswith("mmarco") and n.endswith(encoder)]
        values = [100 * (row.published[0].value or 0) for row in of_it]
        assert (len(values), round(sum(values) / 14, 1)) == (14, average)
    tydi = [row for name, row in rows.items() if name.startswith("mrtydi")]
    for position, average in ((0, 49.0), (1, 87.5)):
        values = [100 * (row.published[position].value or 0) for row in tydi]
        assert (len(values), round(sum(values) / 10, 1)) == (10, average)
    miracl = {row.name: row for row in find_table("miracl").rows}
    assert [p.value for p in miracl["miracl-sw-mdpr"].published] == [0.2990, 0.6158]
    assert sum(name.endswith("-mdpr") for name in miracl) == 18


def test_a_number_that_nobody_read_is_not_stated() -> None:
    """HC4's authors publish their runs; of CLIRudit's paper only a quotation was read."""
    rows = {row.name: row for name in ("clirudit", "hc4") for row in find_table(name).rows}
    translated = [
        rows[f"hc4-{lang}-bm25-rm3-document-translation"] for lang in ("zho", "fas", "rus")
    ]
    assert [round(row.published[0].value or 0, 3) for row in translated] == [0.356, 0.295, 0.255]
    quoted = {
        name: row.published[0].value
        for name, row in rows.items()
        if name.startswith("clirudit") and row.published[0].value is not None
    }
    assert quoted["clirudit-bm25-document-translation"] == 0.579
    assert quoted["clirudit-bge-m3"] == 0.492
    assert quoted["clirudit-nv-embed-v2"] == 0.616
    assert all("as quoted" in rows[name].published[0].place for name in quoted)
    unread = ("clirudit-multilingual-e5-large", "clirudit-xret-static", "hc4-zho-bge-m3")
    assert all(p.value is None for name in unread for p in rows[name].published)
    reranked = find_table("parameter-efficient-reranking").rows
    assert all(p.value is None for row in reranked for p in row.published)


def test_a_system_that_xret_has_not_is_not_run_and_stands_beside_the_others() -> None:
    table = find_table("clirudit")
    (row,) = table.chosen(["clirudit-bm25-document-translation"])

    def shell(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        raise AssertionError(command)

    result = reproduce_row(row, table, Path("f"), shell=shell)
    assert (result.commands, result.failure) == ((), "")
    first = result.numbers[0]
    assert (first.published, first.measured, first.outcome) == (0.579, None, "not run")


def test_rows_of_one_language_index_that_language() -> None:
    rows = {row.name: row for table in TABLES for row in find_table(table).rows}
    for row in rows.values():
        if row.lang and row.index_corpus:
            assert language_code(row.index_corpus.split("/")[-1]) == language_code(row.lang)
    commands = commands_of(rows["hc4-zho-bge-m3"], Path("kept"))
    assert commands == (
        (
            "xret",
            "corpus",
            "pull",
            "hc4",
            "--lang",
            "eng",
            "--doc-lang",
            "zho",
            "--split",
            "test",
        ),
        ("xret", "model", "pull", "bge-m3"),
        (
            "xret",
            "index",
            "--corpus",
            "hc4/zho",
            "--output",
            "kept/hc4-zho-bge-m3",
            "--encoder",
            "bge-m3",
        ),
        (
            "xret",
            "eval",
            "hc4",
            "--lang",
            "eng",
            "--doc-lang",
            "zho",
            "--split",
            "test",
            "--index",
            "kept/hc4-zho-bge-m3",
            "--measure",
            "nDCG@20",
            "--measure",
            "AP",
            "--measure",
            "R@1000",
            "--json",
        ),
    )


@pytest.mark.parametrize(
    ("measured", "outcome"),
    [(0.26, "match"), (0.25, "match"), (0.27, "match"), (0.2489, "miss"), (0.2711, "miss")],
)
def test_a_match_is_within_the_tolerance_at_both_ends(measured: float, outcome: str) -> None:
    row = SystemRow("r", "demo", "xret-static", (Published("RR@10", 0.26, "p", "u"),))
    table = PublishedTable("t", "t", "", 0.01, "", (row,))
    results = [
        {"query_lang": "en", "doc_lang": "fr", "measures": {"RR@10": 0.9}},
        {"query_lang": "en", "doc_lang": None, "measures": {"RR@10": 0.8}},
        {"query_lang": None, "doc_lang": None, "measures": {"RR@10": measured}},
    ]

    def shell(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, json.dumps({"results": results}))

    number = reproduce_row(row, table, Path("f"), shell=shell).numbers[0]
    assert (number.outcome, number.measured) == (outcome, measured)


def test_a_command_that_fails_ends_the_row_and_is_named() -> None:
    row = SystemRow("r", "clirudit", "bge-m3", (Published("RR@10", 0.26, "p", "u"),), lang="fr")
    table = PublishedTable("t", "t", "", 0.01, "", (row,))
    run: list[tuple[str, ...]] = []

    def shell(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        run.append(command)
        return subprocess.CompletedProcess(command, int(command[1] == "model"), "")

    result = reproduce_row(row, table, Path("f"), shell=shell)
    assert [command[1] for command in run] == ["corpus", "model"]
    assert result.failure.startswith("xret model pull bge-m3 failed")
    assert "xret corpus pull clirudit --doc-lang fr; xret model pull bge-m3" in result.failure
    assert (result.numbers[0].outcome, result.numbers[0].difference) == ("failed", None)


def test_an_answer_without_results_is_said() -> None:
    row = SystemRow("r", "demo", "xret-static", (Published("RR@10", None, "", ""),))
    table = PublishedTable("t", "t", "", 0.01, "", (row,))
    with pytest.raises(RunError, match="no results"):
        reproduce_row(
            row,
            table,
            Path("f"),
            shell=lambda command: subprocess.CompletedProcess(command, 0, "{}"),
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "title = ",
        FINE,
        FINE + "published = []",
        FINE + 'published = [{ measure = "RR@10", value = 37.2 }]',
        FINE + 'published = [{ measure = "RR@10", source = "nowhere" }]',
        FINE + "published = [{ value = 0.3 }]",
        FINE + 'tag = "x"\npublished = [{ measure = "RR@10" }]',
        (FINE + 'published = [{ measure = "RR@10" }]').replace("0.01", "3"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"t\.toml"):
        read_table(path)


def test_a_table_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(FINE + 'published = [{ measure = "RR@10", value = 1 }]', encoding="utf-8")
    found = find_table(str(path))
    assert (found.name, found.rows[0].published[0].value, found.rows[0].indexed) == (
        "mine",
        1.0,
        "c",
    )
    with pytest.raises(UnknownCorpusError, match="did you mean miracl"):
        find_table("mircl")


def test_a_row_says_what_it_needs_before_it_runs_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = find_table("parameter-efficient-reranking")
    run: list[tuple[str, ...]] = []

    def shell(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        run.append(command)
        systems = [_system(0.1), _system(0.2)]
        return subprocess.CompletedProcess(command, 0, json.dumps({"systems": systems}))

    (row,) = table.chosen(["en-fi-masks-split"])
    result = reproduce_row(row, table, tmp_path / "kept", shell=shell)
    assert not run
    assert "clef/en-fi is not there" in result.failure
    assert "licensed by ELDA" in result.failure
    for one in row.needs:
        (tmp_path / one.path).mkdir(parents=True)
    learnt = tmp_path / "kept" / "mask" / "masks" / "en.safetensors"
    learnt.parent.mkdir(parents=True)
    learnt.touch()
    result = reproduce_row(row, table, tmp_path / "kept", shell=shell)
    assert [command[1:3] for command in run] == [
        ("train", "rerank"),
        ("module", "learn"),
        ("index", "--corpus"),
        ("eval", "clef/en-fi"),
    ]
    assert f"{tmp_path}/kept/mask#split@100" in run[-1]
    assert [number.measured for number in result.numbers] == [0.2]


def test_both_ablations_and_the_three_routings_are_rows_of_every_pair() -> None:
    rows = {row.name: row for row in find_table("parameter-efficient-reranking").rows}
    pairs = {name.removesuffix("-first") for name in rows if name.endswith("-first")}
    assert len(pairs) == 8
    for pair in pairs:
        for way in ("qlang", "dlang", "split"):
            row = rows[f"{pair}-adapters-{way}"]
            assert row.rerank == f"{{folder}}/adapter-invertible#{way}@100"
            learnt = [step for step in row.before if "module learn language" in step]
            langs = {*pair.split("-"), "en"}
            assert len(learnt) == len(langs) and all("--invertible" in step for step in learnt)
            # The ranking adapter learns over the English one, before others come beside it.
            assert "--lang en" in row.before[0] and "--language-adapters" in row.before[1]
        plain = rows[f"{pair}-adapters-plain-split"]
        assert not any("--invertible" in step for step in plain.before)
        assert not any("language" in step for step in rows[f"{pair}-adapter"].before)


def _system(value: float) -> dict[str, object]:
    whole = {"query_lang": None, "doc_lang": None, "measures": {"AP": value}}
    return {"results": [whole]}


@pytest.mark.parametrize("name", TABLES)
def test_the_options_of_a_rows_commands_exist(name: str) -> None:
    """What a table asks to be typed is known to the command line."""
    import typer

    from xret.cli.commands import app

    root = typer.main.get_command(app)
    for row in find_table(name).rows:
        for command in commands_of(row, Path("kept")):
            found: Any = root
            for word in command[1:]:
                if word in getattr(found, "commands", {}):
                    found = found.commands[word]
            known = {spelling for option in found.params for spelling in option.opts}
            assert {word for word in command if word.startswith("--")} <= known, command


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ""),
        ({"pooling_mode": "cls"}, ""),
        ({"pooling_mode_mean_tokens": True}, "has mean pooling"),
        ({"pooling_mode_max_tokens": True}, "names no such pooling"),
        (None, "names no such pooling"),
    ],
)
def test_a_row_runs_only_with_its_own_pooling(
    tmp_path: Path, config: dict[str, Any] | None, said: str
) -> None:
    """The numbers of mDPR are of its first token: another pooling is refused, not a miss."""
    modules = [("transformers.Transformer", ""), ("models.Pooling", "1_Pooling")]
    rows = [{"type": f"sentence_transformers.{name}", "path": path} for name, path in modules]
    (tmp_path / "modules.json").write_text(json.dumps(rows[: 1 + (config is not None)]))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(config))
    published = (Published("RR@10", 1.0, "p", "u"),)
    row = SystemRow("r", "demo", str(tmp_path), published, pooling="cls")
    table = PublishedTable("t", "t", "", 0.01, "", (row,))
    run: list[str] = []

    def shell(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        run.append(command[1])
        results = [{"query_lang": None, "doc_lang": None, "measures": {"RR@10": 1.0}}]
        return subprocess.CompletedProcess(command, 0, json.dumps({"results": results}))

    result = reproduce_row(row, table, tmp_path, shell=shell)
    assert said in result.failure
    assert (result.numbers[0].outcome, run) == (
        ("failed", []) if said else ("match", ["index", "eval"])
    )


def test_the_pooling_of_mdpr_is_part_of_its_rows(tmp_path: Path) -> None:
    rows = find_table("miracl").chosen(["*-mdpr"])
    assert {row.pooling for row in rows} == {"cls"}
    path = tmp_path / "mine.toml"
    path.write_text(FINE + 'pooling = "max"\npublished = [{ measure = "RR@10" }]')
    with pytest.raises(ConfigError, match="pooling 'max' is not cls or mean"):
        read_table(path)
