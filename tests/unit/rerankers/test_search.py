"""A reranker within a search: Python, many queries at once, pages, and no torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from rerankers import RuleReranker, shared_words

from xret.errors import ConfigError, QueryError, UnknownModelError
from xret.retriever.rerankers.opened import off_pairs, with_off_pairs
from xret.retriever.searcher import Searcher
from xret.types import Document, Query, SearchRequest

QUESTION = "which fish live in coral reefs"


def upside_down(_: Query, passage: Document) -> float:
    return -shared_words(Query("", QUESTION, "en"), passage)


def test_a_search_is_put_in_order_page_by_page(demo: Searcher) -> None:
    demo.rerankers.add("rule", RuleReranker(lambda _q, p: float(len(p.text))))
    whole = demo.answer(SearchRequest(QUESTION, "en", 60, rerank="rule@20"))
    plain = demo.answer(SearchRequest(QUESTION, "en", 60))
    ids = [hit.id for hit in whole.hits]
    assert ids[20:] == [hit.id for hit in plain.hits][20:]
    assert sorted(ids) == sorted(hit.id for hit in plain.hits)
    assert ids[:20] != [hit.id for hit in plain.hits][:20]
    page = demo.answer(SearchRequest(QUESTION, "en", 5, 10, rerank="rule@20"))
    assert [hit.id for hit in page.hits] == ids[10:15]
    assert [hit.rank for hit in page.hits] == [11, 12, 13, 14, 15]
    first = whole.hits[0]
    assert first.stages["rerank"].rank == 1
    assert first.stages["first"].score == next(h.score for h in plain.hits if h.id == first.id)
    assert whole.hits[30].stages == {}
    assert plain.hits[0].stages == {}
    assert whole.timings.rerank_ms > 0
    assert plain.timings.rerank_ms < 1


def test_many_queries_rank_as_each_alone(demo: Searcher) -> None:
    demo.rerankers.add("rule", RuleReranker(shared_words))
    queries = [Query("1", QUESTION, "en"), Query("2", "la mer et la lune", "fr")]
    together = demo.rank(queries, 30, rerank="rule@10")
    for query, hits in zip(queries, together, strict=True):
        alone = demo.answer(SearchRequest(query.text, query.lang, 30, rerank="rule@10"))
        assert [hit.doc_id for hit in hits] == [hit.id for hit in alone.hits]


def test_a_search_that_runs_out_of_time_says_so(demo: Searcher) -> None:
    demo.rerankers.add("rule", RuleReranker(shared_words, most=0))
    request = SearchRequest(QUESTION, "en", rerank="rule", deadline_ms=0.001)
    answer = demo.answer(request)
    assert any("time ran out" in warning for warning in answer.warnings)
    assert [hit.id for hit in answer.hits] == [hit.id for hit in demo.search(QUESTION, lang="en")]
    with pytest.raises(QueryError, match="deadline_ms"):
        SearchRequest(QUESTION, deadline_ms=0)


def test_a_second_encoder_is_named_as_any_encoder_is(demo: Searcher) -> None:
    answer = demo.answer(SearchRequest(QUESTION, "en", 3, rerank="xret-static@3"))
    plain = demo.search(QUESTION, lang="en", k=3)
    assert {hit.id for hit in answer.hits} == {hit.id for hit in plain}
    for hit in answer.hits:
        assert set(hit.stages) == {"first", "rerank"}
    with pytest.raises(UnknownModelError):
        demo.search(QUESTION, lang="en", rerank="xret-statik")
    with pytest.raises(ConfigError, match="names no reranker"):
        demo.search(QUESTION, lang="en", rerank="@5")
    assert demo.search(QUESTION, lang="en", rerank="off") == demo.search(QUESTION, lang="en")


def test_pairs_that_are_off_are_read_from_the_settings_of_the_index() -> None:
    recorded = with_off_pairs({}, "a", frozenset({("en", "de"), ("en", "fr")}))
    recorded = with_off_pairs({"rerank_off": recorded}, "b", frozenset({("de", "de")}))
    assert off_pairs({"rerank_off": recorded}, "a") == {("en", "de"), ("en", "fr")}
    assert off_pairs({"rerank_off": recorded}, "c") == frozenset()
    assert "a" not in with_off_pairs({"rerank_off": recorded}, "a", frozenset())
    with pytest.raises(ConfigError, match="cannot be read"):
        off_pairs({"rerank_off": '{"a": 3}'}, "a")


def test_reranking_by_the_embedded_encoder_imports_no_torch(demo_folder: Path) -> None:
    program = (
        "import sys, xret\n"
        f"index = xret.open({str(demo_folder)!r})\n"
        "hits = index.search('coral reefs', lang='en', k=2, rerank='xret-modular@3')\n"
        "assert hits[0].stages\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
