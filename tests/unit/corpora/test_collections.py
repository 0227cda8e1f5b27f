"""Collections by name: what is known of them, what is chosen, where their files come from."""

import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from hub_double import hub_of_datasets

from xret.errors import CorpusError, UnknownCorpusError
from xret.retriever.corpora import download
from xret.retriever.corpora.catalogue import CatalogueFile, known_keys
from xret.retriever.corpora.collection import Choice, Collection, FetchedFile, Part, chosen_langs
from xret.retriever.corpora.download import UrlFile, digest
from xret.retriever.corpora.parts import CollectionCorpus
from xret.retriever.corpora.pins import Pins
from xret.retriever.corpora.records import BadRecord, Record
from xret.retriever.corpora.registry import CORPORA, find_collection, has_own_index, open_corpus
from xret.types import Document, Query


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "irds"))
    monkeypatch.delenv("XRET_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path


def documents(corpus: object) -> list[Document]:
    def refuse(record: object) -> None:
        raise AssertionError(record)

    return list(corpus.documents(on_reject=refuse))  # type: ignore[attr-defined]


def lines(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    content = ("\n".join(texts) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


# What is known before anything is read.


@pytest.mark.parametrize("name", CORPORA)
def test_every_collection_says_what_a_paper_must_say(name: str) -> None:
    known = find_collection(name)
    assert known.name == name
    assert known.title and known.licence and known.source and known.checksums
    assert known.citation or name == "demo"
    assert known.grades and known.judged and known.template and known.query_template
    assert len(set(known.doc_langs)) == len(known.doc_langs)
    assert set(known.documents) <= set(known.doc_langs)
    assert all(lang != "und" for lang in known.languages)
    every = known.choose(["all"], known.query_langs and ["all"])
    assert every.doc_langs == known.doc_langs
    assert every.split == known.splits[0]


def test_counts_are_those_of_the_published_collections() -> None:
    counts = {name: find_collection(name).count() for name in CORPORA}
    assert counts["clirudit"] == 2 * 16_389
    assert (counts["miracl"], counts["miracl-hard"]) == (106_332_152, 2_449_382)
    assert counts["hc4"] == 646_305 + 486_486 + 4_721_064
    assert counts["neuclir-2022"] == counts["neuclir-2023"] == 10_038_768
    assert counts["xquad-r"] == 13_014
    assert counts["demo"] == 400
    assert find_collection("africlirmatrix").count() is None
    assert find_collection("miracl").count(["yo"]) == 49_043


def test_counts_of_ir_datasets_are_the_same() -> None:
    ir_datasets = pytest.importorskip("ir_datasets")
    for lang, count in find_collection("miracl").documents.items():
        assert ir_datasets.load(f"miracl/{lang}").docs_metadata()["count"] == count
    for lang, short in (("fas", "fa"), ("rus", "ru"), ("zho", "zh")):
        for name, dataset in (("hc4", "hc4"), ("neuclir-2022", "neuclir/1")):
            found = ir_datasets.load(f"{dataset}/{short}").docs_metadata()["count"]
            assert find_collection(name).documents[lang] == found


def test_languages_are_chosen_in_any_spelling() -> None:
    assert chosen_langs(["zh", "fas"], ("fas", "rus", "zho"), of="x") == ("fas", "zho")
    assert chosen_langs(["Persian"], ("fas", "rus"), of="x") == ("fas",)
    assert chosen_langs(["all"], ("b", "a"), of="x") == ("b", "a")
    flores = find_collection("flores").doc_langs
    assert chosen_langs(["eng"], flores, of="x") == ("eng_Latn",)
    assert chosen_langs(["twi_Latn"], flores, of="x") == ("twi_Latn",)
    assert chosen_langs(["ak"], flores, of="x") == ("aka_Latn", "twi_Latn")
    assert chosen_langs(["zh-Hant"], flores, of="x") == ("zho_Hant",)
    with pytest.raises(CorpusError, match=r"x has no 'swa'. It has: fa ru"):
        chosen_langs(["swa"], ("fas", "rus"), of="x")
    with pytest.raises(CorpusError, match=r"Did you mean eng_Latn"):
        chosen_langs(["enq_Latn"], flores, of="x")


def test_what_a_collection_has_not_is_refused() -> None:
    with pytest.raises(CorpusError, match=r"18 languages; choose with --lang: ar bn .* \(or all\)"):
        open_corpus("miracl")
    with pytest.raises(CorpusError, match="no split called 'tset'; it has dev, train"):
        open_corpus("miracl", doc_langs=["sw"], split="tset")
    with pytest.raises(CorpusError, match="miracl has no train set in yo"):
        open_corpus("miracl", doc_langs=["yo"], split="train")
    with pytest.raises(CorpusError, match="tatoeba has no pair of fra and deu"):
        open_corpus("tatoeba", doc_langs=["deu"], query_langs=["fra"])
    with pytest.raises(UnknownCorpusError, match="did you mean hc4"):
        open_corpus("hc44")
    with pytest.raises(UnknownCorpusError, match="did you mean hc4"):
        find_collection("hc44")
    with pytest.raises(CorpusError, match=r"no such file or folder: \./hc4"):
        open_corpus("./hc4")


def test_a_name_has_an_index_of_its_own_and_a_path_has_not(tmp_path: Path) -> None:
    assert has_own_index("demo") and has_own_index("miracl/sw/dev")
    assert not has_own_index(str(tmp_path))
    assert (open_corpus("demo").name, open_corpus("demo").licence) == ("demo", "Apache-2.0")
    assert open_corpus("clirudit").licence.startswith("CC BY-NC 4.0")
    assert open_corpus("hc4", doc_langs=["zh"]).name == "hc4-zho"
    assert open_corpus("hc4", doc_langs=["all"]).name == "hc4"
    assert open_corpus("hc4", doc_langs=["ru, zho"]).name == "hc4-rus-zho"
    assert open_corpus("miracl/sw/dev").name == "miracl-sw-dev"


def test_the_demo_corpus_is_chosen_by_language() -> None:
    corpus = open_corpus("demo", doc_langs=["fr", "Swahili"], query_langs=["en"])
    found = documents(corpus)
    assert Counter(d.lang for d in found) == {"fr": 50, "sw": 50}
    assert {q.lang for q in corpus.queries()} == {"en"}
    ids = {d.doc_id for d in found}
    assert {doc_id for grades in corpus.qrels().values() for doc_id in grades} <= ids
    with pytest.raises(CorpusError, match="has no query in ja; it has queries in ar, de, en"):
        open_corpus("demo", query_langs=["ja"]).queries()


# Parts as one corpus.


def part(name: str, lang: str, **more: object) -> Part:
    rows = [Record({"id": "1", "text": "x"}, "p"), BadRecord("p:2", "broken")]
    given = {"queries": lambda _: [Query("q", "?", "en")], "qrels": lambda: {"q": {"1": 1}}}
    return Part(
        name=name, doc_lang=lang, sources=(), documents=lambda: iter(rows), **{**given, **more}
    )  # type: ignore[arg-type]


def collection(*parts: Part, own_ids: frozenset[str] = frozenset()) -> CollectionCorpus:
    langs = tuple(p.doc_lang for p in parts)
    known = Collection(name="c", title="", doc_langs=langs, licence="", source="", own_ids=own_ids)
    return CollectionCorpus(known, Choice(langs, (), "test"), parts)


def test_ids_of_one_part_stay_and_of_several_are_told_apart() -> None:
    rejects: list[BadRecord] = []
    alone = collection(part("sw", "sw"), own_ids=frozenset({"documents", "queries"}))
    assert [d.doc_id for d in alone.documents(on_reject=rejects.append)] == ["1"]
    assert [bad.reason for bad in rejects] == ["broken"]
    both = (part("sw", "sw"), part("yo", "yo"))
    apart = collection(*both, own_ids=frozenset({"documents", "queries"}))
    ids = [d.doc_id for d in apart.documents(on_reject=rejects.append)]
    assert ids == ["sw/1", "yo/1"]
    assert apart.qrels() == {"sw/q": {"sw/1": 1}, "yo/q": {"yo/1": 1}}
    shared = collection(*both, own_ids=frozenset({"documents"}))
    assert shared.qrels() == {"q": {"sw/1": 1, "yo/1": 1}}
    assert [q.query_id for q in shared.queries()] == ["q"]


def test_what_was_left_out_is_said_once() -> None:
    def topics(reject):  # type: ignore[no-untyped-def]
        reject(BadRecord("t:3", "no words"))
        reject(BadRecord("t:4", "no words"))
        return [Query("q", "?", "en"), Query("unjudged", "?", "en")]

    corpus = collection(part("sw", "sw", queries=topics, qrels=lambda: {"q": {}, "lost": {}}))
    assert [q.query_id for q in corpus.queries()] == ["q"]
    assert corpus.notes() == [
        "2 topics, the first at t:3: no words",
        "1 of 2 topics are not judged and are left out",
        "1 judged queries have no topic and are left out: lost",
    ]
    with pytest.raises(CorpusError, match="no query with a judgement in this split"):
        collection(part("sw", "sw", qrels=dict)).queries()


# Files that ir_datasets knows, in its cache.


def test_hc4_is_read_from_the_files_that_ir_datasets_and_the_official_tool_keep(
    caches: Path, shared: Path
) -> None:
    published = shared / "data/eval/topics-qrels/hc4-hltcoe"
    home = caches / "irds/hc4"
    for lang in ("zho", "fas"):
        (home / lang).mkdir(parents=True)
        (home / lang / "test.qrels.v1-0.txt").symlink_to(published / lang / "test.qrels.v1-0.txt")
    (home / "test.topics.v1-0.jsonl").symlink_to(published / "test.topics.v1-0.jsonl")
    row = {"id": "d", "cc_file": "c", "title": "T", "text": "x", "url": "u"}
    lines(
        home / "zho/hc4_docs.jsonl", {**row, "time": "2017-01-09"}, {**row, "id": "e", "date": None}
    )
    corpus = open_corpus("hc4", doc_langs=["zh"])
    assert [(d.doc_id, d.date, d.lang) for d in documents(corpus)] == [
        ("d", "2017-01-09", "zh"),
        ("e", None, "zh"),
    ]
    assert documents(corpus)[0].meta == {"cc_file": "c"}
    queries = corpus.queries()
    assert (len(queries), {q.lang for q in queries}, len(corpus.qrels())) == (50, {"en"}, 50)
    assert corpus.notes() == ["68 of 118 topics are not judged and are left out"]
    human = open_corpus("hc4", doc_langs=["zh"], query_langs=["zh"])
    # Topics 109 and 141 are judged and have no Chinese words; 110 and 215 have, and are not.
    assert (len(human.queries()), {q.lang for q in human.queries()}) == (48, {"zh"})
    assert human.notes() == [
        f"68 topics, the first at {home}/test.topics.v1-0.jsonl:1: the topic has no human "
        "translation into zho; left out",
        "2 of 50 topics are not judged and are left out",
        "2 judged queries have no topic and are left out: 109, 141",
    ]
    both = open_corpus("hc4", doc_langs=["zh"], query_langs=["en", "zh"])
    assert len(both.queries()) == len(both.qrels()) == 98
    assert {q.query_id.partition(":")[2] for q in both.queries()} == {"eng", "zho"}
    mlir = open_corpus("hc4", doc_langs=["zho", "fas"])
    judged = {query_id: len(grades) for query_id, grades in mlir.qrels().items()}
    assert sum(judged.values()) == 2_751 + 2_522
    assert len(judged) == len(
        set(corpus.qrels()) | set(open_corpus("hc4", doc_langs=["fas"]).qrels())
    )
    assert isinstance(corpus, CollectionCorpus)
    files = [step for step in corpus.fetch() if isinstance(step, FetchedFile)]
    assert [file.checksum.partition(":")[0] for file in files] == ["", "md5", "md5"]


def test_published_judgements_of_miracl_have_the_sums_of_ir_datasets(
    caches: Path, shared: Path
) -> None:
    published = shared / "data/eval/topics-qrels/miracl"
    for lang in ("sw", "yo", "zh"):
        folder = caches / f"irds/miracl/v1.0/{lang}/dev"
        folder.mkdir(parents=True)
        for kind in ("topics", "qrels"):
            published_as = published / f"{kind}.miracl-v1.0-{lang}-dev.tsv"
            (folder / f"{kind}.tsv").symlink_to(published_as)
            found = CatalogueFile("miracl", f"v1.0/{lang}/dev/{kind}").fetch()
            assert found[0].checksum == "md5:" + digest(published_as, "md5")
    row = {"docid": "7#0", "title": "Maji", "text": "Maji ni"}
    lines(caches / "irds/miracl/v1.0/sw/docs/docs-0.jsonl.gz", row)
    corpus = open_corpus("miracl", doc_langs=["sw"])
    assert [(d.doc_id, d.title, d.text, d.lang) for d in documents(corpus)] == [
        ("7#0", "Maji", "Maji ni", "sw"),
    ]
    assert (len(corpus.queries()), corpus.count_records()) == (482, 131_924)
    assert {q.lang for q in corpus.queries()} == {"sw"}
    both = open_corpus("miracl", doc_langs=["sw", "yo"])
    assert len(both.queries()) == 482 + 119
    assert {query_id.partition("/")[0] for query_id in both.qrels()} == {"sw", "yo"}


def test_a_damaged_file_in_the_cache_of_ir_datasets_is_said(caches: Path) -> None:
    path = lines(caches / "irds/miracl/v1.0/sw/dev/qrels.tsv", "6\tQ0\t1#0\t1")
    with pytest.raises(CorpusError, match=rf"{path} is damaged or another file: its md5 is"):
        CatalogueFile("miracl", "v1.0/sw/dev/qrels").fetch()
    with pytest.raises(CorpusError, match=r"does not know v1\.0/xx/dev/qrels"):
        CatalogueFile("miracl", "v1.0/xx/dev/qrels").fetch()
    assert known_keys("miracl", "v1.0/sw/corpus/") == ["v1.0/sw/corpus/0"]


def test_documents_that_the_user_must_make_come_with_instructions() -> None:
    with pytest.raises(CorpusError, match=r"(?s)HC4 document download.*hc4_docs\.jsonl"):
        CatalogueFile("hc4", "zh/docs").fetch()


def test_neuclir_2022_takes_the_judgements_of_one_language_or_of_several(caches: Path) -> None:
    home = caches / "irds/neuclir"
    qrels = ["1 zho a 3", "1 fas b 1", "2 zho c 0", "9 rus d 1"]
    lines(home / "trec-2022/qrels", *qrels)

    def topic(number: str) -> dict[str, object]:
        words = {"topic_title": f"T{number}", "topic_description": "D", "topic_narrative": "N"}
        return {
            "topic_id": number,
            "topics": [
                {"lang": "eng", "source": "original", **words},
                {"lang": "zho", "source": "human translation", **words, "topic_title": "题"},
            ],
        }

    lines(home / "trec-2022/topics.jsonl", *map(topic, "123"))
    row = {"id": "a", "cc_file": "c", "time": None, "title": "T", "text": "x", "url": "u"}
    lines(home / "1/zho/docs.jsonl.gz", row)
    corpus = open_corpus("neuclir-2022", doc_langs=["zh"])
    assert [d.doc_id for d in documents(corpus)] == ["a"]
    assert [(q.query_id, q.text) for q in corpus.queries()] == [("1", "T1 D"), ("2", "T2 D")]
    assert corpus.qrels() == {"1": {"a": 3}, "2": {"c": 0}}
    mlir = open_corpus("neuclir-2022", doc_langs=["all"])
    assert mlir.qrels() == {"1": {"b": 1, "a": 3}, "2": {"c": 0}}
    assert mlir.notes()[-1] == "1 judged queries have no topic and are left out: 9"
    chinese = open_corpus("neuclir-2022", doc_langs=["zh"], query_langs=["zh"])
    assert [q.text for q in chinese.queries()] == ["题 D", "题 D"]
    lines(home / "trec-2022/qrels", "1 zho a three")
    with pytest.raises(CorpusError, match=r"qrels:1: no judgement"):
        open_corpus("neuclir-2022", doc_langs=["zh"]).qrels()


STORE_PROGRAM = """
import ir_datasets, sys
store = ir_datasets.load(sys.argv[1]).docs_store()
store.build()
assert store.built()
"""
IRDS_PROGRAM = """
import json, sys
from xret.retriever.corpora.registry import open_corpus
corpus = open_corpus(sys.argv[1], doc_langs=sys.argv[2:])
docs = [(d.doc_id, d.title, d.text, d.lang) for d in corpus.documents(on_reject=print)]
queries = [(q.query_id, q.text, q.lang) for q in corpus.queries()]
print(json.dumps([corpus.name, docs, queries, corpus.qrels(), corpus.notes()]))
"""


def read_in_a_process(
    home: Path, *words: str, program: str = IRDS_PROGRAM, offline: str = "1"
) -> subprocess.CompletedProcess[str]:
    """ir_datasets takes its home from the environment when it is first imported."""
    import os

    return subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "IR_DATASETS_HOME": str(home), "XRET_OFFLINE": offline},
    )


def test_an_id_of_ir_datasets_is_a_corpus_as_it_is(caches: Path) -> None:
    home = caches / "irds/miracl/v1.0/sw"
    lines(home / "docs/docs-0.jsonl.gz", {"docid": "7#0", "title": "Maji", "text": "Maji ni"})
    lines(home / "dev/topics.tsv", "1\twapi?", "2\tnani?")
    lines(home / "dev/qrels.tsv", "1\tQ0\t7#0\t1")
    done = read_in_a_process(caches / "irds", "miracl/sw/dev")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        "miracl-sw-dev",
        [["7#0", "Maji", "Maji ni", "sw"]],
        [["1", "wapi?", "sw"]],
        {"1": {"7#0": 1}},
        ["1 of 2 topics are not judged and are left out"],
    ]
    (home / "dev/qrels.tsv").unlink()
    done = read_in_a_process(caches / "irds", "miracl/sw/dev")
    assert "qrels.miracl-v1.0-sw-dev.tsv is not in the cache and the network is off" in done.stderr


def test_documents_are_never_read_from_a_store_of_pickles(caches: Path) -> None:
    home = caches / "irds/miracl/v1.0/sw"
    lines(home / "dev/topics.tsv", "1\twapi?")
    lines(home / "dev/qrels.tsv", "1\tQ0\t7#0\t1")
    lines(home / "docs/docs-0.jsonl.gz", {"docid": "7#0", "title": "", "text": "in the store"})
    built = read_in_a_process(caches / "irds", "miracl/sw/dev", program=STORE_PROGRAM)
    assert built.returncode == 0, built.stderr
    lines(home / "docs/docs-0.jsonl.gz", {"docid": "7#0", "title": "", "text": "in the file"})
    done = read_in_a_process(caches / "irds", "miracl/sw/dev")
    assert json.loads(done.stdout)[1] == [["7#0", "", "in the file", "sw"]]


def test_mr_tydi_is_read_from_what_ir_datasets_unpacked(caches: Path) -> None:
    home = caches / "irds/mr-tydi/sw.data/mrtydi-v1.0-swahili"
    lines(home / "collection/docs.jsonl.gz", {"id": "7#0", "contents": "Maji\n\nMaji ni"})
    lines(home / "topic.test.tsv", "1\twapi?")
    lines(home / "qrels.test.txt", "1\tQ0\t7#0\t1")
    done = read_in_a_process(caches / "irds", "mr-tydi", "sw")
    assert done.returncode == 0, done.stderr
    name, docs, queries, qrels, notes = json.loads(done.stdout)
    assert (name, notes) == ("mr-tydi-sw", [])
    assert docs == [["7#0", "", "Maji\n\nMaji ni", "sw"]]
    assert (queries, qrels) == ([["1", "wapi?", "sw"]], {"1": {"7#0": 1}})


ARCHIVE_PROGRAM = """
import json, sys
from pathlib import Path
from xret.retriever.corpora import irds
from xret.retriever.corpora.collection import FetchedFile
dataset_id, url, md5, home = sys.argv[1:]
dataset = irds.find_dataset(dataset_id)
download, = irds._downloads([dataset.docs_handler()])
download.expected_md5 = md5
download.mirrors[0]._path = Path(home, "downloads", md5)
download.mirrors[1].url = url
corpus = irds.IrDatasetsCorpus(dataset_id, dataset)
files = [(str(f.path), f.checksum) for f in corpus.fetch() if isinstance(f, FetchedFile)]
docs = [d.doc_id for d in corpus.documents(on_reject=print)]
print(json.dumps([files, docs, corpus.qrels()]))
"""


def test_an_archive_is_fetched_to_where_ir_datasets_looks_for_a_copy(caches: Path) -> None:
    made = caches / "made/mrtydi-v1.0-swahili"
    lines(made / "collection/docs.jsonl.gz", {"id": "7#0", "contents": "Maji"})
    lines(made / "topic.test.tsv", "1\twapi?")
    lines(made / "qrels.test.txt", "1\tQ0\t7#0\t1")
    (caches / "served").mkdir()
    with tarfile.open(caches / "served/sw.tar.gz", "w:gz") as archive:
        archive.add(made, made.name)
    md5 = digest(caches / "served/sw.tar.gz", "md5")
    home = str(caches / "irds")
    with hub_of_datasets({"/f": caches / "served"}, cut_once={"/f/sw.tar.gz": 100}) as (at, asked):
        words = ("mr-tydi/sw/test", f"{at}/f/sw.tar.gz", md5, home)
        done = read_in_a_process(caches / "irds", *words, program=ARCHIVE_PROGRAM, offline="")
        assert done.returncode == 0, done.stderr
        assert asked == ["/f/sw.tar.gz", "/f/sw.tar.gz bytes=100-"]
    files, docs, qrels = json.loads(done.stdout)
    assert files == [[f"{home}/downloads/{md5}", f"md5:{md5}"]]
    assert (docs, qrels) == (["7#0"], {"1": {"7#0": 1}})


def test_neuclir_2023_is_read_from_the_archive_of_its_judgements(caches: Path) -> None:
    home = caches / "irds/neuclir"
    gains = lines(caches / "qrels.final.gains.zho", "201 0 a 3", "201 0 b 0", "202 0 a 1")
    (home / "trec-2023").mkdir(parents=True)
    with tarfile.open(home / "trec-2023/qrels.tar.gz", "w:gz") as archive:
        archive.add(gains, "qrels.final.gains.zho")
    words = {"topic_title": "T", "topic_description": "D", "topic_narrative": "N"}
    topics = [{"lang": "eng", "source": "original", **words}]
    rows = [{"topic_id": str(number), "topics": topics} for number in (200, 201, 202)]
    lines(home / "trec-2023/topics.jsonl", *rows)
    row = {"id": "a", "cc_file": "c", "time": "2020", "title": "T", "text": "x", "url": "u"}
    lines(home / "1/zho/docs.jsonl.gz", row)
    done = read_in_a_process(caches / "irds", "neuclir-2023", "zho")
    assert done.returncode == 0, done.stderr
    name, docs, queries, qrels, notes = json.loads(done.stdout)
    assert (name, docs) == ("neuclir-2023-zho", [["a", "T", "x", "zh"]])
    assert [(query[0], query[2]) for query in queries] == [("201", "en"), ("202", "en")]
    assert qrels == {"201": {"a": 3, "b": 0}, "202": {"a": 1}}
    assert notes == ["1 of 3 topics are not judged and are left out"]


# Files at an address.


def serve(tmp_path: Path, content: bytes) -> Path:
    (tmp_path / "files").mkdir(exist_ok=True)
    (tmp_path / "files/a.bin").write_bytes(content)
    return tmp_path / "files"


def test_a_download_goes_on_where_the_connection_broke(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4_000
    cut = {"/f/a.bin": 300_000}
    with hub_of_datasets({"/f": serve(tmp_path, content)}, cut_once=cut) as (address, asked):
        md5 = hashlib.md5(content).hexdigest()
        file = UrlFile(f"{address}/f/a.bin", tmp_path / "cache/a.bin", md5)
        found = file.fetch()[0]
        assert (found.path.read_bytes() == content, found.checksum) == (True, f"md5:{md5}")
        assert asked == ["/f/a.bin", "/f/a.bin bytes=300000-"]  # nothing of it came twice
        assert file.fetch()[0].bytes == len(content)
        assert len(asked) == 2


def test_a_download_says_how_many_bytes_came(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    with hub_of_datasets({"/f": serve(tmp_path, content)}) as (address, _):
        steps = list(UrlFile(f"{address}/f/a.bin", tmp_path / "cache/a.bin").watch())
    assert {(step.stage, step.total, step.unit) for step in steps} == {
        ("downloading", len(content), "bytes"),
    }
    done = [step.done for step in steps]
    assert done == sorted(done) and 3 <= len(done) <= 5


def test_a_download_that_was_killed_is_gone_on_with(tmp_path: Path) -> None:
    content = bytes(range(256)) * 400
    with hub_of_datasets({"/f": serve(tmp_path, content)}) as (address, asked):
        path = tmp_path / "cache/a.bin"
        path.parent.mkdir()
        path.with_name("a.bin.part").write_bytes(content[:5_000])
        UrlFile(f"{address}/f/a.bin", path, hashlib.md5(content).hexdigest()).fetch()
        assert path.read_bytes() == content
        assert asked == ["/f/a.bin bytes=5000-"]
        path.unlink()
        path.with_name("a.bin.part").write_bytes(b"x" * 5_000)
        with pytest.raises(CorpusError, match="is not the file it should be"):
            UrlFile(f"{address}/f/a.bin", path, hashlib.md5(content).hexdigest()).fetch()
        assert not path.exists() and not path.with_name("a.bin.part").exists()


def test_what_nobody_publishes_a_sum_of_is_pinned_on_first_use(tmp_path: Path) -> None:
    folder = serve(tmp_path, b"first")
    with hub_of_datasets({"/f": folder}) as (address, _):
        file = UrlFile(f"{address}/f/a.bin", tmp_path / "cache/a.bin", pins="some")
        first = file.fetch()[0].checksum
        assert Pins("some").checksum(file.url) == first == "sha256:" + digest(file.path, "sha256")
        file.path.unlink()
        (folder / "a.bin").write_bytes(b"second")
        with pytest.raises(CorpusError, match="is not the file it should be: its sha256"):
            file.fetch()
        file.path.write_bytes(b"second")
        with pytest.raises(CorpusError, match="is damaged or another file"):
            file.fetch()


def test_what_cannot_be_fetched_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub_of_datasets({"/f": tmp_path}) as (address, asked):
        file = UrlFile(f"{address}/f/none", tmp_path / "none")
        with pytest.raises(CorpusError, match=r"404.*Run the command again"):
            file.fetch()
        monkeypatch.setenv("XRET_OFFLINE", "1")
        asked.clear()
        with pytest.raises(CorpusError, match=r"network is off.*copy it to"):
            file.fetch()
        assert asked == []
    monkeypatch.delenv("XRET_OFFLINE")
    with pytest.raises(CorpusError, match="cannot be fetched"):
        UrlFile("http://127.0.0.1:9/x", tmp_path / "x").fetch()


def test_damaged_pins_are_said(home: Path) -> None:
    lines(home / "corpora/some/pins.json", "{")
    with pytest.raises(CorpusError, match=r"pins\.json is damaged"):
        Pins("some").commit("a/b")


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files served in place of those of GitHub."""
    folder = tmp_path / "github"
    folder.mkdir()
    with hub_of_datasets({"/": folder}) as (address, _):
        monkeypatch.setattr(
            download,
            "_address",
            lambda url: url.replace("https://raw.githubusercontent.com", address),
        )
        yield folder


def test_xquad_r_answers_a_question_by_a_sentence_in_every_language(github: Path) -> None:
    from xret.retriever.corpora.xquad_r import COMMIT

    for lang, context in (("en", "One. Two is 2. Three."), ("de", "Eins. Zwei ist 2. Drei.")):
        breaks = [[0, context.index(". ") + 1], [context.index(". ") + 2, context.index("2.") + 2]]
        breaks.append([breaks[1][1] + 1, len(context)])
        qas = [
            {
                "id": "q",
                "question": f"{lang}?",
                "answers": [{"text": "2", "answer_start": context.index("2")}],
            }
        ]
        paragraph = {"context": context, "qas": qas, "sentence_breaks": breaks}
        content = {"data": [{"paragraphs": [paragraph]}]}
        at = github / f"google-research-datasets/lareqa/{COMMIT}/xquad-r/{lang}.json"
        lines(at, content)
    corpus = open_corpus("xquad-r", doc_langs=["en", "de"], query_langs=["en", "de"])
    assert {d.doc_id: d.text for d in documents(corpus)} == {
        "000-0:de": "Eins.",
        "000-1:de": "Zwei ist 2.",
        "000-2:de": "Drei.",
        "000-0:en": "One.",
        "000-1:en": "Two is 2.",
        "000-2:en": "Three.",
    }
    both = {"000-1:de": 1, "000-1:en": 1}
    assert corpus.qrels() == {"q:en": both, "q:de": both}
    assert {q.query_id: (q.text, q.lang) for q in corpus.queries()} == {
        "q:en": ("en?", "en"),
        "q:de": ("de?", "de"),
    }


def test_an_answer_at_the_border_of_two_sentences_is_in_the_second(
    github: Path, home: Path
) -> None:
    from xret.retriever.corpora.xquad_r import COMMIT

    qas = [{"id": "q", "question": "?", "answers": [{"text": "二", "answer_start": 2}]}]
    paragraph = {"context": "一。二。", "qas": qas, "sentence_breaks": [[0, 2], [2, 4]]}
    at = github / f"google-research-datasets/lareqa/{COMMIT}/xquad-r/zh.json"
    lines(at, {"data": [{"paragraphs": [paragraph]}]})
    assert open_corpus("xquad-r", doc_langs=["zh"], query_langs=["zh"]).qrels() == {
        "q:zh": {"000-1:zh": 1},
    }
    lines(home / "corpora/xquad-r/zh.json", {"articles": []})
    with pytest.raises(CorpusError, match="is not in the layout of XQuAD-R"):
        documents(open_corpus("xquad-r", doc_langs=["zh"]))


def test_flores_and_tatoeba_pair_sentences_by_their_number(github: Path) -> None:
    from xret.retriever.corpora import parallel

    at = github / parallel.FLORES_FOLDER.removeprefix(f"{parallel.GITHUB}/")
    for lang, words in (("eng_Latn", "one two"), ("swh_Latn", "moja mbili")):
        lines(at / f"{lang}.devtest", *words.split())
    corpus = open_corpus("flores", doc_langs=["sw", "en"])
    assert [(d.doc_id, d.text, d.lang) for d in documents(corpus)][-1] == (
        "fs-0001:swh_Latn",
        "mbili",
        "sw",
    )
    assert corpus.qrels() == {
        "fsq-0000:eng_Latn": {"fs-0000:swh_Latn": 1},
        "fsq-0001:eng_Latn": {"fs-0001:swh_Latn": 1},
    }
    at = github / parallel.TATOEBA_FOLDER.removeprefix(f"{parallel.GITHUB}/")
    lines(at / "tatoeba.afr-eng.afr", "een", "twee")
    lines(at / "tatoeba.afr-eng.eng", "one", "two")
    there = open_corpus("tatoeba", doc_langs=["af"])
    assert [q.text for q in there.queries()] == ["one", "two"]
    assert there.qrels()["tt-afr-engq-0001:eng"] == {"tt-afr-eng-0001:afr": 1}
    back = open_corpus("tatoeba", doc_langs=["en"], query_langs=["af"])
    assert [d.text for d in documents(back)] == ["one", "two"]
    assert {q.lang for q in back.queries()} == {"af"}


# Folders beside the checkout.


def test_hc4_mini_is_a_folder_in_the_beir_shape(shared: Path) -> None:
    corpus = open_corpus(str(shared / "data/eval/hc4-mini-zho"), query_langs=["en"])
    found = documents(corpus)
    assert (len(found), {d.lang for d in found}) == (998, {"zh"})
    assert found[0].doc_id == "60ff77e1-5395-4812-87b8-66280f26136a"
    assert [q.query_id for q in corpus.queries()] == ["5:eng:orig", "6:eng:orig"]
    qrels = corpus.qrels()
    assert (set(qrels), corpus.notes()) == ({"5:eng:orig", "6:eng:orig"}, [])
    every = open_corpus(str(shared / "data/eval/hc4-mini-zho")).qrels()
    assert (len(every), sum(map(len, every.values()))) == (12, 248)


def test_belebele_is_narrowed_to_languages_and_so_are_its_judgements(shared: Path) -> None:
    path = str(shared / "data/eval/belebele-flores204")
    corpus = open_corpus(path, doc_langs=["yor_Latn", "swh_Latn"], query_langs=["eng_Latn"])
    found = documents(corpus)
    assert Counter(d.lang for d in found) == {"yo": 281, "sw": 281}
    queries, qrels = corpus.queries(), corpus.qrels()
    assert (len(queries), {q.lang for q in queries}) == (387, {"en"})
    assert {len(grades) for grades in qrels.values()} == {2}
    assert (len(qrels), corpus.notes()) == (387, [])


def test_flores_sentences_are_narrowed_to_one_pair(shared: Path) -> None:
    path = str(shared / "data/eval/flores200-sent")
    corpus = open_corpus(path, doc_langs=["eng"], query_langs=["swh"])
    assert len(documents(corpus)) == 1012
    qrels = corpus.qrels()
    assert all(qrels[query.query_id] for query in corpus.queries())
    assert len(corpus.queries()) == 1012


def test_tatoeba_is_a_folder_of_pairs(shared: Path) -> None:
    path = str(shared / "data/eval/tatoeba")
    with pytest.raises(
        CorpusError, match=r"holds 9\d language pairs; choose with --lang and --doc"
    ):
        open_corpus(path)
    one = open_corpus(path, doc_langs=["en"], query_langs=["Afrikaans"])
    assert (len(documents(one)), len(one.queries()), len(one.qrels())) == (1000, 1000, 1000)
    assert open_corpus(f"{path}/afr-eng").queries() == one.queries()
    many = open_corpus(path, doc_langs=["fr", "de"], query_langs=["en"])
    assert Counter(d.lang for d in documents(many)) == {"fr": 1000, "de": 1000}
    assert len(many.qrels()) == len(many.queries()) == 2000
    with pytest.raises(CorpusError, match="has no pair of fra and deu"):
        open_corpus(path, doc_langs=["de"], query_langs=["fr"])


def test_the_questions_language_chooses_documents_where_both_have_one() -> None:
    assert find_collection("miracl").choose([], ["sw"]).doc_langs == ("sw",)
    chosen = find_collection("belebele").choose(["fr"], ["en"])
    assert (chosen.query_langs, chosen.doc_langs) == (("eng_Latn",), ("fra_Latn",))
    with pytest.raises(CorpusError, match=r"hc4 .* choose with --doc-lang: fa ru zh"):
        find_collection("hc4").choose([], ["en"])
