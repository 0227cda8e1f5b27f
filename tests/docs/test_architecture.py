"""docs/architecture.md names files that are there, and the floors as they are held."""

import re
import runpy

import pytest
from pages import PAGES, ROOT

PAGE = PAGES["architecture.md"]
NAMED = re.compile(r"`((?:retriever|index|server|eval|xret|tests|benchmarks|docs)/[\w./-]*)`")


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    for name in NAMED.findall(PAGES[page]):
        assert (ROOT / name).exists(), f"{page}: {name}"


def test_the_files_of_a_warm_search_are_there() -> None:
    listed = PAGE.partition("A warm search")[2].partition("```text\n")[2].partition("```")[0]
    assert listed
    for name in listed.split():
        assert (ROOT / name).exists(), name


def test_the_floors_are_those_that_the_package_holds() -> None:
    floors = runpy.run_path(str(ROOT / "tests" / "unit" / "test_package.py"))["FLOORS"]
    listed = (
        PAGE.partition("## Rooms and floors")[2].partition("```text\n")[2].partition("\n```")[0]
    )
    assert [re.split("  +", line)[0] for line in listed.splitlines()] == list(floors)
