"""The best similarities of passages: the fused kernel's numbers are torch's, or torch does it."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from functools import partial

import pytest
import torch
from torch import Tensor

from xret.index.search.device import maxima
from xret.index.search.device.maxima import is_fused, weighted_maxima

pytestmark = pytest.mark.vectors

KERNEL = "xret.index.search.device.fused_kernel"


def example(width: int, lanes: int, *, seed: int = 0) -> tuple[Tensor, ...]:
    """Codes, scales, lengths, queries and weights; passages of 1 to 79 vectors."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 80, (35,), generator=draw)
    n_rows = int(lengths.sum())
    codes = torch.randint(-127, 128, (n_rows + lanes, width), generator=draw, dtype=torch.int8)
    numbers = torch.rand((n_rows + lanes, 1), generator=draw)
    weights = numbers[n_rows:, 0].contiguous()
    return codes[:n_rows], numbers[:n_rows], lengths, codes[n_rows:], weights


def looped(
    codes: Tensor, scales: Tensor, lengths: Tensor, queries: Tensor, weights: Tensor
) -> Tensor:
    values = (codes.double() @ queries.double().T).float() * scales
    parts = values.split(lengths.tolist())
    return torch.stack([part.amax(dim=0) for part in parts]) * weights


def looped_of(codes: Tensor, scales: Tensor, offsets: Tensor, *asked: Tensor) -> Tensor:
    assert not offsets[0]
    queries, weights = asked
    return looped(codes, scales, offsets.diff(), queries, weights)


@pytest.fixture(scope="module")
def interpreted() -> Iterator[types.ModuleType]:
    """The kernel, run by Triton's interpreter."""
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    if "triton" in sys.modules:
        pytest.skip("triton was imported for a GPU before")
    pytest.importorskip("triton", reason="triton is not installed")
    before = sys.modules.pop(KERNEL, None)
    from xret.index.search.device import fused_kernel

    yield fused_kernel
    monkeypatch.undo()
    sys.modules.pop(KERNEL)
    if before is not None:
        sys.modules[KERNEL] = before


def test_torch_finds_what_a_loop_finds() -> None:
    some = example(24, 16)
    assert torch.equal(weighted_maxima(*some), looped(*some))


@pytest.mark.parametrize(("width", "lanes"), [(8, 16), (136, 48), (128, 144)])
def test_the_fused_kernel_finds_what_torch_finds_to_the_last_bit(
    interpreted: types.ModuleType, width: int, lanes: int
) -> None:
    codes, scales, lengths, *asked = example(width, lanes, seed=width)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    best = interpreted.fused_maxima(codes, scales, offsets, *asked)
    assert torch.equal(best, looped(codes, scales, lengths, *asked))


def kernel_of(work: object) -> types.ModuleType:
    module = types.ModuleType(KERNEL)
    module.fused_maxima = work  # type: ignore[attr-defined]
    return module


def test_the_kernel_is_given_where_passages_begin_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    some = example(24, 16)
    monkeypatch.setitem(sys.modules, KERNEL, kernel_of(looped_of))
    monkeypatch.setattr(maxima, "is_fused", lambda _: True)
    assert torch.equal(weighted_maxima(*some), looped(*some))


maxima_example = partial(maxima._example, torch.device("cpu"))


def test_a_kernel_that_fails_is_told_and_torch_does_its_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_: object) -> Tensor:
        raise RuntimeError("no compiler")

    monkeypatch.setitem(sys.modules, KERNEL, kernel_of(failing))
    monkeypatch.setattr(maxima, "_example", lambda _: maxima_example())
    is_fused.cache_clear()
    with pytest.warns(UserWarning, match="the fused kernel does not run on meta .*no compiler"):
        assert not is_fused(torch.device("meta"))
    monkeypatch.setitem(sys.modules, KERNEL, kernel_of(lambda *some: looped_of(*some) + 1))
    is_fused.cache_clear()
    with pytest.warns(UserWarning, match="its result differs"):
        assert not is_fused(torch.device("meta"))
    monkeypatch.setitem(sys.modules, KERNEL, kernel_of(looped_of))
    is_fused.cache_clear()
    assert is_fused(torch.device("meta"))
    is_fused.cache_clear()
    assert not is_fused(torch.device("cpu"))
