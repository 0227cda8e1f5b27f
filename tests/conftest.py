"""Fixtures: a home of one's own, a tiny real encoder, and the demo corpus indexed once."""

import os
from collections.abc import Iterator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before torch is imported, here and in every process that a test starts: as many workers
    # as cores, each with threads for all of them, wait for one another more than they work.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from encoders import HashingEncoder

from xret.retriever.build import IndexBuild
from xret.retriever.corpora.registry import open_corpus
from xret.retriever.models import registry
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.types import Document

SHARED = Path(__file__).resolve().parents[2] / "shared"


def build(
    documents: list[Document], folder: Path, encoder: object, **options: object
) -> IndexBuild:
    """Run a whole build and return it."""
    made = IndexBuild(documents, folder, encoder, **options)  # type: ignore[arg-type]
    for _ in made.run():
        pass
    return made


def no_reject(record: object) -> None:
    raise AssertionError(record)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Named indices go to a folder of the test's own."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XRET_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def fast_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test names no encoder, the one that indexes a hundred times faster is meant."""
    monkeypatch.setattr(registry, "DEFAULT_ENCODER", "xret-static")


@pytest.fixture
def encoder() -> HashingEncoder:
    return HashingEncoder()


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    documents = list(open_corpus("demo").documents(on_reject=no_reject))
    build(documents, folder, load_encoder("xret-static"))
    return folder


@pytest.fixture
def demo(demo_folder: Path) -> Iterator[Searcher]:
    searcher = Searcher.open(demo_folder)
    yield searcher
    searcher.close()


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the development data is not beside the checkout")
    return SHARED
