"""The files and models that the examples of the documentation name."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "retriever" / "corpora" / "demo"


def _records(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DEMO / name).read_text(encoding="utf-8").splitlines()]


def _write_texts(folder: Path) -> None:
    """A corpus with queries and judgements, and sentences beside their English."""
    documents = _records("corpus.jsonl")
    extra = [{"_id": f"doc-{n}", "lang": "en", "text": f"{n} boats went fishing"} for n in (17, 18)]
    lines = (json.dumps(document, ensure_ascii=False) for document in [*documents[:64], *extra])
    (folder / "docs.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name in ("queries.jsonl", "qrels.tsv"):
        shutil.copy(DEMO / name, folder / name)
    topics: dict[str, dict[str, str]] = {}
    for document in documents:
        titles = topics.setdefault(document["_id"].rpartition(".")[0], {})
        titles[document["lang"]] = document["title"].replace("\t", " ")
    pairs = [(titles["sw"], titles["en"]) for titles in topics.values()]
    named = [f"sw\t{text}\t{english}\n" for text, english in pairs]
    (folder / "sentences.tsv").write_text("".join(named), encoding="utf-8")
    plain = [f"{text}\t{english}\n" for text, english in pairs]
    (folder / "faroese.tsv").write_text("".join(plain), encoding="utf-8")


def _write_models(folder: Path) -> None:
    """Encoders of one's own, and a tiny X-MOD model to which Danish was added."""
    from tiny_models import LANGUAGES, tiny_dpr_xm

    from xret.retriever.models.location import model_location
    from xret.retriever.xmod.installed import remove_adapter

    for name in ("my-model", "my-encoder"):
        shutil.copytree(model_location("xret-static"), folder / name)
    tiny_dpr_xm(folder / "with-da", languages=(*LANGUAGES, "da_DK"))
    for name in ("my-copy", "with-adapters"):
        shutil.copytree(folder / "with-da", folder / name)
    remove_adapter(folder / "my-copy", "da")


@pytest.fixture(scope="session")
def example_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    _write_texts(folder)
    _write_models(folder)
    return folder


@pytest.fixture
def example_folder(example_files: Path, demo_folder: Path, home: Path, tmp_path: Path) -> Path:
    """A folder of a page's own, with `demo` indexed in its home and a run of another system."""
    folder = tmp_path / "page"
    shutil.copytree(example_files, folder)
    (home / "indexes").mkdir()
    (home / "indexes" / "demo").symlink_to(demo_folder)
    ranked = [f"{query['_id']} Q0 tides.en 1 1.0 bm25\n" for query in _records("queries.jsonl")]
    for name in ("bm25.trec", "ours.trec"):
        (folder / name).write_text("".join(ranked).replace("bm25", name[:-5]), encoding="utf-8")
    return folder


@pytest.fixture
def example_environment(tmp_path: Path) -> dict[str, str]:
    """`xret` and `python` are those of this environment; nothing may be fetched."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, call in (("python", ""), ("xret", "-c 'from xret.cli import main; main()'")):
        (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} {call} "$@"\n')
        (commands / name).chmod(0o755)
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "XRET_OFFLINE": "1", "NO_COLOR": "1"}
