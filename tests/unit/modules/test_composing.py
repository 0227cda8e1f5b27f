"""Models with their masks folded in."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from tiny_encoders import tiny_bi_encoder

from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.module_card import ModuleCard
from xret.retriever.modules.composing import apply_masks
from xret.retriever.modules.sparse import SparseChange, SparseMask


def test_a_model_with_masks_folded_in_is_no_pulled_revision_and_no_run(tmp_path: Path) -> None:
    model, folded = tiny_bi_encoder(tmp_path / "bi"), tmp_path / "folded"
    (model / "pin.json").write_text('{"revision": "0"}', encoding="utf-8")
    (model / "work").mkdir()
    (model / "work" / "state.safetensors").write_bytes(b"much")
    tensors = load_file(model / "model.safetensors")
    name = "embeddings.LayerNorm.bias"
    size = next(len(tensor) for key, tensor in tensors.items() if key.endswith(name))
    change = SparseChange((size,), torch.tensor([0]), torch.tensor([0.5]))
    card = ModuleCard("mask", model_fingerprint(model, {}, modules=False))
    SparseMask({name: change}, card).save(tmp_path / "mask.safetensors")
    apply_masks(model, [tmp_path / "mask.safetensors"], folded)
    assert not {"pin.json", "work"} & {path.name for path in folded.iterdir()}
    assert (folded / "model.safetensors").stat().st_mode & 0o044 == 0o044
