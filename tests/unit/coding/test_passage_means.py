"""Means of passages: what they save, and that a score with them is that of whole vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.errors import DamagedIndexError
from xret.index.coding.clustering import train_codec
from xret.index.coding.codec import ResidualCodec
from xret.index.coding.passage_means import (
    coded_means,
    decoded_means,
    mean_scores,
    means_of,
    passage_blocks,
    query_sums,
)
from xret.index.coding.recoding import concatenated, recoded, sampled
from xret.index.scoring.maxsim import centroid_scan, centroid_tables, maxsim_scores, query_codes
from xret.index.search.candidates import byte_tables, candidate_documents
from xret.index.search.ranking import best_documents
from xret.index.search.scanned import DecodedRows
from xret.index.storage.files import StoredFile
from xret.index.storage.segment import (
    Coded,
    Segment,
    quantize,
    read_segment,
    widened,
    write_segment,
)
from xret.index.storage.stored import SegmentRecord
from xret.types import Embeddings, SearchParams

DIM = 32


def passages(
    n: int, seed: int = 0, *, least: int = 3, dim: int = DIM
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of n passages: words, each leaning towards its passage's own theme."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(least, 20, n)
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    words = np.random.default_rng(99).standard_normal((50, dim))
    theme = np.repeat(rng.standard_normal((n, dim)), lengths, axis=0)
    values = words[rng.integers(0, 50, offsets[-1])] + 0.7 * theme
    values += 0.3 * rng.standard_normal(values.shape)
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32), offsets


VALUES, OFFSETS = passages(300)
CODECS = {
    bits: train_codec(VALUES, bits=bits, offsets=OFFSETS, n_centroids=64) for bits in (1, 2, 4)
}


def segment_of(codec: ResidualCodec, values: np.ndarray, offsets: np.ndarray, **more) -> Segment:
    return Segment(more.pop("number", 1), 1, codec.encode(values, offsets), offsets, **more)


def query(seed: int, n: int = 7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = VALUES[rng.integers(0, len(VALUES), n)] + 0.1 * rng.standard_normal((n, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_means_bring_vectors_closer_than_the_same_bits_without(bits: int) -> None:
    plain = train_codec(VALUES, bits=bits, n_centroids=64)
    fresh, offsets = passages(200, seed=5)
    with_means = CODECS[bits].decode(CODECS[bits].encode(fresh, offsets), offsets)
    without = plain.decode(plain.encode(fresh))
    assert CODECS[bits].with_means and not plain.with_means
    assert np.square(with_means - fresh).sum() < 0.75 * np.square(without - fresh).sum()


def test_single_vectors_train_a_codec_without_means() -> None:
    codec = train_codec(VALUES, bits=2, offsets=np.arange(len(VALUES) + 1), n_centroids=64)
    plain = train_codec(VALUES, bits=2, n_centroids=64).arrays()
    assert not codec.with_means and codec.mean_bytes == 0
    assert codec.encode(VALUES[:9], np.arange(10)).means is None
    assert all(np.array_equal(array, plain[name]) for name, array in codec.arrays().items())


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    dim=st.integers(1, 40),
    bits=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 99),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_scores_are_those_of_decoded_vectors(
    lengths: list[int], dim: int, bits: int, seed: int, scale: float
) -> None:
    """Kernel score plus mean term, in the ranking, against plain MaxSim of what codes stand for."""
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    values = (scale * rng.standard_normal((offsets[-1], dim))).astype(np.float32)
    codec = train_codec(values, bits=bits, offsets=offsets, seed=seed)
    segment = segment_of(codec, values, offsets)
    rows = rng.standard_normal((5, dim)).astype(np.float32)
    best = best_documents(
        Embeddings(rows, np.array([0, 5])),
        [segment],
        (None,),
        len(lengths),
        codecs={1: codec},
        params=SearchParams(exact=True, threads=1),
    )[0]
    wanted = maxsim_scores(rows, codec.decode(segment.coded, offsets), offsets)
    positions = best.numbers - best.numbers.min()
    assert sorted(positions) == list(range(len(lengths)))
    size = np.abs(rows).max() * dim * scale
    assert np.allclose(best.scores, wanted[positions], atol=0.02 * size)


def test_the_term_of_a_mean_is_its_product_with_the_sum_of_the_query() -> None:
    codec = CODECS[2]
    means = codec.encode(VALUES, OFFSETS).means
    assert means is not None and len(means) == len(OFFSETS) - 1
    rows = codec.rotate(np.concatenate([query(1), query(2, 40)]))
    offsets = np.array([0, 7, 47])
    found = mean_scores(query_sums(rows, offsets), means)
    wanted = np.stack([rows[:7].sum(axis=0), rows[7:].sum(axis=0)]) @ decoded_means(means).T
    assert np.allclose(found, wanted, atol=1e-3)
    alone = query_sums(rows[7:], np.array([0, 40]))
    keep = np.arange(len(means)) % 3 == 0
    assert np.array_equal(mean_scores(alone, means, threads=2)[0], found[1])
    assert np.array_equal(mean_scores(alone, means, which=np.array([9, 2]))[0], found[1][[9, 2]])
    assert np.array_equal(mean_scores(alone, means, keep=keep)[0, keep], found[1][keep])
    assert (mean_scores(alone, means, keep=keep)[0, ~keep] == -np.inf).all()


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 25),
    several=st.booleans(),
    share=st.sampled_from([None, 0.0, 0.3, 1.0]),
)
def test_candidates_are_those_of_a_plain_loop(
    seed: int, n: int, several: bool, share: float | None
) -> None:
    rng, codec = np.random.default_rng(seed), CODECS[2]
    counts = rng.integers(1, 4, 30) if several else np.ones(30, np.int64)
    values, offsets = passages(int(counts.sum()), seed)
    documents = np.cumsum([0, *counts]).astype(np.int64)
    segment = segment_of(codec, values, offsets, documents=documents if several else None)
    mask = None if share is None else rng.random(30) < share
    rows = codec.rotate(query(seed))
    codes, sums = query_codes(rows), query_sums(rows, np.array([0, len(rows)]))
    queries = {1: (codes, centroid_tables(codes, codec.centroid_codes, codec.centroid_scales))}
    found = candidate_documents(queries, [segment], [mask], n, sums={1: sums})[0][0]
    scans, units = byte_tables(queries)
    scores = centroid_scan(codes, scans[1], segment.coded.centroids, offsets)[0].astype(int)
    scores += np.rint(mean_scores(sums, segment.coded.means)[0] * units[0]).astype(int)
    kept = [i for i in range(30) if mask is None or mask[i]]
    best = {i: max(scores[documents[i] : documents[i + 1]]) for i in kept}
    least = sorted(best.values(), reverse=True)[:n][-1] if kept else 0
    assert found.tolist() == [i for i in kept if best[i] >= least]


def test_candidates_with_means_hold_more_of_the_best() -> None:
    """Exhaustive MaxSim is held by 15 candidates of 300 more often than without the terms."""
    codec = CODECS[2]
    segment = segment_of(codec, VALUES, OFFSETS)
    held = {True: 0, False: 0}
    for seed in range(20):
        rows = query(seed)
        best = set(np.argsort(-maxsim_scores(rows, VALUES, OFFSETS))[:10].tolist())
        codes = query_codes(codec.rotate(rows))
        tables = centroid_tables(codes, codec.centroid_codes, codec.centroid_scales)
        sums = {1: query_sums(codec.rotate(rows), np.array([0, len(rows)]))}
        for means in held:
            found = candidate_documents(
                {1: (codes, tables)}, [segment], [None], 15, sums=sums if means else None
            )
            held[means] += len(best & set(found[0][0].tolist()))
    assert held[True] > held[False] + 10


def test_codes_of_a_passage_do_not_depend_on_the_others() -> None:
    codec = CODECS[2]
    whole = codec.encode(VALUES, OFFSETS)
    for passage in (0, 17, 299):
        rows = slice(OFFSETS[passage], OFFSETS[passage + 1])
        alone = codec.encode(VALUES[rows], OFFSETS[passage : passage + 2] - OFFSETS[passage])
        same = whole.rows(rows, slice(passage, passage + 1))
        assert np.array_equal(alone.codes, same.codes)
        assert np.array_equal(alone.scales, same.scales)
        assert np.array_equal(alone.means.codes, same.means.codes)
        assert np.array_equal(alone.means.scales, same.means.scales)


def test_blocks_are_whole_passages_and_do_not_change_the_codes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codec, source = CODECS[2], quantize(VALUES)
    assert [*passage_blocks(OFFSETS, 10**9)] == [(slice(0, 300), slice(0, len(VALUES)))]
    whole = recoded(source, codec, offsets=OFFSETS)
    monkeypatch.setattr("xret.index.coding.recoding.BLOCK_ROWS", 40)
    parts = recoded(source, codec, offsets=OFFSETS)
    assert np.array_equal(whole.codes, parts.codes)
    assert np.array_equal(whole.means.codes, parts.means.codes)


def test_training_twice_gives_the_same_codec_for_any_threads() -> None:
    one, two = (
        train_codec(VALUES, bits=2, offsets=OFFSETS, n_centroids=64, threads=threads).arrays()
        for threads in (1, 2)
    )
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_a_sample_is_of_whole_passages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xret.index.coding.recoding.TRAIN_ROWS", 500)
    codec = CODECS[2]
    sources = [(quantize(VALUES), OFFSETS, None), (codec.encode(VALUES, OFFSETS), OFFSETS, codec)]
    values, offsets = sampled(sources, DIM)
    assert 400 < len(values) < 600 and offsets[-1] == len(values)
    lengths = set(np.diff(OFFSETS).tolist())
    assert set(np.diff(offsets).tolist()) <= lengths
    first = values[: offsets[1]]
    assert np.abs(first - VALUES[: OFFSETS[1]]).max() < 0.01
    assert np.abs(values[offsets[-2] :] - VALUES[OFFSETS[-2] :]).max() < 0.5


def test_means_of_passages_are_those_of_their_vectors() -> None:
    found = means_of(VALUES, OFFSETS)
    for passage in range(0, 300, 50):
        rows = VALUES[OFFSETS[passage] : OFFSETS[passage + 1]]
        assert np.allclose(found[passage], rows.mean(axis=0), atol=1e-6)
    coded = decoded_means(coded_means(found))
    assert np.square(coded - found).sum() < 0.03 * np.square(found).sum()


def test_passages_of_zeros_and_of_one_vector_are_coded() -> None:
    codec = CODECS[2]
    rows = np.concatenate([np.zeros((4, DIM), np.float32), VALUES[:1]])
    offsets = np.array([0, 4, 5])
    decoded = codec.decode(codec.encode(rows, offsets), offsets)
    assert np.isfinite(decoded).all()
    assert np.square(decoded[4] - rows[4]).sum() < 0.05


def test_vectors_without_their_means_are_refused() -> None:
    codec = CODECS[2]
    coded = codec.encode(VALUES, OFFSETS)
    with pytest.raises(DamagedIndexError, match="means"):
        codec.decode(coded.rows(slice(0, 5)))
    with pytest.raises(DamagedIndexError, match="whether"):
        ResidualCodec.from_arrays({**codec.arrays(), "with_means": np.array([2], np.uint8)})


def written(folder: Path, coded: Coded) -> tuple[SegmentRecord, list[StoredFile]]:
    record = SegmentRecord(1, 1, len(OFFSETS) - 1, len(OFFSETS) - 1, len(coded))
    (folder / "segments").mkdir(exist_ok=True)
    return record, write_segment(folder, record, coded, {"offsets": OFFSETS})


def reopened(folder: Path, coded: Coded, codec: ResidualCodec) -> Segment:
    record, files = written(folder, coded)
    return read_segment(
        folder,
        record,
        files,
        code_bytes=codec.code_bytes,
        n_centroids=codec.n_centroids,
        mean_bytes=codec.mean_bytes,
    )


def test_a_stored_segment_has_its_means(tmp_path: Path) -> None:
    codec = CODECS[2]
    coded = codec.encode(VALUES, OFFSETS)
    again = reopened(tmp_path, coded, codec).coded
    assert again.means is not None and coded.means is not None
    assert np.array_equal(again.means.codes, coded.means.codes)
    assert np.array_equal(widened(again.means.scales), widened(coded.means.scales))


@pytest.mark.parametrize("fault", ["none", "fewer", "another width", "endless", "unasked"])
def test_means_that_do_not_belong_are_refused(tmp_path: Path, fault: str) -> None:
    codec = CODECS[2]
    coded = codec.encode(VALUES, OFFSETS)
    means = coded.means
    assert means is not None
    endless = means.scales.copy()
    endless[3] = 0x7F80
    changed = {
        "none": None,
        "fewer": means.rows(slice(0, 299)),
        "unasked": means,
        "another width": Coded(means.codes[:, :8], means.scales),
        "endless": Coded(means.codes, endless),
    }[fault]
    wrong = Coded(coded.codes, coded.scales, coded.centroids, changed)
    asking = train_codec(VALUES, bits=2, n_centroids=64) if fault == "unasked" else codec
    with pytest.raises(DamagedIndexError):
        reopened(tmp_path, wrong, asking)


def test_rows_for_a_device_have_the_means_of_their_passages() -> None:
    codec = CODECS[2]
    segment = segment_of(codec, VALUES, OFFSETS)
    whole = codec.decode(segment.coded, OFFSETS)
    rows = DecodedRows(segment, codec)
    for which in (slice(7, 60), slice(90, None), np.array([900, 3, 44])):
        assert np.array_equal(rows.rows(which), whole[which])


def test_parts_are_put_together_with_their_means() -> None:
    codec, cut = CODECS[2], 100
    whole = codec.encode(VALUES, OFFSETS)
    row = OFFSETS[cut]
    parts = [
        whole.rows(slice(0, row), slice(0, cut)),
        whole.rows(slice(row, None), slice(cut, None)),
    ]
    again = concatenated(parts)
    assert np.array_equal(again.means.codes, whole.means.codes)
    assert np.array_equal(codec.decode(again, OFFSETS), codec.decode(whole, OFFSETS))
