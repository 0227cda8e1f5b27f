"""The shape of the house: packages, import direction, start-up, security rules."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Set
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import xret

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("xret", "retriever", "index", "server", "eval")
FLOORS = (
    "errors",
    "deadline",
    "types",
    "config",
    "index/scoring",
    "index/storage",
    "index/coding",
    "index/words",
    "index/writing",
    "index/search",
    "index/sharded",
    "index/export",
    "retriever/languages",
    "retriever/models",
    "retriever: encoder passages fusion text_words explanation alignment answer snippets",
    "retriever/lexical",
    "retriever/scripts",
    "retriever/xmod",
    "retriever/modules",
    "retriever/encoders",
    "retriever/opening",
    "retriever/rerankers",
    "retriever/corpora",
    "retriever/translation",
    "retriever: installation upkeep rejects indexing writer build ray_encoder corpus_build "
    "index_encoder answer_warnings answer_page encoded_queries question explaining stage_scores "
    "searcher sharding shards index_export text_vectors pair_scores",
    "retriever/trim",
    "retriever/export",
    "retriever/training/common",
    "retriever/training/static",
    "retriever/training/modular",
    "retriever/training/language",
    "retriever/training/recipes",
    "retriever/training/modules",
    "retriever/training/rerankers",
    "retriever/training/translation",
    "retriever/training/synthesis",
    "eval",
    "eval/reproduction",
    "eval/report",
    "eval: ranked_run fused_run assessment",
    "server: errors error_guide error_shapes settings logs",
    "server/border",
    "server/indexes",
    "server/routes",
    "server/mcp",
    "server/page",
    "server: app serve stdio",
    "integrations",
    "cli",
)
"""Every room stands above those named before it, and imports from them only."""

SIDE_BY_SIDE = (("eval", "server"),)
"""Rooms of which neither imports the other, whatever their order above."""


def sources() -> list[Path]:
    files = (path for part in PARTS for path in (ROOT / part).rglob("*.py"))
    linked = {ROOT / "xret" / part for part in PARTS[1:]}
    return sorted(path for path in files if not linked & set(path.parents))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    named = parts if parts[0] == "xret" else ("xret", *parts)
    return ".".join(named).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sources()}


def room_of(module: str) -> str | None:
    """The floor that a module stands on, the narrowest; None for packages that hold rooms."""
    parts = module.split(".")[1:]
    found: dict[int, str] = {}
    for floor in FLOORS:
        folder, _, members = floor.partition(": ")
        room = folder.split("/")
        if members:
            if parts[:-1] == room and parts[-1] in members.split():
                return floor
        elif parts[: len(room)] == room:
            found[len(room)] = floor
    return found[max(found)] if found else None


def imported_modules(path: Path) -> set[str]:
    """Every module that a file imports, at its top, in a function, or for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imports_within(path: Path) -> set[str]:
    """The modules of xret that a file imports, beyond `xret` itself."""
    found = imported_modules(path)
    packages = {name.rpartition(".")[0] for name in found & MODULES.keys()}
    named = {name for name in found if name in MODULES and name not in packages}
    return named - {"xret"}


def check_no_circle(arrows: Mapping[str, Set[str]]) -> None:
    """Raises graphlib.CycleError, which names the circle."""
    TopologicalSorter(arrows).prepare()


def test_every_folder_with_an_init_is_packaged() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packaged = settings["tool"]["setuptools"]["package-dir"]
    folders = {str(p.parent.relative_to(ROOT)) for p in sources() if p.name == "__init__.py"}
    assert set(packaged.values()) == folders
    assert set(packaged) == set(settings["tool"]["setuptools"]["packages"])
    modules = {name: f"xret.{folder.replace('/', '.')}" for name, folder in packaged.items()}
    assert all(
        name in (of_folder, "xret", "xret.cli", "xret.integrations")
        for name, of_folder in modules.items()
    )


def test_every_module_stands_in_a_room() -> None:
    homeless = [name for name, path in MODULES.items() if room_of(name) is None]
    packages = {name for name in homeless if MODULES[name].name == "__init__.py"}
    assert set(homeless) == packages
    assert {room_of(name) for name in MODULES} - {None} == set(FLOORS)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_from_floors_below(path: Path) -> None:
    room = room_of(module_of(path))
    if room is None:
        assert module_of(path) == "xret" or not imports_within(path)
        return
    allowed = FLOORS[: FLOORS.index(room) + 1]
    for module in imports_within(path):
        other = room_of(module)
        assert other is None or other in allowed, f"{room} imports {module} of {other}"
        for side, beside in SIDE_BY_SIDE:
            apart = {room.split("/")[0], (other or "").split("/")[0]} != {side, beside}
            assert apart, f"{room} imports {module}"


def test_no_rooms_and_no_files_lean_on_each_other_in_a_circle() -> None:
    arrows = {name: imports_within(path) for name, path in MODULES.items()}
    rooms: dict[str, set[str]] = {floor: set() for floor in FLOORS}
    for name, others in arrows.items():
        if room := room_of(name):
            rooms[room] |= {other for other in map(room_of, others) if other} - {room}
    check_no_circle(rooms)
    check_no_circle(arrows)


def test_ruff_alone_decides_the_shape_of_code() -> None:
    switched_off = re.compile("fmt:" + r"\s*(skip|off)")
    for folder in (*PARTS, "tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not switched_off.search(path.read_text(encoding="utf-8")), path


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


def test_a_notebook_is_offered_the_public_names() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import xret; print(*dir(xret))"], capture_output=True, text=True
    )
    assert done.stdout.split() == sorted([*xret.__all__, "__version__"]), done.stderr


def test_every_public_name_can_be_had() -> None:
    for name in xret.__all__:
        assert getattr(xret, name) is not None
    with pytest.raises(AttributeError):
        _ = xret.nothing_of_that_name
