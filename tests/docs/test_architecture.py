"""docs/architecture.md names files that are there, and the floors as they are held."""

import re
import runpy

import pytest
from pages import PAGES, ROOT

TESTS = ROOT / "tests" / "unit"
PAGE = PAGES["architecture.md"]
NAMED = re.compile(r"`((?:retriever|index|server|eval|xret|tests|benchmarks|docs)/[\w./-]*)`")


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    for name in NAMED.findall(PAGES[page]):
        assert (ROOT / name).exists(), f"{page}: {name}"


def listed(after: str) -> list[str]:
    """The first column of the first list behind these words of the page."""
    block = PAGE.partition(after)[2].partition("```text\n")[2].partition("\n```")[0]
    return [re.split("  +", line)[0] for line in block.splitlines()]


def test_the_stations_are_those_that_a_search_enters() -> None:
    entered = runpy.run_path(str(TESTS / "retriever" / "test_stations.py"))
    assert set(listed("A warm search")) == entered["SEARCH"]
    assert set(listed("Over HTTP these come")) == entered["SERVED"]


def test_the_floors_are_those_that_the_package_holds() -> None:
    held = runpy.run_path(str(TESTS / "test_package.py"))["FLOORS"]
    assert listed("## Rooms and floors") == list(held)
