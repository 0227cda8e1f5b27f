"""The codec of a large index: nearer than the plain one in as many bytes, and read beside it."""

from __future__ import annotations

import numpy as np
import pytest

from xret.errors import ConfigError, DamagedIndexError
from xret.index.coding.clustering import train_codec
from xret.index.coding.codec import ResidualCodec
from xret.index.coding.training import train_passage_codec
from xret.index.scoring.maxsim import maxsim_scores
from xret.index.search.seen_queries import SeenQueries
from xret.index.storage.segment import Segment
from xret.types import Embeddings

DIM = 32


def passages(n: int, seed: int = 0, *, dim: int = DIM) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of n passages, uneven as real ones are: words, themes, noise, and a mean."""
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *rng.integers(3, 20, n)]).astype(np.int64)
    spread = 1 / np.sqrt(1 + np.arange(dim) / 3)
    words = np.random.default_rng(99).standard_normal((50, dim)) * spread
    theme = np.repeat(rng.standard_normal((n, dim)) * spread, np.diff(offsets), axis=0)
    values = words[rng.integers(0, 50, offsets[-1])] + 0.6 * theme + 0.4
    values += 0.4 * rng.standard_normal(values.shape) * spread
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32), offsets


VALUES, OFFSETS = passages(300)
FRESH, FRESH_OFFSETS = passages(100, seed=5)
CODECS = {
    bits: train_passage_codec(VALUES, bits=bits, offsets=OFFSETS, n_centroids=64) for bits in (1, 2)
}


def decoded(codec: ResidualCodec) -> np.ndarray:
    return codec.decode(codec.encode(FRESH, FRESH_OFFSETS), FRESH_OFFSETS)


@pytest.mark.parametrize("bits", [1, 2])
def test_similarities_are_nearer_in_as_many_bytes(bits: int) -> None:
    plain = train_codec(VALUES, bits=bits, offsets=OFFSETS, n_centroids=64)
    assert CODECS[bits].code_bytes == plain.code_bytes == DIM * bits // 8
    queries = passages(40, seed=7)[0]
    errors = [np.square(queries @ (decoded(c) - FRESH).T).mean() for c in (CODECS[bits], plain)]
    assert errors[0] < 0.7 * errors[1]


@pytest.mark.parametrize("bits", [1, 2])
def test_kernel_scores_are_those_of_decoded_vectors(bits: int) -> None:
    codec = CODECS[bits]
    segment = Segment(1, 1, codec.encode(FRESH, FRESH_OFFSETS), FRESH_OFFSETS)
    queries = Embeddings(passages(3, seed=8)[0][:20], np.array([0, 7, 20]))
    found = SeenQueries(queries, {1: codec}, 1).coarse(segment)
    for number, (first, last) in enumerate(((0, 7), (7, 20))):
        query = queries.values[first:last]
        wanted = maxsim_scores(query, decoded(codec), FRESH_OFFSETS)
        assert np.allclose(found[number], wanted, atol=0.01 * len(query))


def test_training_twice_gives_the_same_codec() -> None:
    one, two = (
        train_passage_codec(VALUES, bits=2, offsets=OFFSETS, seed=3, threads=t).arrays()
        for t in (1, 2)
    )
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_codes_of_a_passage_do_not_depend_on_the_others() -> None:
    codec = CODECS[2]
    whole = codec.encode(FRESH, FRESH_OFFSETS)
    rows = slice(int(FRESH_OFFSETS[40]), int(FRESH_OFFSETS[41]))
    alone = codec.encode(FRESH[rows], FRESH_OFFSETS[40:42] - FRESH_OFFSETS[40])
    assert np.array_equal(alone.codes, whole.codes[rows])
    assert np.array_equal(alone.scales, whole.scales[rows])


def test_a_stored_codec_is_the_same_codec() -> None:
    codec = CODECS[1]
    again = ResidualCodec.from_arrays(codec.arrays())
    assert (again.dim, again.bits, again.code_bytes) == (DIM, 0, codec.code_bytes)
    assert np.array_equal(again.centroid_codes, codec.centroid_codes)
    assert np.array_equal(decoded(again), decoded(codec))


HOSTILE = {
    "levels of one row": {"levels": np.zeros(4, np.int8)},
    "levels of another width": {"levels": np.ones((3, 65), np.int8)},
    "too many bits": {"levels": np.full((2, 65), 7, np.int8)},
    "levels of centroids that fall": {
        "centroid_levels": -np.tile(np.arange(16, dtype="i1"), (2, 1))
    },
    "too few levels of centroids": {"centroid_levels": np.ones((1, 16), np.int8)},
    "centroids of another width": {"centroid_codes": np.zeros((64, 9), np.uint8)},
    "a centre of another type": {"centre": np.zeros(DIM)},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_arrays_of_no_codec_are_refused(change: dict) -> None:
    with pytest.raises(DamagedIndexError):
        ResidualCodec.from_arrays({**CODECS[2].arrays(), **change})


def test_what_cannot_be_projected_gets_the_plain_codec() -> None:
    odd, offsets = passages(20, dim=24)
    single = np.arange(len(VALUES) + 1)
    for values, own, bits in ((odd, offsets, 2), (VALUES, single, 1), (VALUES, OFFSETS, 4)):
        made = train_passage_codec(values, bits=bits, offsets=own, n_centroids=8).arrays()
        plain = train_codec(values, bits=bits, offsets=own, n_centroids=8).arrays()
        assert all(np.array_equal(made[name], plain[name]) for name in plain)
    wrong = VALUES.copy()
    wrong[5, 5] = np.nan
    with pytest.raises(ConfigError, match="all finite"):
        train_passage_codec(wrong, bits=2, offsets=OFFSETS)


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1e3])
def test_any_vectors_can_be_trained_on_and_coded(scale: float) -> None:
    values, offsets = passages(4, seed=2)
    values = values * np.float32(scale)
    codec = train_passage_codec(values, bits=1, offsets=offsets)
    made = codec.decode(codec.encode(values, offsets), offsets)
    assert np.square(made - values).sum() <= np.square(values).sum() * 1.01
