"""Vectors and texts in other programs' formats say what the index has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoders import HashingEncoder, MeanEncoder
from sharded_indices import build_index

import xret
from xret.errors import ConfigError
from xret.index.search.reader import IndexReader
from xret.retriever.encoders.words_only import WordsOnly
from xret.types import Document, FloatArray, Query, SearchParams

QUESTION = Query("", "moon tide", "en")
TEXTS = ["the moon makes the tide", "bees and salt", "tide of gold", "une marée de lune"]


@pytest.fixture(scope="module", params=[HashingEncoder, MeanEncoder])
def encoder(request: pytest.FixtureRequest) -> HashingEncoder:
    made: HashingEncoder = request.param()
    return made


@pytest.fixture(scope="module")
def folder(encoder: HashingEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four documents in two indices that are one, one of the documents deleted."""
    folder = tmp_path_factory.mktemp("exported")
    documents = [
        Document(f"d{n}", text, "en", f"title {n}", meta={"n": n}) for n, text in enumerate(TEXTS)
    ]
    for name, own in (("a", documents[:2]), ("b", documents[2:])):
        build_index(folder / name, own, encoder)
    xret.delete(folder / "a", ["d1"])
    xret.join_shards(folder / "both", [folder / "a", folder / "b"])
    return folder


@pytest.fixture(scope="module")
def scores(folder: Path, encoder: HashingEncoder) -> dict[str, float]:
    found = {}
    for name in ("a", "b"):
        reader = IndexReader.open(folder / name)
        queries = encoder.encode_queries([QUESTION])
        for hit in reader.search(queries, 10, params=SearchParams(exact=True))[0]:
            found[hit.doc_id] = hit.score
        reader.close()
    return found


def check_scores(
    vectors: dict[str, FloatArray], encoder: HashingEncoder, scores: dict[str, float]
) -> None:
    """MaxSim of what was exported is the score of a search."""
    query = encoder.encode_queries([QUESTION])[0]
    assert vectors.keys() == scores.keys() == {"d0", "d2", "d3"}
    for doc_id, own in vectors.items():
        assert (query @ own.T).max(axis=1).sum() == pytest.approx(scores[doc_id], abs=1e-3)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_numpy_archives(
    folder: Path, tmp_path: Path, encoder: HashingEncoder, scores: dict[str, float]
) -> None:
    report = xret.export_index(folder / "both", tmp_path / "out", to="npz")
    assert (report.documents, report.passages) == (3, 3)
    passages = [line["doc_id"] for line in lines(tmp_path / "out" / "passages.jsonl")]
    with np.load(tmp_path / "out" / "vectors-00000.npz", allow_pickle=False) as arrays:
        values, offsets = arrays["values"], arrays["offsets"]
    vectors = {p: values[offsets[n] : offsets[n + 1]] for n, p in enumerate(passages)}
    check_scores(vectors, encoder, scores)
    facts = json.loads((tmp_path / "out" / "index.json").read_text())
    assert facts["vectors"] == len(values) == report.vectors
    assert facts["single"] == (type(encoder) is MeanEncoder)
    assert lines(tmp_path / "out" / "documents.jsonl")[0] == {
        "_id": "d0",
        "lang": "en",
        "title": "title 0",
        "text": TEXTS[0],
        "metadata": {"n": 0},
    }
    again = xret.build(tmp_path / "out" / "documents.jsonl", tmp_path / "again")
    assert again.documents == 3
    with pytest.raises(ConfigError, match="is not empty"):
        xret.export_index(folder / "a", tmp_path / "out", to="npz")


def test_a_faiss_file(
    folder: Path, tmp_path: Path, encoder: HashingEncoder, scores: dict[str, float]
) -> None:
    xret.export_index(folder / "both", tmp_path / "out", to="faiss")
    assert (tmp_path / "out" / "vectors.faiss").read_bytes()[:4] == b"IxFI"  # a flat index, by dot
    rows = np.load(tmp_path / "out" / "passages.npy", allow_pickle=False)
    names = [line["doc_id"] for line in lines(tmp_path / "out" / "passages.jsonl")]
    content = (tmp_path / "out" / "vectors.faiss").read_bytes()
    values = np.frombuffer(content[-4 * 32 * len(rows) :], "<f4").reshape(len(rows), 32)
    vectors = {name: values[rows == n] for n, name in enumerate(names)}
    check_scores(vectors, encoder, scores)


def test_a_feed_for_vespa(
    folder: Path, tmp_path: Path, encoder: HashingEncoder, scores: dict[str, float]
) -> None:
    xret.export_index(folder / "both", tmp_path / "out", to="vespa")
    feed = lines(tmp_path / "out" / "feed.jsonl")
    single = type(encoder) is MeanEncoder
    vectors = {}
    for line in feed:
        tensor = line["fields"]["embedding"]
        rows = [tensor["values"]] if single else list(tensor["blocks"].values())
        vectors[line["fields"]["doc_id"]] = np.array(rows, np.float32)
        assert line["put"] == f"id:xret:passage::{line['fields']['doc_id']}#0"
    check_scores(vectors, encoder, scores)
    assert feed[0]["fields"]["text"] == TEXTS[0]
    schema = (tmp_path / "out" / "application" / "schemas" / "passage.sd").read_text()
    assert ("token{}, x[32]" in schema) is not single
    assert schema.count("{") == schema.count("}")


def test_a_lance_table(
    folder: Path, tmp_path: Path, encoder: HashingEncoder, scores: dict[str, float]
) -> None:
    lance = pytest.importorskip("lance")
    xret.export_index(folder / "both", tmp_path / "out", to="lance")
    rows = lance.dataset(str(tmp_path / "out" / "passages.lance")).to_table().to_pylist()
    vectors = {row["doc_id"]: np.atleast_2d(np.array(row["vector"], "f4")) for row in rows}
    check_scores(vectors, encoder, scores)
    assert [json.loads(row["meta"]) for row in rows] == [{"n": 0}, {"n": 2}, {"n": 3}]


def test_passages_of_a_long_text_are_told_apart(tmp_path: Path) -> None:
    text = " ".join(f"Sentence number {n} speaks of rivers and of the sea." for n in range(300))
    documents = [Document("long", text, "en"), Document("short", "a short one", "en")]
    build_index(tmp_path / "index", documents, xret.load_encoder("xret-static"))
    report = xret.export_index(tmp_path / "index", tmp_path / "out", to="vespa")
    assert report.passages > 2
    feed = lines(tmp_path / "out" / "feed.jsonl")
    assert [line["put"].rpartition("#")[2] for line in feed] == [
        *map(str, range(report.passages - 1)),
        "0",
    ]
    for line in feed[:-1]:
        fields = line["fields"]
        assert fields["text"] == text[fields["start"] : fields["end"]]
    assert "start" not in feed[-1]["fields"]


def test_an_index_of_words_alone_has_nothing_to_export(tmp_path: Path) -> None:
    build_index(tmp_path / "words", [Document("a", "b", "en")], WordsOnly())
    with pytest.raises(ConfigError, match="no vectors"):
        xret.export_index(tmp_path / "words", tmp_path / "out", to="npz")
