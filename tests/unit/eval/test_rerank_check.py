"""The gate: rerankers that are random, inverted, good in English alone, and good."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import no_reject
from rerankers import RuleReranker

from xret.errors import ConfigError
from xret.eval.rerank_check import RerankCheck, check_reranker
from xret.eval.significance import pooled_lower_bounds
from xret.index.sharded.shards_file import ShardsFile
from xret.retriever.corpora.registry import open_corpus
from xret.retriever.rerankers.opened import OFF_SETTING, off_pairs
from xret.retriever.searcher import Searcher
from xret.retriever.shards import join_shards
from xret.types import Document, Query, SearchRequest

Score = Callable[[Query, Document], float]


@pytest.fixture
def index(demo_folder: Path, tmp_path: Path) -> Path:
    """A demo of one's own, for the check writes into it."""
    return Path(shutil.copytree(demo_folder, tmp_path / "demo"))


@pytest.fixture(scope="module")
def good() -> Score:
    """What the judgements say, and some noise."""
    grades = open_corpus("demo").qrels()

    def score(query: Query, passage: Document) -> float:
        return grades[query.query_id].get(passage.doc_id, 0) + 0.5 * noise(query, passage)

    return score


def noise(query: Query, passage: Document) -> float:
    digest = hashlib.sha256(f"{query.query_id} {passage.doc_id}".encode()).digest()
    return digest[0] / 256


def check(index: Path, rule: Score, **more: object) -> RerankCheck:
    reranker = RuleReranker(rule, name="judged")
    return check_reranker(index, reranker, corpus="demo", lang=["en", "de"], **more)  # type: ignore[arg-type]


def test_a_good_reranker_is_on_for_every_pair(index: Path, good: Score) -> None:
    report = check(index, good)
    assert report.off == frozenset()
    assert {(one.query_lang, one.doc_lang) for one in report.pairs} == {
        (query, document)
        for query in ("en", "de")
        for document in ("ar", "de", "en", "es", "fr", "hi", "sw", "zh")
    }
    assert all(one.difference.mean > 0 for one in report.pairs)
    assert all(one.difference.low <= one.difference.mean for one in report.pairs)


def test_a_random_and_an_inverted_one_are_off_for_every_pair(index: Path, good: Score) -> None:
    for rule in (noise, lambda query, passage: -good(query, passage)):
        report = check(index, rule)
        assert len(report.off) == len(report.pairs) == 16


def test_one_that_is_good_in_english_alone_is_off_for_the_other_pairs(
    index: Path, good: Score
) -> None:
    def english(query: Query, passage: Document) -> float:
        alone = query.lang == passage.lang == "en"
        return good(query, passage) if alone else noise(query, passage)

    report = check(index, english)
    on = {(one.query_lang, one.doc_lang) for one in report.pairs if one.on}
    assert on == {("en", "en")}
    with Searcher.open(index) as searcher:
        searcher.rerankers.add(
            "judged", RuleReranker(lambda _q, p: float(len(p.text)), name="judged")
        )
        answer = searcher.answer(SearchRequest("coral reefs", "de", 40, rerank="judged@40"))
        plain = searcher.answer(SearchRequest("coral reefs", "de", 40))
        assert [hit.id for hit in answer.hits] == [hit.id for hit in plain.hits]
        assert any("judged is off for questions in German" in told for told in answer.warnings)
        assert all("rerank" not in hit.stages for hit in answer.hits)
        mixed = searcher.answer(SearchRequest("coral reefs", "en", 40, rerank="judged@40"))
        scored = {hit.lang for hit in mixed.hits if "rerank" in hit.stages}
        assert scored == {"en"}


def test_a_second_check_replaces_what_the_first_recorded(index: Path, good: Score) -> None:
    assert check(index, noise).recorded
    assert not check(index, good, record=False).recorded
    assert len(recorded(index)) == 16
    check(index, good)
    assert recorded(index) == frozenset()


def recorded(index: Path) -> frozenset[tuple[str, str]]:
    with Searcher.open(index) as searcher:
        return off_pairs(searcher.reader.settings, "judged-1")


def test_the_swap_test_tells_which_language_is_preferred(index: Path) -> None:
    favours = check(index, lambda _q, passage: float(passage.lang == "en"), record=False)
    preferred = {(one.query_lang, one.doc_lang): one.preferred for one in favours.swaps}
    assert preferred["de", "en"] == preferred["en", "en"] == 1.0
    assert all(share < 0.5 for (_, lang), share in preferred.items() if lang != "en")
    none = check(index, lambda _q, _p: 1.0, record=False)
    assert {one.preferred for one in none.swaps} == {0.5}


def test_an_index_can_ask_itself(index: Path) -> None:
    texts = {document.doc_id: document for document in documents()}

    def finds(query: Query, passage: Document) -> float:
        return float(sum(word in passage.text.split() for word in query.text.split()))

    good = check_reranker(index, RuleReranker(finds, name="words"), n_queries=20, record=False)
    assert {one.query_lang for one in good.pairs} == {"*"}
    assert {one.doc_lang for one in good.pairs} == {one.lang for one in texts.values()}
    assert good.swaps == ()
    random = check_reranker(index, RuleReranker(noise, name="random"), n_queries=20)
    assert len(random.off) == len(random.pairs)
    again = check_reranker(index, RuleReranker(noise, name="random"), n_queries=20)
    assert again == random
    with Searcher.open(index) as searcher:
        searcher.rerankers.add("random", RuleReranker(noise, name="random"))
        answer = searcher.answer(SearchRequest("coral reefs", "en", 20, rerank="random@20"))
        assert all("rerank" not in hit.stages for hit in answer.hits)


def test_an_index_in_parts_is_checked_and_each_part_keeps_what_was_found(
    index: Path, tmp_path: Path
) -> None:
    join_shards(tmp_path / "parts", [index])
    random = RuleReranker(noise, name="random")
    whole = check_reranker(index, random, n_queries=10, record=False)
    parts = check_reranker(tmp_path / "parts", random, n_queries=10)
    assert parts.pairs == whole.pairs
    assert parts.off
    with Searcher.open(index) as searcher:
        assert OFF_SETTING in searcher.reader.settings
    ShardsFile.of(["http://127.0.0.1:9/v1/indexes/a"]).write(tmp_path / "away")
    with pytest.raises(ConfigError, match="served elsewhere"):
        check_reranker(tmp_path / "away", random)


def documents() -> list[Document]:
    return list(open_corpus("demo").documents(on_reject=no_reject))


def test_what_cannot_be_meant_is_refused(index: Path) -> None:
    reranker = RuleReranker(noise)
    for wrong in (
        {"topics": "topics.tsv"},
        {"corpus": "demo", "topics": "t", "qrels": "q"},
        {"lang": ["en"]},
    ):
        with pytest.raises(ConfigError):
            check_reranker(index, reranker, **wrong)  # type: ignore[arg-type]


def test_groups_lend_one_another_their_strength() -> None:
    draws = np.random.default_rng(3)
    alike = [0.1 + 0.2 * draws.standard_normal(200) for _ in range(20)]
    short = np.array([0.4, -0.3, 0.3, 0.1, -0.2])
    alone = short.mean() - 1.96 * short.std(ddof=1) / np.sqrt(5)
    bounds = pooled_lower_bounds([*alike, short])
    assert alone < -0.1
    assert 0 < bounds[-1] < 0.2
    assert max(pooled_lower_bounds([-group for group in (*alike, short)])) < 0
    assert np.isfinite(pooled_lower_bounds([np.zeros(5), np.array([1.0])])).all()


def test_the_report_is_json(index: Path) -> None:
    from dataclasses import asdict

    report = check(index, noise, n_queries=5, record=False)
    assert json.loads(json.dumps(asdict(report)))["pairs"][0]["difference"]["queries"] == 5
