"""What this installation runs on, can use and lacks. Nothing heavy is imported to find out."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

from xret.config import home
from xret.errors import ConfigError
from xret.index.scoring.kernel_path import VARIABLE, kernel_path, kernel_reasons

__all__ = ["examine"]

PACKAGES = (
    "numpy",
    "torch",
    "transformers",
    "sentence-transformers",
    "onnxruntime",
    "onnxruntime-gpu",
    "faiss-cpu",
    "faiss-gpu",
)
FEATURES = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimddp",
    "i8mm",
    "sve",
)
DEVELOPERS = "dev"
"""The extra that no user lacks."""


def examine() -> dict[str, Any]:
    """The facts as `xret doctor --json` prints them."""
    versions = {name: _version(name) for name in PACKAGES}
    kernel = _kernel()
    folder, home_problem = _home()
    problems = [problem for problem in (kernel.pop("problem"), home_problem) if problem]
    if versions["faiss-cpu"] and versions["faiss-gpu"]:
        problems.append(
            "faiss-cpu and faiss-gpu are both installed and share one module; keep one: "
            "pip uninstall faiss-cpu faiss-gpu, then pip install the one you want"
        )
    gpu = _gpu()
    if gpu and not versions["faiss-gpu"]:
        problems.append(
            "a GPU is here but faiss-gpu is not: pip uninstall faiss-cpu onnxruntime, "
            "then pip install 'xret[gpu]'"
        )
    return {
        "xret": _version("xret"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "home": folder,
        "kernel": kernel,
        "processor": {"features": _features(), "threads": _threads()},
        "gpu": gpu,
        "packages": versions,
        "extras": _missing(),
        "problems": problems,
    }


def _kernel() -> dict[str, Any]:
    """The path that scores run on, who chose it, and why no faster one."""
    reasons = kernel_reasons()
    problem = None
    try:
        path = kernel_path()
        chosen_by = VARIABLE if os.environ.get(VARIABLE) else "the fastest here"
    except ConfigError as error:
        path, chosen_by, problem = "none", VARIABLE, str(error)
    faster = {}
    for name, reason in reasons.items():
        if name == path:
            break
        faster[name] = reason or f"left out by {VARIABLE}"
    return {"path": path, "chosen_by": chosen_by, "faster": faster, "problem": problem}


def _home() -> tuple[str, str | None]:
    try:
        return str(home()), None
    except ConfigError as error:
        return os.environ.get("XRET_HOME", ""), str(error)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _missing() -> dict[str, list[str]]:
    """Packages of each extra that are not installed, by the extra's name."""
    missing: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires("xret") or []:
        extra = re.search(r"""extra\s*==\s*["']([\w-]+)["']""", requirement)
        name = re.match(r"[\w.-]+", requirement)
        if extra and name and extra[1] != DEVELOPERS:
            lacking = missing.setdefault(extra[1], [])
            if _version(name[0]) is None:
                lacking.append(name[0])
    return missing


def _features() -> list[str]:
    """What the processor says of itself, where Linux passes it on."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", errors="replace") as lines:
        flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return [feature for feature in FEATURES if feature in flags.split()]


def _threads() -> int:
    """How many processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _gpu() -> list[str]:
    """Devices and drivers of NVIDIA that the system shows, without asking the driver."""
    devices = sorted(str(path) for path in Path("/dev").glob("nvidia[0-9]*"))
    others = [Path("/dev/dxg"), Path(os.environ.get("SYSTEMROOT", "/"), "System32", "nvcuda.dll")]
    return devices + [str(path) for path in others if path.exists()]
