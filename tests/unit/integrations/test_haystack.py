"""A retriever and a ranker in a pipeline of Haystack, written and read again."""

import os
from pathlib import Path

import pytest
from rerankers import RuleReranker, shared_words

os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")
pytest.importorskip("haystack")

from haystack import Document, Pipeline

from xret.errors import ConfigError
from xret.integrations.haystack import XretReranker, XretRetriever
from xret.retriever.searcher import Searcher

QUESTION = "how do vaccines train the immune system"
SWAHILI = {"field": "lang", "operator": "==", "value": "sw"}


def test_documents_are_those_of_a_search(demo: Searcher) -> None:
    documents = XretRetriever(demo, top_k=4).run(QUESTION)["documents"]
    hits = demo.search(QUESTION, k=4)
    assert [(one.id, one.score) for one in documents] == [(hit.id, hit.score) for hit in hits]
    assert documents[0].content == demo.reader.documents([hits[0].id])[0].text
    assert XretRetriever(demo).run(QUESTION, top_k=2)["documents"] == documents[:2]


def test_haystacks_filters_are_understood(demo: Searcher) -> None:
    retriever = XretRetriever(demo, filters=SWAHILI)
    assert {one.meta["lang"] for one in retriever.run(QUESTION)["documents"]} == {"sw"}
    french = {**SWAHILI, "value": "fr"}
    assert {one.meta["lang"] for one in retriever.run(QUESTION, french)["documents"]} == {"fr"}


def test_a_pipeline_is_written_and_read_again(
    demo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Haystack 3 opens classes of modules that are named to it only.
    monkeypatch.setenv("HAYSTACK_DESERIALIZATION_ALLOWLIST", "xret.integrations.haystack")
    pipeline = Pipeline()
    pipeline.add_component("retriever", XretRetriever(demo_folder, top_k=5))
    pipeline.add_component("ranker", XretReranker("xret-static", top_k=2))
    pipeline.connect("retriever", "ranker")
    inputs = {"retriever": {"query": QUESTION}, "ranker": {"query": QUESTION}}
    ranked = pipeline.run(inputs)["ranker"]["documents"]
    again = Pipeline.loads(pipeline.dumps()).run(inputs)["ranker"]["documents"]
    assert [one.id for one in again] == [one.id for one in ranked]
    assert len(ranked) == 2
    assert 1 >= ranked[0].score >= ranked[1].score >= 0


def test_an_open_index_cannot_be_written(demo: Searcher) -> None:
    with pytest.raises(ConfigError, match="name the index"):
        XretRetriever(demo).to_dict()


def test_a_ranker_puts_documents_in_order() -> None:
    documents = [Document(content=text) for text in ("salt", "the sea and the moon", "moon")]
    best = XretReranker(RuleReranker(shared_words)).run("the moon", documents, top_k=2)
    assert [one.content for one in best["documents"]] == ["the sea and the moon", "moon"]
