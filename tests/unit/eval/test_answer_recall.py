"""R@2kt and R@5kt: answers looked for in the first tokens retrieved, as XOR-Retrieve's program.

The values were computed by `evals/eval_xor_retrieve.py` of the authors over the same texts.
"""

import json
from pathlib import Path

import pytest

import xret
from xret.errors import CorpusError, MissingLibraryError, RunError
from xret.eval import measures, runner
from xret.eval.answer_recall import answer_recall, answer_tokens, first_tokens, word_tokenizer
from xret.retriever.corpora.registry import open_corpus

TOKYO = "Tokyo (東京) is the capital and most populous prefecture of Japan."
HONSHU = (
    "Located at the head of Tokyo Bay, the prefecture forms part of the Kantō region on the "
    "central Pacific coast of Japan's main island, Honshu."
)
FOX = "The quick brown fox can't jump over the lazy dog, says Mr. Smith. " * 140
RANKINGS = {
    "1": ([TOKYO, HONSHU], ["Honshu"], (1, 1)),
    "2": ([FOX, FOX, TOKYO, FOX, FOX], ["most populous prefecture"], (0, 1)),
    # The comma is a token of its own, and an answer is not cut into tokens.
    "3": ([HONSHU], ["Tokyo Bay, the"], (0, 0)),
    "4": ([FOX, TOKYO], ["capital"], (0, 1)),
    "6": ([*[FOX] * 8, TOKYO], ["Tokyo"], (0, 0)),
}


@pytest.mark.parametrize("query_id", RANKINGS)
def test_values_are_those_of_the_authors_program(query_id: str) -> None:
    pytest.importorskip("nltk")
    try:
        tokenize = word_tokenizer()
    except MissingLibraryError as error:
        pytest.skip(str(error))
    texts, answers, expected = RANKINGS[query_id]
    assert len(tokenize(FOX)) == 2240
    tokens = first_tokens(texts, 5000, tokenize)
    assert tuple(answer_recall(tokens[:n], answers) for n in (2000, 5000)) == expected


def test_no_more_texts_are_read_than_tokens_are_needed() -> None:
    read = iter(["a b c", "d e f", "g"])
    assert first_tokens(read, 5, str.split) == ["a", "b", "c", "d", "e"]
    assert next(read) == "g"
    assert answer_tokens("R@5kt") == 5000
    assert answer_tokens("R@0kt") is answer_tokens("R@5") is None


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The collection's two files, in their layout, where they are kept after a download."""
    monkeypatch.setenv("XRET_HOME", str(tmp_path))
    monkeypatch.setenv("XRET_OFFLINE", "1")
    for module in (measures, runner):
        monkeypatch.setattr(module, "word_tokenizer", lambda: str.split)
    folder = tmp_path / "corpora/xor-retrieve"
    folder.mkdir(parents=True)
    filler = "gold " * 2500
    rows = [
        ("id", "text", "title"),
        ("1", '"The ""moon"" is far."', "Moon"),
        ("2", filler, "Gold"),
        ("3", "Salt is white.", "Salt"),
    ]
    text = "\n".join("\t".join(row) for row in rows) + "\n"
    (folder / "enwiki_20190201_w100.tsv").write_text(text, encoding="utf-8")
    questions = [
        ("a", "ja", "moon far", ["far."]),
        ("b", "ja", "gold salt", ["white."]),
        ("c", "fi", "salt", ["yes"]),
        ("d", "fi", "salt", ["no", "blue"]),
    ]
    lines = [
        {"id": i, "lang": lang, "question": q, "answers": answers, "split": "dev"}
        for i, lang, q, answers in questions
    ]
    name = "xor_dev_retrieve_eng_span_v1_1.jsonl"
    (folder / name).write_text("\n".join(map(json.dumps, lines)) + "\n")
    return tmp_path


@pytest.mark.usefixtures("collection")
def test_questions_come_with_answers_and_passages_without_quotes() -> None:
    corpus = open_corpus("xor-retrieve", query_langs=["ja"])
    assert [(q.query_id, q.lang) for q in corpus.queries()] == [("a", "ja"), ("b", "ja")]
    found = [(d.doc_id, d.title, d.text) for d in corpus.documents(on_reject=lambda _: None)]
    assert found[0] == ("1", "Moon", 'The "moon" is far.')
    assert corpus.answers() == {"a": ["far."], "b": ["white."]}  # type: ignore[attr-defined]


def test_the_collection_is_measured_by_its_answers_alone(collection: Path) -> None:
    found = xret.evaluate("xor-retrieve", encoder=["bm25"], output=collection / "run.trec")
    results = {(r.query_lang, r.doc_lang): r.measures for r in found.systems[0].results}
    # The long text comes first for `gold salt`, and the answer behind its first 2,000 words.
    assert results["ja", None] == {"R@2kt": 0.5, "R@5kt": 1.0}
    assert results["fi", "en"] == {"R@2kt": 0.0, "R@5kt": 0.0}
    assert found.systems[0].mean_cross_language == {"R@2kt": 0.25, "R@5kt": 0.5}
    run = str(collection / "run.trec")
    index = str(next((collection / "indexes").iterdir()))
    again = xret.evaluate("xor-retrieve", runs=[run], index=[index])
    means = [system.mean_cross_language for system in again.systems]
    assert means == [found.systems[0].mean_cross_language] * 2
    assert not any("judged for any query" in warning for warning in again.warnings)
    with pytest.raises(RunError, match=r"has no texts; name the index that has them with --index"):
        xret.evaluate("xor-retrieve", runs=[run])
    with pytest.raises(RunError, match=r"nDCG@10 needs judgements of documents.*R@2kt or R@5kt"):
        xret.evaluate("xor-retrieve", measures=["nDCG@10"])
    with pytest.raises(RunError, match=r"R@2kt looks for answers.*measure nDCG@10"):
        xret.evaluate("demo", measures=["R@2kt"])


def test_a_file_of_questions_in_another_layout_is_refused(collection: Path) -> None:
    path = next((collection / "corpora/xor-retrieve").glob("*.jsonl"))
    path.write_text('{"id": "a", "lang": "ja", "question": "?"}\n')
    with pytest.raises(CorpusError, match=r"jsonl:1: no question of XOR-Retrieve.*no answers"):
        open_corpus("xor-retrieve").queries()


def test_a_missing_library_is_told_before_anything_is_indexed(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking() -> None:
        raise MissingLibraryError("pip install nltk")

    monkeypatch.setattr(measures, "word_tokenizer", lacking)
    with pytest.raises(MissingLibraryError):
        xret.evaluate("xor-retrieve", encoder=["bm25"])
    assert not (collection / "indexes").exists()
