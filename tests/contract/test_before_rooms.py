"""Indices and models written before the modules moved open, search and grow as they did.

The files in tests/fixtures/before_rooms were written once, by commit 2f7a85c, and are never
written again. What was found then is in its expected.json: scores by words and by stored vectors
bit for bit, scores by an encoder as near as processors agree on its vectors.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import xret
from xret.index.search.faults import find_faults
from xret.index.search.reader import IndexReader
from xret.index.writing.compaction import Compaction
from xret.index.writing.writer import IndexWriter
from xret.retriever.encoder import EncoderOptions
from xret.retriever.lexical.analysis import analysis_version
from xret.retriever.models.module_card import read_card
from xret.retriever.modules.base import model_base
from xret.retriever.modules.ranking import RankingAdapter
from xret.retriever.modules.sparse import SparseMask
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.retriever.training.modules.base import open_base
from xret.retriever.xmod.fingerprints import language_fingerprints, shared_fingerprint
from xret.retriever.xmod.installed import (
    adapters_of,
    export_adapter,
    install_adapter,
    remove_adapter,
)
from xret.retriever.xmod.language_adapter import LanguageAdapter
from xret.types import Document, Embeddings, EncoderSpec, Hit, Query, SearchParams

BEFORE = Path(__file__).resolve().parents[1] / "fixtures" / "before_rooms"
EXPECTED: dict[str, Any] = json.loads((BEFORE / "expected.json").read_text(encoding="utf-8"))
INDICES: dict[str, Any] = EXPECTED["indices"]
STORED: dict[str, Any] = EXPECTED["stored vectors"]
LEARNT: dict[str, Any] = EXPECTED["modules"]["learnt"]
SAID = Query("1", "the coral reefs are warming", "en")
SPEC = EncoderSpec("stored vectors", "0" * 64, 24, ("en",))

NEAR, RELATIVE = 1e-5, 5e-6
"""How near the scores of transformers are. Other processors sum the products of matrices in
another order; a query's numbers then round to other codes here and there, and a score of 32
vectors is a sum of such. The hits that were recorded lie more than twice as far apart."""

STATIC_NEAR = 5e-6
"""How near those of xret-static are: BLAS sums its words, and a few codes may round otherwise."""

ROUNDED = 1e-6
"""A hit's score is rounded to six places: the last one may turn either way."""

same_words = pytest.mark.skipif(
    analysis_version() != EXPECTED["analysis"],
    reason="another Snowball is installed than the indices' words were made with",
)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A copy that may be written, in a folder that no file of it knows."""
    return shutil.copytree(BEFORE, tmp_path / "elsewhere")


def open_index(before: Path, name: str) -> Searcher:
    encoder = INDICES[name]["encoder"]
    return xret.open(before / name, encoder=str(before / encoder) if encoder else None)


def documents(langs: Sequence[str]) -> list[Document]:
    lines = (BEFORE / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    found = [Document(**json.loads(line)) for line in lines]
    return [document for document in found if document.lang in langs]


# Indices of documents.


@pytest.mark.parametrize("name", INDICES)
def test_an_index_is_sound_and_says_of_itself_what_it_said(before: Path, name: str) -> None:
    assert find_faults(before / name) == []
    expected = INDICES[name]
    with closing(IndexReader.open(before / name)) as reader:
        info, routes = reader.info(), reader.routes()
        assert reader.settings == info.settings == expected["settings"]
    for field in ("documents", "deleted", "passages", "vectors", "segments", "version"):
        assert getattr(info, field) == expected[field]
    assert dict(info.languages) == expected["languages"]
    assert {lang: dataclasses.asdict(one) for lang, one in routes.items()} == expected["routes"]


def test_words_are_analysed_by_the_rules_that_the_indices_record() -> None:
    assert analysis_version().partition("+")[0] == EXPECTED["analysis"].partition("+")[0]


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
@pytest.mark.parametrize("name", INDICES)
def test_a_question_finds_what_it_found(before: Path, name: str, mode: str) -> None:
    asked = [one for one in INDICES[name]["questions"] if one.get("mode", "dense") == mode]
    if mode != "dense" and analysis_version() != EXPECTED["analysis"]:
        pytest.skip("another Snowball is installed than the index's words were made with")
    near = 0.0 if mode == "lexical" else STATIC_NEAR if name == "static" else NEAR
    assert asked
    with open_index(before, name) as searcher:
        for question in asked:
            check_hits(searcher, question, near=near)
            if "scores" in question:
                check_scores(searcher, question, near=near)


def check_hits(searcher: Searcher, question: Mapping[str, Any], *, near: float) -> None:
    named = {name: question.get(name) for name in ("lang", "doc_langs", "filter", "mode")}
    hits = searcher.search(question["text"], k=question["k"], calibrate="off", **named)
    assert [hit.doc_id for hit in hits] == [row["id"] for row in question["hits"]]
    for hit, row in zip(hits, question["hits"], strict=True):
        assert (hit.lang, hit.adapter) == (row["lang"], row["adapter"])
        assert [hit.passage.start, hit.passage.end] == row["passage"]
        assert abs(hit.score - row["score"]) <= allowed(row["score"], near, rounded=True)


def check_scores(searcher: Searcher, question: Mapping[str, Any], *, near: float) -> None:
    query = Query("", question["text"], question["lang"])
    (ranking,) = searcher.rank(
        [query],
        question["k"],
        doc_langs=question.get("doc_langs"),
        mode=question.get("mode"),
        calibrate="off",
    )
    expected = [float.fromhex(exact) for exact, _ in question["scores"]]
    assert [hit.doc_id for hit in ranking] == [row["id"] for row in question["hits"]]
    for hit, score in zip(ranking, expected, strict=True):
        assert abs(hit.score - score) <= allowed(score, near)


def allowed(score: float, near: float, *, rounded: bool = False) -> float:
    """How far from a score another may be; near: 0 where it must be the same, bit for bit."""
    if not near:
        return 0.0
    return max(near, RELATIVE * abs(score)) + (ROUNDED if rounded else 0.0)


@pytest.mark.parametrize("name", [name for name in INDICES if INDICES[name]["encoder"]])
def test_an_index_opens_by_the_name_that_it_recorded(
    before: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(before)
    question = INDICES[name]["questions"][0]
    with Searcher.open(name) as searcher:
        assert searcher.encoder.spec.name == INDICES[name]["encoder"]
        check_hits(searcher, question, near=NEAR)


@same_words
@pytest.mark.parametrize("name", INDICES)
def test_the_indexed_documents_are_not_indexed_again(before: Path, name: str) -> None:
    expected = INDICES[name]
    with closing(IndexReader.open(before / name)) as reader:
        wanted = documents(list(expected["languages"]))
        indexed = {one.doc_id for one in reader.documents([one.doc_id for one in wanted])}
    assert len(indexed) == expected["documents"]
    encoder = load_encoder(
        str(before / expected["encoder"] if expected["encoder"] else "xret-static")
    )
    build = xret.IndexBuild(
        [one for one in wanted if one.doc_id in indexed], before / name, encoder
    )
    assert list(build.run())
    assert (build.summary.unchanged, build.summary.added) == (expected["documents"], 0)


@same_words
@pytest.mark.parametrize("name", INDICES)
def test_a_document_is_added_and_found_beside_the_old_ones(before: Path, name: str) -> None:
    text = "a lamp with green glass stands at the window of the library"
    old = INDICES[name]["questions"][0]
    with open_index(before, name) as searcher:
        assert searcher.add([Document("lamp-en", text, "en", meta={"topic": "lamp"})]) == 1
        for mode in ("dense", "lexical", "hybrid"):
            hits = searcher.search(text, lang="en", k=50, mode=mode)
            assert "lamp-en" in {hit.doc_id for hit in hits}
        (hit,) = searcher.search(text, lang="en", filter="topic:lamp")
        assert hit.doc_id == "lamp-en"
        again = searcher.search(old["text"], lang=old["lang"], k=old["k"] + 1, calibrate="off")
        kept = [hit.doc_id for hit in again if hit.doc_id != "lamp-en"][: old["k"]]
        assert kept == [row["id"] for row in old["hits"]]
    assert find_faults(before / name) == []


# Indices of stored vectors, in the codes of a trained codec.


@pytest.fixture(params=["", "numpy"], ids=["this processor's kernels", "numpy"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("XRET_KERNEL", request.param)
    yield request.param


def stored_queries() -> Embeddings:
    vectors = BEFORE / "vectors"
    return Embeddings(np.load(vectors / "queries.npy"), np.load(vectors / "offsets.npy"))


def check_stored(folder: Path, searches: Sequence[Mapping[str, Any]]) -> None:
    with closing(IndexReader.open(folder)) as reader:
        for search in searches:
            for threads in (1, 2):
                params = SearchParams(**search["params"], threads=threads)
                found = reader.search(stored_queries(), search["k"], params=params)
                assert [[(hit.doc_id, hit.score) for hit in hits] for hits in found] == [
                    [(doc_id, float.fromhex(exact)) for doc_id, exact, _ in hits]
                    for hits in search["hits"]
                ]


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("name", STORED)
def test_stored_vectors_score_the_same_bits(before: Path, name: str) -> None:
    check_stored(before / name, STORED[name]["searches"])


@pytest.mark.parametrize("name", STORED)
def test_a_coded_index_is_sound_and_says_of_itself_what_it_said(before: Path, name: str) -> None:
    assert find_faults(before / name) == []
    expected = STORED[name]
    with closing(IndexReader.open(before / name)) as reader:
        info = reader.info()
        assert reader.settings == expected["settings"]
    assert list(info.codecs) == expected["codecs"] == [1]
    for field in ("documents", "deleted", "passages", "vectors", "segments", "version"):
        assert getattr(info, field) == expected[field]


@pytest.mark.parametrize("name", STORED)
def test_joining_and_compacting_a_coded_index_change_no_score(before: Path, name: str) -> None:
    exact, deleted = SearchParams(exact=True), {f"1-{i}" for i in range(40)}

    def rankings() -> list[list[Hit]]:
        with closing(IndexReader.open(before / name)) as reader:
            return reader.search(stored_queries(), 1000, params=exact)

    wanted = [[hit for hit in hits if hit.doc_id not in deleted] for hits in rankings()]
    with IndexWriter.open_existing(before / name) as writer:
        assert writer.delete(deleted)
    assert rankings() == wanted
    for _ in Compaction(before / name).run():
        pass
    assert find_faults(before / name) == []
    assert rankings() == wanted


@pytest.mark.parametrize("name", STORED)
def test_vectors_are_added_in_the_codes_of_the_old_codec(before: Path, name: str) -> None:
    queries = stored_queries()
    added = Embeddings(queries[0], np.array([0, len(queries[0])]))
    with IndexWriter.open(before / name, SPEC) as writer:
        writer.add([Document("new", "the vectors of the first query", "en")], added)
    with closing(IndexReader.open(before / name)) as reader:
        assert list(reader.info().codecs) == [1]
        assert reader.search(queries, 1)[0][0].doc_id == "new"
    assert find_faults(before / name) == []


# Models, and what is bound to them.


@pytest.mark.parametrize("name", EXPECTED["models"])
def test_a_model_is_the_same_by_content(before: Path, name: str) -> None:
    expected = EXPECTED["models"][name]
    folder = str(before / "models" / name)
    spec = load_encoder(folder, options=EncoderOptions(backend="torch")).spec
    for field in ("fingerprint", "dim", "language_adapters", "base"):
        assert getattr(spec, field) == expected[field]
    assert list(spec.languages) == expected["languages"]
    assert dict(spec.adapters) == expected["adapters"]
    narrow = EncoderOptions(backend="torch", dim=4, max_tokens=32)
    assert load_encoder(folder, options=narrow).spec.fingerprint == expected["narrow"]
    if expected["single_vector"]:
        single = EncoderOptions(single_vector=True)
        assert load_encoder(folder, options=single).spec.fingerprint == expected["single_vector"]


@pytest.mark.parametrize("lang", EXPECTED["modules"]["languages"])
def test_a_language_file_goes_back_into_its_model(before: Path, lang: str) -> None:
    expected, folder = EXPECTED["modules"]["languages"][lang], before / "models" / "words"
    adapter = LanguageAdapter.load(before / "modules" / f"language-{lang}.safetensors")
    assert (adapter.lang, adapter.base) == (lang, expected["base"])
    assert (list(adapter.pieces), dict(adapter.card)) == (expected["pieces"], expected["card"])
    assert adapter.parameters == expected["parameters"]
    assert adapter.base == shared_fingerprint(folder)

    exported = export_adapter(folder, lang)
    assert (exported.lang, exported.base, exported.pieces) == (lang, adapter.base, adapter.pieces)
    for own, other in ((exported.tensors, adapter.tensors), (exported.rows, adapter.rows)):
        assert own.keys() == other.keys()
        assert all(torch.equal(tensor, other[name]) for name, tensor in own.items())

    hashes = EXPECTED["models"]["words"]["adapters"]
    remove_adapter(folder, lang)
    assert lang not in {one.lang for one in adapters_of(folder)}
    install_adapter(folder, adapter)
    assert language_fingerprints(folder) == hashes
    with open_index(before, "words-index") as searcher:
        for question in INDICES["words-index"]["questions"]:
            if question.get("mode", "dense") == "dense":
                check_hits(searcher, question, near=NEAR)


@pytest.mark.parametrize("name", LEARNT)
def test_a_learnt_module_still_does_to_its_model_what_it_did(before: Path, name: str) -> None:
    expected, path = LEARNT[name], before / "modules" / f"{name}.safetensors"
    folder = before / expected["model"]
    assert json.loads(json.dumps(read_card(path).described())) == expected["card"]
    assert expected["base"] in (model_base(folder).fingerprint, model_base(folder).folder)
    model = open_base(folder, lang="en")
    check_vector(first_vector(model), expected["vectors"]["without"])
    if expected["card"]["kind"] == "mask":
        SparseMask.load(path, base=model_base(folder)).apply(model)
    else:
        RankingAdapter.load(path, base=model_base(folder)).attach(model)
    check_vector(first_vector(model), expected["vectors"]["with"])
    with pytest.raises(AssertionError):
        check_vector(first_vector(model), expected["vectors"]["without"])


def first_vector(model: Any) -> np.ndarray:
    with torch.inference_mode():
        found = model.encode_query([SAID.text], show_progress_bar=False)[0]
    return np.asarray(found).reshape(-1, np.shape(found)[-1])[0]


def check_vector(found: Any, expected: Sequence[float]) -> None:
    largest = max(map(abs, expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * largest)


@pytest.mark.parametrize(("kind", "inside"), [("transforms", "transforms"), ("lora", "adapters")])
def test_language_modules_beside_a_model_are_found(before: Path, kind: str, inside: str) -> None:
    folder, expected = before / "models" / "bi", EXPECTED["beside"][kind]
    shutil.rmtree(folder / "masks")
    shutil.copytree(before / "modules" / kind, folder / inside)
    encoder = load_encoder(str(folder))
    assert encoder.spec.fingerprint == expected["fingerprint"]
    assert list(encoder.spec.languages) == expected["languages"]
    for lang, vector in expected["vectors"].items():
        asked = encoder.encode_queries([dataclasses.replace(SAID, lang=lang)])
        check_vector(asked.values[0], vector)


@pytest.mark.parametrize("backend", ["onnx", "auto", "torch"])
def test_an_exported_graph_answers_as_it_did(before: Path, backend: Any) -> None:
    expected = EXPECTED["graphs"]
    folder = str(before / "models" / "colbert")
    encoder = load_encoder(folder, options=EncoderOptions(backend=backend))
    assert encoder.spec.fingerprint == expected["fingerprint"]
    embeddings = encoder.encode_queries([Query("1", expected["text"], expected["lang"])])
    assert len(embeddings.values) == expected["count"]
    for vector, wanted in zip(embeddings.values, expected["vectors"], strict=False):
        np.testing.assert_allclose(vector, wanted, rtol=0, atol=1e-4)
