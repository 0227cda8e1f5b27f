"""Collections on the hub, in their published layouts, through the hub's real client."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_double import COMMIT, hub_of_datasets

from xret.errors import CorpusError
from xret.retriever.corpora.collection import FetchedFile
from xret.retriever.corpora.parts import CollectionCorpus
from xret.retriever.corpora.pins import Pins
from xret.retriever.corpora.registry import find_collection, open_corpus
from xret.types import Document


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Caches of the test's own; the client took its settings from the environment at import."""
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "irds"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("XRET_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path


def table(path: Path, **columns: list[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def lines(path: Path, *rows: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    content = ("\n".join(texts) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def clirudit(folder: Path) -> Path:
    for lang, word in (("fr", "neige"), ("en", "snow")):
        table(
            folder / f"docs/{lang}.test-00000-of-00001.parquet",
            docid=["a1", "a2"],
            title=[f"{word} 1", f"{word} 2"],
            subtitle=["sub", None],
            abstract=[f"{word} abstract", None],
        )
        table(
            folder / f"qrels/en_{lang}.test-00000-of-00001.parquet",
            qid=[7, 8, 8],
            docid=["a1", "a1", "a2"],
            rel=[1, 1, 1],
        )
    table(folder / "queries/en.test-00000-of-00001.parquet", qid=[7, 8], query=["x, y", "z"])
    return folder


def documents(corpus: object) -> list[Document]:
    def refuse(record: object) -> None:
        raise AssertionError(record)

    return list(corpus.documents(on_reject=refuse))  # type: ignore[attr-defined]


@pytest.fixture
def served_clirudit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, list[str]]]:
    folder = clirudit(tmp_path / "served")
    with hub_of_datasets({"ftvalentini/clirudit": folder}) as (address, asked):
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield folder, asked


def test_clirudit_is_read_from_its_parquet_files(
    served_clirudit: tuple[Path, list[str]],
) -> None:
    corpus = open_corpus("clirudit")
    assert corpus.name == "clirudit-fr"
    assert [(d.doc_id, d.title, d.text, d.lang) for d in documents(corpus)] == [
        ("a1", "neige 1: sub", "neige abstract", "fr"),
        ("a2", "neige 2", "", "fr"),
    ]
    assert [(q.query_id, q.text, q.lang) for q in corpus.queries()] == [
        ("7", "x, y", "en"),
        ("8", "z", "en"),
    ]
    assert corpus.qrels() == {"7": {"a1": 1}, "8": {"a1": 1, "a2": 1}}
    assert corpus.notes() == []
    _, asked = served_clirudit
    assert not [path for path in asked if "en.test" in path and "docs" in path]


@pytest.mark.usefixtures("served_clirudit")
def test_two_languages_of_documents_are_one_pool_with_ids_of_both() -> None:
    corpus = open_corpus("clirudit", doc_langs=["all"])
    assert corpus.name == "clirudit"
    assert [d.doc_id for d in documents(corpus)] == ["en/a1", "en/a2", "fr/a1", "fr/a2"]
    assert corpus.qrels()["7"] == {"en/a1": 1, "fr/a1": 1}
    assert open_corpus("clirudit/en").name == "clirudit-en"


def test_a_pull_is_checked_pinned_and_enough_to_work_offline(
    served_clirudit: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = served_clirudit
    corpus = open_corpus("clirudit")
    assert isinstance(corpus, CollectionCorpus)
    files = [step for step in corpus.fetch() if isinstance(step, FetchedFile)]
    served = (folder / "docs/fr.test-00000-of-00001.parquet").read_bytes()
    assert len(files) == 3
    assert files[0].checksum == "sha256:" + hashlib.sha256(served).hexdigest()
    assert (files[0].bytes, COMMIT in files[0].source) == (len(served), True)
    assert Pins("clirudit").commit("ftvalentini/clirudit") == COMMIT
    asked.clear()
    monkeypatch.setenv("XRET_OFFLINE", "1")
    assert len(documents(open_corpus("clirudit"))) == 2
    assert asked == []
    with pytest.raises(CorpusError, match=r"network is off.*xret corpus pull"):
        documents(open_corpus("clirudit", doc_langs=["en"]))
    assert asked == []


def test_what_was_fetched_whole_needs_no_hub(
    served_clirudit: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    documents(open_corpus("clirudit"))
    _, asked = served_clirudit
    asked.clear()
    documents(open_corpus("clirudit"))
    assert asked == []
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert len(documents(open_corpus("clirudit"))) == 2


def test_half_of_a_table_in_the_cache_is_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / f"hub/datasets--ftvalentini--clirudit/snapshots/{COMMIT}"
    for number in (0, 1):
        name = f"docs/fr.test-0000{number}-of-00002.parquet"
        table(folder / name, docid=[f"a{number}"], title=["t"], abstract=["x"])
    Pins("clirudit").record_commit("ftvalentini/clirudit", COMMIT)
    monkeypatch.setenv("XRET_OFFLINE", "1")
    assert [d.doc_id for d in documents(open_corpus("clirudit"))] == ["a0", "a1"]
    (folder / "docs/fr.test-00001-of-00002.parquet").unlink()
    with pytest.raises(CorpusError, match="is not in the cache and the network is off"):
        documents(open_corpus("clirudit"))


def test_a_collection_pinned_once_stays_at_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, later = "ftvalentini/clirudit", "f" * 40
    folder = clirudit(tmp_path / "served")
    with hub_of_datasets({repo: folder}) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        documents(open_corpus("clirudit"))
    with hub_of_datasets({repo: folder}, commits={repo: later}) as (address, asked):
        monkeypatch.setenv("HF_ENDPOINT", address)
        documents(open_corpus("clirudit"))
        with pytest.raises(CorpusError):  # English is fetched at the first commit, gone here
            documents(open_corpus("clirudit", doc_langs=["en"]))
    assert not [path for path in asked if later in path]


@pytest.mark.usefixtures("served_clirudit")
def test_a_file_changed_in_the_cache_is_found_and_fetched_anew() -> None:
    corpus = open_corpus("clirudit")
    assert isinstance(corpus, CollectionCorpus)
    first = next(step for step in corpus.fetch() if isinstance(step, FetchedFile))
    blob = first.path.resolve()
    content = bytearray(blob.read_bytes())
    content[10] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(content)
    with pytest.raises(CorpusError, match="is damaged: its sha256"):
        list(corpus.fetch())
    again = next(step for step in corpus.fetch() if isinstance(step, FetchedFile))
    assert again.checksum == first.checksum


def test_another_layout_than_the_published_one_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(tmp_path / "served/data/x.parquet", a=[1])
    with hub_of_datasets({"ftvalentini/clirudit": tmp_path / "served"}) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(CorpusError, match="holds no file like docs/fr"):
            documents(open_corpus("clirudit"))
    folder = clirudit(tmp_path / "other")
    table(folder / "qrels/en_fr.test-00000-of-00001.parquet", query=[1], doc=["a"])
    with hub_of_datasets({"ftvalentini/clirudit": folder}) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("XRET_HOME", str(tmp_path / "home2"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub2"))
        with pytest.raises(CorpusError, match="no judgement with qid, docid and a whole rel"):
            open_corpus("clirudit").qrels()


def test_a_hub_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CorpusError, match="cannot be fetched from the hub"):
        documents(open_corpus("clirudit"))


def test_ciral_reads_topics_judgements_and_passages_of_two_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = find_collection("ciral")
    topics_at, docs_at = str(known.revision).split(", ")
    topics, docs = tmp_path / "topics", tmp_path / "docs"
    for lang, name in (("sw", "swahili"), ("yo", "yoruba")):
        row = {"docid": "D#0#0", "title": f"T {lang}", "text": "habari", "url": "u"}
        lines(docs / f"passages-v1.0/{name}_passages.jsonl", row)
        folder = topics / f"ciral-{name}"
        lines(folder / f"topics/topics.ciral-v1.0-{lang}-test-b.tsv", '1\t"a ""b"" c"', "2\td")
        qrels = ["1\tQ0\tD#0#0\t1", "1\tQ0\tD#0#1\t0", "23\tQ0\tD#0#0\t1"]
        lines(folder / f"qrels/qrels.ciral-v1.0-{lang}-test-b.tsv", *qrels)
    repos = {"CIRAL/ciral": topics, "CIRAL/ciral-corpus": docs}
    commits = {"CIRAL/ciral": topics_at, "CIRAL/ciral-corpus": docs_at}
    with hub_of_datasets(repos, commits=commits) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        corpus = open_corpus("ciral", doc_langs=["Swahili"], split="test-b")
        assert [(d.doc_id, d.title, d.lang) for d in documents(corpus)] == [("D#0#0", "T sw", "sw")]
        assert [(q.query_id, q.text, q.lang) for q in corpus.queries()] == [("1", 'a "b" c', "en")]
        assert corpus.qrels() == {"1": {"D#0#0": 1, "D#0#1": 0}}
        assert corpus.notes() == [
            "1 of 2 topics are not judged and are left out",
            "1 judged queries have no topic and are left out: 23",
        ]
        both = open_corpus("ciral", doc_langs=["sw", "yo"], split="test-b")
        assert [d.doc_id for d in documents(both)] == ["sw/D#0#0", "yo/D#0#0"]
        assert set(both.qrels()) == {"sw/1", "yo/1"}


def test_africlirmatrix_reads_documents_of_the_hub_and_topics_of_github(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xret.retriever.corpora import africlirmatrix

    docs, topics = tmp_path / "docs", tmp_path / "topics"
    for lang, name in (("ibo", "igbo"), ("yor", "yoruba")):
        lines(docs / f"africlirmatrix-v1.0-{name}/corpus.jsonl", {"id": "5", "contents": "Ala"})
        lines(topics / f"queries/topics.africlirmatrix-v1.0.en.{lang}.tsv", "9\tEarth", "8\tMoon")
        lines(topics / f"qrels/qrels.africlirmatrix-v1.0.en.{lang}.txt", "9 0 5 6")
        sums = [
            hashlib.md5(next(topics.glob(f"{kind}/*.{lang}.*")).read_bytes()).hexdigest()
            for kind in ("queries", "qrels")
        ]
        monkeypatch.setitem(africlirmatrix.MD5, lang, tuple(sums))
    repos = {"castorini/africlirmatrix": docs, "/raw": topics}
    commits = {"castorini/africlirmatrix": africlirmatrix.REVISION}
    with hub_of_datasets(repos, commits=commits) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setattr(africlirmatrix, "TOPICS", f"{address}/raw")
        corpus = open_corpus("africlirmatrix", doc_langs=["Igbo"])
        assert [(d.doc_id, d.text, d.lang) for d in documents(corpus)] == [("5", "Ala", "ig")]
        assert [(q.query_id, q.text, q.lang) for q in corpus.queries()] == [("9", "Earth", "en")]
        assert corpus.qrels() == {"9": {"5": 6}}
        assert corpus.notes() == ["1 of 2 topics are not judged and are left out"]
        both = open_corpus("africlirmatrix", doc_langs=["ibo", "yor"])
        assert both.qrels() == {"9": {"ibo/5": 6, "yor/5": 6}}
        monkeypatch.setitem(africlirmatrix.MD5, "yor", ("0" * 32, "0" * 32))
        monkeypatch.setenv("XRET_HOME", str(tmp_path / "home2"))
        with pytest.raises(CorpusError, match="is not the file it should be"):
            open_corpus("africlirmatrix", doc_langs=["yor"]).queries()


def test_the_sums_of_africlirmatrix_are_those_of_the_published_files(shared: Path) -> None:
    from xret.retriever.corpora.africlirmatrix import MD5
    from xret.retriever.corpora.download import digest

    folder = shared / "data/eval/topics-qrels/africlirmatrix"
    for lang, sums in MD5.items():
        queries = folder / f"queries/topics.africlirmatrix-v1.0.en.{lang}.tsv"
        qrels = folder / f"qrels/qrels.africlirmatrix-v1.0.en.{lang}.txt"
        assert (digest(queries, "md5"), digest(qrels, "md5")) == sums


CARD = """---
configs:
- config_name: sw-corpus
  data_files:
  - split: dev
    path: sw-corpus/dev-*
- config_name: sw-queries
  data_files: sw-queries/*.parquet
- config_name: sw-qrels
  data_files:
  - split: dev
    path: [sw-qrels/dev-*]
---
# A card
"""


@pytest.mark.parametrize("card", [CARD, "# A card without a table\n"])
@pytest.mark.parametrize(("name", "split"), [("miracl-hard", "dev"), ("mkqa", "train")])
def test_collections_in_mteb_s_layout_are_found_by_the_card_or_their_folders(
    card: str, name: str, split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lang = {"miracl-hard": "sw", "mkqa": "de"}[name]
    known = find_collection(name)
    repo = known.source.removeprefix("https://huggingface.co/datasets/")
    folder = tmp_path / "served"
    lines(folder / "README.md", card.replace("sw-", f"{lang}-").replace("dev", split))
    for kind, columns in {
        "corpus": {"_id": ["d1", "d2"], "title": ["T", ""], "text": ["x", "y"]},
        "queries": {"_id": ["q1"], "text": ["where?"]},
        "qrels": {"query-id": ["q1", "q1"], "corpus-id": ["d1", "d2"], "score": [1, 0]},
    }.items():
        table(folder / f"{lang}-{kind}/{split}-00000-of-00001.parquet", **columns)  # type: ignore[arg-type]
    commits = {repo: str(known.revision)}
    with hub_of_datasets({repo: folder}, commits=commits) as (address, asked):
        monkeypatch.setenv("HF_ENDPOINT", address)
        corpus = open_corpus(name, doc_langs=[lang])
        assert [(d.doc_id, d.title, d.text, d.lang) for d in documents(corpus)] == [
            ("d1", "T", "x", lang),
            ("d2", "", "y", lang),
        ]
        assert [(q.query_id, q.lang) for q in corpus.queries()] == [("q1", lang)]
        assert corpus.qrels() == {"q1": {"d1": 1, "d2": 0}}
        asked.clear()
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert len(documents(open_corpus(name, doc_langs=[lang]))) == 2
        assert asked == []


def test_belebele_asks_in_one_language_and_answers_in_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = find_collection("belebele")
    folder = tmp_path / "served"
    lines(folder / "README.md", "# nothing")
    for lang, word in (("eng_Latn", "river"), ("swh_Latn", "mto"), ("zho_Hans", "河")):
        table(
            folder / f"{lang}/test-00000-of-00001.parquet",
            link=["http://b", "http://a", "http://b"],
            question_number=[1, 1, 2],
            flores_passage=[f"{word} b", f"{word} a", f"{word} b"],
            question=[f"{word}?", f"{word}??", f"{word}???"],
        )
    commits = {"mteb/belebele": str(known.revision)}
    with hub_of_datasets({"mteb/belebele": folder}, commits=commits) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        corpus = open_corpus("belebele", doc_langs=["sw", "zho_Hans"])
        assert corpus.name == "belebele-swh_Latn-zho_Hans"
        found = {d.doc_id: (d.text, d.lang) for d in documents(corpus)}
        assert found == {
            "bb-001.0:swh_Latn": ("mto b", "sw"),
            "bb-000.0:swh_Latn": ("mto a", "sw"),
            "bb-001.0:zho_Hans": ("河 b", "zh"),
            "bb-000.0:zho_Hans": ("河 a", "zh"),
        }
        assert [(q.query_id, q.text, q.lang) for q in corpus.queries()] == [
            ("bb-001.0-q1:eng_Latn", "river?", "en"),
            ("bb-000.0-q1:eng_Latn", "river??", "en"),
            ("bb-001.0-q2:eng_Latn", "river???", "en"),
        ]
        assert corpus.qrels()["bb-001.0-q2:eng_Latn"] == {
            "bb-001.0:swh_Latn": 1,
            "bb-001.0:zho_Hans": 1,
        }
        mono = open_corpus("belebele", doc_langs=["zh"], query_langs=["zh", "en"])
        assert {q.lang for q in mono.queries()} == {"en", "zh"}
    with pytest.raises(CorpusError, match=r"122 languages; choose with --doc-lang"):
        open_corpus("belebele")


def test_hc4_documents_come_from_the_collection_s_copy_where_no_tool_made_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = find_collection("hc4")
    row = {"id": "d1", "cc_file": "c", "time": "2017-01-09", "title": "T", "text": "x", "url": "u"}
    lines(tmp_path / "served/data/zho-00000-of-00001.jsonl.gz", row, {**row, "id": "d2"})
    commits = {"neuclir/hc4": str(known.revision)}
    with hub_of_datasets({"neuclir/hc4": tmp_path / "served"}, commits=commits) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        corpus = open_corpus("hc4", doc_langs=["zh"])
        assert [(d.doc_id, d.date, d.lang) for d in documents(corpus)] == [
            ("d1", "2017-01-09", "zh"),
            ("d2", "2017-01-09", "zh"),
        ]
    made = tmp_path / "irds/hc4/zho/hc4_docs.jsonl"
    lines(made, {"id": "own", "cc_file": "c", "date": None, "title": "", "text": "y", "url": "u"})
    assert [d.doc_id for d in documents(open_corpus("hc4", doc_langs=["zho"]))] == ["own"]


def test_neuclir_bench_has_judgements_of_one_language_and_of_the_three_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "served/data"
    lines(served / "news.eng.tsv", "1\tT one", "2\tT two", "3\tnobody judged it")
    lines(served / "news.zho.tsv", "1\t題")
    for name, rows in {
        "zho": ["1 0 z1 3", "1 0 z2 0"],
        "fas": ["2 0 f1 1"],
        "rus": ["2 0 r1 1"],
        "mlir": ["2 0 f1 1", "2 0 r1 1", "2 0 z1 3"],
    }.items():
        lines(served / f"qrels.{name}.gains.txt", *rows)
    for lang in ("zho", "fas", "rus"):
        row = {"id": f"{lang[0]}1", "cc_file": "c", "time": None, "title": "T", "text": "x"}
        lines(tmp_path / f"irds/neuclir/1/{lang}/docs.jsonl.gz", {**row, "url": "u"})
    with hub_of_datasets({"neuclir/bench": tmp_path / "served"}) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        chinese = open_corpus("neuclir-bench", doc_langs=["zh"])
        assert [(q.query_id, q.text, q.lang) for q in chinese.queries()] == [("1", "T one", "en")]
        assert chinese.qrels() == {"1": {"z1": 3, "z2": 0}}
        assert [(d.doc_id, d.lang) for d in documents(chinese)] == [("z1", "zh")]
        all_three = open_corpus("neuclir-bench", doc_langs=["all"])
        assert all_three.qrels() == {"2": {"f1": 1, "r1": 1, "z1": 3}}
        assert [q.query_id for q in all_three.queries()] == ["2"]
        within = open_corpus("neuclir-bench", doc_langs=["zh"], query_langs=["zh"])
        assert [(q.text, q.lang) for q in within.queries()] == [("題", "zh")]
        assert Pins("neuclir-bench").commit("neuclir/bench") == COMMIT


def test_mlqa_has_passages_and_questions_of_every_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "served"
    configs = []
    for pair, word in (("deu-eng", "Fluss"), ("deu-deu", "Berg")):
        columns: dict[str, dict[str, list[object]]] = {
            "corpus": {"_id": ["C1", "C2"], "title": ["", ""], "text": [word, f"{word} 2"]},
            "queries": {"_id": ["Q1"], "text": [f"{word}?"]},
            "qrels": {"query-id": ["Q1"], "corpus-id": ["C1"], "score": [1]},
        }
        for kind, content in columns.items():
            table(served / f"{pair}-{kind}/test-00000-of-00001.parquet", **content)
            configs.append(
                f"- config_name: {pair}-{kind}\n  data_files:\n  - split: test\n"
                f"    path: {pair}-{kind}/test-*"
            )
    lines(served / "README.md", "---\nconfigs:\n" + "\n".join(configs) + "\n---")
    known = find_collection("mlqa")
    commits = {"mteb/MLQARetrieval": str(known.revision)}
    with hub_of_datasets({"mteb/MLQARetrieval": served}, commits=commits) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        corpus = open_corpus("mlqa", doc_langs=["de"], query_langs=["en", "de"])
        assert [(d.doc_id, d.text, d.lang) for d in documents(corpus)] == [
            ("deu-deu/C1", "Berg", "de"),
            ("deu-deu/C2", "Berg 2", "de"),
            ("deu-eng/C1", "Fluss", "de"),
            ("deu-eng/C2", "Fluss 2", "de"),
        ]
        assert {(q.query_id, q.lang) for q in corpus.queries()} == {
            ("deu-eng/Q1", "en"),
            ("deu-deu/Q1", "de"),
        }
        assert corpus.qrels()["deu-eng/Q1"] == {"deu-eng/C1": 1}
    with pytest.raises(CorpusError, match=r"7 languages; choose with --doc-lang"):
        open_corpus("mlqa")


def test_neuclir_tech_asks_about_abstracts_of_science(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "served/data"
    lines(served / "eng.tsv", "301\tsoil acidity", "302\tnobody judged it")
    lines(served / "zho.tsv", "301\t土壤酸度")
    lines(served / "qrels.gains.txt", "301 0 csl-1 3", "301 0 csl-2 0")
    row = {"title": "T", "keywords": ["k"], "category": "c", "discipline": "d"}
    made = [{"doc_id": f"csl-{n}", "abstract": f"摘要 {n}", **row} for n in (1, 2)]
    lines(tmp_path / "irds/csl/docs.jsonl.gz", *made)
    with hub_of_datasets({"neuclir/tech": tmp_path / "served"}) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        corpus = open_corpus("neuclir-tech")
        assert [(q.query_id, q.text, q.lang) for q in corpus.queries()] == [
            ("301", "soil acidity", "en")
        ]
        assert corpus.qrels() == {"301": {"csl-1": 3, "csl-2": 0}}
        assert [(d.doc_id, d.title, d.text, d.lang) for d in documents(corpus)] == [
            ("csl-1", "T", "摘要 1", "zh"),
            ("csl-2", "T", "摘要 2", "zh"),
        ]
        both = open_corpus("neuclir-tech", query_langs=["all"])
        assert {q.query_id: q.lang for q in both.queries()} == {"301:eng": "en", "301:zho": "zh"}


def test_multi_eup_has_speeches_by_the_titles_of_their_debates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = "did,TEXT,LANGUAGE,DATE,qid_EN,title_EN,qid_FR,title_FR,qid_GA,title_GA"
    rows = [
        's1,"A speech, with\nlines",EN,2022-01-18,d1#EN,Fisheries,d1#FR,La pêche,null,',
        "s2,Un discours,FR,2022-01-18,d1#EN,Fisheries,d1#FR,La pêche,null,",
        "s3,Another,EN,2022-01-19,d2#EN,Energy,d2#FR,Énergie,,",
    ]
    lines(tmp_path / "served/MultiEuP.csv", head, *rows)
    with hub_of_datasets({"unimelb-nlp/Multi-EuP": tmp_path / "served"}) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        corpus = open_corpus("multi-eup", doc_langs=["en", "fr"])
        assert [(d.doc_id, d.lang, d.text, d.date) for d in documents(corpus)] == [
            ("s1", "en", "A speech, with\nlines", "2022-01-18"),
            ("s3", "en", "Another", "2022-01-19"),
            ("s2", "fr", "Un discours", "2022-01-18"),
        ]
        assert {q.query_id: q.text for q in corpus.queries()} == {"d1": "Fisheries", "d2": "Energy"}
        assert corpus.qrels() == {"d1": {"s1": 1, "s2": 1}, "d2": {"s3": 1}}
        french = open_corpus("multi-eup", doc_langs=["en"], query_langs=["fr", "ga"])
        assert [(q.query_id, q.lang) for q in french.queries()] == [
            ("d1:fr", "fr"),
            ("d2:fr", "fr"),
        ]


def test_another_table_than_multi_eups_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines(tmp_path / "served/MultiEuP.csv", "id,text", "1,x")
    with hub_of_datasets({"unimelb-nlp/Multi-EuP": tmp_path / "served"}) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(CorpusError, match="not in the layout of Multi-EuP"):
            open_corpus("multi-eup").queries()
