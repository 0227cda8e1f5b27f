"""What an index holds, a block of documents after the other: texts, passages, vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xret.deadline import Deadline
from xret.errors import UnusableIndexError
from xret.index.coding.recoding import decoded, selected_passages
from xret.index.search.commit import Commit
from xret.index.search.reader import IndexReader
from xret.index.search.stages import SearchStages
from xret.index.storage.segment import Segment
from xret.index.storage.stored import place
from xret.types import Document, Embeddings, IntArray

__all__ = ["PassageBlock", "passage_blocks_of"]

BLOCK_DOCUMENTS = 512


@dataclass(frozen=True, slots=True)
class PassageBlock:
    """Some documents. owners: (p,) of each passage, the document's place in `documents`. spans:
    (p, 2) where it stands in the text, -1 where it is all of it. embeddings: of the p passages, as
    their codes say them."""

    documents: Sequence[Document]
    owners: IntArray
    spans: npt.NDArray[np.int32]
    embeddings: Embeddings

    def numbered(self) -> Iterator[tuple[int, int, Document, int | None, int | None]]:
        """(passage in the block, passage in its document, document, start, end)."""
        before, number = -1, 0
        for passage, (owner, (start, end)) in enumerate(
            zip(self.owners.tolist(), self.spans.tolist(), strict=True)
        ):
            number = number + 1 if owner == before else 0
            before = owner
            whole = start < 0
            yield passage, number, self.documents[owner], *((None, None) if whole else (start, end))


def passage_blocks_of(reader: IndexReader) -> Iterator[PassageBlock]:
    """The living documents of the newest commit, in their order.

    Raises QueryError for an index without vectors, UnusableIndexError where a commit is made
    meanwhile.
    """
    stages, until = SearchStages(reader), Deadline()
    with stages.snapshot(until) as (commit, _):
        pass
    for segment, alive in zip(commit.segments, commit.alive, strict=True):
        positions = np.arange(segment.n_documents) if alive is None else np.flatnonzero(alive)
        for first in range(0, len(positions), BLOCK_DOCUMENTS):
            own = positions[first : first + BLOCK_DOCUMENTS]
            with stages.snapshot(until) as (now, table):
                if now.identity != commit.identity:
                    raise UnusableIndexError(
                        f"{reader.folder} was written to while it was exported; export it again"
                    )
                documents = table.of(table.doc_ids((place(segment.segment, 0) + own).tolist()))
            yield _block(segment, own, documents, commit, reader.dim)


def _block(
    segment: Segment, positions: IntArray, documents: Sequence[Document], commit: Commit, dim: int
) -> PassageBlock:
    passages, starts = segment.passages(positions)
    coded, offsets = selected_passages(segment.coded, segment.offsets, passages)
    values = decoded(coded, commit.codecs.get(segment.codec), offsets=offsets)[:, :dim]
    counts = np.diff([*starts, len(passages)])
    spans = np.full((len(passages), 2), -1, np.int32)
    if segment.spans is not None:
        spans = segment.spans[passages]
    return PassageBlock(
        documents,
        np.repeat(np.arange(len(positions)), counts),
        spans,
        Embeddings(np.ascontiguousarray(values, np.float32), offsets),
    )
