"""Compiled kernels of another version are told and passed over."""

from __future__ import annotations

import types
import warnings

import pytest

from xret.index.scoring import kernel_path

NAMES = [*kernel_path.CALLED]


def kernels(*names: str, **more: object) -> types.SimpleNamespace:
    return types.SimpleNamespace(**dict.fromkeys(names, lambda _: ""), **more)


@pytest.mark.parametrize(
    "stale",
    [
        kernels(*NAMES, version=kernel_path.KERNEL_VERSION + 1),
        kernels(*NAMES[1:], version=kernel_path.KERNEL_VERSION),
        kernels(*NAMES),  # before any was counted
    ],
)
def test_stale_kernels_are_left_to_numpy_and_told(
    stale: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_path, "_kernels", stale)
    kernel_path.kernel_reasons.cache_clear()
    with pytest.warns(UserWarning, match="another version of xret .*install xret again"):
        reasons = kernel_path.kernel_reasons()
    assert [path for path, reason in reasons.items() if not reason] == [kernel_path.NUMPY]
    kernel_path.kernel_reasons.cache_clear()


def test_kernels_of_this_version_serve() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        now = kernels(*NAMES, version=kernel_path.KERNEL_VERSION)
        assert kernel_path._fault(now) == ""
        assert "no C++ compiler" in kernel_path._fault(None)


def test_the_kernels_here_have_the_version_that_is_called() -> None:
    compiled = pytest.importorskip("xret.index._kernels")
    assert getattr(compiled, "version", 1) == kernel_path.KERNEL_VERSION
    assert {*dir(compiled)} >= kernel_path.CALLED
