"""Indices and their documents, read over HTTP."""

import httpx
import pytest

from tests.server.conftest import DOCUMENTS
from tests.server.test_errors import check_problem

DEMO = "/v1/indexes/demo"


def test_an_index_says_what_it_holds(client: httpx.Client) -> None:
    assert client.get(DEMO).json() == {
        "name": "demo",
        "documents": 25,
        "passages": 25,
        "languages": {"en": 22, "ar": 1, "fr": 1, "sw": 1},
        "fields": {"pages": 1},
        "encoder": "hashing",
        "version": 1,
        "preset": "balanced",
        "dim": 32,
        "modes": ["dense", "lexical", "hybrid"],
        "warnings": [],
    }


def test_a_document_is_read_whole_by_its_id(client: httpx.Client) -> None:
    assert client.get(f"{DEMO}/documents/salt.ar").json() == {
        "id": "salt.ar",
        "lang": "ar",
        "lang_source": "given",
        "lang_confidence": 1.0,
        "dir": "rtl",
        "title": "",
        "url": None,
        "date": None,
        "fields": {},
        "text": "الملح يحفظ الطعام",
    }


def test_a_listing_goes_through_all_documents_in_the_order_of_ids(client: httpx.Client) -> None:
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = client.get(f"{DEMO}/documents", params={"limit": 7, "after": after}).json()
        assert all(document["text"] is None for document in page["documents"])
        seen += [document["id"] for document in page["documents"]]
        after = page["next"]
    assert seen == sorted(document.doc_id for document in DOCUMENTS)


def test_a_listing_is_of_a_filter_and_has_texts_on_request(client: httpx.Client) -> None:
    asked = {"doc_lang": ["sw", "ar"], "filter": "meta.pages=3", "text": "true"}
    page = client.get(f"{DEMO}/documents", params=asked).json()
    assert page["next"] is None
    (document,) = page["documents"]
    assert (document["id"], document["text"]) == ("bees.sw", DOCUMENTS[3].text)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/v1/indexes/zqxmark", 404),
        ("/v1/indexes/ZQXMARK", 422),
        ("/v1/indexes/demo/documents/zqxmark", 404),
        ("/v1/indexes/demo/documents/a%2Fzqxmark", 404),
        ("/v1/indexes/demo/documents/%00", 404),
        ("/v1/indexes/demo/documents?limit=0", 422),
        ("/v1/indexes/demo/documents?filter=zqxmark", 422),
        ("/v1/indexes/zqxmark/documents", 404),
        ("/v1/indexes/zqxmark/documents/x", 404),
    ],
)
def test_what_is_not_there_is_a_problem(client: httpx.Client, address: str, status: int) -> None:
    check_problem(client.get(address), status)
