"""`xret doctor`: what this installation can use, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xret.cli.options import AsJson
from xret.cli.output import print_json, print_table

__all__ = ["doctor"]


def doctor(as_json: AsJson = False) -> None:
    """What this installation runs on, what it can use, and what it lacks."""
    from xret.retriever.installation import examine

    found = examine()
    if as_json:
        print_json(found)
        return
    print_table(("", "value"), [(name, value) for name, value in _rows(found)])


def _rows(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("xret", "python", "platform", "home"):
        yield name, str(found[name])
    kernel = found["kernel"]
    yield "kernels", f"{kernel['path']} ({kernel['chosen_by']})"
    for path, reason in kernel["faster"].items():
        yield f"  not {path}", reason
    processor = found["processor"]
    yield "processor", ", ".join(processor["features"]) or "no feature known"
    yield "threads", str(processor["threads"])
    yield "GPU", ", ".join(found["gpu"]) or "none seen"
    for name, version in found["packages"].items():
        yield name, version or "not installed"
    for extra, missing in found["extras"].items():
        lacking = f"lacks {', '.join(missing)}: pip install 'xret[{extra}]'"
        yield f"xret[{extra}]", lacking if missing else "installed"
    for problem in found["problems"]:
        yield "problem", problem
