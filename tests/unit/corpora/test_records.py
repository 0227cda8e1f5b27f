"""Corpus files of every shape, and everything that can be wrong with them."""

import contextlib
import gzip
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from xret.errors import CorpusError, UnknownCorpusError
from xret.retriever.corpora.local import LocalCorpus, read_queries
from xret.retriever.corpora.records import MAX_LINE_BYTES, BadRecord
from xret.retriever.corpora.registry import find_collection, open_corpus
from xret.types import Document

SHAPES = {
    "beir": {"_id": "1", "title": "T", "text": "body"},
    "pyserini": {"id": "1", "contents": "T body"},
    "miracl": {"docid": "1", "title": "T", "text": "body"},
    "hc4": {"id": "1", "title": "T", "text": "body", "url": "u", "time": "2020-01-01"},
    "plain": {"doc_id": "1", "text": "T body"},
    "number id": {"id": 1, "text": "T body"},
}


def read(path: Path, lang: str | None = None) -> tuple[list[Document], list[BadRecord]]:
    rejects: list[BadRecord] = []
    return list(LocalCorpus(path).documents(on_reject=rejects.append, lang=lang)), rejects


def write(path: Path, *lines: object) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_record_is_a_document(shape: str, tmp_path: Path) -> None:
    documents, rejects = read(write(tmp_path / "c.jsonl", SHAPES[shape]))
    assert rejects == []
    assert documents[0].doc_id == "1"
    assert f"{documents[0].title} {documents[0].text}".strip() == "T body"
    if shape == "hc4":
        assert (documents[0].url, documents[0].date) == ("u", "2020-01-01")


def test_unknown_fields_are_kept_as_metadata(tmp_path: Path) -> None:
    documents, _ = read(
        write(tmp_path / "c.jsonl", {"id": "1", "text": "x", "author": "A", "n": 3})
    )
    assert documents[0].meta == {"author": "A", "n": 3}


def test_languages_are_mapped_given_or_left_open(tmp_path: Path) -> None:
    records = [{"id": "1", "text": "x", "lang": "fra_Latn"}, {"id": "2", "text": "x"}]
    path = write(tmp_path / "c.jsonl", *records)
    assert [(d.lang, d.lang_source) for d in read(path)[0]] == [
        ("fr", "given"),
        ("und", "unknown"),
    ]
    assert [d.lang for d in read(path, lang="sw")[0]] == ["fr", "sw"]


def test_compressed_tabular_and_columnar_files_read_alike(tmp_path: Path) -> None:
    lines = write(tmp_path / "a.jsonl", {"id": "1", "text": "eau"}, {"id": "2", "text": "feu"})
    content = lines.read_bytes()
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(content))
    (tmp_path / "c.jsonl.zst").write_bytes(zstandard.compress(content))
    write(tmp_path / "d.tsv", "1\teau", "2\tfeu")
    write(tmp_path / "e.tsv", "id\ttext", "1\teau", "2\tfeu")
    pq.write_table(pa.table({"id": ["1", "2"], "text": ["eau", "feu"]}), tmp_path / "f.parquet")
    write(tmp_path / "g.jsonl", "\ufeff" + content.decode())
    for path in sorted(tmp_path.iterdir()):
        documents, rejects = read(path)
        assert [(d.doc_id, d.text) for d in documents] == [("1", "eau"), ("2", "feu")], path
        assert rejects == []


def test_a_folder_of_texts_is_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path / "b.txt", "second")
    write(tmp_path / "sub" / "a.txt", "third")
    documents, _ = read(tmp_path)
    assert [d.doc_id for d in documents] == ["b.txt", "sub/a.txt"]


BAD_LINES = {
    '{"id": "1", "text": "cut': "not a JSON object",
    "[1, 2]": "a JSON list where an object",
    "nothing": "not a JSON object",
    '{"text": "no id"}': "no id",
    '{"id": "1"}': "no text",
    '{"id": "1", "text": ""}': "no text",
    '{"id": "1", "text": 7}': "text is a int",
    '{"id": null, "text": "x"}': "no id",
    '{"id": true, "text": "x"}': "no id",
    '{"id": "  ", "text": "x"}': "no id",
    '{"id": "1", "text": "x", "lang": "zz"}': "no language code",
    '{"id": "1", "text": "x", "lang": 7}': "lang is a int",
    '{"id": "1", "text": "\\ud800"}': "not a JSON object",
    '{"id": "1", "text": "x", "n": NaN}': "not a JSON object",
    '{"id": "1", "text": "x", "n": 1' + "0" * 5000 + "}": "not a JSON object",
    '{"a":' * 3000 + "1" + "}" * 3000: "not a JSON object",
    '{"id": "1", "text": "x", "m": ' + "[" * 1010 + "]" * 1010 + "}": "nested more than 64",
}


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: line[:30])
def test_a_bad_record_is_refused_with_place_and_reason(line: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / "c.jsonl", {"id": "0", "text": "good"}, line, {"id": "2", "text": "good"}
    )
    documents, rejects = read(path)
    assert [d.doc_id for d in documents] == ["0", "2"]
    assert [r.place for r in rejects] == [f"{path}:2"]
    assert BAD_LINES[line] in rejects[0].reason


def test_a_line_in_latin_1_is_refused_with_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes('{"id": "1", "text": "été"}\n{"id": "2", "text": "x"}\n'.encode("latin-1"))
    documents, rejects = read(path)
    assert [d.doc_id for d in documents] == ["2"]
    assert "iconv -f latin1" in rejects[0].reason


def test_an_overlong_line_is_skipped_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    long = b'{"id": "1", "text": "' + b"x" * (2 * MAX_LINE_BYTES + 5) + b'"}\n'
    path.write_bytes(long + b'{"id": "2", "text": "short"}\n')
    documents, rejects = read(path)
    assert [d.doc_id for d in documents] == ["2"]
    assert "longer than" in rejects[0].reason


def test_files_broken_as_a_whole_are_errors(tmp_path: Path) -> None:
    (tmp_path / "utf16.jsonl").write_bytes('{"id": 1}'.encode("utf-16"))
    cut = gzip.compress(b'{"id": "1", "text": "x"}\n' * 2000)[:-20]
    (tmp_path / "cut.jsonl.gz").write_bytes(cut)
    (tmp_path / "no.jsonl.gz").write_bytes(b"not gzip at all")
    (tmp_path / "no.parquet").write_bytes(b"not parquet")
    (tmp_path / "no.docx").write_bytes(b"?")
    for name, words in {
        "utf16.jsonl": "UTF-16",
        "cut.jsonl.gz": "cut or damaged",
        "no.jsonl.gz": "cut or damaged",
        "no.parquet": "as parquet",
        "no.docx": "unknown kind",
        "missing.jsonl": "no such file",
    }.items():
        with pytest.raises(CorpusError, match=words):
            read(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="holds no corpus file"):
        read(tmp_path / "empty")


ARCHIVED = "".join(f'{{"id": "{i}", "text": "text {i * 7919}"}}\n' for i in range(5000)).encode()


@pytest.mark.parametrize("kind", ["jsonl", "txt"])
@pytest.mark.parametrize("end", [-1, -7, 5000, 20])
@pytest.mark.parametrize("archive", [gzip.compress, zstandard.compress])
def test_a_cut_archive_is_an_error_and_not_a_shorter_corpus(
    kind: str, end: int, archive: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    ending = "gz" if archive is gzip.compress else "zst"
    path = tmp_path / f"cut.{kind}.{ending}"
    path.write_bytes(archive(ARCHIVED)[:end])
    with pytest.raises(CorpusError, match="cut or damaged"):
        read(path)


@pytest.mark.parametrize("archive", [gzip.compress, zstandard.compress])
def test_a_changed_byte_in_an_archive_is_never_a_traceback(
    archive: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    ending = "gz" if archive is gzip.compress else "zst"
    whole = archive(ARCHIVED[:4000])
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        (tmp_path / f"d.jsonl.{ending}").write_bytes(damaged)
        with contextlib.suppress(CorpusError):
            read(tmp_path / f"d.jsonl.{ending}")


def test_an_archive_of_several_frames_is_read_to_its_end(tmp_path: Path) -> None:
    lines = [f'{{"id": "{i}", "text": "x"}}\n'.encode() for i in range(3)]
    skipped = (0x184D2A50).to_bytes(4, "little") + (4).to_bytes(4, "little") + b"note"
    frames = [zstandard.compress(line) for line in lines]
    (tmp_path / "c.jsonl.zst").write_bytes(frames[0] + skipped + frames[1] + frames[2])
    (tmp_path / "c.jsonl.gz").write_bytes(b"".join(map(gzip.compress, lines)))
    for ending in ("zst", "gz"):
        documents, _ = read(tmp_path / f"c.jsonl.{ending}")
        assert [d.doc_id for d in documents] == ["0", "1", "2"]


def test_a_small_archive_of_much_is_read_in_bounded_memory(tmp_path: Path) -> None:
    with (tmp_path / "bomb.jsonl.zst").open("wb") as file:
        file.write(zstandard.compress(b"x" * (256 << 20)))
    tracemalloc.start()
    documents, rejects = read(tmp_path / "bomb.jsonl.zst")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(documents), len(rejects)) == (0, 1)
    assert peak_bytes < 160 << 20


def test_a_heading_is_known_by_an_id_and_a_text_among_other_columns(tmp_path: Path) -> None:
    headed = write(tmp_path / "c.tsv", "id\ttext\tSource url", "1\teau\tu")
    documents, rejects = read(headed)
    assert rejects == []
    assert [(d.doc_id, d.text, d.meta) for d in documents] == [("1", "eau", {"Source url": "u"})]
    topics = write(tmp_path / "q.tsv", "Query_ID\tquery", "1\toù")
    assert [(q.query_id, q.text) for q in read_queries(topics)] == [("1", "où")]
    bare = write(tmp_path / "bare.tsv", "id\tfirst", "text\tsecond")
    assert [d.doc_id for d in read(bare)[0]] == ["id", "text"]


def test_what_lies_beside_documents_is_no_document(tmp_path: Path) -> None:
    write(tmp_path / "docs.jsonl", {"id": "1", "text": "x"})
    write(tmp_path / "Queries.jsonl", {"id": "q", "text": "x"})
    write(tmp_path / "topics-2022.tsv", "q\tx")
    write(tmp_path / "qrels.tsv", "q\t1\t1")
    write(tmp_path / "rejects.jsonl", {"place": "x"})
    (tmp_path / "qrels").mkdir()
    write(tmp_path / "qrels" / "test.tsv", "q\t1\t1")
    write(tmp_path / "topics in history.txt", "a document all the same")
    documents, rejects = read(tmp_path)
    assert [d.doc_id for d in documents] == ["1", "topics in history.txt"]
    assert rejects == []


def test_compressed_texts_of_one_name_in_two_folders_are_two_documents(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt.gz").write_bytes(gzip.compress(b"a text"))
    (tmp_path / "a" / "y.TXT").write_text("another", encoding="utf-8")
    documents, _ = read(tmp_path)
    assert [d.doc_id for d in documents] == ["a/x.txt.gz", "a/y.TXT", "b/x.txt.gz"]
    assert LocalCorpus(tmp_path).count_records() == 3


def test_what_cannot_be_opened_in_a_folder_is_one_reject(tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "good")
    (tmp_path / "a.txt").symlink_to(tmp_path / "nowhere")
    documents, rejects = read(tmp_path)
    assert [d.doc_id for d in documents] == ["b.txt"]
    assert [r.place for r in rejects] == [str(tmp_path / "a.txt")]
    assert LocalCorpus(tmp_path).count_records() == 2


def test_a_file_name_that_is_not_unicode_is_refused_and_not_indexed(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("x", encoding="utf-8")
    documents, rejects = read(tmp_path)
    assert documents == []
    assert "not valid Unicode" in rejects[0].reason


def test_an_unknown_corpus_offers_the_nearest_name() -> None:
    with pytest.raises(UnknownCorpusError, match="did you mean demo"):
        open_corpus("dmeo")
    with pytest.raises(CorpusError, match="no such file"):
        open_corpus("missing.jsonl")


def test_queries_are_read_strictly(tmp_path: Path) -> None:
    good = write(tmp_path / "q.jsonl", {"_id": "1", "text": "où", "lang": "fr"})
    assert [(q.query_id, q.text, q.lang) for q in read_queries(good)] == [("1", "où", "fr")]
    write(tmp_path / "twice.jsonl", {"_id": "1", "text": "a"}, {"_id": "1", "text": "b"})
    write(tmp_path / "bad.jsonl", {"_id": "1"})
    (tmp_path / "none.jsonl").write_text("", encoding="utf-8")
    for name, words in {"twice": "appears twice", "bad": "no text", "none": "no query"}.items():
        with pytest.raises(CorpusError, match=words):
            read_queries(tmp_path / f"{name}.jsonl")


def test_the_demo_corpus_is_what_its_readme_says() -> None:
    corpus = open_corpus("demo")
    known = find_collection("demo")
    assert known.folder is not None
    documents, rejects = read(known.folder)
    assert rejects == []
    assert len(documents) == len({d.doc_id for d in documents}) == known.count() == 400
    assert {d.lang for d in documents} == set(known.languages)
    assert [documents[i].doc_id for i in (0, 200, -1)] == [
        "vaccination.en",
        "apartheid.en",
        "great-wall.de",
    ]
    for document in documents:
        length = len(document.text) if document.lang == "zh" else len(document.text.split())
        assert (100 <= length <= 260) if document.lang == "zh" else (60 <= length <= 120)
        assert "http" not in document.text
    queries, qrels = corpus.queries(), corpus.qrels()
    assert len(queries) == 100
    assert {q.lang for q in queries} == set(known.languages)
    ids = {d.doc_id for d in documents}
    for query in queries:
        topic = query.query_id.split(".")[1]
        grades = qrels[query.query_id]
        assert set(grades) <= ids
        assert {doc for doc, grade in grades.items() if grade == 2} == {
            f"{topic}.{lang}" for lang in known.languages
        }
