"""Static transforms of output vectors by language: an affine map each, then unit length.

How they are fitted stands in `transform_fitting`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from safetensors.numpy import load_file, save_file

from xret.errors import LanguageError, ModelError
from xret.retriever.languages.codes import language_code
from xret.retriever.models.published import published_file, write_file
from xret.types import FloatArray

__all__ = ["SMALLEST", "StaticTransforms"]

FORMAT = 1
CONFIG_FILE, WEIGHTS_FILE = "transforms.json", "transforms.safetensors"
SMALLEST = np.float32(1e-12)


class StaticTransforms:
    """One affine map of unit vectors per language; a `LanguageModules`.

    adapters: the languages, in the order of the rows. means: (l, d) float32. matrices:
    (l, d, d) float32, None for centring alone. base: fingerprint of the encoder whose
    vectors these are; the vectors of another one would be moved at random.
    """

    def __init__(
        self,
        adapters: Sequence[str],
        means: FloatArray,
        matrices: FloatArray | None = None,
        *,
        base: str,
    ) -> None:
        self.adapters = tuple(adapters)
        self.base = base
        self._means = means
        self._matrices = matrices
        self._rows = {adapter: row for row, adapter in enumerate(self.adapters)}

    @property
    def dim(self) -> int:
        return int(self._means.shape[1])

    @property
    def fingerprint(self) -> str:
        """Hash of everything that shapes a vector here, for the encoder's own."""
        digest = xxhash.xxh3_128("\n".join((self.base, *self.adapters)).encode())
        digest.update(np.ascontiguousarray(self._means).data)
        if self._matrices is not None:
            digest.update(np.ascontiguousarray(self._matrices).data)
        return digest.hexdigest()

    def select(self, adapter: str) -> None:
        """Nothing to prepare; raises LanguageError for a language that was not fitted."""
        self._row(adapter)

    def transform(self, vectors: FloatArray, adapter: str) -> FloatArray:
        """(t, d) vectors of texts in one language to (t, d), each at unit length again.

        A row of zeros stays one. The rows of late-interaction encoders are taken as they
        are, one a token.
        """
        row = self._row(adapter)
        if vectors.shape[1] != self.dim:
            raise ModelError(
                f"the transforms are of {self.dim} dimensions, the vectors of {vectors.shape[1]}"
            )
        moved = vectors - self._means[row]
        moved[~vectors.any(axis=1)] = 0
        if self._matrices is not None:
            moved = moved @ self._matrices[row]
        lengths = np.sqrt(np.einsum("ij,ij->i", moved, moved))
        moved /= np.maximum(lengths, SMALLEST)[:, None]
        unit: FloatArray = moved.astype(np.float32, copy=False)
        return unit

    def save(self, folder: Path) -> None:
        """Write transforms.json and transforms.safetensors into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"means": np.ascontiguousarray(self._means)}
        if self._matrices is not None:
            tensors["matrices"] = np.ascontiguousarray(self._matrices)
        with published_file(folder / WEIGHTS_FILE) as part:
            save_file(tensors, part)
        config = {"format": FORMAT, "base": self.base, "dim": self.dim, "languages": self.adapters}
        text = json.dumps(config, indent=2) + "\n"
        write_file(folder / CONFIG_FILE, text)

    @classmethod
    def load(cls, folder: Path, *, base: str | None = None) -> StaticTransforms:
        """Read what `save` wrote. base: the fingerprint of the encoder it is to serve.

        Raises ModelError for a file that is missing or does not fit, and for transforms of
        another encoder.
        """
        config, tensors = _files(folder)
        if not isinstance(config["languages"], list):
            raise ModelError(f"{folder / CONFIG_FILE}: languages is no list")
        langs, dim = [language_code(str(lang)) for lang in config["languages"]], config["dim"]
        shapes = {"means": (len(langs), dim), "matrices": (len(langs), dim, dim)}
        for name, tensor in tensors.items():
            if tensor.shape != shapes.get(name) or tensor.dtype != np.float32:
                raise ModelError(
                    f"{folder / WEIGHTS_FILE}: tensor {name!r} is {tensor.dtype} {tensor.shape}, "
                    f"which does not fit {len(langs)} languages of {dim} dimensions"
                )
        if base is not None and config["base"] != base:
            raise ModelError(
                f"{folder} has transforms of another encoder (base {config['base']}); "
                f"this one is {base}; fit them again"
            )
        return cls(langs, tensors["means"], tensors.get("matrices"), base=config["base"])

    def _row(self, adapter: str) -> int:
        row = self._rows.get(adapter)
        if row is None:
            raise LanguageError(
                f"there is no transform {adapter!r}; there are {', '.join(self.adapters)}"
            )
        return row


def _files(folder: Path) -> tuple[dict[str, Any], Mapping[str, FloatArray]]:
    """The two files, with every field and tensor that must be there."""
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS_FILE)
    except Exception as error:  # safetensors raises its own, besides OSError and ValueError
        raise ModelError(f"{folder} has no readable transforms: {error}") from error
    fields = {"format", "base", "dim", "languages"}
    if not isinstance(config, dict) or not fields <= config.keys() or config["format"] != FORMAT:
        raise ModelError(f"{folder / CONFIG_FILE} is no configuration of transforms, format 1")
    if "means" not in tensors:
        raise ModelError(f"{folder / WEIGHTS_FILE} has no tensor 'means'")
    return config, tensors
