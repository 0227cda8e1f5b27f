"""The command line is thin: a command parses, calls the library and prints."""

from __future__ import annotations

import ast
from pathlib import Path

CLI = Path(__file__).resolve().parents[3] / "xret" / "cli"

PARSING_AND_PRINTING = (
    "__init__",
    "commands",
    "explained",
    "fields",
    "options",
    "output",
    "settings",
    "variadic",
)
"""Modules that read the command line and its settings, or print; they have no other work."""

WORDS = {"language_name", "NAMES"}
"""Names of the library that only say how something is called."""


def functions_that_work(path: Path, commands: set[str]) -> dict[str, int]:
    """Lines of each function that is no command and calls the library."""
    counted = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        functions = [node, *node.body] if isinstance(node, ast.ClassDef) else [node]
        for function in functions:
            if not isinstance(function, ast.FunctionDef):
                continue
            command = function.decorator_list or f"{path.stem}.{function.name}" in commands
            if not command and calls_library(function):
                lines = (function.end_lineno or 0) - function.lineno + 1
                counted[f"{path.stem}.{function.name}"] = lines
    return counted


def registered() -> set[str]:
    """Commands that commands.py gives to typer: `compact.delete`."""
    source = (CLI / "commands.py").read_text(encoding="utf-8")
    words = {ast.unparse(n) for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Attribute)}
    return {word.replace("run_command", "run") for word in words} | {"lang_check.check"}


def calls_library(function: ast.FunctionDef) -> bool:
    """Whether what is called in it was imported from the library in its own body."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("xret.")
        and not (node.module or "").startswith(("xret.cli", "xret.errors", "xret.types"))
        for alias in node.names
    }
    called = {
        ast.unparse(node.func).split(".")[0]
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
    }
    return bool(called & (names - WORDS))


def test_only_commands_call_the_library() -> None:
    commands = registered()
    counted: dict[str, int] = {}
    for path in sorted(CLI.glob("*.py")):
        if path.stem not in PARSING_AND_PRINTING:
            counted |= functions_that_work(path, commands)
    assert sum(counted.values()) <= 100, counted
