"""Topics and judgements as they are published: every shape, and what is wrong in real files."""

import ast
import gzip
import json
import re
from pathlib import Path

import pytest

from xret.errors import CorpusError
from xret.retriever.corpora.parts import judged_queries
from xret.retriever.corpora.qrels import read_qrels
from xret.retriever.corpora.records import BadRecord, read_records
from xret.retriever.corpora.topics import Wording, read_queries
from xret.types import Query


@pytest.fixture
def published(shared: Path) -> Path:
    return shared / "data" / "eval" / "topics-qrels"


def lenient(path: Path, **options: object) -> tuple[list[Query], list[BadRecord]]:
    rejects: list[BadRecord] = []
    return read_queries(path, on_reject=rejects.append, **options), rejects  # type: ignore[arg-type]


def ids_and_texts(queries: list[Query]) -> list[tuple[str, str]]:
    chosen = (queries[0], queries[len(queries) // 2], queries[-1])
    return [(query.query_id, query.text) for query in chosen]


# The published files themselves.


def test_every_published_judgement_is_read_with_its_grades(published: Path) -> None:
    lines = (published / "STATS.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ") for line in lines]
    judged = [row for row in rows if row[1] == "qrels"]
    assert len(judged) == 128
    for name, _, judgements, queries, grades, *_ in judged:
        qrels = read_qrels(published / name)
        found: dict[str, int] = {}
        for by_document in qrels.values():
            for grade in by_document.values():
                found[str(grade)] = found.get(str(grade), 0) + 1
        assert (len(qrels), sum(found.values())) == (int(queries), int(judgements)), name
        assert found == ast.literal_eval(grades), name


def test_every_published_topic_is_read(published: Path) -> None:
    lines = (published / "STATS.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ") for line in lines]
    topics = [row for row in rows if row[1] == "topics"]
    assert len(topics) == 189
    refused = []
    for name, _, _, distinct, *_ in topics:
        queries, rejects = lenient(published / name)
        # The tagged files of FIRE are counted line by line there; they hold 50 topics each.
        assert len(queries) == (50 if name.startswith("fire12/") else int(distinct)), name
        assert all(query.text.strip() for query in queries)
        refused += [(name, bad) for bad in rejects]
    assert [name for name, _ in refused] == ["ciral/topics.ciral-v1.0-sw-test-b-native.tsv"]


def test_the_manifest_and_what_is_read_are_the_same_files(published: Path) -> None:
    rows = (published / "MANIFEST.tsv").read_text(encoding="utf-8").splitlines()[1:]
    names = [row.split("\t")[0] for row in rows]
    counted = {
        line.split(" | ")[0]
        for line in (published / "STATS.txt").read_text(encoding="utf-8").splitlines()
    }
    others = [name for name in names if name not in counted]
    read_as_queries = 0
    for name in others:
        if not re.search(r"\.(jsonl|xml)(\.gz)?$", name) or "test-examples" in name:
            continue
        if name.startswith("neuclir-report"):  # questions and answers of a report, no topics
            assert len(list(read_records(published / name))) == 3
            continue
        queries, rejects = lenient(published / name)
        assert queries and not rejects, name
        read_as_queries += 1
    assert read_as_queries == 11


PINNED = {
    "miracl/topics.miracl-v1.0-sw-dev.tsv": (
        482,
        [
            ("6", "Bandari kubwa nchini Kenya iko wapi?"),
            ("1247", "Je, mke wa rais wa Tanzania aliitwa nani?"),
            ("2597", "Paul Schulze alizaliwa mwaka upi?"),
        ],
    ),
    "africlirmatrix/queries/topics.africlirmatrix-v1.0.en.ibo.tsv": (
        1000,
        [
            ("25019351", "Oo Na, Mahal Na Kung Mahal"),
            ("40873271", "Bella's Tree"),
            ("24009561", "Gilbirds, Illinois"),
        ],
    ),
    "hc4-hltcoe/test.topics.v1-0.jsonl": (
        118,
        [
            ("101", "Shipwrecks and Historical European Trade"),
            ("161", None),
            ("256", "Causes of Mediterranean migrants drownings"),
        ],
    ),
    "patapsco-samples/topics.xml": (2, [("1-ZZ", "Test 1"), ("2-ZZ", "Test 2"), ("2-ZZ", None)]),
    "mkqa/test_mkqa.jsonl.gz": (
        6,
        [
            ("36228854473990432", "when did help me help you come out"),
            ("2904274678882358283", None),
            ("7631360939705650347", None),
        ],
    ),
    "tydiqa/tiny_dev.jsonl.gz": (
        11,
        [
            ("9063198863303558281", None),
            ("-8230455546809992713", None),
            ("7361157181217651048", "Do zebra finches have stripes?"),
        ],
    ),
}


@pytest.mark.parametrize("name", PINNED)
def test_first_middle_and_last_topic_are_these(name: str, published: Path) -> None:
    count, pinned = PINNED[name]
    queries = read_queries(published / name)
    assert len(queries) == count
    for (query_id, text), (wanted_id, wanted_text) in zip(
        ids_and_texts(queries), pinned, strict=True
    ):
        assert query_id == wanted_id
        assert wanted_text in (None, text)


QRELS = {
    "miracl/qrels.miracl-v1.0-sw-dev.tsv": [
        ("6", "32589#0", 1),
        ("1236", "34073#4", 0),
        ("2597", "34586#1", 0),
    ],
    "neuclir22/qrels.neuclir22-fa.txt": [
        ("5", "2fa789e9-9d04-443e-a2de-45f160c9daa9", 3),
        ("52", "8ee59bd9-b765-41fb-bbf2-a3c40b654829", 0),
        ("114", "8b7e706c-8cf5-48ba-8830-4e14f781ad3b", 0),
    ],
    "ciral/qrels.ciral-v1.0-sw-test-b.tsv": [
        ("11", "AMANI#2592#0", 1),
        ("220", "MILLARDAYO#32600#5", 1),
        ("305", "MILLARDAYO#25965#0", 0),
    ],
    "hc4-hltcoe/zho/dev.qrels.v1-0.txt": [("1", "07fdce5f-e00b-4a40-b9eb-f0f78cfaefc4", 0)],
}


@pytest.mark.parametrize("name", QRELS)
def test_first_middle_and_last_judgement_are_these(name: str, published: Path) -> None:
    qrels = read_qrels(published / name)
    for query_id, doc_id, grade in QRELS[name]:
        assert qrels[query_id][doc_id] == grade


def test_neuclir_judges_45_to_49_of_its_114_topics(published: Path) -> None:
    for lang, judged in {"fa": 46, "ru": 45, "zh": 49}.items():
        topics = read_queries(published / f"neuclir22/topics.neuclir22.{lang}.title.tsv")
        qrels = read_qrels(published / f"neuclir22/qrels.neuclir22-{lang}.txt")
        (queries, kept), notes = judged_queries(topics, qrels)
        assert (len(topics), len(queries), len(kept)) == (114, judged, judged)
        assert notes == [f"{114 - judged} of 114 topics are not judged and are left out"]


def test_500_igbo_topics_of_africlirmatrix_are_not_judged(published: Path) -> None:
    folder = published / "africlirmatrix"
    topics = read_queries(folder / "queries/topics.africlirmatrix-v1.0.en.ibo.tsv")
    qrels = read_qrels(folder / "qrels/qrels.africlirmatrix-v1.0.en.ibo.txt")
    (queries, _), notes = judged_queries(topics, qrels)
    assert len(queries) == 500
    assert notes == ["500 of 1,000 topics are not judged and are left out"]
    assert {g for grades in qrels.values() for g in grades.values()} == {4, 5, 6}


def test_ciral_judges_a_query_that_has_no_topic(published: Path) -> None:
    folder = published / "ciral"
    qrels = read_qrels(folder / "qrels.ciral-v1.0-sw-test-b.tsv")
    topics = read_queries(folder / "topics.ciral-v1.0-sw-test-b.tsv")
    (queries, kept), notes = judged_queries(topics, qrels)
    assert (len(queries), len(kept), len(qrels)) == (113, 113, 114)
    assert notes == ["1 judged queries have no topic and are left out: 23"]
    native, rejects = lenient(folder / "topics.ciral-v1.0-sw-test-b-native.tsv")
    ids = {query.query_id for query in native}
    assert (len(native), "237" in ids, "238" in ids) == (112, True, False)
    assert [bad.reason for bad in rejects] == ["query id '237' appears twice; left out"]
    assert next(q.text for q in native if q.query_id == "237").startswith("Ni virusi gani")
    with pytest.raises(CorpusError, match=r":70: query id '237' appears twice"):
        read_queries(folder / "topics.ciral-v1.0-sw-test-b-native.tsv")


def test_quotes_of_csv_are_taken_off_and_quotes_of_the_text_stay(published: Path) -> None:
    def text(name: str, query_id: str) -> str:
        queries = lenient(published / name)[0]
        return next(query.text for query in queries if query.query_id == query_id)

    tehran = 'Israeli series "Tehran" '
    assert text("neuclir22/topics.neuclir22.en.title.tsv", "14") == tehran
    assert text("neuclir22/topics.neuclir22-en.original-title.txt", "14").strip() == tehran.strip()
    sw = "ciral/topics.ciral-v1.0-sw-test-b.tsv"
    assert text(sw, "238").startswith("What was the name")
    ha = "ciral/topics.ciral-v1.0-ha-test-b.tsv"
    assert text(ha, "101").endswith('across the country?"')  # the stray one is the file's own
    assert '"annobar"' in text(ha, "312")
    german = "clef06fr/topics.clef06fr.x2fr.de.txt"
    assert text(german, "342-AH") == '"Vier Hochzeiten und eine Beerdigung"'
    assert text(german, "309-AH") == '"Harte" Drogen'
    persian = "hc4-anserini/topics.hc4-v1.0-fa.test.desc.tsv"
    assert not text(persian, "107").startswith('"')
    assert text(persian, "109").startswith('"')


def test_codes_of_one_language_differ_by_source_and_mean_the_same(published: Path) -> None:
    train = published / "xor-tydi/xor_train_retrieve_eng_span.jsonl"
    assert '"lang": " ar"' in train.read_text(encoding="utf-8")
    langs = {query.lang for query in read_queries(train)}
    assert langs == {"ar", "bn", "fi", "ja", "ko", "ru", "te"}
    hc4 = published / "hc4-hltcoe/dev.topics.v1-0.jsonl"
    for spelling in ("zho", "zh", "zho_Hans"):
        queries, rejects = lenient(hc4, wording=Wording(("title",), spelling))
        assert (len(queries), len(rejects), queries[0].lang) == (10, 5, "zh")
    assert {query.lang for query in lenient(hc4, wording=Wording(("title",), "fas"))[0]} == {"fa"}


def test_hc4_topics_are_asked_in_each_language_by_human_and_machine(published: Path) -> None:
    path = published / "hc4-hltcoe/test.topics.v1-0.jsonl"
    english = read_queries(path, wording=Wording(("title", "description")))
    assert len(english) == 118
    assert english[0].text.startswith("Shipwrecks and Historical European Trade What ")
    for lang in ("zho", "fas", "rus"):
        human, rejects = lenient(path, wording=Wording(("title",), lang))
        assert (len(human), len(rejects)) == (50, 68)
        machine = read_queries(path, wording=Wording(("title",), lang, "machine"))
        assert len(machine) == 118
        assert {q.query_id: q.text for q in machine} != {q.query_id: q.text for q in human}


# The same traps in files of our own, for a checkout without the published ones.


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_written_as_csv_loses_its_quotes(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", '1\tplain\n2\t"a ""quoted"" word"\n3\t"whole"\n4\tstray"\n')
    assert [q.text for q in read_queries(path)] == ["plain", 'a "quoted" word', "whole", 'stray"']


def test_a_file_that_is_not_csv_keeps_its_quotes(tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", '1\tthe "Scream"\n2\t"whole title"\n')
    assert [q.text for q in read_queries(path)] == ['the "Scream"', '"whole title"']


def test_tabs_and_spaces_q0_and_0_are_one_format(tmp_path: Path) -> None:
    path = write(tmp_path / "q", "1\tQ0\ta\t1\n1 0 b 0\n2 \tQ0 c\t3\n")
    assert read_qrels(path) == {"1": {"a": 1, "b": 0}, "2": {"c": 3}}


def test_tagged_topics_are_read_closed_or_not(tmp_path: Path) -> None:
    topics = (
        "<topics>\n<top lang='hi'>\n<num>1</num>\n<title>A &amp; B</title>\n<desc>More</desc>\n"
        "<top lang='hi'><num> Number: 2 <title>\nC\nD\n<narr>Much</narr></top>\n</topics>"
    )
    path = write(tmp_path / "t.xml", topics)
    found = read_queries(path)
    assert [(q.query_id, q.text, q.lang) for q in found] == [
        ("1", "A & B", "hi"),
        ("2", "C D", "hi"),
    ]
    both = read_queries(path, wording=Wording(("title", "description")))
    assert [q.text for q in both] == ["A & B More", "C D"]


def test_translations_of_a_topic_are_chosen_by_language_and_origin(tmp_path: Path) -> None:
    rows = [
        {"lang": "eng", "source": "original", "topic_title": "T", "topic_description": "D"},
        {"lang": "zho", "source": "human translation", "topic_title": "人"},
        {"lang": "zho", "source": "2020-old", "topic_title": "旧"},
        {"lang": "zho", "source": "2022-new", "topic_title": "新"},
    ]
    topics = [{"topic_id": "1", "topics": rows}, {"topic_id": "2", "topics": rows[:1]}]
    lines = "\n".join(map(json.dumps, topics))
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    path = tmp_path / "t.jsonl.gz"
    assert [q.text for q in read_queries(path)] == ["T", "T"]
    assert [q.text for q in read_queries(path, wording=Wording(("title", "description")))] == [
        "T D",
        "T D",
    ]
    human, rejects = lenient(path, wording=Wording(lang="zh"))
    assert [(q.query_id, q.text, q.lang) for q in human] == [("1", "人", "zh")]
    assert rejects[0].reason == "the topic has no human translation into zh; left out"
    machine, _ = lenient(path, wording=Wording(lang="zh", origin="machine"))
    assert [q.text for q in machine] == ["新"]
    with pytest.raises(CorpusError, match="no human translation into zh"):
        read_queries(path, wording=Wording(lang="zh"))


def test_questions_of_other_collections_are_queries(tmp_path: Path) -> None:
    lines = [
        {"id": "1", "question": "où ?", "lang": " fr"},
        {"example_id": 2, "question_text": "wapi?", "language": "swahili"},
        {"example_id": 3, "query": "where?", "queries": {"zh_cn": "哪里", "sw": "wapi"}},
    ]
    path = write(tmp_path / "q.jsonl", "\n".join(map(json.dumps, lines)))
    assert [(q.query_id, q.text, q.lang) for q in read_queries(path)] == [
        ("1", "où ?", "fr"),
        ("2", "wapi?", "sw"),
        ("3", "where?", "en"),
    ]
    mkqa = write(tmp_path / "m.jsonl", json.dumps(lines[2]))
    assert read_queries(mkqa, wording=Wording(lang="zh"))[0].text == "哪里"
    with pytest.raises(CorpusError, match="not asked in de"):
        read_queries(mkqa, wording=Wording(lang="de"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.tsv", "1 no tab\n", "t.tsv:1"),
        ("t.txt", "1 no tab\n", "no tab between an id and a text"),
        ("t.txt", "1\ta\n1\tb\n", "query id '1' appears twice"),
        ("t.xml", "<topics><topic><title>T</title></topic></topics>", "no id"),
        ("t.xml", "<topics></topics>", "holds no query"),
        ("t.jsonl", '{"topic_id": "1", "topics": []}\n', "no original"),
    ],
)
def test_what_is_wrong_with_topics_is_said(
    name: str, content: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(CorpusError, match=re.escape(said)):
        read_queries(write(tmp_path / name, content))
    with pytest.raises(CorpusError, match="no such file"):
        read_queries(tmp_path / "missing.tsv")
