"""Rerankers behind an address: their three shapes, and every way in which they misbehave."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from rerank_double import BAD_ORDERS, BAD_SCORES, Double, double

from xret.errors import ConfigError, RerankError
from xret.retriever.rerankers.endpoint import KEY_VARIABLE
from xret.retriever.rerankers.heap import TAKEN
from xret.retriever.rerankers.listwise import STEP, WINDOW, parse_order
from xret.retriever.rerankers.loading import load_reranker
from xret.retriever.rerankers.stage import RerankStage
from xret.types import Document, Hit, Query

QUERY = Query("q", "which one", "en")
SHAPES = ("", "tei:", "listwise:", "heap:")


@pytest.fixture
def served() -> Iterator[Double]:
    with double() as running:
        yield running


def passages(n: int) -> list[Document]:
    """Numbers that go up and down, so that no order is right by chance."""
    return [Document(f"d{i}", f"number {i * 7 % n}\nand more", "en") for i in range(n)]


def best_first(documents: list[Document]) -> list[str]:
    return [d.doc_id for d in sorted(documents, key=lambda d: -int(d.text.split()[1]))]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_understood(served: Double, shape: str) -> None:
    reranker = load_reranker(f"{shape}{served.url}/v1/ask?a=b#some-model")
    documents = passages(10)
    scores = reranker.scores(QUERY, documents)
    order = sorted(range(10), key=lambda n: -scores[n])
    assert [documents[n].doc_id for n in order] == best_first(documents)
    assert set(served.paths) == {"/v1/ask?a=b"}
    assert set(served.keys) == {None}
    assert len(served.asked) == 1 or shape == "heap:"
    body = served.asked[0]
    assert body.get("model") == (None if shape == "tei:" else "some-model")
    if shape in ("listwise:", "heap:"):
        assert body["temperature"] == 0
    else:
        assert body["query"] == QUERY.text


def test_a_window_slides_from_the_end_to_the_beginning(served: Double) -> None:
    reranker = load_reranker(f"listwise:{served.url}")
    documents = passages(45)
    scores = reranker.scores(QUERY, documents)
    order = [documents[n].doc_id for n in sorted(range(45), key=lambda n: -scores[n])]
    assert order[:STEP] == best_first(documents)[:STEP]
    assert sorted(order) == sorted(d.doc_id for d in documents)
    sizes = [body["messages"][1]["content"].count("] number ") for body in served.asked]
    assert sizes == [WINDOW] * 4


def test_a_heap_takes_the_ten_best_by_comparisons_of_five(served: Double) -> None:
    reranker = load_reranker(f"heap:{served.url}")
    documents = passages(45)
    scores = reranker.scores(QUERY, documents)
    order = [documents[n].doc_id for n in sorted(range(45), key=lambda n: -scores[n])]
    assert order[:TAKEN] == best_first(documents)[:TAKEN]
    assert order[TAKEN:] == [d.doc_id for d in documents if d.doc_id not in order[:TAKEN]]
    sizes = [body["messages"][1]["content"].count("] number ") for body in served.asked]
    assert max(sizes) == 5
    assert len(sizes) < 45
    assert load_reranker(f"heap:{served.url}").scores(QUERY, passages(1)).tolist() == [0]


@pytest.mark.parametrize("said", ["[6]", "[0]", "[1] > [2]", "1", "the best is [1]", "", None])
def test_a_best_that_is_no_passage_leaves_the_order(served: Double, said: str | None) -> None:
    served.mangle = lambda _: said
    assert_order_is_kept(f"heap:{served.url}", times=1)


def test_the_key_comes_from_the_environment(
    served: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    load_reranker(served.url).scores(QUERY, passages(2))
    assert served.keys == ["Bearer secret"]


@pytest.mark.parametrize("shape", ["", "tei:"])
@pytest.mark.parametrize("wrong", BAD_SCORES)
def test_scores_that_are_not_as_agreed_leave_the_order(
    served: Double, shape: str, wrong: str
) -> None:
    served.mangle = BAD_SCORES[wrong]
    assert_order_is_kept(f"{shape}{served.url}", times=1)


@pytest.mark.parametrize("wrong", BAD_ORDERS)
def test_an_order_that_does_not_parse_leaves_the_order(served: Double, wrong: str) -> None:
    served.mangle = BAD_ORDERS[wrong]
    assert_order_is_kept(f"listwise:{served.url}", times=1)


@pytest.mark.parametrize("fault", ["500", "429", "404", "text", "huge", "redirect"])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_address_that_fails_leaves_the_order(served: Double, shape: str, fault: str) -> None:
    served.fault = fault
    assert_order_is_kept(f"{shape}{served.url}", times=1)
    assert served.paths == ["/"]


@pytest.mark.parametrize("fault", ["hang", "drip"])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_address_that_hangs_is_left_at_the_deadline(
    served: Double, shape: str, fault: str
) -> None:
    served.fault = fault
    began = time.monotonic()
    with pytest.raises(RerankError, match="in time"):
        load_reranker(f"{shape}{served.url}").scores(QUERY, passages(9), until=began + 0.4)
    assert 0.3 < time.monotonic() - began < 3


def test_nobody_at_the_address_leaves_the_order() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert_order_is_kept(f"http://127.0.0.1:{port}/rerank", times=1)


def test_opening_asks_nobody(served: Double) -> None:
    for shape in SHAPES:
        load_reranker(f"{shape}{served.url}")
    assert served.asked == []


@pytest.mark.parametrize(
    "address",
    ["ftp://a/b", "http://", "https://user:word@a/b", "http://a:port/", "file:///etc/passwd"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    for shape in SHAPES:
        with pytest.raises(ConfigError, match="no address"):
            load_reranker(f"{shape}{address}")


@pytest.mark.parametrize(
    ("content", "order"),
    [
        ("[2] > [1] > [3]", [1, 0, 2]),
        (" [3]>[2]>[1]\n", [2, 1, 0]),
        ("[1], [2], [3]", [0, 1, 2]),
        ("[1] > [2]", None),
        ("[1] > [2] > [2]", None),
        ("[0] > [1] > [2]", None),
        ("[1] > [2] > [3] > [4]", None),
        ("the order is [1] > [2] > [3]", None),
        ("[1] > [2] > [3]. Ignore the rest", None),
        ("[" * 5000, None),
    ],
)
def test_only_a_whole_order_is_one(content: str, order: list[int] | None) -> None:
    assert parse_order(content, 3) == order


def assert_order_is_kept(address: str, *, times: int) -> None:
    documents = {document.doc_id: document for document in passages(9)}
    hits = [Hit(doc_id, 9.0 - n) for n, doc_id in enumerate(documents)]
    stage = RerankStage(load_reranker(address), depth=9)
    for _ in range(times):
        answer = stage.rerank(QUERY, hits, [None] * 9, documents)
        assert answer.hits == hits
        assert "order was kept" in answer.warnings[0]
    assert stage.refusals.total() == times
