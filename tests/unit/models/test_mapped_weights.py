"""Weights as NumPy reads them: the numbers that torch reads, whole or by the row."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from xret.errors import ModelError
from xret.retriever.models.compact import compacted, restored, save_compact, stored_zeros
from xret.retriever.models.mapped_weights import MappedWeights


@pytest.fixture
def path(tmp_path: Path) -> Path:
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "blocks": torch.randn(7, 96, generator=generator),
        "rows": torch.randn(5, 33, generator=generator),
        "half": torch.randn(3, 4, generator=generator),
        "still": torch.zeros(6, 2),
    }
    stored = compacted(tensors, in_blocks=["blocks"], in_rows=["rows"])
    stored["brain"] = torch.randn(4, 5, generator=generator).bfloat16()
    stored["whole"] = torch.randn(2, generator=generator)
    save_compact(stored, tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def test_numbers_are_those_of_torch_in_every_form_at_rest(path: Path) -> None:
    weights = MappedWeights.open(path)
    expected = restored(load_file(path), stored_zeros(path))
    assert weights.names == expected.keys()
    for name, tensor in expected.items():
        assert name in weights
        assert weights.shape(name) == tuple(tensor.shape)
        assert np.array_equal(weights.array(name), tensor.numpy())
        if tensor.dim() == 2:
            rows = np.array([len(tensor) - 1, 0, 1, 1])
            assert np.array_equal(weights.rows(name, rows), tensor.numpy()[rows])


def test_scales_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    codes = torch.zeros(4, 32, dtype=torch.uint8)
    save_file({"a": codes, "a_scale": torch.zeros(4, 3, dtype=torch.float16)}, path)
    with pytest.raises(ModelError, match="the scales of a have the shape"):
        MappedWeights.open(path).array("a")


@pytest.mark.parametrize("zeros", ["[]", "{", json.dumps({"a": ["x"]})])
def test_a_file_that_is_none_is_one_message(zeros: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"b": torch.zeros(1)}, path, metadata={"zeros": zeros})
    with pytest.raises(ModelError, match="no readable safetensors file"):
        MappedWeights.open(path)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ModelError, match="no readable safetensors file"):
        MappedWeights.open(path)
    with pytest.raises(ModelError, match="has no tensor c"):
        save_file({"b": torch.zeros(1)}, path)
        MappedWeights.open(path).array("c")
