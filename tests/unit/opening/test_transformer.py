"""Loading a model folder: once, from data only, with options that mean something."""

import threading
import time
from pathlib import Path

import pytest
from tiny_models import tiny_dpr_xm

from xret.errors import ConfigError, ModelError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.opening.transformer import _once

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
    "options", [{"max_tokens": 0}, {"max_tokens": 2}, {"batch_tokens": 0}, {"lang_policy": "foo"}]
)
def test_options_without_a_meaning_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        EncoderOptions(**options)  # type: ignore[arg-type]
