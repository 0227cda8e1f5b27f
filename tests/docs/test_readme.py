"""What the documentation shows exists, and what exists is in the documentation."""

import re

import typer
from pages import PAGES, ROOT, blocks

from xret.cli import app

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
QUICK_START = (
    "python3 -m venv .venv && .venv/bin/pip install -q torch==2.13.0 -e '.[dev]' && "
    ".venv/bin/xret index --corpus demo && "
    '.venv/bin/xret search demo "how do vaccines train the immune system"\n'
)


def test_no_placeholder_is_left() -> None:
    for name, page in PAGES.items():
        assert not re.findall(r"@[A-Z]+@|TBD|\?\?\?", page), name


def test_the_readme_opens_with_the_commands_that_are_typed_for_every_commit() -> None:
    first, second, *_ = (block.text for block in blocks("README.md", "sh"))
    assert first == QUICK_START
    assert second == ".venv/bin/pytest -n auto --dist loadfile\n"


def test_every_command_is_in_a_guide() -> None:
    guides = "\n".join(page for name, page in PAGES.items() if name != "cli.md")
    for name in COMMANDS:
        assert f"xret {name}" in guides, name


def test_every_documented_flag_exists() -> None:
    shown = "\n".join(block.text for name in PAGES for block in blocks(name, "sh"))
    typed = re.findall(r"xret ([a-z]+(?: [a-z]+)?)(.*)", shown.replace("\\\n", " "))
    assert len(typed) > 50
    for words, rest in typed:
        group = COMMANDS[words.split()[0]]
        command = getattr(group, "commands", {}).get(words.split()[-1], group)
        known = {flag for param in command.params for flag in param.opts}
        flags = set(re.findall(r" (--[a-z-]+)", rest.partition(" #")[0]))
        assert flags <= known, f"xret {words}: {flags - known}"


def test_every_link_between_pages_leads_somewhere() -> None:
    for name, page in PAGES.items():
        folder = ROOT if name in ("README.md", "CONTRIBUTING.md") else ROOT / "docs"
        for target in re.findall(r"\]\(([^)#:]+)\)", page):
            assert (folder / target).exists(), f"{name}: {target}"
