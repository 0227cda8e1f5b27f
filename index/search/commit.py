"""A search of one commit: what it consists of, and what it is asked and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.deadline import Deadline
from xret.index.search.filters import Condition, Filter, Logic
from xret.index.search.ranking import Best, Masks
from xret.index.storage.segment import Segment, Span
from xret.index.storage.stored import StoredRoute
from xret.types import Document, Embeddings, Hit, SearchRequest

if TYPE_CHECKING:
    from xret.index.coding.codec import ResidualCodec
    from xret.index.search.lexical_ranking import Words
    from xret.index.search.seen_queries import KeptTables

__all__ = ["Asked", "Commit", "Found", "Matches", "Ranked", "filters", "speaking"]


@dataclass(frozen=True, slots=True)
class Commit:
    """The segments of one commit, and which of their documents have not been deleted.

    single_vectors: whether candidates in the place of a scan pay for it. seal: the checksum of
    what the catalog said.
    """

    version: int
    segments: tuple[Segment, ...]
    alive: Masks
    codecs: Mapping[int, ResidualCodec]
    single_vectors: bool = False
    seal: bytes = b""

    @property
    def identity(self) -> tuple[int, bytes]:
        """As `Catalog.identity` has it."""
        return self.version, self.seal


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the index sees it: its text as vectors (None where words alone decide) and
    as words (None where vectors do), its languages and filter as one filter. query_langs: of
    each query, for `request.calibrate`, which is "off" where it is None. deadline: when it is
    stopped. kept: tables of these queries from searches before."""

    request: SearchRequest
    queries: Embeddings | None
    words: Words | None
    filter: Filter | None
    query_langs: Sequence[str] = ()
    deadline: Deadline = field(default_factory=Deadline)
    kept: KeptTables | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """What one query found: by vectors, by words, or nothing where it was not asked so, or has
    vectors that say nothing. within: which documents `words.join` speaks for."""

    dense: Best | None
    lexical: Best | None
    within: Masks = ()


@dataclass(frozen=True, slots=True)
class Matches:
    """How many documents a query could give. languages: of those, by BCP 47 code, None where
    that was not asked for."""

    documents: int
    languages: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What one commit answers: rankings, best first, and the documents that they name.

    spans: for each hit, its document's best passage, None where that is the whole text. raw:
    for each hit, its score before it was calibrated, None where it was not.
    version: how many commits the index had seen. routes: which adapter the documents of
    each language went through. fetch_s: seconds spent on reading documents and routes.
    matches: of each query. Where the request counts, rankings are the best from the first on,
    as many as are counted, and not the page. missing: shards of the index that did not answer, and
    why, where an answer without them is allowed.
    """

    version: int
    rankings: list[list[Hit]]
    spans: list[list[Span | None]]
    raw: list[list[float | None]]
    documents: Mapping[str, Document]
    routes: Mapping[str, StoredRoute]
    fetch_s: float
    matches: Sequence[Matches] = ()
    missing: Sequence[str] = ()


def speaking(keep: Masks, segments: Sequence[Segment]) -> Masks:
    """Of these documents those that have vectors that say something: the same masks where all
    have."""
    if all(segment.silent is None for segment in segments):
        return keep
    masks: list[npt.NDArray[np.bool_] | None] = []
    for mask, segment in zip(keep, segments, strict=True):
        if segment.silent is not None:
            mask = np.ones(segment.n_documents, np.bool_) if mask is None else mask.copy()
            mask[segment.silent] = False
        masks.append(mask)
    return tuple(masks)


def filters(wanted: Filter | None, langs: Sequence[tuple[str, ...]]) -> list[Filter | None]:
    """That of the documents that may be found, then of those in each query's languages, all
    where it names none."""
    own = [Condition("lang", "in", of_query) if of_query else None for of_query in langs]
    if wanted is None:
        return [None, *own]
    return [wanted, *(Logic("AND", (wanted, one)) if one else wanted for one in own)]
