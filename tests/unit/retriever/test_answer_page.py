"""Totals, facets and groups against counts by hand over the whole ranking."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import build
from encoders import HashingEncoder
from rerankers import RuleReranker

from xret.errors import QueryError
from xret.index.search.matches import COUNTED
from xret.index.search.reader import IndexReader
from xret.retriever.answer import FacetValue
from xret.retriever.searcher import Searcher
from xret.types import Document, SearchParams, SearchRequest

LANGS = ("en", "fr", "sw")
N = 400
TOPICS = ("bees", "salt", "tides", "bees salt")


def document(i: int) -> Document:
    """Every third in a language; every fifth without a publisher; topics and years in turns."""
    meta = {} if i % 5 == 0 else {"publisher": ["UN", f"press {i % 7}"], "open": i % 2 == 0}
    text = f"{TOPICS[i % 4]} number {i} {'w' * (i % 11)}"
    return Document(f"d{i:03}", text, LANGS[i % 3], date=f"{2000 + i % 3}-05-01", meta=meta)


@pytest.fixture(scope="module", params=["exact", "compact"])
def searcher(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Searcher]:
    folder: Path = tmp_path_factory.mktemp("counted") / "demo"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("xret.index.coding.recoding.CODEC_ROWS", 500)
        build([document(i) for i in range(N)], folder, HashingEncoder(), preset=request.param)
    with Searcher("demo", IndexReader.open(folder), HashingEncoder()) as opened:
        coded = any(opened.reader.info().codecs)
        assert coded == (request.param == "compact")
        yield opened


def test_counts_are_those_of_the_best_hits(searcher: Searcher) -> None:
    facets = ("lang", "date", "meta.publisher", "open")
    asked = SearchRequest("bees and salt", "en", 5, facets=facets)
    answer = searcher.answer(asked)
    best = searcher.answer(
        SearchRequest("bees and salt", "en", COUNTED, params=SearchParams(n_candidates=COUNTED))
    ).hits
    documents = {d.doc_id: d for d in searcher.reader.documents([hit.id for hit in best])}
    langs = Counter(hit.lang for hit in best)
    totals = Counter(document(i).lang for i in range(N))
    assert {v.value: (v.count, v.total) for v in answer.facets["lang"].values} == {
        lang: (count, totals[lang]) for lang, count in langs.items()
    }
    years = Counter(str(d.date)[:4] for d in documents.values())
    assert {v.value: v.count for v in answer.facets["date"].values} == years
    publishers = Counter(p for d in documents.values() for p in d.meta.get("publisher", []))
    publisher = answer.facets["meta.publisher"]
    assert {v.value: v.count for v in publisher.values} == publishers
    assert publisher.values[0] == FacetValue("UN", publishers["UN"])
    assert publisher.without == sum(not d.meta for d in documents.values())
    is_open = {v.value: v.count for v in answer.facets["open"].values}
    assert is_open == Counter(d.meta["open"] for d in documents.values() if d.meta)
    assert all(facet.documents == COUNTED for facet in answer.facets.values())


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
@pytest.mark.parametrize("offset", [0, 7, 300])
def test_what_is_counted_changes_no_hit(searcher: Searcher, mode: str, offset: int) -> None:
    plain = SearchRequest("bees 17 salt", "en", 6, offset, mode=mode)  # type: ignore[arg-type]
    hits = searcher.answer(plain).hits
    counted = searcher.answer(
        "bees 17 salt", lang="en", k=6, offset=offset, mode=mode, facets=["lang"]
    )
    assert counted.hits == hits


def test_words_alone_match_documents_that_have_one(searcher: Searcher) -> None:
    having = [document(i) for i in range(N) if "salt" in document(i).text]
    answer = searcher.answer("salt", lang="en", mode="lexical", group_by="lang", facets=["lang"])
    assert answer.total.value == len(having)
    langs = Counter(one.lang for one in having)
    assert {group.lang: group.total.value for group in answer.groups} == langs
    assert {v.value: v.total for v in answer.facets["lang"].values} == langs
    none = searcher.answer("zqxmark", lang="en", mode="lexical", group_by="lang", facets=["lang"])
    assert (none.total.value, none.groups, none.facets["lang"].values) == (0, [], [])
    filtered = searcher.answer("salt", lang="en", mode="lexical", filter="lang:sw date>=2001")
    assert filtered.total.value == sum(d.lang == "sw" and str(d.date) > "2001" for d in having)


def test_total_leaves_out_the_deleted(tmp_path: Path) -> None:
    build([document(i) for i in range(30)], tmp_path / "demo", HashingEncoder())
    with Searcher("demo", IndexReader.open(tmp_path / "demo"), HashingEncoder()) as searcher:
        with searcher.writer() as writer:
            writer.delete([f"d{i:03}" for i in range(0, 30, 3)])
        answer = searcher.answer("bees", lang="en", facets=["lang"], group_by="lang")
        assert answer.total.value == 20
        assert {group.lang: group.total.value for group in answer.groups} == {"fr": 10, "sw": 10}


def test_groups_follow_the_reranked_order(searcher: Searcher) -> None:
    searcher.rerankers.add("rule", RuleReranker(lambda _, passage: float(len(passage.text))))
    asked = SearchRequest("bees and salt", "en", 40, rerank="rule@40")
    merged = searcher.answer(asked).hits
    grouped = searcher.answer("bees and salt", lang="en", k=2, group_by="lang", rerank="rule@40")
    assert sum(len(group.hits) for group in grouped.groups) == 6
    for group in grouped.groups:
        own = [hit for hit in merged if hit.lang == group.lang]
        assert [(hit.id, hit.rank) for hit in group.hits] == [(hit.id, hit.rank) for hit in own[:2]]


def test_a_facet_of_many_values_says_how_many_more_there_are(tmp_path: Path) -> None:
    documents = [Document(f"{i}", f"bees {i}", "en", meta={"n": i}) for i in range(130)]
    build(documents, tmp_path / "demo", HashingEncoder())
    with Searcher("demo", IndexReader.open(tmp_path / "demo"), HashingEncoder()) as searcher:
        facet = searcher.answer("bees", facets=["n"]).facets["n"]
    assert (len(facet.values), facet.more, facet.documents) == (100, 30, 130)


def test_what_cannot_be_grouped_or_counted_is_refused() -> None:
    for asked in ({"facets": "lang"}, {"facets": ["x"] * 17}, {"fields": "x"}, {"group_by": "x"}):
        with pytest.raises(QueryError):
            SearchRequest("bees", **asked)  # type: ignore[arg-type]
