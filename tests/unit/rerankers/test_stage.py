"""The order after a reranker: what it puts in order, what stays, and what it may not do."""

from __future__ import annotations

import numpy as np
import pytest
from rerankers import RuleReranker

from xret.errors import ConfigError, RerankError
from xret.retriever.rerankers.blend import blended, standardised
from xret.retriever.rerankers.candidates import MAX_CHARACTERS, best_part
from xret.retriever.rerankers.reranker import RerankChoice
from xret.retriever.rerankers.stage import Reranked, RerankStage
from xret.types import Document, Hit, Query

QUERY = Query("q", "which", "en")
DOCUMENTS = {f"d{n}": Document(f"d{n}", f"text {n}", "de" if n % 2 else "fr") for n in range(8)}
HITS = [Hit(f"d{n}", 20.0 - n) for n in range(8)]


def backwards(_: Query, passage: Document) -> float:
    return float(passage.doc_id[1:])


def reranked(reranker: RuleReranker, **more: object) -> Reranked:
    stage = RerankStage(reranker, depth=4, **more)  # type: ignore[arg-type]
    return stage.rerank(QUERY, HITS, [None] * 8, DOCUMENTS)


def ids(answer: Reranked) -> list[str]:
    return [hit.doc_id for hit in answer.hits]


def test_the_first_are_put_in_order_and_below_the_depth_nothing_moves() -> None:
    answer = reranked(RuleReranker(backwards))
    assert ids(answer) == ["d3", "d2", "d1", "d0", "d4", "d5", "d6", "d7"]
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    assert np.allclose(np.diff(scores[4:]), -1)
    assert answer.stages["d3"]["first"].rank == 4
    assert answer.stages["d3"]["rerank"].rank == 1
    assert answer.stages["d3"]["rerank"].score == 3.0
    assert "d4" not in answer.stages


def test_the_weight_is_how_much_the_reranker_counts() -> None:
    assert ids(reranked(RuleReranker(backwards, weight=0.0))) == [hit.doc_id for hit in HITS]


def test_documents_that_tie_are_ordered_by_id() -> None:
    stage = RerankStage(RuleReranker(lambda _q, _p: 1.0), depth=4)
    level = [Hit(name, 1.0) for name in ("d3", "d1", "d2", "d0")]
    assert [hit.doc_id for hit in stage.rerank(QUERY, level, [None] * 4, DOCUMENTS).hits] == [
        "d0",
        "d1",
        "d2",
        "d3",
    ]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_scores_that_are_no_numbers_are_refused_and_counted(wrong: float) -> None:
    stage = RerankStage(RuleReranker(lambda _q, p: wrong if p.doc_id == "d2" else 1.0), depth=4)
    answer = stage.rerank(QUERY, HITS, [None] * 8, DOCUMENTS)
    assert answer.refused
    assert answer.hits == HITS
    assert stage.refusals == {"rule": 1}
    assert "1 of 4 documents" in answer.warnings[0]
    assert "order was kept" in answer.warnings[0]


def test_a_reranker_that_fails_leaves_the_order() -> None:
    def fails(_q: Query, _p: Document) -> float:
        raise RerankError("nobody answers")

    stage = RerankStage(RuleReranker(fails), depth=4)
    answer = stage.rerank(QUERY, HITS, [None] * 8, DOCUMENTS)
    assert answer.hits == HITS
    assert stage.refusals.total() == 1
    assert answer.warnings == ["nobody answers; the first ranking's order was kept"]


def test_what_was_not_read_in_time_follows_in_the_first_order() -> None:
    stage = RerankStage(RuleReranker(backwards, most=2), depth=4)
    answer = stage.rerank(QUERY, HITS, [None] * 8, DOCUMENTS, until=0.0)
    assert ids(answer)[:4] == ["d1", "d0", "d2", "d3"]
    assert "read 2 of 4" in answer.warnings[0]
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)


def test_nothing_read_in_time_leaves_everything() -> None:
    stage = RerankStage(RuleReranker(backwards, most=0), depth=4)
    answer = stage.rerank(QUERY, HITS, [None] * 8, DOCUMENTS, until=0.0)
    assert answer.hits == HITS
    assert "read 0 of 4" in answer.warnings[0]


def test_a_pair_that_is_off_is_not_read_and_the_answer_says_so() -> None:
    reranker = RuleReranker(backwards)
    answer = reranked(reranker, off=frozenset({("en", "fr")}))
    assert {passage.lang for passage in reranker.seen} == {"de"}
    places = ids(answer)
    assert places.index("d0") < places.index("d2")
    assert places.index("d3") < places.index("d1")
    assert "rerank" not in answer.stages["d0"]
    assert "off for questions in English and documents in French" in answer.warnings[0]


def test_a_passage_without_letters_is_not_read_and_comes_last() -> None:
    reranker = RuleReranker(backwards)
    documents = {name: Document(name, name, "de") for name in DOCUMENTS}
    documents["d3"] = Document("d3", " \n\u200b", "de")
    stage = RerankStage(reranker, depth=4)
    answer = stage.rerank(QUERY, HITS, [None] * 8, documents)
    assert ids(answer)[:4] == ["d2", "d1", "d0", "d3"]
    assert "d3" not in {passage.doc_id for passage in reranker.seen}


def test_the_best_passage_comes_with_the_sentences_beside_it() -> None:
    sentences = [f"This is sentence number {n:02}. " for n in range(40)]
    text = "".join(sentences)
    length = len(sentences[0])
    part = best_part(Document("d", text, "en", "Title"), (10 * length, 14 * length))
    assert part.text == "".join(sentences[8:16])
    assert part.title == "Title"
    first = best_part(Document("d", text, "en"), (0, 4 * length))
    assert first.text == "".join(sentences[:6])
    last = best_part(Document("d", text, "en"), (36 * length, 40 * length))
    assert last.text == "".join(sentences[34:])


@pytest.mark.parametrize("span", [None, (0, 100_000), (50_000, 100_000), (10, 40)])
def test_a_passage_of_100_000_characters_is_cut(span: tuple[int, int] | None) -> None:
    whole = "word " * 20_000
    part = best_part(Document("d", whole, "en"), span)
    assert 0 < len(part.text) <= MAX_CHARACTERS
    assert part.text in whole


def test_scores_are_standardised_within_a_language() -> None:
    scores = np.array([10, 12, 14, 0, 2, 4], np.float32)
    langs = ["en"] * 3 + ["sw"] * 3
    whole = standardised(scores, ["en"] * 6)
    parted = standardised(scores, langs)
    assert np.isclose(whole.mean(), 0, atol=1e-6)
    assert np.isclose(whole.std(), 1, atol=1e-6)
    assert parted[0] - parted[3] < whole[0] - whole[3]
    assert not standardised(np.ones(4, np.float32), ["en"] * 4).any()


def test_a_document_without_a_second_score_keeps_its_first() -> None:
    first = np.array([3, 2, 1], np.float32)
    rerank = np.array([1, np.nan, 2], np.float32)
    both = blended(rerank, first, ["en"] * 3, weight=0.5)
    assert both[1] == standardised(first, ["en"] * 3)[1]


def test_a_choice_is_a_name_and_a_depth() -> None:
    assert RerankChoice.parse("owner/model") == RerankChoice("owner/model", 100)
    assert RerankChoice.parse("./a@b/folder@20") == RerankChoice("./a@b/folder", 20)
    assert RerankChoice.parse("https://user@host/rerank").name == "https://user@host/rerank"
    for wrong in ("", "@50", "name@0", "name@1001", "name@99999999999999999999"):
        with pytest.raises(ConfigError, match="names no reranker"):
            RerankChoice.parse(wrong)
