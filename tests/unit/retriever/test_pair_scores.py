"""Texts in the order of a question: every text has a score, and the order is the reranker's."""

import numpy as np
import pytest
from encoders import HashingEncoder
from indices import plain_maxsim
from rerankers import RuleReranker, shared_words

from xret.deadline import Deadline
from xret.errors import QueryError, RerankError
from xret.retriever.pair_scores import score_pairs
from xret.retriever.rerankers.second_encoder import SecondEncoder
from xret.types import Document, Query

QUERY = "the moon and the sea"
TEXTS = ["salt", "the sea", "", "the moon and the sea", "the moon"]


def test_scores_of_an_encoder_are_maxsim_and_relevance_its_mean() -> None:
    encoder = HashingEncoder()
    asked = encoder.encode_queries([Query("", QUERY)])[0]
    texts = [text for text in TEXTS if text]
    expected = [
        plain_maxsim(asked, encoder.encode_documents([Document("", text)])[0]) for text in texts
    ]
    scored = score_pairs(SecondEncoder(encoder), QUERY, texts)
    assert scored.scores == pytest.approx(expected, abs=0.05)
    assert scored.relevance == pytest.approx(np.clip(scored.scores / 5, 0, 1))


def test_a_text_without_letters_is_last_and_never_read() -> None:
    reranker = RuleReranker(shared_words)
    scored = score_pairs(reranker, QUERY, TEXTS)
    assert scored.scores.tolist() == [0.0, 3.0, 0.0, 5.0, 3.0]
    assert scored.order() == [3, 1, 4, 0, 2]
    assert "" not in [passage.text for passage in reranker.seen]
    assert score_pairs(reranker, QUERY, ["", "\n"]).scores.tolist() == [0.0, 0.0]


def test_logits_become_shares_in_the_same_order() -> None:
    scored = score_pairs(RuleReranker(lambda _, text: float(text.text)), "?!a", ["0", "-900", "2"])
    assert scored.relevance == pytest.approx([0.5, 0.0, 0.880797])


def test_fewer_scores_come_back_where_the_time_is_over() -> None:
    reranker = RuleReranker(shared_words, most=2)
    scored = score_pairs(reranker, QUERY, TEXTS, deadline=Deadline(60))
    assert scored.scores.tolist() == [0.0, 3.0, 0.0]  # the third has no letters


def test_scores_that_are_none_are_refused() -> None:
    with pytest.raises(RerankError, match="no numbers"):
        score_pairs(RuleReranker(lambda _q, _p: float("inf")), QUERY, TEXTS)
    with pytest.raises(QueryError):
        score_pairs(RuleReranker(shared_words), " ", TEXTS)


def test_many_texts_are_scored_as_few_are() -> None:
    texts = [f"text{n} of the sea" for n in range(150)]
    reranker = SecondEncoder(HashingEncoder())
    together = score_pairs(reranker, QUERY, texts).scores
    assert together.tolist() == [
        float(score_pairs(reranker, QUERY, [text]).scores[0]) for text in texts
    ]
    assert len(score_pairs(reranker, QUERY, texts, deadline=Deadline(-1)).scores) == 0
