"""A retriever and a reranker as LlamaIndex calls them."""

import pytest
from rerankers import RuleReranker, shared_words

pytest.importorskip("llama_index.core")

from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode

from xret.integrations.llama_index import XretReranker, XretRetriever
from xret.retriever.searcher import Searcher

QUESTION = "how do vaccines train the immune system"


def test_nodes_are_the_documents_of_a_search(demo: Searcher) -> None:
    nodes = XretRetriever(demo, similarity_top_k=4).retrieve(QUESTION)
    hits = demo.search(QUESTION, k=4)
    assert [(one.node_id, one.score) for one in nodes] == [(hit.id, hit.score) for hit in hits]
    whole = demo.reader.documents([hits[0].id])[0]
    assert nodes[0].node.get_content(metadata_mode=MetadataMode.NONE) == whole.text
    told = nodes[0].node.get_content(metadata_mode=MetadataMode.LLM)
    assert f"lang: {hits[0].lang}" in told
    assert "passage" not in told


def test_other_fields_of_a_search_are_passed_on(demo: Searcher) -> None:
    nodes = XretRetriever(demo, similarity_top_k=3, search={"doc_langs": ["sw"]}).retrieve(QUESTION)
    assert {one.metadata["lang"] for one in nodes} == {"sw"}


def test_a_postprocessor_puts_nodes_in_order() -> None:
    nodes = [
        NodeWithScore(node=TextNode(id_=text, text=text), score=1.0)
        for text in ("salt", "the sea and the moon", "moon")
    ]
    reranker = XretReranker(RuleReranker(shared_words), top_n=2)
    best = reranker.postprocess_nodes(nodes, query_str="the moon")
    assert [one.node_id for one in best] == ["the sea and the moon", "moon"]
    assert best[0].score > best[1].score > 0.5
    with pytest.raises(ValueError, match="needs the question"):
        reranker.postprocess_nodes(nodes)
