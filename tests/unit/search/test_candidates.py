"""The candidate stage against a plain loop, with masks, long documents and several segments."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.index.coding.clustering import train_codec
from xret.index.coding.codec import ResidualCodec
from xret.index.scoring.maxsim import (
    QueryCodes,
    centroid_tables,
    maxsim_scores,
    query_codes,
    scan_tables,
    score_passages,
)
from xret.index.search.candidates import byte_tables, candidate_documents, default_candidates
from xret.index.storage.segment import Segment, quantize


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def made_segment(
    codec: ResidualCodec,
    rng: np.random.Generator,
    n_documents: int,
    *,
    number: int = 1,
    codec_number: int = 1,
    several: bool = False,
) -> Segment:
    """Documents about one of a few themes each, of one to three passages where `several`."""
    counts = rng.integers(1, 4, n_documents) if several else np.ones(n_documents, np.int64)
    lengths = rng.integers(3, 12, int(counts.sum()))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    themes = np.random.default_rng(7).standard_normal((12, codec.dim))
    theme = np.repeat(themes[rng.integers(0, 12, len(lengths))], lengths, axis=0)
    values = unit(theme + 0.8 * rng.standard_normal((offsets[-1], codec.dim)))
    documents = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64) if several else None
    return Segment(number, codec_number, codec.encode(values), offsets, documents)


def made_codec(seed: int = 0, n_centroids: int = 40) -> ResidualCodec:
    rows = unit(np.random.default_rng(seed).standard_normal((400, 24)))
    return train_codec(rows, bits=2, n_centroids=n_centroids, seed=seed)


def coded_for(
    codecs: dict[int, ResidualCodec], values: np.ndarray, offsets: np.ndarray | None = None
) -> dict[int, tuple[QueryCodes, np.ndarray]]:
    coded = {}
    for number, codec in codecs.items():
        codes = query_codes(codec.rotate(values), offsets)
        tables = centroid_tables(codes, codec.centroid_codes, codec.centroid_scales)
        coded[number] = codes, tables
    return coded


def plain_candidates(
    lanes: range,
    scans: dict[int, np.ndarray],
    segments: list[Segment],
    masks: list[np.ndarray | None],
    n: int,
) -> list[list[int]]:
    """Every sum by loops; documents down to the n-th best, as positions by segment."""
    scores = {}
    for which, (segment, mask) in enumerate(zip(segments, masks, strict=True)):
        table = scans[segment.codec].astype(int)
        starts = segment.documents
        if starts is None:
            starts = np.arange(segment.n_passages + 1)
        for document in range(segment.n_documents):
            if mask is not None and not mask[document]:
                continue
            best = -1
            for passage in range(starts[document], starts[document + 1]):
                rows = range(segment.offsets[passage], segment.offsets[passage + 1])
                near = [int(segment.coded.centroids[row]) for row in rows]
                best = max(best, sum(max(table[c, lane] for c in near) for lane in lanes))
            scores[which, document] = best
    found: list[list[int]] = [[] for _ in segments]
    if scores:
        least = sorted(scores.values(), reverse=True)[min(n, len(scores)) - 1]
        for (which, document), score in scores.items():
            if score >= least:
                found[which].append(document)
    return found


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 30),
    several=st.booleans(),
    share=st.sampled_from([None, 0.0, 0.1, 0.5, 1.0]),
    n_codecs=st.integers(1, 2),
)
def test_candidates_are_those_of_a_plain_loop(
    seed: int, n: int, several: bool, share: float | None, n_codecs: int
) -> None:
    rng = np.random.default_rng(seed)
    numbers = [1 + i % n_codecs for i in range(int(rng.integers(n_codecs, 4)))]
    segments = [
        made_segment(
            CODECS[number],
            rng,
            int(rng.integers(1, 20)),
            number=i + 1,
            codec_number=number,
            several=several and i == 0,
        )
        for i, number in enumerate(numbers)
    ]
    masks = [None if share is None else rng.random(s.n_documents) < share for s in segments]
    codecs = {number: CODECS[number] for number in numbers}
    queries = coded_for(codecs, unit(rng.standard_normal((9, 24))), np.array([0, 4, 9]))
    scans, _ = byte_tables(queries)
    offsets = queries[1][0].offsets
    matching = [
        s.n_documents if m is None else int(m.sum()) for s, m in zip(segments, masks, strict=True)
    ]
    for query, found in enumerate(candidate_documents(queries, segments, masks, n)):
        lanes = range(offsets[query], offsets[query + 1])
        wanted = plain_candidates(lanes, scans, segments, masks, n)
        assert [part.tolist() for part in found] == wanted
        assert sum(map(len, found)) >= min(n, sum(matching))


CODECS = {1: made_codec(0), 2: made_codec(0, n_centroids=25)}


def test_candidates_do_not_depend_on_threads_or_the_batch() -> None:
    rng, codec = np.random.default_rng(1), CODECS[1]
    segment = made_segment(codec, rng, 400, several=True)
    values = unit(rng.standard_normal((50, 24)))
    together = coded_for({1: codec}, values, np.array([0, 20, 50]))
    alone = coded_for({1: codec}, values[20:])
    found = [
        candidate_documents(queries, [segment], [None], 30, threads=threads)[-1][0]
        for queries, threads in ((together, 1), (together, 2), (alone, 1))
    ]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_bytes_of_one_codec_are_those_of_the_kernels_own_table() -> None:
    values = unit(np.random.default_rng(2).standard_normal((20, 24)))
    queries = coded_for({1: CODECS[1]}, values, np.array([0, 3, 20]))
    codes, tables = queries[1]
    scan = byte_tables(queries)[0][1].astype(int)
    assert np.abs(scan - scan_tables(codes, tables).astype(int)).max() <= 1
    for first, last in itertools.pairwise(codes.offsets.tolist()):
        assert scan[:, first:last].max() == 255


def test_an_index_of_equal_documents_returns_them_all() -> None:
    codec = CODECS[1]
    value = unit(np.ones((1, 24)))
    segment = Segment(1, 1, codec.encode(np.repeat(value, 9, axis=0)), np.arange(10))
    found = candidate_documents(coded_for({1: codec}, value), [segment], [None], 2)
    assert found[0][0].tolist() == list(range(9))


def test_documents_without_centroids_are_all_candidates() -> None:
    rng, codec = np.random.default_rng(3), CODECS[1]
    coded = quantize(unit(rng.standard_normal((9, 24))))
    segments = [made_segment(codec, rng, 50), Segment(2, 0, coded, np.arange(10))]
    queries = coded_for({1: codec}, unit(rng.standard_normal((4, 24))))
    masks = [None, np.arange(9) % 2 == 0]
    found = candidate_documents(queries, segments, masks, 5)[0]
    assert 5 <= len(found[0]) < 50
    assert found[1].tolist() == [0, 2, 4, 6, 8]


def test_recall_after_candidates_and_codes() -> None:
    """Against exact float scores, on 1,500 documents about 12 themes."""
    rng = np.random.default_rng(4)
    themes, n = rng.standard_normal((12, 64)), 1500
    lengths = rng.integers(10, 30, n)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    words = rng.standard_normal((300, 64))
    theme = np.repeat(themes[rng.integers(0, 12, n)], lengths, axis=0)
    rows = words[rng.integers(0, 300, offsets[-1])] + 0.5 * theme
    values = unit(rows + 0.4 * rng.standard_normal(rows.shape))
    codec = train_codec(values[::2], bits=2)
    segment = Segment(1, 1, codec.encode(values), offsets)
    recalls = []
    for _ in range(20):
        source = values[rng.choice(offsets[-1], 12)] + 0.05 * rng.standard_normal((12, 64))
        exact = np.argsort(-maxsim_scores(unit(source), values, offsets))[:10]
        queries = coded_for({1: codec}, unit(source))
        codes, tables = queries[1]
        which = candidate_documents(queries, [segment], [None], 150)[0][0]
        scores = score_passages(
            codes,
            segment.coded.codes,
            segment.coded.scales,
            offsets,
            bits=2,
            levels=codec.levels,
            centroids=segment.coded.centroids,
            tables=tables,
            which=which,
        )[0]
        best = which[np.argsort(-scores)[:10]]
        recalls.append(len(set(best.tolist()) & set(exact.tolist())) / 10)
    assert np.mean(recalls) >= 0.8


def test_default_grows_with_hits_and_documents() -> None:
    assert default_candidates(10, 100) == default_candidates(10, 10_000) == 256
    assert default_candidates(100, 10_000) == 300
    grown = [default_candidates(100, n) for n in (10_000, 100_000, 10**6, 10**7)]
    assert grown == sorted(set(grown))
    assert default_candidates(10, 0) == 256
