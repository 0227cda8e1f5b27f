"""A language's adapter as a value and as one file: tensors, vocabulary rows, and a card."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from xret.errors import LanguageError, ModelError
from xret.retriever.languages.codes import language_code
from xret.retriever.models.published import write_file
from xret.retriever.xmod.xmod_folder import EMPHASIS, WORD_ROWS
from xret.types import UNDETERMINED

__all__ = ["EMPHASIS", "WORD_ROWS", "LanguageAdapter"]

_FORMAT = "xret language adapter 1"
_ROWS = "rows/"
_NAME = re.compile(r"encoder\.layer\.\d+\.output\.adapter\.[\w.]+")
_BASE = re.compile(r"[0-9a-f]{32}")
_FIELDS = ("format", "lang", "base", "pieces", "card", "hash")


@dataclass(frozen=True, slots=True, eq=False)
class LanguageAdapter:
    """One language's module: an X-MOD adapter of every layer, and the rows its script needed.

    lang: BCP 47. base: `shared_fingerprint` of the model it was trained on. tensors: as
    `XmodModel` names them with the language left out
    (`encoder.layer.0.output.adapter.dense1.weight`). card: how it was trained, on what data,
    under which licence, with what results; JSON of any form. pieces: vocabulary entries that
    the base lacks, in order; rows: for them, p rows for each table named by `WORD_ROWS` and
    `EMPHASIS`, the latter zeros where it is left out.
    """

    lang: str
    base: str
    tensors: Mapping[str, Tensor]
    card: Mapping[str, Any]
    pieces: tuple[str, ...] = ()
    rows: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """How many numbers the layers have; rows are not counted."""
        return sum(tensor.numel() for tensor in self.tensors.values())

    def check(self, what: object = "the adapter") -> None:
        """Raises ModelError naming what is wrong with the values."""
        _check_names(self, what)
        _check_rows(self, what)
        for name, tensor in {**self.tensors, **self.rows}.items():
            if not tensor.is_floating_point():
                raise ModelError(f"{what}: {name} is of {tensor.dtype}; floats are needed")
            if not bool(torch.isfinite(tensor).all()):
                raise ModelError(
                    f"{what}: {name} has numbers that are not finite: its training failed, or the "
                    "file is damaged; train it again, or get the file again"
                )

    def save(self, path: Path) -> None:
        """Write one safetensors file, whole or not at all; floats in the precision they have.

        Raises ModelError for values that cannot be loaded again, and where the disk refuses.
        """
        self.check()
        fields = {
            "format": _FORMAT,
            "lang": self.lang,
            "base": self.base,
            "pieces": _json(list(self.pieces)),
            "card": _json(dict(self.card)),
        }
        tensors = {name: _plain(tensor) for name, tensor in self.tensors.items()}
        tensors |= {f"{_ROWS}{name}": _plain(tensor) for name, tensor in self.rows.items()}
        content = save(tensors, fields | {"hash": _hash(fields, tensors)})
        try:
            write_file(path, content)
        except OSError as error:
            raise ModelError(
                f"cannot write {path} ({len(content):,} bytes): {error.strerror or error}"
            ) from error

    @classmethod
    def load(cls, path: Path) -> LanguageAdapter:
        """Read what `save` wrote; raises ModelError naming what is wrong with any other file."""
        if not path.is_file():
            raise ModelError(f"there is no adapter {path}; one is written by: xret lang export")
        try:
            with safe_open(path, framework="pt") as file:
                fields = dict(file.metadata() or {})
                found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} is no readable safetensors file: {error}") from None
        _check_format(path, fields)
        if fields.pop("hash") != _hash(fields, found):
            raise ModelError(
                f"{path} was changed or damaged since it was written: its hash is another; get "
                "the file again"
            )
        adapter = cls(
            lang=fields["lang"],
            base=fields["base"],
            tensors={name: t for name, t in found.items() if not name.startswith(_ROWS)},
            card=_parsed(path, "card", fields["card"], dict),
            pieces=tuple(_parsed(path, "pieces", fields["pieces"], list)),
            rows={n.removeprefix(_ROWS): t for n, t in found.items() if n.startswith(_ROWS)},
        )
        adapter.check(path)
        return adapter


def _check_format(path: Path, fields: Mapping[str, str]) -> None:
    if fields.get("format") != _FORMAT:
        found = fields.get("format")
        raise ModelError(
            f"{path} is no language adapter: "
            + (f"its format is {found!r}, not {_FORMAT!r}" if found else "its metadata names none")
        )
    if missing := [name for name in _FIELDS if name not in fields]:
        raise ModelError(f"{path} is no whole language adapter: its metadata lacks {missing[0]}")


def _check_names(adapter: LanguageAdapter, what: object) -> None:
    try:
        code = language_code(adapter.lang)
    except LanguageError as error:
        raise ModelError(f"{what}: {error}") from None
    if code != adapter.lang or code == UNDETERMINED:
        raise ModelError(f"{what} is said to be of {adapter.lang!r}, which is no BCP 47 code")
    if not _BASE.fullmatch(adapter.base):
        raise ModelError(f"{what} names no base: {adapter.base!r} is no fingerprint of a model")
    if not adapter.tensors:
        raise ModelError(f"{what} holds no adapter: it has no tensors")
    for name in adapter.tensors:
        if not _NAME.fullmatch(name):
            raise ModelError(f"{what}: {name!r} is no tensor of an X-MOD adapter")


def _check_rows(adapter: LanguageAdapter, what: object) -> None:
    pieces = adapter.pieces
    if not all(isinstance(piece, str) and piece for piece in pieces):
        raise ModelError(f"{what}: every piece must be a text with letters")
    if len(set(pieces)) < len(pieces):
        raise ModelError(f"{what} has a piece twice")
    if set(adapter.rows) - {WORD_ROWS, EMPHASIS}:
        other = sorted(set(adapter.rows) - {WORD_ROWS, EMPHASIS})[0]
        raise ModelError(f"{what}: no table of a model is called {other!r}")
    if pieces and WORD_ROWS not in adapter.rows:
        raise ModelError(f"{what} has {len(pieces)} pieces and no rows {WORD_ROWS}")
    for name, rows in adapter.rows.items():
        if rows.dim() != (2 if name == WORD_ROWS else 1) or len(rows) != len(pieces):
            raise ModelError(
                f"{what}: {name} has shape {tuple(rows.shape)}, which is no row for each of "
                f"{len(pieces)} pieces"
            )


def _parsed(path: Path, name: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise ModelError(f"{path}: its metadata's {name} cannot be read")
    return value


def _hash(fields: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """xxh3-128 of all that the file says, however it is laid out: it finds damage, not forgery."""
    digest = xxhash.xxh3_128(_json(dict(fields)).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _json(value: object) -> str:
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelError(f"the adapter's card is no JSON: {error}") from None


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()
