"""The folder of a model and its copies."""

from __future__ import annotations

from pathlib import Path

from tiny_word_models import tiny_word_model

from xret.retriever.xmod.installed import copy_model


def test_a_copy_is_no_pulled_revision_and_no_run(tmp_path: Path) -> None:
    model = tiny_word_model(tmp_path / "words")
    (model / "pin.json").write_text('{"revision": "0"}', encoding="utf-8")
    (model / "work").mkdir()
    (model / "work" / "state.safetensors").write_bytes(b"much")
    copy = copy_model(model, tmp_path / "copy")
    assert {path.name for path in model.iterdir()} - {path.name for path in copy.iterdir()} == {
        "pin.json",
        "work",
    }
