"""The page in a browser: nothing that axe objects to in any state, and what its script adds.

Needs the `browser` extra and a Chromium; skipped where one of them is missing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.server.conftest import Served, serving
from xret.retriever.searcher import Searcher

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser extra is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

WIDE, NARROW = (1280, 900), (390, 844)
QUESTION = "why are coral reefs important"
ARABIC = "لماذا الشعاب المرجانية مهمة"
DOCUMENT = "/documents/reefs/coral-reefs.ar"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass(frozen=True)
class Shown:
    """One state of the page: where it is, and how it is looked at. opened: what is clicked."""

    path: str = "/"
    asked: tuple[tuple[str, str], ...] = ()
    size: tuple[int, int] = WIDE
    dark: bool = False
    media: str = "screen"
    opened: str = ""
    awaited: str = "main"

    @property
    def address(self) -> str:
        return f"{self.path}?{urlencode(self.asked)}"


def asked(**parameters: str) -> tuple[tuple[str, str], ...]:
    return tuple({"q": QUESTION, **parameters}.items())


STATES = {
    "empty": Shown(),
    "grouped": Shown(asked=asked(), awaited="mark.m3"),
    "merged": Shown(asked=asked(view="list"), awaited="mark.m3"),
    "narrowed": Shown(asked=asked(doc_lang="ar", facet="topic:coral-reefs")),
    "nothing": Shown(asked=asked(facet="topic:nope")),
    "error": Shown(asked=asked(filter="?")),
    "document": Shown(path="/documents/reefs/coral-reefs.en"),
    "explanation": Shown(path=DOCUMENT, asked=asked(), opened=".table summary"),
    "explained in place": Shown(
        asked=asked(view="list"), opened="button.why", awaited=".inline-why svg"
    ),
    "compared": Shown(asked=asked(vs_mode="lexical"), awaited="mark.m3"),
    "language chip": Shown(asked=asked(), opened="#chip-language summary"),
    "settings": Shown(asked=asked(), size=NARROW, opened="#chip-settings summary"),
    "arabic": Shown(asked=(("q", ARABIC), ("ui", "ar"))),
    "arabic explanation": Shown(path=DOCUMENT, asked=(("q", ARABIC), ("ui", "ar"))),
    "narrow": Shown(asked=asked(), size=NARROW),
    "narrow empty": Shown(size=NARROW),
    "narrow explanation": Shown(path=DOCUMENT, asked=asked(), size=NARROW),
    "dark": Shown(asked=asked(), dark=True, awaited="mark.m3"),
    "dark explanation": Shown(path=DOCUMENT, asked=asked(), dark=True),
    "print": Shown(asked=asked(marks="on"), media="print"),
    "printed explanation": Shown(path=DOCUMENT, asked=asked(), media="print"),
}


@pytest.fixture(scope="module")
def served(page_searcher: Searcher) -> Iterator[Served]:
    with serving({"reefs": page_searcher, "other": page_searcher}) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=str(Path(str(CHROMIUM))), args=["--no-sandbox"]
        )
        yield launched
        launched.close()


@pytest.fixture
def open_page(served: Served, browser: Any) -> Iterator[Any]:
    """A function that opens a state; what the browser complains of fails the test."""
    contexts, complaints = [], []

    def opened(shown: Shown, *, scripts: bool = True) -> Any:
        context = browser.new_context(
            viewport=dict(zip(("width", "height"), shown.size, strict=True)),
            color_scheme="dark" if shown.dark else "light",
            java_script_enabled=scripts,
            locale="en-GB",
            base_url=served.url,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type in ("error", "warning") and "Failed to load" not in message.text
                else None
            ),
        )
        page.emulate_media(media=shown.media)
        page.goto(shown.address)
        if shown.opened:
            page.locator(shown.opened).first.click()
        page.wait_for_selector(shown.awaited)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints


def violations(page: Any) -> list[str]:
    found = axe.Axe().run(page, options={"runOnly": RULES}).response["violations"]
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("name", STATES)
def test_no_state_breaks_a_rule_of_accessibility_or_runs_over_the_edge(
    open_page: Any, name: str
) -> None:
    page = open_page(STATES[name])
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_check_of_accessibility_sees_what_is_wrong(open_page: Any) -> None:
    page = open_page(STATES["grouped"])
    page.evaluate("document.querySelector('label[for=q]').remove()")
    page.evaluate("document.getElementById('q').removeAttribute('placeholder')")
    assert any(one.startswith("label:") for one in violations(page))


def test_everything_can_be_reached_without_scripts(open_page: Any) -> None:
    page = open_page(STATES["empty"], scripts=False)
    page.fill("#q", QUESTION)
    page.press("#q", "Enter")
    page.click("text=Mark words")
    assert page.locator("mark").count() > 0
    page.click("text=One list")
    page.locator(".facet.tongues a", has_text="Kiswahili").click()
    assert {one.get_attribute("lang") for one in page.locator(".hit-title").all()} == {"sw"}
    page.locator("a.why").first.click()
    assert page.locator("#why svg.map").is_visible()
    page.click("text=Back to the results")
    assert "doc_lang=sw" in page.url and "view=list" in page.url


def test_the_keyboard_reaches_results_and_closes_what_it_opened(open_page: Any) -> None:
    page = open_page(STATES["grouped"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    summary = page.locator("#chip-language summary")
    summary.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "lang"
    page.keyboard.press("Escape")
    assert not page.locator("#lang").is_visible()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_an_explanation_opens_below_its_hit_and_closes_again(open_page: Any) -> None:
    page = open_page(STATES["merged"])
    buttons = page.locator("button.why")
    for place in (0, 1):
        buttons.nth(place).click()
    page.locator(".inline-why svg").nth(1).wait_for()
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(node => node.id)")
    assert len(ids) == len(set(ids))
    assert buttons.first.get_attribute("aria-expanded") == "true"
    buttons.first.click()
    assert not page.locator(".inline-why").first.is_visible()
    assert buttons.first.get_attribute("aria-expanded") == "false"


def test_words_are_marked_once_the_hits_are_shown_and_can_be_cleared(open_page: Any) -> None:
    page = open_page(STATES["grouped"])
    titles = page.locator(".hit-title").all_inner_texts()
    page.locator("a.marks", has_text="Hide marks").wait_for()
    assert page.locator(".hit-title").all_inner_texts() == titles and "marks" not in page.url
    page.click("text=Hide marks")
    assert "marks=off" in page.url and page.locator("mark").count() == 0


def test_the_arabic_interface_runs_from_right_to_left(open_page: Any) -> None:
    page = open_page(STATES["arabic"])
    box, chip = (page.locator(one).bounding_box() for one in ("main", ".narrow"))
    assert chip["x"] > box["x"] + box["width"] - 1
    hit = page.locator(".hit-title[lang=en]").first
    assert hit.evaluate("node => getComputedStyle(node).direction") == "ltr"
