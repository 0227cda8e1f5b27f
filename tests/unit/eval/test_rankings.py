"""Rankings that are as deep as the measures look, of queries that are encoded once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder

from xret.eval.measures import measured_depth
from xret.eval.rankings import DEPTH, TIED, IndexRankings
from xret.eval.runner import PairEvaluation
from xret.eval.trec import trec_eval_order
from xret.index.search.reader import IndexReader
from xret.retriever.searcher import Searcher
from xret.types import Document, Embeddings, Mode, Query

WORDS = ("gold", "tide", "moon", "salt", "wind")


class CountingEncoder(HashingEncoder):
    """Counts the queries that it encodes."""

    encoded = 0

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings:
        self.encoded += len(queries)
        return super().encode_queries(queries)


def _pool(n: int = 60) -> list[Document]:
    """Documents in three languages, of which most tie for any question."""
    return [
        Document(f"{place:02}.{lang}", f"{WORDS[place % 3]} {WORDS[place % 2]}", lang)
        for lang in ("en", "fr", "sw")
        for place in range(n)
    ]


@pytest.fixture
def searcher(tmp_path: Path) -> Searcher:
    encoder = CountingEncoder()
    build(_pool(), tmp_path / "i", encoder, lexical=True)
    return Searcher("i", IndexReader.open(tmp_path / "i"), encoder)


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
@pytest.mark.parametrize("depth", [1, 5, 30])
def test_a_shallow_list_begins_as_the_deep_one_where_documents_tie(
    searcher: Searcher, mode: Mode, depth: int
) -> None:
    queries = [Query(f"q{n}", f"{word} moon", "en") for n, word in enumerate(WORDS)]
    rankings = IndexRankings(searcher, mode=mode)
    deep = rankings.rank(queries, doc_lang="fr")
    shallow = rankings.rank(queries, doc_lang="fr", depth=depth)
    for query, hits in deep.items():
        first = [hit.doc_id for hit in trec_eval_order(hits)[:depth]]
        assert [hit.doc_id for hit in trec_eval_order(shallow[query])[:depth]] == first
    searcher.close()


def test_a_list_is_no_deeper_than_needed_where_nothing_ties(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    rng = np.random.default_rng(0)
    documents = [
        Document(f"{n}", " ".join(map(str, rng.integers(0, 40, 8))), "en") for n in range(300)
    ]
    build(documents, tmp_path / "i", encoder)
    with Searcher("i", IndexReader.open(tmp_path / "i"), encoder) as searcher:
        query = Query("q", "1 2 3 4 5 6 7", "en")
        found = IndexRankings(searcher).rank([query], doc_lang="en", depth=5)
    assert 5 <= len(found["q"]) <= 5 + TIED


def test_a_query_is_encoded_once_for_every_language(searcher: Searcher) -> None:
    queries = [Query(f"q{n}", word, "en") for n, word in enumerate(WORDS)]
    # The last query has nothing to find in French: a batch of fewer is still not encoded anew.
    qrels = {
        query.query_id: dict.fromkeys(("00.en", "01.sw", *["02.fr"] * (query != queries[-1])), 1)
        for query in queries
    }
    evaluation = PairEvaluation(IndexRankings(searcher), queries, qrels, measures=["nDCG@10"])
    counted = {(r.query_lang, r.doc_lang): r.queries for r in evaluation.results()}
    assert counted == {("en", "en"): 5, ("en", "fr"): 4, ("en", "sw"): 5} | {
        ("en", None): 5,
        (None, None): 5,
    }
    assert isinstance(searcher.encoder, CountingEncoder)
    assert searcher.encoder.encoded == len(queries)
    searcher.close()


def test_encoded_queries_are_ranked_as_their_texts(searcher: Searcher) -> None:
    queries = [Query(f"q{n}", f"{word} tide", "en") for n, word in enumerate(WORDS)]
    for mode in ("dense", "lexical", "hybrid"):
        some = searcher.encoded(queries, mode=mode).chosen([1, 4])
        assert [query.query_id for query in some.queries] == ["q1", "q4"]
        assert searcher.rank(some, 20) == searcher.rank([queries[1], queries[4]], 20, mode=mode)
    searcher.close()


def test_how_deep_measures_look() -> None:
    assert measured_depth(["nDCG@10", "R@100", "RR@10"]) == 100
    assert measured_depth(["nDCG@10", "AP"]) is None
    assert measured_depth(["RR(judged_only=True)@10"]) is None
    assert measured_depth([]) is None


def test_measures_of_a_whole_list_get_all_of_it(searcher: Searcher) -> None:
    query = Query("q", "salt", "en")
    evaluation = PairEvaluation(
        IndexRankings(searcher),
        [query],
        {"q": {f"{n:02}.en": 1 for n in range(60)}},
        measures=["R@60"],
    )
    cut = {r.doc_lang: r.measures["R@60"] for r in evaluation.results()}
    evaluation = PairEvaluation(
        IndexRankings(searcher),
        [query],
        {"q": {f"{n:02}.en": 1 for n in range(60)}},
        measures=["NumRet"],
    )
    whole = {r.doc_lang: r.measures["NumRet"] for r in evaluation.results()}
    searcher.close()
    assert cut["en"] == 1.0
    assert whole == {"en": 60, None: min(180, DEPTH)}
