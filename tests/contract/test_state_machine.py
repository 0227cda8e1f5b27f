"""An index goes through anything a dict goes through, and answers as the dict would.

XRET_STATE_STEPS and XRET_STATE_RUNS make the random walks longer and more, for nightly runs.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from encoders import HashingEncoder
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from indices import WORDS, plain_maxsim

from xret.index.coding.recoding import decoded
from xret.index.search.faults import find_faults
from xret.index.search.filters import Condition, Filter
from xret.index.search.reader import IndexReader
from xret.index.storage.segment import quantize
from xret.index.writing.compaction import Compaction
from xret.index.writing.writer import IndexWriter
from xret.retriever.indexing import passages
from xret.types import Document, Query, SearchParams

STEPS = int(os.environ.get("XRET_STATE_STEPS", "20"))
RUNS = int(os.environ.get("XRET_STATE_RUNS", "12"))

ENCODER = HashingEncoder()
ids = st.sampled_from([f"d{i}" for i in range(12)])
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
documents = st.builds(
    Document,
    doc_id=ids,
    text=texts,
    lang=st.sampled_from(["en", "fr"]),
    date=st.sampled_from([None, "2019", "2020-06", "2021-02-03"]),
    meta=st.sampled_from([{}, {"n": 1}, {"n": 2}]),
)


def spans_of(document: Document) -> list[tuple[int, int]]:
    """Passages of about twelve characters, cut at spaces."""
    cuts, text = [0], document.text
    while len(text) - cuts[-1] > 20:
        cuts.append(text.index(" ", cuts[-1] + 8) + 1)
    return [*zip(cuts, [*cuts[1:], len(text)], strict=True)]


def score(query: str, document: Document) -> tuple[float, tuple[int, int]]:
    """The best passage by the definition, and where it is."""
    vectors = ENCODER.encode_queries([Query("q", query)])[0]
    spans = spans_of(document)
    scores = []
    for one in passages([document], [spans]):
        stored = decoded(quantize(ENCODER.encode_documents([one])[0]))
        scores.append(plain_maxsim(vectors, stored))
    best = int(np.argmax(np.round(scores, 5)))
    return scores[best], spans[best]


class IndexMachine(RuleBasedStateMachine):
    preset = "exact"

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.folder = self.root / "i"
        self.committed: dict[str, Document] = {}
        self.pending: dict[str, Document] = {}
        self.writer = IndexWriter.open(self.folder, ENCODER.spec, preset=self.preset)
        self.writer.commit()  # before it there is no index to read
        self.reader = IndexReader.open(self.folder)

    def teardown(self) -> None:
        self.reader.close()
        self.writer.close()
        assert find_faults(self.folder) == []
        shutil.rmtree(self.root)

    @rule(batch=st.lists(documents, min_size=1, max_size=5, unique_by=lambda one: one.doc_id))
    def add_or_replace(self, batch: list[Document]) -> None:
        spans = [spans_of(one) for one in batch]
        embeddings = ENCODER.encode_documents(list(passages(batch, spans)))
        self.writer.add(batch, embeddings, spans=spans)
        self.pending |= {one.doc_id: one for one in batch}

    @rule(names=st.lists(ids, max_size=4))
    def delete(self, names: list[str]) -> None:
        assert self.writer.delete(names) == len(set(names) & self.pending.keys())
        self.pending = {name: one for name, one in self.pending.items() if name not in names}

    @rule()
    def commit(self) -> None:
        self.writer.commit()
        self.committed = dict(self.pending)

    @rule()
    def abort(self) -> None:
        self.writer.close()
        self.writer = IndexWriter.open(self.folder, ENCODER.spec)
        self.pending = dict(self.committed)

    @precondition(lambda self: self.pending == self.committed)
    @rule()
    def compact(self) -> None:
        self.writer.close()
        for _ in Compaction(self.folder).run():
            self.search("gold law", 3)
        self.writer = IndexWriter.open(self.folder, ENCODER.spec)

    @rule()
    def reopen(self) -> None:
        self.reader.close()
        self.reader = IndexReader.open(self.folder)

    @rule(query=texts, k=st.integers(1, 14))
    def search(self, query: str, k: int) -> None:
        self.compare(query, k, None, self.committed)

    @rule(query=texts, k=st.integers(1, 14), lang=st.sampled_from(["en", "fr"]))
    def search_one_language(self, query: str, k: int, lang: str) -> None:
        kept = {name: one for name, one in self.committed.items() if one.lang == lang}
        self.compare(query, k, Condition("lang", "==", lang), kept)

    @rule(query=texts, n=st.integers(0, 3))
    def search_by_metadata(self, query: str, n: int) -> None:
        kept = {name: one for name, one in self.committed.items() if one.meta.get("n") == n}
        self.compare(query, 14, Condition("meta.n", "==", n), kept)

    @rule(query=texts)
    def search_by_date(self, query: str) -> None:
        kept = {n: d for n, d in self.committed.items() if d.date and d.date >= "2020"}
        self.compare(query, 14, Condition("date", ">=", "2020"), kept)

    @invariant()
    def counts_agree(self) -> None:
        assert self.reader.info().documents == len(self.committed)

    def compare(self, query: str, k: int, wanted: Filter | None, kept: dict[str, Document]) -> None:
        embeddings = ENCODER.encode_queries([Query("q", query)])
        for params in (SearchParams(), SearchParams(exact=True)):
            found = self.reader.find(embeddings, k, filter=wanted, params=params)
            hits = found.rankings[0]
            assert {hit.doc_id: found.documents[hit.doc_id] for hit in hits} == {
                hit.doc_id: kept[hit.doc_id] for hit in hits
            }
            assert len(hits) == min(k, len(kept))
            assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.doc_id))
            self.compare_scores(query, hits, found.spans[0], kept)

    def compare_scores(self, query: str, hits: list, spans: list, kept: dict) -> None:  # type: ignore[type-arg]
        expected = {name: score(query, one) for name, one in kept.items()}
        best = sorted((value for value, _ in expected.values()), reverse=True)
        for hit, span, value in zip(hits, spans, best, strict=False):
            assert abs(hit.score - expected[hit.doc_id][0]) < 2e-4 * (1 + abs(hit.score))
            assert abs(hit.score - value) < 2e-4 * (1 + abs(value))
            whole = (0, len(kept[hit.doc_id].text))
            assert (span or whole) == expected[hit.doc_id][1]


class CodedIndexMachine(IndexMachine):
    """The same with a codec that is trained on the way; its scores are only near."""

    preset = "compact"

    def compare_scores(self, query: str, hits: list, spans: list, kept: dict) -> None:  # type: ignore[type-arg]
        assert query
        for hit, span in zip(hits, spans, strict=True):
            assert (span or (0, len(kept[hit.doc_id].text))) in spans_of(kept[hit.doc_id])


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 40)
    monkeypatch.setattr("xret.index.coding.recoding.CODEC_ROWS", 90)
    monkeypatch.setattr("xret.index.writing.compaction.OUTGROWN", 2)


walk = settings(max_examples=RUNS, stateful_step_count=STEPS, deadline=None)


class TestIndex(IndexMachine.TestCase):  # type: ignore[name-defined,misc]
    settings = walk


class TestCodedIndex(CodedIndexMachine.TestCase):  # type: ignore[name-defined,misc]
    settings = walk
