"""Without a framework, one line says how to get it; with xret alone nothing of them is imported."""

import importlib
import subprocess
import sys

import pytest

from xret.errors import MissingLibraryError

MODULES = {"langchain": "langchain_core", "llama_index": "llama_index", "haystack": "haystack"}


@pytest.mark.parametrize("module", MODULES)
def test_a_missing_framework_is_named_with_its_extra(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == MODULES[module]]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, MODULES[module], None)
    monkeypatch.delitem(sys.modules, f"xret.integrations.{module}", raising=False)
    with pytest.raises(MissingLibraryError, match=rf"xret\[{module.replace('_', '-')}\]"):
        importlib.import_module(f"xret.integrations.{module}")


def test_no_framework_is_imported_by_the_server_or_the_commands() -> None:
    program = (
        "import sys, xret.server.app, xret.cli.commands\n"
        "print({'mcp', 'langchain_core', 'llama_index', 'haystack'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
