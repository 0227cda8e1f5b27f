"""The pages as any browser gets them, scripts or not."""

import html
import re
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from starlette.testclient import TestClient

from tests.page.conftest import HOSTILE
from xret.eval.report.colours import custom_properties
from xret.retriever.searcher import Searcher
from xret.server.app import create_app
from xret.server.border.keyring import Keyring, new_key
from xret.server.page.assets import read_assets
from xret.server.page.state import PageState
from xret.server.settings import ServerSettings

QUESTION = {"q": "why are coral reefs important", "lang": "en"}


def links(text: str, containing: str) -> list[str]:
    addresses = map(html.unescape, re.findall('href="([^"]*)"', text))
    return [one for one in addresses if containing in one]


def test_the_start_says_what_the_index_holds_in_its_own_languages(client: httpx.Client) -> None:
    answer = client.get("/", headers={"Accept-Language": "fr-CA, en;q=0.5"})
    assert answer.status_code == 200 and answer.headers["content-language"] == "fr"
    text = answer.text
    assert '<html lang="fr" dir="ltr">' in text and "31 documents en 6 langues" in text
    for name in ("Kiswahili", "العربية", "中文", "हिन्दी"):
        assert f"<bdi>{name}</bdi>" in text
    assert text.count('name="q"') == 1 and 'method="get"' in text


def test_results_are_grouped_by_language_and_one_list_by_choice(client: httpx.Client) -> None:
    text = client.get("/", params=QUESTION).text
    headings = re.findall(r'<h2 id="group-\d"><span lang="(\w+)" dir="(\w+)">', text)
    assert {code for code, _ in headings} == {"en", "fr", "sw", "ar", "zh", "hi"}
    assert dict(headings)["ar"] == "rtl" and len(headings) == 6
    assert text.count('<article class="hit"') == 18
    more = links(text, "view=list&group=ar")
    only = client.get(more[0]).text
    assert {*re.findall(r'hit-title" lang="(\w+)"', only)} == {"ar"}
    best = re.findall(r'data-id="([^"]*)"', text.partition('lang="ar" dir="rtl">')[2])[:3]
    assert re.findall(r'data-id="([^"]*)"', only)[:3] == best  # the groups' own order goes on
    assert 'rel="next"' not in only
    merged = client.get("/", params={**QUESTION, "view": "list"}).text
    assert merged.count('<article class="hit"') == 10 and "group-1" not in merged


def test_a_list_has_pages_that_do_not_repeat_a_document(client: httpx.Client) -> None:
    seen: list[str] = []
    address = "/?q=coral&view=list"
    for _ in range(4):
        text = client.get(address).text
        seen += re.findall(r'data-id="([^"]*)"', text)
        following = re.findall(r'rel="next" href="([^"]*)"', text)
        address = html.unescape(following[0]) if following else ""
        if not address:
            break
    assert len(seen) == len({*seen}) == 31 and not address
    beyond = client.get("/?q=coral&view=list&page=9").text
    assert "There are no more results" in beyond and links(beyond, "view=list")


def test_words_are_marked_for_who_asks_and_later_by_the_script_if_the_server_lets_it(
    client: httpx.Client, page_searcher: Searcher
) -> None:
    text = client.get("/", params=QUESTION).text
    assert "<mark" not in text and '<a class="marks" data-later href=' in text
    marked = client.get(links(text, "marks=on")[0]).text
    assert re.search(r'<mark class="m3">corals?</mark>', marked) and "data-later" not in marked
    assert "data-later" not in client.get(links(marked, "marks=off")[0]).text
    app = create_app({"reefs": page_searcher}, settings=ServerSettings(page_marks=False))
    with TestClient(app) as plain:
        assert "data-later" not in plain.get("/", params=QUESTION).text


def test_the_language_of_the_question_is_shown_and_can_be_changed(client: httpx.Client) -> None:
    detected = client.get("/", params={"q": "pourquoi les récifs de corail sont importants"}).text
    assert re.search(r"<bdi>français</bdi></b>\s*<span class=\"quiet\">detected", detected)
    chosen = client.get("/", params=QUESTION).text
    assert re.search(r"<bdi>English</bdi></b>\s*<span class=\"quiet\">chosen", chosen)
    assert '<option value="en" lang="en" selected>English</option>' in chosen


def test_facets_narrow_down_and_are_taken_away_again(client: httpx.Client) -> None:
    text = client.get("/", params=QUESTION).text
    assert '<span class="value" lang="sw" dir="auto">Kiswahili</span>' in text
    (topic,) = links(text, "facet=topic%3Atides")
    chosen = client.get(topic).text
    assert {*re.findall(r'data-id="(\w[\w-]+)', chosen)} == {"tides"}
    assert 'aria-current="true"' in chosen and PageState(**QUESTION).link() in links(chosen, "/?q")
    swahili = client.get("/", params={**QUESTION, "doc_lang": "sw"}).text
    assert {*re.findall(r'hit-title" lang="(\w+)"', swahili)} == {"sw"}
    assert links(swahili, "doc_lang=sw&doc_lang=fr")


def test_nothing_found_says_what_to_do_about_it(client: httpx.Client) -> None:
    narrowed = client.get("/", params={**QUESTION, "facet": "topic:nope", "doc_lang": "sw"}).text
    assert "Nothing was found" in narrowed and "Remove nope" in narrowed
    by_words = client.get("/", params={"q": "xylophonezz", "mode": "lexical"}).text
    assert "Search by meaning" in by_words and "No document has these words" in by_words


def test_a_document_is_read_whole_and_leads_back(client: httpx.Client) -> None:
    text = client.get("/documents/reefs/coral-reefs.ar", params={**QUESTION, "view": "list"}).text
    assert re.search(r'<h1 lang="ar" dir="rtl"><bdi>[^<]*المرجانية', text)
    assert links(text, "/?q=why")[0] == PageState(**QUESTION, view="list").link()
    assert '<section id="why"' in text and '<svg class="map"' in text and "<table>" in text
    assert re.search(r'<mark class="w9">المرجاني', text)
    plain = client.get("/documents/reefs/coral-reefs.en").text
    assert "<mark" not in plain and 'id="why"' not in plain and "bleaching since 1998" in plain


def test_two_lists_stand_beside_each_other_and_know_each_others_ranks(client: httpx.Client) -> None:
    text = client.get("/", params={**QUESTION, "vs_mode": "lexical"}).text
    assert re.findall(r'<h2 id="pane-\d"><bdi>([^<]*)', text) == [
        "reefs · by meaning",
        "reefs · by words",
    ]
    assert "rank 1 in the other list" in text and "not in the other list" in text
    other = client.get("/", params={**QUESTION, "vs_index": "other"}).text
    assert "other · by meaning" in other and "not in the other list" not in other


def test_texts_of_strangers_stay_texts(client: httpx.Client) -> None:
    pages = [
        client.get("/", params={"q": '"><script>alert(2)</script>', "view": "list"}),
        client.get("/", params={"q": "coral", "filter": '<script>"'}),
        client.get("/documents/reefs", params={"id": HOSTILE.doc_id, "q": "coral"}),
        client.get("/", params={"q": "coral end", "facet": "topic:<i>odd</i>"}),
    ]
    for page in pages:
        scripts = re.findall("<script[^>]*>", page.text)
        assert len(scripts) == 1 and 'src="/static/page.' in scripts[0]
        assert "<img" not in page.text and "<i>" not in page.text and "<b>&" not in page.text
        assert "javascript:" not in page.text and " style=" not in page.text
    assert [page.status_code for page in pages] == [200, 422, 200, 200]
    assert "{{ 7 * 7 }}" in pages[2].text
    assert HOSTILE.doc_id in [unquote(one) for one in re.findall(r"id=([^&\"]*)", pages[3].text)]


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/?q=a&index=nope", 404, "There is nothing at this address"),
        ("/documents/reefs/nope", 404, "There is nothing at this address"),
        ("/documents/reefs", 404, "There is nothing at this address"),
        ("/documents/..%2f/x", 404, "There is nothing at this address"),
        ("/?q=a&filter=%3F", 422, "cannot be read"),
    ],
)
def test_an_error_is_a_page_with_its_own_status(
    client: httpx.Client, address: str, status: int, said: str
) -> None:
    answer = client.get(address)
    assert answer.status_code == status and said in answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_a_failure_inside_is_a_page_that_tells_nothing_of_it(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("/secret/place")

    monkeypatch.setattr(Searcher, "answer", fail)
    answer = client.get("/?q=a&ui=de")
    assert answer.status_code == 500 and "secret" not in answer.text
    assert "Auf dem Server ist etwas schiefgegangen" in answer.text


def test_pages_may_load_only_their_own_files_and_the_api_nothing(client: httpx.Client) -> None:
    page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';") and "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page.text)
    api = client.get("/v1/search", params={"query": "a"})
    assert api.headers["content-security-policy"].startswith("default-src 'none';")
    assert "script-src" not in api.headers["content-security-policy"]
    assert "/documents/{index}" not in client.get("/openapi.json").json()["paths"]


def test_files_are_kept_by_browsers_because_their_names_change_with_them(
    client: httpx.Client,
) -> None:
    named = links(client.get("/").text, "/static/") + re.findall(
        r'src="(/static/[^"]*)"', client.get("/").text
    )
    assert {*named} == {asset.path for asset in read_assets().values()}
    for path in named:
        answer = client.get(path)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    assert client.get("/static/page.000000000000.css").status_code == 404
    assert client.head("/?q=coral").status_code == 200


def test_the_page_can_be_left_out(page_searcher: Searcher) -> None:
    app = create_app({"reefs": page_searcher}, settings=ServerSettings(page=False))
    with TestClient(app, raise_server_exceptions=False) as client:
        assert [client.get(path).status_code for path in ("/", "/documents/reefs/a")] == [404, 404]
        assert client.get("/v1/indexes").status_code == 200


def test_a_reader_with_a_key_finds_what_the_key_may_find(
    page_searcher: Searcher, tmp_path: Path
) -> None:
    keyring = Keyring(tmp_path / "keys.json")
    secret, key = new_key(["search"], indexes=["reefs"], filter="lang:sw")
    keyring.add(key)
    no_index, of_nothing = new_key(["search"], indexes=["gone"])
    keyring.add(of_nothing)
    settings = ServerSettings(keys=str(keyring.path))
    app = create_app({"reefs": page_searcher}, settings=settings)
    with TestClient(app, headers={"Accept": "text/html"}) as client:
        asked = client.get("/")
        assert asked.status_code == 401
        assert asked.headers["www-authenticate"] == 'Basic realm="xret"'
        found = client.get("/", params=QUESTION, auth=("reader", secret))
        assert {*re.findall(r'hit-title" lang="(\w+)"', found.text)} == {"sw"}
        hidden = client.get("/documents/reefs/coral-reefs.en", auth=("reader", secret))
        assert hidden.status_code == 404
        assert client.get("/", auth=("reader", no_index)).status_code == 404


def test_the_colours_are_those_of_the_report() -> None:
    css = read_assets()["page.css"].content.decode()
    themes = re.findall(r":root\{([^}]*)\}", css)
    for theme, written in zip(("light", "dark"), themes, strict=True):
        own = dict(pair.split(":") for pair in written.replace("--", "").strip(";").split(";"))
        assert own.items() <= custom_properties(theme).items() and len(own) == 30
