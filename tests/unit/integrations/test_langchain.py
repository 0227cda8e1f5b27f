"""LangChain's own standard tests, and what they do not ask."""

from collections.abc import Iterator
from typing import Any

import pytest
from encoders import MeanEncoder
from rerankers import RuleReranker, shared_words

pytest.importorskip("langchain_core")

from langchain_core.documents import Document

from xret.integrations.langchain import XretEmbeddings, XretReranker, XretRetriever
from xret.retriever.searcher import Searcher

QUESTION = "how do vaccines train the immune system"


def test_documents_are_those_of_a_search_with_their_whole_texts(demo: Searcher) -> None:
    made = XretRetriever(index=demo, k=4).invoke(QUESTION)
    hits = demo.search(QUESTION, k=4)
    whole = {one.doc_id: one.text for one in demo.reader.documents([hit.id for hit in hits])}
    assert [(one.id, one.metadata["score"]) for one in made] == [(h.id, h.score) for h in hits]
    assert [one.page_content for one in made] == [whole[hit.id] for hit in hits]
    assert [one.metadata["lang"] for one in made] == [hit.lang for hit in hits]
    assert made[0].metadata["title"] == hits[0].title


def test_other_fields_of_a_search_are_passed_on(demo: Searcher) -> None:
    retriever = XretRetriever(index=demo, k=3, search={"doc_langs": ["sw"]})
    assert {one.metadata["lang"] for one in retriever.invoke(QUESTION)} == {"sw"}
    assert {one.metadata["lang"] for one in retriever.invoke(QUESTION, doc_langs=["fr"])} == {"fr"}


def test_a_passage_is_the_part_that_answers(demo: Searcher) -> None:
    for one in XretRetriever(index=demo, passages=True, k=3).invoke(QUESTION):
        start, end = one.metadata["passage"]
        assert one.page_content == demo.reader.documents([one.id])[0].text[start:end]


def test_a_compressor_puts_documents_in_order() -> None:
    documents = [
        Document(id=text, page_content=text, metadata={"kept": 1})
        for text in ("salt", "the sea and the moon", "moon")
    ]
    reranker = XretReranker(reranker=RuleReranker(shared_words), top_n=2)
    best = reranker.compress_documents(documents, "the moon")
    assert [one.id for one in best] == ["the sea and the moon", "moon"]
    assert [one.metadata["kept"] for one in best] == [1, 1]
    assert best[0].metadata["relevance_score"] > best[1].metadata["relevance_score"] > 0.5
    assert documents[1].metadata == {"kept": 1}
    assert reranker.compress_documents([], "the moon") == []


standard = pytest.importorskip("langchain_tests.integration_tests.retrievers")
standard_embeddings = pytest.importorskip("langchain_tests.integration_tests.embeddings")


@pytest.mark.anyio
class TestStandardOfRetrievers(standard.RetrieversIntegrationTests):  # type: ignore[misc, name-defined, unused-ignore]
    @pytest.fixture(autouse=True)
    def _open(self, demo: Searcher) -> Iterator[None]:
        type(self).opened = demo
        yield

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @property
    def retriever_constructor(self) -> Any:
        return XretRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"index": self.opened}

    @property
    def retriever_query_example(self) -> str:
        return QUESTION


@pytest.mark.anyio
class TestStandardOfEmbeddings(standard_embeddings.EmbeddingsIntegrationTests):  # type: ignore[misc, name-defined, unused-ignore]
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @property
    def embeddings_class(self) -> Any:
        return XretEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": MeanEncoder()}
