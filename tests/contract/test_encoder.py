"""Every encoder keeps the same promises, whatever its kind and its layout on disk."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_encoders
import tiny_models
from encoders import HashingEncoder
from tiny_models import TEXTS

from xret.errors import LanguageError
from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Embeddings, Query

pytestmark = pytest.mark.vectors

MAKERS: dict[str, Callable[[Path], Path]] = {
    "bi-encoder": tiny_encoders.tiny_bi_encoder,
    "static": tiny_encoders.tiny_static,
    "late": tiny_encoders.tiny_late,
    "pylate": tiny_encoders.tiny_pylate,
    "stanford": tiny_encoders.tiny_stanford,
    "colbert-xm": tiny_models.tiny_colbert_xm,
    "dpr-xm": tiny_models.tiny_dpr_xm,
}
ROUTED = ("colbert-xm", "dpr-xm")
LATE = ("late", "pylate", "stanford", "colbert-xm")
TOLERANCE = 1e-5

folders: dict[str, Path] = {}


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory: pytest.TempPathFactory) -> None:
    for name, make in MAKERS.items():
        folders[name] = make(tmp_path_factory.mktemp(name))


def opened(name: str, **options: object) -> Encoder:
    if name == "hashing":
        return HashingEncoder()
    return load_encoder(str(folders[name]), options=EncoderOptions(**options))  # type: ignore[arg-type]


@pytest.fixture(params=["hashing", *MAKERS])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return opened(request.param)


@pytest.fixture(params=ROUTED)
def routed(request: pytest.FixtureRequest) -> Encoder:
    return opened(request.param)


def documents() -> list[Document]:
    """Languages mixed, lengths from nothing to a hundred words, a title here and there."""
    rng = random.Random(0)
    made = []
    for i in range(24):
        lang = list(TEXTS)[i % len(TEXTS)]
        words = TEXTS[lang].split() * 10
        text = " ".join(rng.choices(words, k=rng.randint(1, 100)))
        made.append(Document(f"d{i}", text, lang, title="reef" if i % 3 == 0 else ""))
    return [*made, Document("empty", "", "fr"), Document("marks", ". , !", "de")]


def same(found: Embeddings, expected: Embeddings) -> None:
    assert np.array_equal(found.offsets, expected.offsets)
    np.testing.assert_allclose(found.values, expected.values, atol=TOLERANCE)


def alone(encoder: Encoder, texts: list[Document]) -> Embeddings:
    return joined([encoder.encode_documents([document]) for document in texts])


def joined(parts: list[Embeddings]) -> Embeddings:
    rows = [vectors for part in parts for vectors in part]
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Embeddings(np.concatenate(rows), offsets)


def scores(queries: Embeddings, texts: Embeddings) -> np.ndarray:
    """MaxSim by the book."""
    return np.array([[(q @ d.T).max(1).sum() for d in texts] for q in queries])


def test_every_text_has_vectors_of_its_own_in_input_order(encoder: Encoder) -> None:
    texts = documents()
    found = encoder.encode_documents(texts)
    assert len(found) == len(texts)
    assert found.values.dtype == np.float32 and found.values.shape[1] == encoder.spec.dim
    assert (np.diff(found.offsets) >= 1).all()
    assert np.isfinite(found.values).all()
    for document, vectors in zip(texts, found, strict=True):
        assert vectors.any(axis=1).all() or (len(vectors) == 1 and not document.text.strip())
    same(found, alone(encoder, texts))


def test_no_texts_give_no_vectors(encoder: Encoder) -> None:
    for found in (encoder.encode_documents([]), encoder.encode_queries([])):
        assert len(found) == 0 and found.values.shape == (0, encoder.spec.dim)


def test_shuffled_documents_in_any_batches_have_the_same_vectors_and_ranking(
    encoder: Encoder,
) -> None:
    texts = documents()
    whole = encoder.encode_documents(texts)
    order = random.Random(1).sample(range(len(texts)), len(texts))
    parts = [order[:1], order[1:6], order[6:]]
    split = joined([encoder.encode_documents([texts[i] for i in part]) for part in parts])
    back = sorted(range(len(texts)), key=lambda i: order[i])
    rows = [split[i] for i in back]
    again = Embeddings(np.concatenate(rows), np.cumsum([0, *map(len, rows)]).astype(np.int64))
    same(again, whole)
    asked = encoder.encode_queries([Query("q", text, lang) for lang, text in TEXTS.items()])
    for now, before in zip(scores(asked, again), scores(asked, whole), strict=True):
        ranked = now[np.argsort(-before, kind="stable")]
        assert (np.diff(ranked) < 1e-3).all()  # the same order, ties within rounding aside


def test_a_query_alone_is_the_query_in_a_batch(encoder: Encoder) -> None:
    asked = [Query(lang, text, lang) for lang, text in TEXTS.items()] + [Query("e", "", "en")]
    together = encoder.encode_queries(asked)
    same(together, joined([encoder.encode_queries([query]) for query in asked]))


def test_a_lone_surrogate_is_read_as_the_replacement_character(encoder: Encoder) -> None:
    if isinstance(encoder, HashingEncoder):
        pytest.skip("splits by regular expression, no tokenizer refuses anything")
    broken = encoder.encode_documents([Document("1", "a\ud800b", "en")])
    same(broken, encoder.encode_documents([Document("1", "a\ufffdb", "en")]))


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "static"])
def test_a_text_of_a_million_characters_is_cut_and_counted(name: str) -> None:
    encoder = opened(name)
    long = Document("long", "coral reefs " * 83_334, "en")
    short = Document("short", "coral reefs", "en")
    found = encoder.encode_documents([long, short])
    assert encoder.truncated == 1
    assert len(found[0]) <= 512
    encoder.encode_documents([short])
    assert encoder.truncated == 1


@pytest.mark.parametrize("name", MAKERS)
def test_the_fingerprint_is_of_content(name: str, tmp_path: Path) -> None:
    original = load_encoder(str(folders[name])).spec.fingerprint
    copy = MAKERS[name](tmp_path / "copy")
    assert load_encoder(str(copy)).spec.fingerprint == original
    other = MAKERS[name](tmp_path / "other", seed=7)  # type: ignore[call-arg]
    assert load_encoder(str(other)).spec.fingerprint != original
    prompted = EncoderOptions(prompts={"query": "find: "})
    assert load_encoder(str(copy), options=prompted).spec.fingerprint != original
    shorter = EncoderOptions(dim=8)
    assert load_encoder(str(copy), options=shorter).spec.fingerprint != original
    faster = EncoderOptions(batch_tokens=64)
    assert load_encoder(str(copy), options=faster).spec.fingerprint == original


@pytest.mark.parametrize("name", MAKERS)
def test_matryoshka_vectors_are_the_first_numbers_at_unit_length(name: str) -> None:
    texts = documents()
    full, short = opened(name).encode_documents(texts), opened(name, dim=8).encode_documents(texts)
    expected = full.values[:, :8]
    some = expected.any(axis=1)  # the empty text's vector is zero in either
    expected = expected[some] / np.linalg.norm(expected[some], axis=1, keepdims=True)
    np.testing.assert_allclose(short.values[some], expected, atol=TOLERANCE)


@pytest.mark.parametrize("name", MAKERS)
def test_tiny_batches_give_the_same_vectors(name: str) -> None:
    same(
        opened(name, batch_tokens=1).encode_documents(documents()),
        opened(name).encode_documents(documents()),
    )


@pytest.mark.parametrize("name", LATE)
def test_pooled_documents_are_those_of_sentence_transformers(name: str) -> None:
    import torch
    from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

    texts = documents()
    full = opened(name).encode_documents(texts)
    pooled = opened(name, pool_factor=2).encode_documents(texts)
    theirs = HierarchicalTokenPooling(pool_factor=2)
    expected = theirs.pool([torch.from_numpy(vectors.copy()) for vectors in full])
    assert len(pooled.values) < 0.62 * len(full.values)
    for found, wanted in zip(pooled, expected, strict=True):
        nearest = (found @ wanted.numpy().T).argmax(axis=1)  # theirs are in another order
        assert sorted(nearest) == list(range(len(wanted)))
        np.testing.assert_allclose(found, wanted.numpy()[nearest], atol=TOLERANCE)


def test_one_batch_mixes_languages_each_through_its_own_adapter(routed: Encoder) -> None:
    langs = list(TEXTS)
    query = Query("q", TEXTS["sw"], "sw")
    texts = [Document(lang, TEXTS[lang], lang) for lang in langs if lang != "sw"]
    assert len(texts) == 5
    same(routed.encode_documents(texts), alone(routed, texts))
    # The same text through another adapter is another vector: the adapters are really used.
    swapped = [Document(d.doc_id, d.text, "sw") for d in texts]
    there, here = alone(routed, texts), alone(routed, swapped)
    assert all(np.abs(there[i] - here[i]).max() > 1e-2 for i in range(len(texts)))
    as_french = routed.encode_queries([Query("q", query.text, "fr")])
    as_swahili = routed.encode_queries([query])
    assert np.abs(as_french.values - as_swahili.values).max() > 1e-2


def test_a_model_with_one_adapter_loaded_gives_what_the_whole_model_gives() -> None:
    texts = [Document("1", TEXTS["sw"], "sw")]
    for name in ROUTED:
        pruned = opened(name, adapters=("sw",))
        assert pruned.spec.languages == ("sw",)
        same(pruned.encode_documents(texts), opened(name).encode_documents(texts))


def test_a_language_without_an_adapter_goes_by_the_policy(routed: Encoder) -> None:
    route = routed.route("gl")
    assert route is not None and route.how == "nearest"
    assert "Galician through the" in route.describe()
    galician, french = (
        routed.encode_documents([Document("1", "o mar", lang)]) for lang in ("gl", route.adapter)
    )
    same(galician, french)
    for name in ROUTED:
        strict = opened(name, lang_policy="strict")
        with pytest.raises(LanguageError, match="strict"):
            strict.encode_documents([Document("1", "o mar", "gl")])


def test_the_policy_is_in_the_fingerprint_only_where_it_changes_vectors() -> None:
    for name in ROUTED:
        nearest = opened(name).spec.fingerprint
        assert opened(name, lang_policy="strict").spec.fingerprint == nearest
        assert opened(name, lang_policy="default").spec.fingerprint != nearest


def test_encoders_without_adapters_do_not_route(encoder: Encoder) -> None:
    assert (encoder.route("fr") is not None) == encoder.spec.language_adapters
