"""Compact weights: within half a step of what they were, and read back as float32."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_word_models import tiny_word_model

from xret.retriever.models.compact import SCALE, compacted, is_compact, restored
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document

pytestmark = pytest.mark.vectors


def test_rows_come_back_within_half_a_step() -> None:
    torch.manual_seed(0)
    words = torch.randn(5_000, 16) * torch.logspace(-3, 1, 5_000)[:, None]
    stored = compacted({"words": words, "bias": torch.randn(16), "small": torch.randn(8, 16)})
    assert stored["words"].dtype == torch.int8
    assert stored["small"].dtype == torch.float16
    whole = restored(stored)
    steps = stored["words" + SCALE].float()[:, None]
    # The scale itself is rounded to float16, which moves the largest numbers a little more.
    assert ((whole["words"] - words).abs() <= steps * 0.5 + words.abs() * 2**-10).all()
    assert whole["words"].dtype == torch.float32
    assert words.numel() * 4 > 3.4 * sum(t.numel() * t.element_size() for t in stored.values())


def test_rows_of_zeros_stay_zeros_and_storing_twice_changes_nothing() -> None:
    words = torch.randn(5_000, 8)
    words[7] = 0
    once = compacted({"words": words})
    assert not restored(once)["words"][7].any()
    again = compacted(restored(once))
    assert torch.equal(restored(once)["words"], restored(again)["words"])


def test_plain_weights_pass_through() -> None:
    tensors = {"words": torch.randn(10, 4), "at": torch.arange(3)}
    assert not is_compact(tensors)
    assert all(torch.equal(restored(tensors)[name], tensors[name]) for name in tensors)


def test_a_compact_model_encodes_like_the_one_it_was_made_of(tmp_path: Path) -> None:
    tiny_word_model(tmp_path / "plain")
    tiny_word_model(tmp_path / "compact", compact=True)
    documents = [Document("1", "the coral reefs are warming", "en"), Document("2", "samaki", "sw")]
    plain = load_encoder(str(tmp_path / "plain")).encode_documents(documents)
    compact = load_encoder(str(tmp_path / "compact")).encode_documents(documents)
    assert ((plain.values * compact.values).sum(axis=1) > 0.999).all()
