"""Kinds of model have one spelling, which is what older indices and files recorded."""

import json

import pytest

from xret.retriever.models.kinds import Kind
from xret.retriever.models.registry import ENCODERS


def test_values_are_those_that_files_hold() -> None:
    assert json.dumps(list(Kind)) == '["static", "bi-encoder", "late interaction"]'
    assert Kind("late-interaction") is Kind("late interaction") is Kind.LATE_INTERACTION
    with pytest.raises(ValueError, match="cross-encoder"):
        Kind("cross-encoder")


def test_every_registered_encoder_has_a_kind() -> None:
    assert all(isinstance(encoder.kind, Kind) for encoder in ENCODERS.values())
