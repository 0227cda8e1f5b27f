"""Totals, facets, groups, fields, texts and marks of a search over HTTP."""

from collections import Counter
from typing import Any

import httpx
import pytest

SEARCH = "/v1/search"
BEES: dict[str, Any] = {"query": "bees and fruit", "query_lang": "en"}


def answer_of(client: httpx.Client, **asked: Any) -> dict[str, Any]:
    reply = client.post(SEARCH, json={**BEES, **asked})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def test_total_counts_the_documents_of_the_filter(client: httpx.Client) -> None:
    assert answer_of(client, limit=1)["total"] == {"value": 25, "relation": "eq"}
    assert answer_of(client, doc_lang=["fr", "sw"])["total"]["value"] == 2
    assert answer_of(client, filter="meta.pages>=3")["total"]["value"] == 1
    assert answer_of(client, filter="lang:xh")["total"]["value"] == 0


def test_facets_count_the_candidates_and_say_so(client: httpx.Client) -> None:
    facets = answer_of(client, limit=1, facets=["lang", "date", "pages"])["facets"]
    assert facets["lang"] == {
        "over": "candidates",
        "documents": 25,
        "values": [
            {"value": "en", "count": 22, "total": 22},
            {"value": "ar", "count": 1, "total": 1},
            {"value": "fr", "count": 1, "total": 1},
            {"value": "sw", "count": 1, "total": 1},
        ],
        "more": 0,
        "without": 0,
    }
    assert facets["date"]["values"] == [{"value": "1999", "count": 1, "total": None}]
    assert facets["pages"]["values"] == [{"value": 3, "count": 1, "total": None}]
    assert facets["pages"]["without"] == 24


def test_counting_changes_no_hit(client: httpx.Client) -> None:
    plain = answer_of(client, limit=4, offset=3)["hits"]
    assert answer_of(client, limit=4, offset=3, facets=["lang"])["hits"] == plain


def test_groups_have_the_hits_of_their_language_in_merged_order(client: httpx.Client) -> None:
    merged = answer_of(client, limit=25)["hits"]
    grouped = answer_of(client, limit=2, group_by="lang")
    assert grouped["hits"] == []
    assert [group["lang"] for group in grouped["groups"]] == [
        *dict.fromkeys(hit["lang"] for hit in merged)
    ]
    counts = Counter(hit["lang"] for hit in merged)
    for group in grouped["groups"]:
        own = [hit for hit in merged if hit["lang"] == group["lang"]]
        assert group["hits"] == own[:2]
        assert group["total"] == {"value": counts[group["lang"]], "relation": "eq"}
    second = answer_of(client, limit=2, offset=2, group_by="lang")["groups"]
    english = [hit for hit in merged if hit["lang"] == "en"]
    assert [(group["lang"], group["hits"]) for group in second] == [("en", english[2:4])]


def test_fields_are_those_asked_for_and_text_comes_on_request(client: httpx.Client) -> None:
    def hit(**asked: Any) -> Any:
        return answer_of(client, doc_lang=["sw"], **asked)["hits"][0]

    text = "Nyuki wachache, mavuno madogo ya matunda."
    assert (hit()["fields"], hit()["text"]) == ({"pages": 3}, None)
    assert (hit(fields=[])["fields"], hit(text=True)["text"]) == ({}, text)
    chosen = hit(fields=["meta.pages", "text"])
    assert (chosen["fields"], chosen["text"]) == ({"pages": 3}, text)


def test_metadata_that_no_document_has_is_warned_of(client: httpx.Client) -> None:
    for asked in ({"filter": 'meta.pagse!="x"'}, {"facets": ["pagse"]}, {"fields": ["pagse"]}):
        (warning,) = answer_of(client, **asked)["warnings"]
        assert warning == "no document has the metadata field 'pagse'; known: pages"
    known = {"facets": ["lang", "date", "pages"], "fields": ["date", "text", "meta.pages"]}
    assert answer_of(client, **known, limit=1, filter="meta.pages!=4")["warnings"] == []


def test_a_link_takes_lists_with_commas_and_leaves_out_what_it_does_not_know(
    client: httpx.Client,
) -> None:
    asked = {**BEES, "facets": "lang,pages", "fields": "", "utm_source": "zqxmark"}
    reply = client.get(SEARCH, params={**asked, "group_by": "lang"})
    assert reply.status_code == 422  # an empty name is no field
    del asked["fields"]
    answer = client.get(SEARCH, params=asked).json()
    assert [*answer["facets"]] == ["lang", "pages"]
    (warning,) = answer["warnings"]
    assert warning.startswith(
        "1 parameter is not known and left out; known: as_written, calibrate, "
    )
    assert "zqxmark" not in warning


@pytest.mark.parametrize(
    "asked",
    [
        {"facets": "lang"},
        {"facets": ["x"] * 17},
        {"facets": [""]},
        {"facets": ["a\nb"]},
        {"group_by": "date"},
        {"fields": [7]},
        {"text": "yes"},
        {"highlight": 1},
    ],
)
def test_what_cannot_be_counted_is_refused(client: httpx.Client, asked: dict[str, Any]) -> None:
    assert client.post(SEARCH, json={**BEES, **asked}).status_code == 422


def test_groups_go_on_in_their_own_order(client: httpx.Client) -> None:
    """By words and vectors together too, where another filter would be another search."""
    asked: dict[str, Any] = {"group_by": "lang", "mode": "hybrid", "query": "nothing of note"}

    def ids(**more: Any) -> list[str]:
        groups = answer_of(client, **asked, **more)["groups"]
        return [hit["id"] for group in groups if group["lang"] == "en" for hit in group["hits"]]

    whole = ids(limit=22)
    assert len(whole) == 22
    assert [*ids(limit=8), *ids(limit=8, offset=8), *ids(limit=8, offset=16)] == whole
