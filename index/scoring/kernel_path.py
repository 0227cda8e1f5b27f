"""Which way the late-interaction kernels run on this machine.

The compiled kernels choose by processor; where they were not compiled, NumPy does the same
work. Every path returns the same bits, so that the choice is one of speed alone.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Mapping

from xret.errors import ConfigError

try:
    from xret.index import _kernels
except ImportError:  # installed where no compiler was found
    _kernels = None  # type: ignore[assignment]

__all__ = ["KERNEL_PATHS", "NUMPY", "kernel_path", "kernel_reasons"]

NUMPY = "numpy"
KERNEL_PATHS = ("amx", "vnni", "avx2", "neon", "portable", NUMPY)
"""From the fastest to the slowest."""

VARIABLE = "XRET_KERNEL"

KERNEL_VERSION = 2
"""That of the kernels which this code calls: `kVersion` of index/kernels/module.cpp."""

CALLED = frozenset(
    {"score", "scan", "tables", "nearest", "extremes", "bytes", "encode", "lacks", "choose"}
    | {"lists", "gather", "make_lists", "trellis"}
)


def kernel_path() -> str:
    """The path that scores run on: $XRET_KERNEL, else the fastest that this machine has.

    Raises ConfigError for a name that is none, or one that this machine cannot run.
    """
    return _path(os.environ.get(VARIABLE, ""))


@functools.cache
def _path(wanted: str) -> str:
    """The path of that name, the fastest for none; looked up several times a query."""
    reasons = kernel_reasons()
    if not wanted:
        return next(path for path, reason in reasons.items() if not reason)
    if wanted not in reasons:
        raise ConfigError(f"{VARIABLE} is {wanted!r}; it can be {', '.join(KERNEL_PATHS)}")
    if reasons[wanted]:
        able = ", ".join(path for path, reason in reasons.items() if not reason)
        raise ConfigError(f"{VARIABLE} is {wanted!r}, but {reasons[wanted]}; here: {able}")
    return wanted


@functools.cache
def kernel_reasons() -> Mapping[str, str]:
    """Why each path cannot run here, "" for those that can; from the fastest to the slowest."""
    fault = _fault(_kernels)
    reasons = {path: fault or _kernels.lacks(path) for path in KERNEL_PATHS if path != NUMPY}
    return {**reasons, NUMPY: ""}


def _fault(kernels: object) -> str:
    """Why the compiled kernels cannot be called at all, "" where they can; those of another
    version are told by a warning too, since they were fast before."""
    if kernels is None:
        return "the kernels were not compiled at the install (no C++ compiler was found then)"
    version = getattr(kernels, "version", 1)  # none was counted before 2
    if version == KERNEL_VERSION and {*dir(kernels)} >= CALLED:
        return ""
    fault = (
        f"the compiled kernels are of another version of xret ({version}, not {KERNEL_VERSION}, or "
        "some are missing); install xret again: pip install --force-reinstall --no-deps xret, in a "
        "checkout pip install -e ."
    )
    warnings.warn(f"NumPy does the work, slowly: {fault}", UserWarning, stacklevel=3)
    return fault
