"""The device that work was asked for, as torch knows it, or what to do where it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xret.errors import ConfigError, MissingLibraryError

if TYPE_CHECKING:
    import torch

__all__ = ["torch_device"]


def torch_device(device: str | None) -> torch.device:
    """None or "cpu", "cuda" or "cuda:<number>" as torch knows it.

    Raises ConfigError for another word or a GPU that is not there, MissingLibraryError.
    """
    kind, colon, number = (device or "cpu").partition(":")
    if kind not in ("cpu", "cuda") or (colon and (kind == "cpu" or not number.isdecimal())):
        raise ConfigError(f"device must be cpu, cuda or cuda:<number>, found {device!r}")
    try:
        import torch
    except ImportError as error:
        raise MissingLibraryError("work on a device needs torch: pip install torch") from error
    if kind == "cpu":
        return torch.device("cpu")
    if not torch.backends.cuda.is_built():  # type: ignore[no-untyped-call]
        raise ConfigError(
            f"no device {device}: torch {torch.__version__} is built without CUDA; pip uninstall "
            "torch, then install the build for CUDA that pytorch.org names (on Linux: pip install "
            "torch), or choose device cpu"
        )
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not n_devices:
        raise ConfigError(
            f"no device {device}: torch {torch.__version__} sees no GPU; install NVIDIA's driver "
            "for it (nvidia-smi shows it then), or choose device cpu"
        )
    if int(number or 0) >= n_devices:
        raise ConfigError(
            f"no device {device}: torch sees {n_devices}, cuda:0 to cuda:{n_devices - 1}"
        )
    return torch.device("cuda", int(number or 0))
