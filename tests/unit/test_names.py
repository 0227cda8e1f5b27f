"""One name, one meaning: no public name is defined in two modules, but for a stated reason."""

import ast
from collections import defaultdict
from pathlib import Path

from tests.unit.test_package import MODULES

COMMAND = "the function of a command is named as the command, and as the verb that it calls"
FRAMEWORKS = "each framework's retriever and reranker is named as they name theirs"
REASONS = {
    "COLLECTION": "the registry reads it from each module of one collection",
    "add": "two groups of commands have a command of that name",
    "app": "a group of commands is called so in each module that has one",
    **dict.fromkeys(("XretReranker", "XretRetriever"), FRAMEWORKS),
    **dict.fromkeys(("compact", "delete", "evaluate", "info", "merge", "serve", "verify"), COMMAND),
    **dict.fromkeys(("export_language", "import_language", "remove_language"), COMMAND),
    **dict.fromkeys(("train_modular", "train_static", "trim_model"), COMMAND),
}
"""Names that stand in several modules on purpose."""


def defined_names(tree: ast.Module) -> dict[str, bool]:
    """Top-level names without an underscore, and whether each is a class or a function."""
    names: dict[str, bool] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names[node.name] = True
        elif isinstance(node, ast.Assign):
            targets = (target for target in node.targets if isinstance(target, ast.Name))
            names.update(dict.fromkeys((target.id for target in targets), False))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names[node.target.id] = False
        elif isinstance(node, ast.If):  # a function that needs a library, or a type alone
            names |= defined_names(ast.Module(node.body + node.orelse, []))
    return {name: code for name, code in names.items() if not name.startswith("_")}


def listed_names(tree: ast.Module) -> set[str]:
    """What a module says in `__all__`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def used_elsewhere(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """By module, the names that other modules import from it or read as `module.name`."""
    used: dict[str, set[str]] = defaultdict(set)
    for tree in trees.values():
        aliases = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    used[node.module].add(alias.name)
                    aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used[aliases.get(node.value.id, "")].add(node.attr)
    return used


def doubled_names(paths: dict[str, Path]) -> dict[str, list[str]]:
    """Public names by the modules that define them, where those are two or more.

    Every class and function without an underscore is public; a constant if its module lists
    it in `__all__` or another module uses it, else it is a setting of its module alone.
    """
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in paths.items()}
    used = used_elsewhere(trees)
    modules: dict[str, list[str]] = defaultdict(list)
    for module, tree in trees.items():
        public = listed_names(tree) | used[module]
        for name, is_code in defined_names(tree).items():
            if is_code or name in public:
                modules[name].append(module)
    return {name: found for name, found in sorted(modules.items()) if len(found) > 1}


def test_no_public_name_has_two_meanings() -> None:
    doubles = doubled_names(MODULES)
    assert not {name: doubles[name] for name in doubles.keys() - REASONS.keys()}


def test_every_reason_is_still_needed() -> None:
    assert REASONS.keys() <= doubled_names(MODULES).keys()


def test_a_double_is_seen_and_a_re_export_is_not(tmp_path: Path) -> None:
    texts = {
        "a": "class Score: ...\nLIMIT = 1\nOWN = 1\n",
        "b": "from a import LIMIT, Score\n__all__ = ['LIMIT', 'Score']\nOWN = 2\n",
        "c": "def Score(): ...\n__all__ = ['LIMIT']\nLIMIT: int = 2\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    doubles = doubled_names({name: tmp_path / f"{name}.py" for name in texts})
    assert doubles == {"LIMIT": ["a", "c"], "Score": ["a", "c"]}
