"""What a run was made on, and what it cost: for the model's card."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import torch

__all__ = ["energy_meter", "hardware", "versions"]

_RAPL = Path("/sys/class/powercap")
_PACKAGES = "intel-rapl:?"
_LIBRARIES = (
    "xret",
    "torch",
    "transformers",
    "sentence-transformers",
    "datasets",
    "accelerate",
    "numpy",
)


def hardware(device: str) -> str:
    """The processor and its threads, and the GPU where one was used."""
    found = f"{_processor()}, {torch.get_num_threads()} threads"
    if device.startswith("cuda"):
        found += f"; {torch.cuda.get_device_name(torch.device(device))}"
    return found


def versions() -> dict[str, str]:
    """The libraries whose numbers these are, and Python."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def energy_meter(root: Path = _RAPL) -> Callable[[], float] | None:
    """A function that tells the joules of all processors since this call; None unless readable.

    The counters of the kernel (RAPL) are of the whole machine, and without its GPUs. One that
    has run over once is put right, so ask more often than that: it takes minutes at least.
    """
    counters = sorted(root.glob(f"{_PACKAGES}/energy_uj"))
    try:
        last = {path: int(path.read_text()) for path in counters}
        ranges = {p: int((p.parent / "max_energy_range_uj").read_text()) for p in counters}
    except (OSError, ValueError):
        return None
    if not last:
        return None
    total = [0.0]

    def joules() -> float:
        for path, before in last.items():
            now = int(path.read_text())
            spent = now - before
            total[0] += (spent if spent >= 0 else spent + ranges[path]) / 1e6
            last[path] = now
        return total[0]

    return joules


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.is_file():
        for line in described.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
