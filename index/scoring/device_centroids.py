"""The nearest centroid of many vectors on a device, by the kernels' own arithmetic in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xret.index.scoring.devices import torch_device
from xret.index.scoring.maxsim_numpy import from_bfloat16
from xret.types import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["nearest_on_device"]

PRODUCTS = {"cuda": 2**28, "cpu": 2**22}
"""Similarities at a time; each takes about 20 bytes."""

EXACT_DIM = 1_024
"""float32 adds up to this many products of two int8 codes without rounding."""

SMALL = 16
"""cuBLAS multiplies int8 matrices of more rows than this only, and of multiples of 8 columns."""


def nearest_on_device(
    codes: npt.NDArray[np.int8],
    inverses: FloatArray,
    centroid_codes: npt.NDArray[np.int8],
    centroid_scales: npt.NDArray[np.uint16],
    biases: FloatArray,
    *,
    device: str,
) -> npt.NDArray[np.uint16]:
    """(t,) uint16: the centroid of the largest dot - bias; the lowest number of equal ones.

    codes: (t, d) int8 with (t,) float32 inverses of their scales; centroids: (K, d) int8 with
    bfloat16 scales; biases: (K,). Products of codes are exact integers and each float operation
    is the same single one as on the CPU, so that the numbers are the CPU's on any device.
    Raises as `torch_device`.
    """
    import torch

    place = torch_device(device)
    columns = torch.from_numpy(np.ascontiguousarray(centroid_codes)).to(place)
    scales = torch.from_numpy(from_bfloat16(centroid_scales)).to(place)
    offs = torch.from_numpy(biases).to(place)
    found = np.empty(len(codes), np.uint16)
    block = max(SMALL + 1, PRODUCTS[place.type] // len(centroid_codes))
    with torch.inference_mode():
        numbers = torch.arange(len(centroid_codes), device=place, dtype=torch.int32)
        for first in range(0, len(codes), block):
            rows = slice(first, first + block)
            own = torch.from_numpy(np.ascontiguousarray(codes[rows])).to(place)
            inverse = torch.from_numpy(np.ascontiguousarray(inverses[rows])).to(place)
            values = _products(own, columns) * scales
            values -= offs * inverse[:, None]
            best = values == values.amax(dim=1, keepdim=True)
            near = torch.where(best, numbers, len(numbers)).amin(dim=1)
            found[rows] = near.cpu().numpy().astype(np.uint16)
    return found


def _products(codes: Tensor, centroids: Tensor) -> Tensor:
    """(t, d) and (K, d) int8 → (t, K) float32, exact integers before they are rounded to it."""
    import torch

    fits = len(codes) > SMALL and codes.shape[1] % 8 == 0 and len(centroids) % 8 == 0
    if fits and codes.device.type != "cpu":
        try:
            return torch._int_mm(codes, centroids.T).to(torch.float32)
        except RuntimeError as error:  # a device without int8 products; the sums stay exact
            if "out of memory" in str(error):
                raise
    dtype = torch.float32 if codes.shape[1] <= EXACT_DIM else torch.float64
    return (codes.to(dtype) @ centroids.to(dtype).T).to(torch.float32)
