"""The life of a small index, step by step: what each step does, and what must be there after.

Run as a program it does the steps that are left, and notes every finished one in a file
beside the index: from then on its documents are acknowledged.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from encoders import HashingEncoder

from xret.errors import IndexNotFoundError
from xret.index.coding import recoding
from xret.index.search.faults import find_faults
from xret.index.search.reader import IndexReader
from xret.index.writing.compaction import Compaction
from xret.index.writing.writer import IndexWriter
from xret.types import Document, Query

__all__ = ["CODEC_ROWS", "STEPS", "contents", "expected_after", "finish", "note_of"]

Texts = dict[str, str]
LONG = f"law {'long' * 60}"
"""Long enough to be packed in the catalog."""

ENCODER = HashingEncoder()
CODEC_ROWS = 48
"""So that a codec is trained, and earlier segments are coded again, within the steps."""


def add(texts: Texts) -> Callable[[Path], None]:
    """A step that adds or replaces documents in one commit."""

    def step(folder: Path) -> None:
        documents = [Document(doc_id, text, "en") for doc_id, text in texts.items()]
        with IndexWriter.open(folder, ENCODER.spec) as writer:
            for document in documents:
                writer.add([document], ENCODER.encode_documents([document]))

    return step


def delete(doc_ids: list[str]) -> Callable[[Path], None]:
    """A step that deletes documents in one commit."""

    def step(folder: Path) -> None:
        with IndexWriter.open_existing(folder) as writer:
            writer.delete(doc_ids)

    return step


def compact(folder: Path) -> None:
    """A step that changes no document, in as many commits as it takes."""
    for _ in Compaction(folder).run():
        pass


def _without(texts: Texts, doc_ids: list[str]) -> Texts:
    return {doc_id: text for doc_id, text in texts.items() if doc_id not in doc_ids}


def _texts(first: int, last: int, words: str = "gold river tide") -> Texts:
    return {f"d{i:02d}": f"{words} n{i}" for i in range(first, last)}


STEPS: list[tuple[Callable[[Path], None], Callable[[Texts], Texts]]] = [
    (add(_texts(0, 5)), lambda before: {**before, **_texts(0, 5)}),
    (add(_texts(5, 8)), lambda before: {**before, **_texts(5, 8)}),
    (add(_texts(3, 6, "moon")), lambda before: {**before, **_texts(3, 6, "moon")}),
    (delete(["d01", "d04"]), lambda before: _without(before, ["d01", "d04"])),
    (add(_texts(8, 14, "reef law")), lambda before: {**before, **_texts(8, 14, "reef law")}),
    (compact, lambda before: before),
    (add(_texts(14, 16)), lambda before: {**before, **_texts(14, 16)}),
    (add(_texts(16, 17)), lambda before: {**before, **_texts(16, 17)}),
    (add(_texts(15, 18, LONG)), lambda before: {**before, **_texts(15, 18, LONG)}),
]
"""Most commits are followed by another that joins the segments at the end."""


def expected_after(n_steps: int) -> Texts:
    """Every document's text once so many steps are done."""
    texts: Texts = {}
    for _, change in STEPS[:n_steps]:
        texts = change(texts)
    return texts


def note_of(folder: Path) -> Path:
    """The file that names the finished steps, one line each."""
    return folder.parent / "done"


def finish(folder: Path, done: int) -> None:
    """Do the steps after the first `done`, noting each."""
    for number, (step, _) in enumerate(STEPS[done:], done + 1):
        step(folder)
        with note_of(folder).open("a") as file:
            file.write(f"{number}\n")


def contents(folder: Path) -> Texts:
    """Every document of an index as search and catalog give it; {} where there is no index.

    Opens it as any reader does, without help. Raises where anything is damaged, or where
    search and catalog do not agree.
    """
    try:
        reader = IndexReader.open(folder)
    except IndexNotFoundError:
        return {}
    try:
        hits = reader.search(ENCODER.encode_queries([Query("q", "gold moon reef")]), 1000)[0]
        found = [hit.doc_id for hit in hits]
        assert len(found) == len(set(found)), f"twice: {found}"
        assert reader.info().documents == len(found)
        documents = reader.documents(found)
    finally:
        reader.close()
    assert not find_faults(folder)
    return {document.doc_id: document.text for document in documents}


if __name__ == "__main__":
    recoding.CODEC_ROWS = CODEC_ROWS
    finish(Path(sys.argv[1]), int(sys.argv[2]))
