"""Codes of document vectors: what they keep, how they are packed, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.errors import ConfigError, DamagedIndexError, DimensionMismatchError
from xret.index.coding.clustering import train_codec
from xret.index.coding.codec import ResidualCodec
from xret.index.coding.levels import bfloat16, packed, unpacked
from xret.index.coding.rotation import Rotation
from xret.index.scoring.maxsim import centroid_tables, maxsim_scores, query_codes, score_passages
from xret.index.storage.segment import Coded, quantize, widened


def clustered(n: int, dim: int, *, seed: int = 0, n_words: int = 64) -> np.ndarray:
    """Unit vectors around some words, as token vectors are."""
    rng = np.random.default_rng(seed)
    words = np.random.default_rng(99).standard_normal((n_words, dim))
    values = words[rng.integers(0, n_words, n)] + 0.5 * rng.standard_normal((n, dim))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def squared_error(codec: ResidualCodec, values: np.ndarray) -> float:
    return float(np.square(codec.decode(codec.encode(values)) - values).sum(axis=1).mean())


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return clustered(3000, 64)


@pytest.fixture(scope="module", params=[1, 2, 4])
def codec(request: pytest.FixtureRequest, values: np.ndarray) -> ResidualCodec:
    return train_codec(values, bits=request.param, n_centroids=64)


def test_error_is_what_the_levels_promise(codec: ResidualCodec) -> None:
    fresh = clustered(1000, 64, seed=1)
    rotated = codec.rotate(fresh)
    coded = codec.encode(fresh)
    centroids = codec.centroid_codes * widened(codec.centroid_scales)[:, None]
    residual = np.square(rotated - centroids[coded.centroids]).sum(axis=1).mean()
    share = {1: 0.3634, 2: 0.1175, 4: 0.0095}[codec.bits]
    assert squared_error(codec, fresh) == pytest.approx(share * residual, rel=0.1)


def test_more_bits_are_closer(values: np.ndarray) -> None:
    errors = [squared_error(train_codec(values, bits=b, n_centroids=64), values) for b in (1, 2, 4)]
    assert errors == sorted(errors, reverse=True)


def test_8_bits_keep_every_value_to_half_a_step(values: np.ndarray) -> None:
    coded = quantize(values)
    step = widened(coded.scales)[:, None]
    assert (np.abs(coded.codes.view(np.int8) * step - values) <= step * 0.501).all()


def test_8_bit_codes_are_padded_as_the_kernels_read_them() -> None:
    coded, rows = quantize(clustered(5, 30)), clustered(5, 30)
    decoded = coded.codes.view(np.int8) * widened(coded.scales)[:, None]
    assert decoded.shape == (5, 32) and not decoded[:, 30:].any()
    assert np.abs(decoded[:, :30] - rows).max() < 0.01


def test_packed_codes_are_those_of_a_plain_loop(codec: ResidualCodec, values: np.ndarray) -> None:
    coded = codec.encode(values[:50])
    width, bits = codec.width, codec.bits
    centroids = codec.centroid_codes * widened(codec.centroid_scales)[:, None]
    row_bytes = width * bits // 8
    decoded = np.empty((50, width), np.float32)
    for row in range(50):
        for j in range(width):
            byte, plane = j % row_bytes, j // row_bytes
            code = int(coded.codes[row, byte]) >> plane * bits & 2**bits - 1
            decoded[row, j] = codec.levels[code] * widened(coded.scales[row : row + 1])[0]
        decoded[row] += centroids[coded.centroids[row]]
    assert np.allclose(codec.rotate(codec.decode(coded)), decoded, atol=1e-4)


def test_a_residual_gets_its_nearest_levels(codec: ResidualCodec, values: np.ndarray) -> None:
    """No other code of any dimension would be nearer than by rounding of the scale."""
    coded = codec.encode(values[:200])
    centroids = codec.centroid_codes * widened(codec.centroid_scales)[:, None]
    residual = codec.rotate(values[:200]) - centroids[coded.centroids]
    options = codec.levels.astype(np.float32) * widened(coded.scales)[:, None]
    best = np.abs(residual[:, :, None] - options[:, None]).min(axis=2)
    found = codec.rotate(codec.decode(coded)) - centroids[coded.centroids]
    assert np.square(found - residual).sum() <= 1.05 * np.square(best).sum() + 1e-3


def test_kernel_scores_are_those_of_decoded_vectors(
    codec: ResidualCodec, values: np.ndarray
) -> None:
    coded, offsets = codec.encode(values[:600]), np.arange(0, 601, 20)
    query = clustered(7, 64, seed=5)
    codes = query_codes(codec.rotate(query))
    tables = centroid_tables(codes, codec.centroid_codes, codec.centroid_scales)
    found = score_passages(
        codes,
        coded.codes,
        coded.scales,
        offsets,
        bits=codec.bits,
        levels=codec.levels,
        centroids=coded.centroids,
        tables=tables,
    )[0]
    wanted = maxsim_scores(query, codec.decode(coded), offsets)
    assert np.allclose(found, wanted, atol=0.03)


def test_training_brings_centroids_to_their_vectors(values: np.ndarray) -> None:
    codec = train_codec(values, bits=2, n_centroids=64)
    trained = codec.centroid_codes * widened(codec.centroid_scales)[:, None]
    drawn = values[np.random.default_rng(0).choice(len(values), 64, replace=False)]

    def distance(rows: np.ndarray, centroids: np.ndarray) -> float:
        return float(
            (2 - 2 * (rows @ centroids.T) + np.square(centroids).sum(axis=1) - 1).min(axis=1).mean()
        )

    assert distance(codec.rotate(values), trained) < 0.7 * distance(values, drawn)


def test_training_twice_gives_the_same_codec(values: np.ndarray) -> None:
    one, two = (train_codec(values, bits=2, seed=3, threads=t).arrays() for t in (1, 2))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    other = train_codec(values, bits=2, seed=4).arrays()
    assert not np.array_equal(one["order"], other["order"])


def test_codes_of_a_vector_do_not_depend_on_the_others(
    codec: ResidualCodec, values: np.ndarray
) -> None:
    whole, alone = codec.encode(values), [codec.encode(values[i : i + 1]) for i in (0, 1234, 2999)]
    for one, row in zip(alone, (0, 1234, 2999), strict=True):
        assert np.array_equal(one.codes[0], whole.codes[row])
        assert one.scales[0] == whole.scales[row]
        assert one.centroids is not None and whole.centroids is not None
        assert one.centroids[0] == whole.centroids[row]


def test_a_stored_codec_is_the_same_codec(codec: ResidualCodec, values: np.ndarray) -> None:
    again = ResidualCodec.from_arrays(codec.arrays())
    assert (again.dim, again.bits, again.n_centroids) == (codec.dim, codec.bits, codec.n_centroids)
    assert np.array_equal(again.encode(values[:99]).codes, codec.encode(values[:99]).codes)


def test_vectors_and_codes_that_do_not_fit_are_refused(values: np.ndarray) -> None:
    codec = train_codec(values, bits=2, n_centroids=8)
    with pytest.raises(DimensionMismatchError, match="codec of 64"):
        codec.encode(values[:, :32])
    wrong = values[:3].copy()
    wrong[1, 2] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        codec.encode(wrong)
    coded = codec.encode(values[:3])
    with pytest.raises(DamagedIndexError, match="lack their centroids"):
        codec.decode(Coded(coded.codes, coded.scales))
    for rows, bits in ((values, 3), (values[:0], 2), (wrong, 2)):
        with pytest.raises(ConfigError):
            train_codec(rows, bits=bits)


HOSTILE = {
    "no levels": {"levels": None},
    "three levels": {"levels": np.array([-1, 0, 1], np.int8)},
    "levels that fall": {"levels": np.array([1, 0, -1, -2], np.int8)},
    "levels of another type": {"levels": np.array([-2, -1, 1, 2], np.int64)},
    "centroids of another width": {"centroid_codes": np.zeros((8, 30), np.uint8)},
    "centroids in one row": {"centroid_codes": np.zeros(256, np.uint8)},
    "fewer scales": {"centroid_scales": np.ones(7, np.uint16)},
    "an endless scale": {"centroid_scales": np.full(8, 0x7F80, np.uint16)},
    "a scale that is no number": {"centroid_scales": np.full(8, 0x7FC0, np.uint16)},
    "a negative scale": {"centroid_scales": np.full(8, 0xBF80, np.uint16)},
    "no centroid": {
        "centroid_codes": np.zeros((0, 32), np.uint8),
        "centroid_scales": np.zeros(0, np.uint16),
    },
    "a dimension twice": {"order": np.zeros(64, np.int32)},
    "a dimension outside": {"order": np.arange(1, 65, dtype=np.int32)},
    "an order of another type": {"order": np.arange(64, dtype=np.int64)},
    "too few signs": {"signs": np.ones(63, np.int8)},
    "a sign of 0": {"signs": np.zeros(64, np.int8)},
    "a sign of -128": {"signs": np.full(64, -128, np.int8)},
    "a huge dimension": {"dim": np.array([2**40])},
    "a negative dimension": {"dim": np.array([-64])},
    "two dimensions": {"dim": np.array([64, 64])},
    "no dimension": {"dim": None},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_arrays_of_no_codec_are_refused(change: dict, values: np.ndarray) -> None:
    arrays = {**train_codec(values[:200], bits=2, n_centroids=8).arrays(), **change}
    sound = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(DamagedIndexError):
        ResidualCodec.from_arrays(sound)


@settings(deadline=None, max_examples=30)
@given(
    n=st.integers(1, 40),
    dim=st.integers(1, 70),
    bits=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 9),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_any_vectors_can_be_trained_on_and_coded(
    n: int, dim: int, bits: int, seed: int, scale: float
) -> None:
    rows = (np.random.default_rng(seed).standard_normal((n, dim)) * scale).astype(np.float32)
    codec = train_codec(rows, bits=bits, seed=seed)
    coded = codec.encode(rows)
    assert codec.width % 8 == 0 and dim <= codec.width < dim + 8
    assert coded.codes.shape == (n, codec.code_bytes) == (n, codec.width * bits // 8)
    assert coded.centroids is not None and (coded.centroids < codec.n_centroids).all()
    assert squared_error(codec, rows) <= np.square(rows).sum(axis=1).mean()


def test_zeros_and_equal_vectors_are_coded() -> None:
    rows = np.zeros((40, 16), np.float32)
    rows[20:] = 0.25
    codec = train_codec(rows, bits=2, n_centroids=2)
    assert squared_error(codec, rows) < 1e-3


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_packed_codes_are_unpacked_again(bits: int) -> None:
    codes = np.random.default_rng(0).integers(0, 2**bits, (9, 40)).astype(np.uint8)
    assert np.array_equal(unpacked(packed(codes, bits), bits), codes)


def test_scales_are_the_nearest_bfloat16() -> None:
    values = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    torch = pytest.importorskip("torch")
    assert np.array_equal(
        widened(bfloat16(values)), torch.from_numpy(values).bfloat16().float().numpy()
    )


@settings(deadline=None, max_examples=40)
@given(dim=st.integers(1, 300), seed=st.integers(0, 9))
def test_rotation_keeps_inner_products_and_is_undone(dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rotation = Rotation.drawn(dim, rng)
    rows = rng.standard_normal((5, dim)).astype(np.float32)
    turned = rotation.forward(rows)
    lengths = np.square(rows).sum(axis=1).max()
    assert np.allclose(turned @ turned.T, rows @ rows.T, atol=2e-3 * lengths)
    assert np.allclose(rotation.backward(turned), rows, atol=2e-3 * np.abs(rows).max())
    assert np.array_equal(rotation.forward(rows[2:3])[0], turned[2])


def test_rotation_spreads_one_dimension_over_many() -> None:
    turned = Rotation.drawn(128, np.random.default_rng(0)).forward(np.eye(128, dtype="f4"))
    assert np.abs(turned).max() == pytest.approx(128**-0.5, rel=1e-3)
