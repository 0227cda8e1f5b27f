"""Real indices in folders: one, and the same documents in parts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from indices import WORDS, random_documents

from xret.index.writing.writer import IndexWriter
from xret.retriever.build import IndexBuild
from xret.retriever.encoder import Encoder
from xret.types import Document, finish

__all__ = ["N_SHARDS", "build_index", "make_parts"]

N_SHARDS = 4


def build_index(
    folder: Path, documents: Sequence[Document], encoder: Encoder, *, psq: str | None = None
) -> Path:
    finish(IndexBuild(documents, folder, encoder, psq=psq).run())
    return folder


def _delete(folder: Path, doc_ids: Sequence[str]) -> None:
    with IndexWriter.open_existing(folder) as writer:
        writer.delete(doc_ids)


def make_parts(folder: Path, encoder: Encoder) -> Path:
    """`whole`, and the same documents as `shard0` to `shard3`: uneven, one of one language."""
    rare = [Document(f"rare{n}", f"reef {WORDS[n]}", "fi", date=f"20{n + 10}") for n in range(9)]
    documents = [*random_documents(1, 700), *rare]
    drawn = random.Random(5)
    parts: list[list[Document]] = [[] for _ in range(N_SHARDS)]
    for document in documents:
        alone = document.lang == "sw" and drawn.random() < 0.6
        parts[0 if alone else drawn.choice((1, 1, 2, 3))].append(document)
    dead = [document.doc_id for document in documents[::9]]
    _delete(build_index(folder / "whole", documents, encoder), dead)
    for number, part in enumerate(parts):
        _delete(build_index(folder / f"shard{number}", part, encoder), dead)
    return folder
