"""Filters over HTTP: in both forms, and told when they are none."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

SEARCH = "/v1/search"


def ids(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {hit["id"] for hit in answer.json()["hits"]}


@pytest.mark.parametrize(
    ("text", "nested", "expected"),
    [
        (
            "lang:swa,ara",
            {"field": "lang", "operator": "in", "value": ["sw", "ar"]},
            {"bees.sw", "salt.ar"},
        ),
        ("date<2000", {"field": "date", "operator": "<", "value": "2000"}, {"tides.en"}),
        ("pages>=3", {"field": "meta.pages", "operator": ">=", "value": 3}, {"bees.sw"}),
        ("pages:4", {"field": "meta.pages", "operator": "==", "value": 4}, set()),
    ],
)
def test_only_documents_that_fulfil_the_filter_are_sent(
    text: str, nested: dict[str, Any], expected: set[str], client: httpx.Client
) -> None:
    assert ids(client.post(SEARCH, json={"query": "bees", "filter": nested})) == expected
    assert ids(client.post(SEARCH, json={"query": "bees", "filter": text})) == expected
    assert ids(client.get(SEARCH, params={"query": "bees", "filter": text})) == expected


def test_languages_and_filter_both_hold(client: httpx.Client) -> None:
    asked = {"query": "bees", "doc_lang": ["en", "sw"], "filter": "date<2000", "limit": 100}
    assert ids(client.post(SEARCH, json=asked)) == {"tides.en"}


@pytest.mark.parametrize(
    "given",
    [
        "",
        "lang",
        "nonsense:",
        "date>=soon",
        "x" * 9000,
        {},
        [],
        3,
        {"operator": "AND"},
        {"field": "language", "operator": "==", "value": "fr"},
        {"field": "lang", "operator": "like", "value": "fr"},
        {"field": "lang", "operator": "==", "value": "no such language"},
        {"field": "meta.a", "operator": "in", "value": [[1]]},
        {"operator": "NOT", "conditions": [{"operator": "NOT", "conditions": [{}]}]},
    ],
)
def test_what_is_no_filter_is_422_and_is_not_repeated(given: Any, client: httpx.Client) -> None:
    answer = client.post(SEARCH, json={"query": "bees", "filter": given})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "language" not in answer.json()["detail"].split() or "code such as" in answer.text
    assert len(answer.content) < 8192


def test_each_hit_says_which_passage_it_is_of(client: httpx.Client) -> None:
    hits = client.post(SEARCH, json={"query": "moon water"}).json()["hits"]
    assert hits[0]["id"] == "tides.en"
    assert hits[0]["passage"] == {"start": 0, "end": len("The moon makes high water twice a day.")}
