"""Loading a model folder: once, from data only, with options that mean something."""

import threading
import time
from pathlib import Path

import pytest
from tiny_encoders import tiny_bi_encoder, tiny_late, tiny_token_vectors
from tiny_models import TEXTS, tiny_dpr_xm

from xret.errors import ConfigError, ModelError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.opening.transformer import _once
from xret.types import Document

pytestmark = pytest.mark.vectors


def test_threads_that_ask_at_once_wait_for_one_load() -> None:
    loads: list[int] = []

    def load() -> object:
        loads.append(1)
        time.sleep(0.05)
        return object()

    get = _once(load)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(get())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len(set(map(id, found))) == 1


def test_a_pickle_in_a_module_inside_the_model_is_refused(tmp_path: Path) -> None:
    folder = tiny_dpr_xm(tmp_path / "model")
    inner = folder / "router" / "query_2_Dense"
    inner.mkdir(parents=True)
    (inner / "pytorch_model.bin").write_bytes(b"anything")
    (inner / "other.safetensors").write_bytes(b"anything")
    with pytest.raises(ModelError, match="is a pickle"):
        load_encoder(str(folder))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config_sentence_transformers.json", '{"model_type": ["x"]}'),
        ("modules.json", '[{"type": "sentence_transformers.models.Pooling", "path": "\\u0000"}]'),
    ],
)
def test_a_model_file_of_odd_types_is_one_message(file: str, content: str, tmp_path: Path) -> None:
    folder = tiny_dpr_xm(tmp_path / "model")
    (folder / file).write_text(content, encoding="utf-8")
    with pytest.raises(ModelError):
        load_encoder(str(folder))


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 0},
        {"max_tokens": 2},
        {"batch_tokens": 0},
        {"lang_policy": "foo"},
        {"pool_factor": 0.5},
    ],
)
def test_options_without_a_meaning_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        EncoderOptions(**options)  # type: ignore[arg-type]


DOCUMENTS = [Document(lang, text, lang) for lang, text in TEXTS.items()]


def test_pooling_where_nothing_can_be_pooled_is_told(tmp_path: Path) -> None:
    folder = str(tiny_bi_encoder(tmp_path / "model"))
    with pytest.warns(UserWarning, match="gives one vector a text, and there is nothing to pool"):
        load_encoder(folder, options=EncoderOptions(pool_factor=2))


def test_a_model_says_how_its_documents_are_pooled(tmp_path: Path) -> None:
    folder = str(tiny_token_vectors(tmp_path / "model", pool_factor=3))
    own, whole = load_encoder(folder), load_encoder(folder, options=EncoderOptions(pool_factor=1))
    pooled, full = own.encode_documents(DOCUMENTS), whole.encode_documents(DOCUMENTS)
    # No vector is a mark's: all of them count, also the first.
    sizes = [len(vectors) for vectors in full]
    assert [len(vectors) for vectors in pooled] == [max(n // 3, 1) for n in sizes]
    assert own.options.recorded() == {"pool_factor": 3}  # type: ignore[attr-defined]
    named = load_encoder(folder, options=EncoderOptions(pool_factor=3.0))
    assert named.spec.fingerprint == own.spec.fingerprint != whole.spec.fingerprint
    single = load_encoder(folder, options=EncoderOptions(single_vector=True))
    assert "pool_factor" not in single.options.recorded()  # type: ignore[attr-defined]


def test_a_model_without_a_say_keeps_every_vector_and_its_fingerprint(tmp_path: Path) -> None:
    folder = str(tiny_late(tmp_path / "model"))
    encoder = load_encoder(folder)
    assert encoder.options.recorded() == {}  # type: ignore[attr-defined]
    whole = load_encoder(folder, options=EncoderOptions(pool_factor=1.0))
    assert whole.spec.fingerprint == encoder.spec.fingerprint
    assert len(whole.encode_documents(DOCUMENTS).values) == len(
        encoder.encode_documents(DOCUMENTS).values
    )


@pytest.mark.parametrize("factor", [0, "3", True, None, 1000])
def test_a_model_with_a_factor_that_is_none_is_refused(factor: object, tmp_path: Path) -> None:
    folder = tiny_token_vectors(tmp_path / "model", pool_factor=factor)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="pool_factor"):
        load_encoder(str(folder))


def test_a_model_with_a_preset_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = tiny_token_vectors(tmp_path / "model", preset="tiny")
    with pytest.raises(ModelError, match="has the preset 'tiny'; use exact, balanced, compact"):
        load_encoder(str(folder))


def test_what_is_equal_is_recorded_as_it_was_first() -> None:
    told = EncoderOptions(pool_factor=2.0).with_recorded({"pool_factor": 2})
    assert isinstance(told.pool_factor, float)
