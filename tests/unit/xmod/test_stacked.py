"""Stacked adapters, compared with transformers' own loop over its modules."""

import pytest
import torch
from tiny_models import random_xmod
from transformers import XmodModel

from xret.errors import LanguageError
from xret.retriever.xmod.stacked import stack_adapters

IDS = torch.randint(5, 97, (3, 6), generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1] * 6, [1] * 4 + [0] * 2, [1] * 6])


def states(model: XmodModel, lang_ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        features = {"input_ids": IDS, "attention_mask": MASK}
        found: torch.Tensor = model(**features, lang_ids=torch.tensor(lang_ids)).last_hidden_state
    return found[MASK == 1]


def make_still(model: XmodModel, name: str) -> None:
    """Make an adapter one that changes nothing."""
    for layer in model.encoder.layer:
        for parameter in layer.output.adapter_modules[name].dense2.parameters():  # type: ignore[union-attr]
            torch.nn.init.zeros_(parameter)


@pytest.mark.parametrize(
    "shape",
    [{}, {"pre_norm": True}, {"adapter_layer_norm": True}, {"ln_before_adapter": False}],
    ids=lambda shape: next(iter(shape), "plain"),
)
def test_each_text_goes_through_its_own_row_as_through_its_adapter(
    shape: dict[str, bool],
) -> None:
    model = random_xmod(97, **shape)
    stacked, rows = stack_adapters(model, ["sw", "en", "zh"])
    assert rows == [0, 1, 2]
    torch.testing.assert_close(states(stacked, [0, 2, 1]), states(model, [5, 3, 0]))
    shared = "embeddings.word_embeddings.weight"
    assert stacked.state_dict()[shared].data_ptr() == model.state_dict()[shared].data_ptr()


def test_equal_adapters_share_a_row_and_those_that_change_nothing_do() -> None:
    model = random_xmod(97, pre_norm=False)
    for layer in model.encoder.layer:
        modules = layer.output.adapter_modules  # type: ignore[union-attr]
        modules["fr_XX"].load_state_dict(modules["sw_KE"].state_dict())
    for name in ("en_XX", "de_DE"):
        make_still(model, name)
    stacked, rows = stack_adapters(model, ["en", "fr", "de", "zh", "sw"])
    assert rows == [0, 1, 0, 2, 1]
    torch.testing.assert_close(states(stacked, [1, 0, 2]), states(model, [1, 2, 3]))


@pytest.mark.parametrize("before", [False, True])
def test_without_any_other_what_changes_nothing_is_left_out(before: bool) -> None:
    model = random_xmod(97, pre_norm=False, ln_before_adapter=before)
    for name in ("en_XX", "de_DE"):
        make_still(model, name)
    stacked, rows = stack_adapters(model, ["en", "de"])
    assert rows == [0, 0] and not [n for n in stacked.state_dict() if "stack" in n]
    torch.testing.assert_close(states(stacked, [0, 0, 0]), states(model, [0, 2, 0]))
    alone, _ = stack_adapters(model, ["sw"])
    torch.testing.assert_close(states(alone, [0, 0, 0]), states(model, [5, 5, 5]))


def test_an_adapter_that_is_not_there_is_refused() -> None:
    with pytest.raises(LanguageError, match="no adapter 'gl'"):
        stack_adapters(random_xmod(97), ["en", "gl"])
