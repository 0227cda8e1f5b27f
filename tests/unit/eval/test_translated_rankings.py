"""BM25 with translated queries and documents, and PSQ, as systems under evaluation."""

import json
from pathlib import Path

import pytest
from tiny_translation import write_tiny_table

from xret.errors import ConfigError, TranslationError
from xret.eval.assessment import evaluate

DOCUMENTS = [
    {"_id": "de1", "text": "Die Bank am Fluss", "lang": "de"},
    {"_id": "de2", "text": "Eine Mondlandschaft", "lang": "de"},
    {"_id": "ru1", "text": "река", "lang": "ru"},
    {"_id": "ru2", "text": "луна", "lang": "ru"},
]
PAIRS = [
    ("en", "de", "river", "Fluss"),
    ("en", "ru", "river", "река"),
    ("en", "de", "the bank by the river", "Die Bank am Fluss"),
    ("en", "de", "a landscape of the moon", "Eine Mondlandschaft"),
    ("en", "ru", "the river", "река"),
    ("en", "ru", "moon", "луна"),
]
MODES = ("psq", "query-translation", "document-translation")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    write = {"corpus.jsonl": DOCUMENTS, "queries.jsonl": [{"_id": "q", "text": "river"}]}
    for query in write["queries.jsonl"]:
        query["lang"] = "en"
    for name, rows in write.items():
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "qrels.tsv").write_text("q\t0\tde1\t1\nq\t0\tru1\t1\n")
    return folder


@pytest.fixture
def table(tmp_path: Path) -> str:
    write_tiny_table(tmp_path / "table")
    return str(tmp_path / "table")


@pytest.fixture
def texts(tmp_path: Path) -> str:
    path = tmp_path / "texts.tsv"
    path.write_text("".join("\t".join(pair) + "\n" for pair in PAIRS), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("translator", ["table", "texts"])
def test_translation_finds_what_the_words_alone_do_not(
    corpus: Path, table: str, translator: str, request: pytest.FixtureRequest
) -> None:
    named = request.getfixturevalue(translator)
    found = evaluate(
        corpus,
        encoder="bm25",
        mode=["lexical", *MODES],
        psq=table,
        translator=named,
        measures=["RR@10", "R@10"],
    )
    by_name = {system.system: system for system in found.systems}
    assert [*by_name] == ["bm25 lexical", "psq", "query translation", "document translation"]
    for system in found.systems:
        recall = {one.doc_lang: one.measures["R@10"] for one in system.results}
        expected = 0.0 if system.system == "bm25 lexical" else 1.0
        assert recall == {"de": expected, "ru": expected, None: expected}
    facts = by_name["document translation"].as_json()
    assert facts["translated texts"] == 4 and facts["translated characters"] > 20
    assert facts["fingerprint"].startswith(("words-", "file-"))


def test_a_report_names_the_translator_and_a_second_run_translates_nothing(
    corpus: Path, texts: str, tmp_path: Path
) -> None:
    found = evaluate(corpus, mode="document-translation", translator=texts)
    assert found.systems[0].as_json()["translated texts"] == 4
    found = evaluate(
        corpus, mode="document-translation", translator=texts, report=tmp_path / "report"
    )
    assert found.systems[0].as_json()["translated texts"] == 0
    page = next(path for path in found.written if path.suffix == ".html")
    assert "bm25, translated by texts.tsv" in page.read_text(encoding="utf-8")


def test_a_text_without_a_translation_is_told(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "few.tsv"
    path.write_text("en\tru\triver\tрека\n", encoding="utf-8")
    with pytest.raises(TranslationError, match="from en to de of 1 of 1 texts, such as 'river'"):
        evaluate(corpus, mode="query-translation", translator=str(path))


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"mode": "query-translation"}, "needs a translator"),
        ({"mode": "psq", "translator": "x"}, "--translator is for"),
        ({"mode": "dense", "psq": "x"}, "name that mode too"),
    ],
)
def test_what_does_not_go_together_is_refused(
    corpus: Path, named: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        evaluate(corpus, **named)  # type: ignore[arg-type]
