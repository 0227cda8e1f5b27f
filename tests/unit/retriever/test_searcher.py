"""A searcher and its end."""

from pathlib import Path

import pytest
from conftest import build
from encoders import HashingEncoder

from xret.errors import UnusableIndexError
from xret.index.search.reader import IndexReader
from xret.retriever.searcher import Searcher
from xret.types import Document


def documents(first: int, last: int) -> list[Document]:
    return [Document(f"d{i}", f"text {i}", "en") for i in range(first, last)]


def test_a_closed_searcher_says_so(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(documents(0, 3), tmp_path / "i", encoder)
    searcher = Searcher("i", IndexReader.open(tmp_path / "i"), encoder)
    searcher.close()
    with pytest.raises(UnusableIndexError, match="closed"):
        searcher.search("text", lang="en")
