"""Lucene's rankings language by language, over indices of words that need no Java."""

from collections.abc import Sequence

from xret.eval.lucene_rankings import LuceneRankings
from xret.types import Hit, Query


class FixedIndex:
    def __init__(self, *hits: Hit) -> None:
        self.hits = hits

    def rank(self, queries: Sequence[Query], k: int) -> list[list[Hit]]:
        return [list(self.hits[:k]) for _ in queries]


def test_mixed_list_is_by_score_and_a_pair_is_of_its_language() -> None:
    english = FixedIndex(Hit("a", 3.0), Hit("b", 1.0))
    unknown = FixedIndex(Hit("u", 2.0))
    langs = {"a": "en", "b": "en", "u": "und"}
    rankings = LuceneRankings({"en": english, "und": unknown}, langs, name="lucene")
    queries = [Query("q", "text", "en")]
    assert [hit.doc_id for hit in rankings.rank(queries)["q"]] == ["a", "u", "b"]
    assert [hit.doc_id for hit in rankings.rank(queries, doc_lang="en")["q"]] == ["a", "b"]
    assert rankings.languages == {"en": 2}
    assert rankings.languages_of(["a", "u", "x"]) == {"a": "en"}
