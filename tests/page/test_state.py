"""What an address says, and that it says the same again."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from starlette.datastructures import QueryParams

from xret.errors import QueryError
from xret.index.search.filters import Condition, Logic, parse_filter
from xret.server.page.state import PageState, document_path

FULL = PageState(
    q="why & how?",
    lang="sw",
    index="demo",
    mode="hybrid",
    doc_lang=("fr", "ar"),
    facet=(("topic", "a:b"), ("date", "1999")),
    filter='topic!="x"',
    view="list",
    group="sw",
    marks="off",
    page=3,
    vs_index="other",
    vs_mode="lexical",
    ui="ar",
)


def read(address: str) -> PageState:
    return PageState.read(QueryParams(urlsplit(address).query))


def test_an_address_holds_the_whole_state_and_nothing_that_is_usual() -> None:
    assert read(FULL.link(page=3)) == FULL
    assert PageState().link() == "/"
    assert parse_qsl(urlsplit(PageState(q="a").link()).query) == [("q", "a")]


def test_a_change_goes_back_to_the_first_page_but_for_the_interface() -> None:
    assert read(FULL.link(view="languages")).page == 1
    assert read(FULL.link(ui="fr")).page == 3
    assert read(FULL.link(view="list")).group == ""


def test_what_cannot_be_read_counts_as_left_out() -> None:
    odd = "/?mode=x&page=-1&view=9&index=../..&lang=klingonish&facet=nothing&facet=:x&vs_mode="
    odd += "&marks=2&doc_lang=%27%22&lang=a%00b"
    assert read(odd) == PageState()
    assert read("/?page=99999999&page=7") == PageState(page=7)
    assert read("/?page=999999").page == 1_000
    assert read("/?q=%20a%00%ED%A0%80%0Ab%20").q.startswith("a")
    assert "\x00" not in read("/?q=a%00b").q
    assert len(read("/?q=" + "x" * 20_000).q) == 8_192
    assert len(read("/?" + "&".join(f"facet=l:{i}" for i in range(500))).facet) == 64
    assert read("/?lang=und&doc_lang=und&doc_lang=fra") == PageState(doc_lang=("und", "fr"))


def test_a_choice_is_taken_away_by_choosing_it_again() -> None:
    state = PageState(doc_lang=("fr",))
    assert state.toggled("lang", "ar") == {"doc_lang": ("fr", "ar")}
    assert state.toggled("lang", "fr") == {"doc_lang": ()}
    assert state.toggled("topic", "x") == {"facet": (("topic", "x"),)}


def test_values_of_a_facet_are_alternatives_and_fields_must_all_be_fulfilled() -> None:
    wanted = PageState(facet=(("n", "3"), ("n", "x"), ("date", "1999")), filter="lang:fr").wanted()
    assert wanted is not None
    found = parse_filter(wanted)
    assert isinstance(found, Logic) and found.operator == "AND"
    assert found.conditions[0] == Condition("meta.n", "in", ("3", 3, "x"))
    assert found.conditions[1] == Condition("date", "==", "1999")
    assert found.conditions[2] == Condition("lang", "in", ("fr",))
    assert PageState(filter="lang:fr").wanted() == "lang:fr" and PageState().wanted() is None
    with pytest.raises(QueryError):
        PageState(facet=(("n", "3"),), filter="?").wanted()


@pytest.mark.parametrize("doc_id", ["a/b", "a b?c#d", "ä", "..", "a/../b", "/a", "a//b", "%2e"])
def test_every_id_has_an_address_that_browsers_leave_alone(doc_id: str) -> None:
    path, pairs = document_path("demo", doc_id)
    assert not {"", ".", ".."} & {*path.split("/")[1:]}
    assert pairs == [("id", doc_id)] or path.startswith("/documents/demo/")
    assert PageState(q="x").document_link("demo", doc_id).count("?") == 1
