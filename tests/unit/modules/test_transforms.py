"""Transforms of each language: centring and whitening against their definition."""

from pathlib import Path

import numpy as np
import pytest
from encoders import HashingEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.errors import LanguageError, ModelError, TrainingError
from xret.retriever.modules.transform_fitting import TransformSettings, fit_transforms
from xret.retriever.modules.transforms import StaticTransforms
from xret.types import Document, FloatArray


def sample(shift: float, *, n: int = 400, dim: int = 6, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, dim)) * np.linspace(0.5, 2, dim) + shift
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class VectorEncoder(HashingEncoder):
    """The 32 hashed dimensions of a text's words, moved to a place of each language's own."""

    def encode_documents(self, documents):  # type: ignore[no-untyped-def]
        embeddings = super().encode_documents(documents)
        shifts = np.repeat(
            [2.0 if d.lang == "fr" else -1.0 for d in documents], np.diff(embeddings.offsets)
        )
        values = embeddings.values + shifts[:, None].astype(np.float32) / 6
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        return type(embeddings)(values, embeddings.offsets)


def documents(n: int = 120) -> list[Document]:
    words = [f"w{i} v{i * 7 % 31} u{i % 5}" for i in range(n)]
    return [
        Document(f"{lang}{i}", text, lang)
        for i, text in enumerate(words)
        for lang in ("fr", "sw", "und")
    ]


def test_centring_moves_every_language_to_the_same_mean() -> None:
    encoder = VectorEncoder()
    texts = documents()
    transforms = fit_transforms(encoder, texts)
    assert transforms.adapters == ("fr", "sw")
    assert transforms.base == encoder.spec.fingerprint
    vectors = {
        lang: encoder.encode_documents([d for d in texts if d.lang == lang]).values
        for lang in ("fr", "sw")
    }
    moved = {lang: transforms.transform(rows, lang) for lang, rows in vectors.items()}
    before = np.linalg.norm(vectors["fr"].mean(0) - vectors["sw"].mean(0))
    after = np.linalg.norm(moved["fr"].mean(0) - moved["sw"].mean(0))
    assert before > 0.5 and after < 0.2 * before
    centred = vectors["fr"] - vectors["fr"].mean(0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(moved["fr"], centred, atol=1e-5)


def test_whitening_makes_the_directions_equally_long() -> None:
    encoder = VectorEncoder()
    settings_ = TransformSettings(whiten=True, shrinkage=0.0)
    transforms = fit_transforms(encoder, documents(400), settings=settings_)
    rows = encoder.encode_documents([d for d in documents(400) if d.lang == "sw"]).values
    assert transforms._matrices is not None
    white = (rows - rows.mean(0)) @ transforms._matrices[1]
    covariance = np.cov(white.T, bias=True)
    np.testing.assert_allclose(covariance, np.eye(32) * covariance[0, 0], atol=2e-3)


def test_shrinkage_is_towards_the_mean_variance() -> None:
    encoder, texts = VectorEncoder(), documents()
    rows = encoder.encode_documents([d for d in texts if d.lang == "sw"]).values
    covariance = np.cov(rows.T.astype(np.float64), bias=True)
    shrunk = 0.7 * covariance + 0.3 * np.trace(covariance) / 32 * np.eye(32)
    values, axes = np.linalg.eigh(shrunk)
    wanted = (rows - rows.mean(0)) @ (axes / np.sqrt(values)) @ axes.T
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    settings_ = TransformSettings(whiten=True, shrinkage=0.3)
    moved = fit_transforms(encoder, texts, settings=settings_).transform(rows, "sw")
    np.testing.assert_allclose(moved, wanted, atol=1e-4)


def test_full_shrinkage_is_centring() -> None:
    encoder = VectorEncoder()
    whole = TransformSettings(whiten=True, shrinkage=1.0)
    rows = encoder.encode_documents([d for d in documents() if d.lang == "fr"]).values
    np.testing.assert_allclose(
        fit_transforms(encoder, documents(), settings=whole).transform(rows, "fr"),
        fit_transforms(encoder, documents()).transform(rows, "fr"),
        atol=1e-5,
    )


@given(st.integers(0, 5), st.booleans(), st.integers(1, 30))
@settings(deadline=None, max_examples=25)
def test_transformed_rows_are_unit_length_and_independent(seed: int, white: bool, n: int) -> None:
    rng = np.random.default_rng(seed)
    matrices = rng.standard_normal((1, 6, 6)).astype(np.float32) if white else None
    transforms = StaticTransforms(
        ["sw"], rng.standard_normal((1, 6)).astype(np.float32) / 4, matrices, base="b"
    )
    rows = sample(0.2, n=n, seed=seed)
    moved = transforms.transform(rows, "sw")
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)
    for i in range(n):
        np.testing.assert_allclose(
            transforms.transform(rows[i : i + 1], "sw")[0], moved[i], atol=1e-5
        )


def test_rows_of_zeros_stay_zero() -> None:
    transforms = StaticTransforms(["sw"], np.full((1, 4), 0.3, np.float32), base="b")
    assert not transforms.transform(np.zeros((2, 4), np.float32), "sw").any()


@pytest.mark.parametrize("whiten", [False, True])
def test_transforms_saved_and_loaded_are_the_same(tmp_path: Path, whiten: bool) -> None:
    made = fit_transforms(VectorEncoder(), documents(), settings=TransformSettings(whiten=whiten))
    made.save(tmp_path)
    again = StaticTransforms.load(tmp_path, base="hashing-1")
    rows = sample(0.1, dim=32)
    assert again.fingerprint == made.fingerprint
    for lang in made.adapters:
        assert np.array_equal(again.transform(rows, lang), made.transform(rows, lang))


def test_transforms_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    made = fit_transforms(VectorEncoder(), documents())
    made.save(tmp_path)
    with pytest.raises(ModelError, match="transforms of another encoder"):
        StaticTransforms.load(tmp_path, base="another")
    with pytest.raises(ModelError, match="32 dimensions, the vectors of 6"):
        made.transform(sample(0.0), "fr")
    with pytest.raises(LanguageError, match="no transform 'de'; there are fr, sw"):
        made.select("de")
    path = tmp_path / "transforms.json"
    path.write_text(path.read_text().replace('"dim": 32', '"dim": 31'))
    with pytest.raises(ModelError, match="does not fit 2 languages of 31 dimensions"):
        StaticTransforms.load(tmp_path)
    path.write_text("{}")
    with pytest.raises(ModelError, match="no configuration of transforms"):
        StaticTransforms.load(tmp_path)
    (tmp_path / "transforms.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="no readable transforms"):
        StaticTransforms.load(tmp_path)


def test_too_small_a_sample_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"fr \(9\), sw \(9\).*at least 100"):
        fit_transforms(VectorEncoder(), documents(3))
    with pytest.raises(TrainingError, match="none at all"):
        fit_transforms(VectorEncoder(), [])


def test_outlier_dimensions_are_left_out_in_every_language() -> None:
    class OneLarge(VectorEncoder):
        def encode_documents(self, documents):  # type: ignore[no-untyped-def]
            embeddings = super().encode_documents(documents)
            values = embeddings.values.copy()
            values[:, 5] = 3.0
            values /= np.linalg.norm(values, axis=1, keepdims=True)
            return type(embeddings)(values, embeddings.offsets)

    rows = OneLarge().encode_documents(documents(20)).values
    for white in (False, True):
        chosen = TransformSettings(outliers=3.0, whiten=white)
        transforms = fit_transforms(OneLarge(), documents(), settings=chosen)
        for lang in transforms.adapters:
            moved = transforms.transform(rows, lang)
            assert not moved[:, 5].any()
            assert np.delete(moved, 5, axis=1).any(axis=0).all()


def turned_pairs(turn: FloatArray) -> tuple[VectorEncoder, list[tuple[Document, Document]]]:
    """An encoder that turns French by a rotation, and French texts with their English ones."""

    class Turned(HashingEncoder):
        def encode_documents(self, documents):  # type: ignore[no-untyped-def]
            embeddings = super().encode_documents(documents)
            sizes = np.diff(embeddings.offsets)
            french = np.repeat([document.lang == "fr" for document in documents], sizes)
            values = embeddings.values.copy()
            values[french] = values[french] @ turn
            return type(embeddings)(values, embeddings.offsets)

    texts = [f"w{i} v{i * 7 % 131} u{i % 53} t{i * 3 % 97}" for i in range(400)]
    return Turned(), [(Document("", text, "fr"), Document("", text, "en")) for text in texts]


def test_a_projection_brings_texts_to_their_translations() -> None:
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.standard_normal((32, 32)))[0].astype(np.float32)
    encoder, pairs = turned_pairs(turn)
    english = encoder.encode_documents([translation for _, translation in pairs[:50]]).values
    french = encoder.encode_documents([text for text, _ in pairs[:50]]).values
    centred = fit_transforms(encoder, [d for pair in pairs for d in pair])
    projected = fit_transforms(encoder, [], pairs=pairs)

    def cosine(transforms: StaticTransforms) -> float:
        both = transforms.transform(french, "fr"), transforms.transform(english, "en")
        return float((both[0] * both[1]).sum(axis=1).mean())

    assert cosine(centred) < 0.3
    assert cosine(projected) > 0.9


def test_translations_into_two_languages_and_too_few_are_refused() -> None:
    encoder, pairs = turned_pairs(np.eye(32, dtype=np.float32))
    with pytest.raises(TrainingError, match="translations are in en and fr"):
        fit_transforms(encoder, [], pairs=[*pairs, (pairs[0][1], pairs[0][0])])
    texts = [document for pair in pairs for document in pair]
    with pytest.raises(TrainingError, match=r"too few translations.*fr \(3\)"):
        fit_transforms(encoder, texts, pairs=pairs[:3])
