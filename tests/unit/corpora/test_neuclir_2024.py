"""NeuCLIR 2024 out of a folder with the track's own files, under the names that TREC gives."""

import gzip
import json
from pathlib import Path

import pytest

from xret.errors import CorpusError
from xret.retriever.corpora.registry import open_corpus


def topic(number: str, title: str, chinese: str) -> str:
    wordings = [
        {"lang": "eng", "source": "original", "topic_title": title, "topic_description": "D"},
        {
            "lang": "zho",
            "source": "human translation",
            "topic_title": chinese,
            "topic_description": "描述",
        },
    ]
    return json.dumps({"topic_id": number, "topics": wordings}, ensure_ascii=False) + "\n"


def packed(path: Path, **fields: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(fields).encode()))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "trec"
    (folder / "qrels").mkdir(parents=True)
    topics = topic("300", "Floods", "洪水") + topic("301", "Unjudged", "无")
    (folder / "neuclir-2024-topics.0605.jsonl").write_text(topics, encoding="utf-8")
    technical = topic("500", "Alloys", "合金")
    (folder / "neuclir-2024-technical_topics.0719.jsonl").write_text(technical, encoding="utf-8")
    judged = {
        "2024-qrels.zho": "300 0 z1 2\n",
        "2024-qrels.zho.with-gains.txt": "300 0 z1 3\n",
        "2024-qrels.rus.with-gains.txt": "300 0 r1 1\n",
        "2024-qrels.tech.with-gains.txt": "500 0 csl-1 3\n",
    }
    for name, text in judged.items():
        (folder / "qrels" / name).write_text(text)
    monkeypatch.setenv("NEUCLIR_2024_HOME", str(folder))
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "irds"))
    return folder


@pytest.mark.usefixtures("files")
def test_news_has_topics_of_the_year_and_gains_of_each_language() -> None:
    corpus = open_corpus("neuclir-2024", doc_langs=["zh"])
    assert [(q.query_id, q.text) for q in corpus.queries()] == [("300", "Floods D")]
    assert corpus.qrels() == {"300": {"z1": 3}}
    together = open_corpus("neuclir-2024", doc_langs=["zh", "ru"])
    assert together.qrels() == {"300": {"z1": 3, "r1": 1}}
    within = open_corpus("neuclir-2024", doc_langs=["zh"], query_langs=["zh"])
    assert [q.text for q in within.queries()] == ["洪水 描述"]


def test_technical_documents_are_a_split_of_their_own(files: Path) -> None:
    packed(
        files.parent / "irds/csl/docs.jsonl.gz",
        doc_id="csl-1",
        title="合金",
        abstract="钢",
        category="c",
    )
    corpus = open_corpus("neuclir-2024", doc_langs=["zh"], split="technical")
    assert corpus.name == "neuclir-2024-technical"
    assert [(q.query_id, q.text) for q in corpus.queries()] == [("500", "Alloys D")]
    assert corpus.qrels() == {"500": {"csl-1": 3}}
    found = [(d.doc_id, d.title, d.text) for d in corpus.documents(on_reject=lambda _: None)]
    assert found == [("csl-1", "合金", "钢")]
    with pytest.raises(CorpusError, match="technical documents of NeuCLIR are Chinese"):
        open_corpus("neuclir-2024", doc_langs=["ru"], split="technical")


def test_what_the_folder_lacks_is_named(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CorpusError, match="has no qrels of fas"):
        open_corpus("neuclir-2024", doc_langs=["fa"]).qrels()
    (files / "neuclir-2024-topics.0605.jsonl").unlink()
    with pytest.raises(CorpusError, match="has no topics of news"):
        open_corpus("neuclir-2024", doc_langs=["zh"]).queries()
    monkeypatch.delenv("NEUCLIR_2024_HOME")
    with pytest.raises(CorpusError, match="folder of your own"):
        open_corpus("neuclir-2024", doc_langs=["zh"]).queries()
