"""A command whose option takes several values at once: `--runs a.trec b.trec`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

__all__ = ["RunsCommand"]

VARIADIC = "--runs"


class RunsCommand(TyperCommand):
    """Every word after `--runs` up to the next option is one of its values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args))


def spread(words: list[str]) -> list[str]:
    """The words with the option repeated before each of its values.

    >>> spread(["demo", "--runs", "a", "b", "--json"])
    ['demo', '--runs', 'a', '--runs', 'b', '--json']
    """
    spelt: list[str] = []
    inside = False
    for word in words:
        if word == VARIADIC or word.startswith("-"):
            inside = word == VARIADIC
            spelt.append(word)
            continue
        if inside and spelt[-1] != VARIADIC:
            spelt.append(VARIADIC)
        spelt.append(word)
    return spelt
