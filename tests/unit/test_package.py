"""The shape of the house: packages, import direction, start-up, security rules."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import xret

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("xret", "retriever", "index", "server", "eval")
ALLOWED = {
    "types": set[str](),
    "errors": set[str](),
    "config": {"types", "errors"},
    "index": {"types", "errors", "config"},
    "retriever": {"types", "errors", "config", "index"},
    "eval": {"types", "errors", "config", "index", "retriever"},
    "server": {"types", "errors", "config", "index", "retriever"},
}


def sources() -> list[Path]:
    files = (path for part in PARTS for path in (ROOT / part).rglob("*.py"))
    linked = {ROOT / "xret" / part for part in PARTS[1:]}
    return sorted(path for path in files if not linked & set(path.parents))


def room_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return (
        relative.parts[1].removesuffix(".py") if relative.parts[0] == "xret" else relative.parts[0]
    )


def imported_modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_every_folder_with_an_init_is_packaged() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packaged = settings["tool"]["setuptools"]["package-dir"]
    folders = {str(p.parent.relative_to(ROOT)) for p in sources() if p.name == "__init__.py"}
    assert set(packaged.values()) == folders
    assert set(packaged) == set(settings["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    allowed = ALLOWED.get(room_of(path))
    if allowed is None:
        return
    rooms = {
        module.split(".")[1] for module in imported_modules(path) if module.startswith("xret.")
    }
    assert rooms <= allowed | {room_of(path)}


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_can_run_a_file_is_used(path: Path) -> None:
    modules = {name.split(".")[0] for name in imported_modules(path)}
    assert not modules & {"pickle", "joblib", "dill", "shelve", "marshal"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            builtin = called in ("eval", "exec", "torch.load")
            method = called.rpartition(".")[2] in ("extractall", "read_index")
            assert not builtin and not method, f"{path}:{node.lineno}"
        if isinstance(node, ast.keyword):
            assert node.arg != "trust_remote_code", f"{path}:{node.value.lineno}"
            unsafe = node.arg in ("shell", "allow_pickle") and ast.unparse(node.value) != "False"
            assert not unsafe, f"{path}:{node.value.lineno}"


def test_searching_with_the_embedded_encoder_imports_no_heavy_library(demo_folder: Path) -> None:
    program = (
        "import sys, xret\n"
        f"hits = xret.open({str(demo_folder)!r}).search('coral reefs', lang='en')\n"
        "assert hits\n"
        "print(sorted({'torch', 'faiss', 'transformers', 'sentence_transformers', 'fastapi'}"
        " & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_public_name_can_be_had() -> None:
    for name in xret.__all__:
        assert getattr(xret, name) is not None
    with pytest.raises(AttributeError):
        _ = xret.nothing_of_that_name
