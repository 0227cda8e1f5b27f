"""Every encoder that scores token by token tells where in a text its vectors stand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_encoders
import tiny_models
from encoders import HashingEncoder
from tiny_int8 import tiny_encoder
from tiny_word_models import SENTENCES, tiny_word_model

from xret.retriever.encoder import Encoder, EncoderOptions, PlacedVectors, PlacingEncoder
from xret.retriever.encoders.pooling import pool_tokens
from xret.retriever.models.document_pooling import document_pooling
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Query

pytestmark = pytest.mark.vectors

MAKERS: dict[str, Callable[[Path], Path]] = {
    "late": tiny_encoders.tiny_late,
    "token-vectors": tiny_encoders.tiny_token_vectors,
    "pylate": tiny_encoders.tiny_pylate,
    "stanford": tiny_encoders.tiny_stanford,
    "colbert-xm": tiny_models.tiny_colbert_xm,
    "words": tiny_word_model,
    "kernels": lambda folder: tiny_encoder(folder, "xmod", head="tokens", precision="int8"),
}
ONE_VECTOR = {"bi-encoder": tiny_encoders.tiny_bi_encoder, "static": tiny_encoders.tiny_static}

folders: dict[str, Path] = {}


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory: pytest.TempPathFactory) -> None:
    for name, make in (MAKERS | ONE_VECTOR).items():
        folders[name] = make(tmp_path_factory.mktemp(name))
    from xret.retriever.export.encoder import export_encoder

    folders["graphs"] = tiny_encoders.tiny_late(tmp_path_factory.mktemp("graphs"))
    export_encoder(folders["graphs"])


def opened(name: str, **options: object) -> Encoder:
    if name == "xret-static":
        return load_encoder(name)
    backend = {"kernels": "kernels", "graphs": "onnx"}.get(name, "auto")
    chosen = EncoderOptions(backend=backend, **options)  # type: ignore[arg-type]
    return load_encoder(str(folders[name]), options=chosen)


@pytest.fixture(params=["xret-static", "graphs", *MAKERS])
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def placed(encoder: Encoder, text: Query | Document) -> PlacedVectors:
    assert isinstance(encoder, PlacingEncoder)
    asked = isinstance(text, Query)
    found = encoder.placed_query(text) if asked else encoder.placed_document(text)
    assert found is not None
    assert len(found.places) == len(found.vectors)
    for places in found.places:
        assert places == sorted(places)
        assert all(0 <= start < end <= len(found.text) for start, end in places)
    return found


def letters_covered(found: PlacedVectors) -> str:
    inside = {i for places in found.places for place in places for i in range(*place)}
    return "".join(found.text[i] for i in sorted(inside) if found.text[i].isalnum())


def test_a_query_has_the_vectors_that_search_with_it_and_they_cover_it(name: str) -> None:
    encoder = opened(name)
    for lang, text in SENTENCES.items():
        if lang == "zh-Hant":
            continue
        query = Query("", f"{text}, {text[:9]}!", lang)
        found = placed(encoder, query)
        assert found.text == query.text
        assert np.array_equal(found.vectors, encoder.encode_queries([query])[0])
        assert letters_covered(found) == "".join(filter(str.isalnum, query.text))


def test_a_document_has_the_vectors_that_its_index_pools(name: str) -> None:
    encoder = opened(name)
    document = Document("1", SENTENCES["en"], "en", title="reef 7")
    found = placed(encoder, document)
    assert found.text == f"reef 7\n{SENTENCES['en']}"
    assert letters_covered(found) == "reef7" + SENTENCES["en"].replace(" ", "")
    assert np.array_equal(found.vectors, encoder.encode_documents([document])[0])
    if name == "xret-static":  # a table of words has nothing to pool
        return
    keep_first = document_pooling(folders[name]).keep_first
    pooling = opened(name, pool_factor=2)
    assert np.array_equal(placed(pooling, document).vectors, found.vectors)
    pooled = pool_tokens(found.vectors, 2, keep_first=keep_first)
    assert np.array_equal(pooling.encode_documents([document])[0], pooled)
    assert len(pooled) < len(found.vectors)


def test_what_is_cut_off_has_no_place_and_is_not_counted(name: str) -> None:
    encoder = opened(name)
    long = Document("1", "coral reefs " * 2_000, "en")
    found = placed(encoder, long)
    assert max(end for places in found.places for _, end in places) < len(long.text)
    assert encoder.truncated == 0


@pytest.mark.parametrize("text", ["", " ", "\ud800", ". , !", "𝟘𓀀"])
def test_a_text_of_no_words_has_a_vector_all_the_same(name: str, text: str) -> None:
    encoder = opened(name)
    assert len(placed(encoder, Query("", text, "en")).vectors) >= 1
    assert len(placed(encoder, Document("1", text, "en")).vectors) >= 1


@pytest.mark.parametrize("one_vector", ONE_VECTOR)
def test_one_vector_of_a_text_has_no_places(one_vector: str) -> None:
    encoder = opened(one_vector)
    assert isinstance(encoder, PlacingEncoder)
    assert encoder.placed_query(Query("", "coral reefs", "en")) is None
    assert encoder.placed_document(Document("1", "coral reefs", "en")) is None


def test_one_vector_from_many_has_no_places_either() -> None:
    for name in ("late", "kernels"):
        encoder = opened(name, single_vector=True)
        assert isinstance(encoder, PlacingEncoder)
        assert encoder.placed_query(Query("", "coral reefs", "en")) is None


def test_an_encoder_may_tell_no_places() -> None:
    assert not isinstance(HashingEncoder(), PlacingEncoder)
