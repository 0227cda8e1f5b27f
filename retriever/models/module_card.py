"""The file of a module: tensors in safetensors, and a card that says what they are.

The card stands in the file's own metadata, so that a module is one file and cannot lose it.
It is bound to its base by fingerprint: added to another model, a module is noise. The
languages of an X-MOD model are no part of that base: they come and go, and modules stay.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from xret.errors import ModelError
from xret.index.storage.files import prepare_folder
from xret.retriever.models.published import write_file

__all__ = [
    "NAMES",
    "ModelBase",
    "ModuleCard",
    "ModuleKind",
    "read_card",
    "read_module",
    "write_module",
]

ModuleKind = Literal["mask", "ranking", "language"]

FORMAT, WITH_VOCABULARY = 1, 2
"""Of a file; the second is that of modules whose base has languages that come and go."""

NAMES: Mapping[str, str] = {
    "mask": "sparse fine-tuning mask",
    "ranking": "ranking adapter",
    "language": "language adapter",
}
_METADATA = "xret"
_OPTIONAL = ("vocabulary", "invertible")


@dataclass(frozen=True, slots=True)
class ModelBase:
    """What of a model its modules are bound to.

    fingerprint: of what all its languages share, or, of a model without language adapters, of
    its folder without language modules. vocabulary: of a model with language adapters, how
    many pieces it has. folder: fingerprint of the whole folder with every adapter, which is
    what modules of format 1 name; empty where it is no other than `fingerprint`.
    """

    fingerprint: str
    vocabulary: int | None = None
    folder: str = ""


@dataclass(frozen=True, slots=True)
class ModuleCard:
    """What a module is and how it came to be.

    base, vocabulary: of the model, as `ModelBase` has them. lang, task: what was learnt,
    whichever applies. size: changed weights of a mask, width of an adapter's bottleneck. data:
    what it was learnt from, in words. results: figures by name, measured on rows held out.
    weight: the factor it was scaled by. parts: cards of a sum's summands. invertible: of a
    language adapter, whether embeddings go through a coupling too.
    """

    kind: ModuleKind
    base: str
    lang: str | None = None
    task: str | None = None
    size: int = 0
    data: str = ""
    steps: int = 0
    seed: int | None = None
    results: Mapping[str, float] = field(default_factory=dict)
    weight: float = 1.0
    parts: tuple[ModuleCard, ...] = ()
    vocabulary: int | None = None
    invertible: bool | None = None

    def plus(self, other: ModuleCard, *, size: int) -> ModuleCard:
        """The card of a sum. Raises ModelError for another base or kind."""
        if self.kind != other.kind:
            raise ModelError(
                f"a {NAMES[self.kind]} and a {NAMES[other.kind]} cannot be added: a mask changes "
                "weights, an adapter adds layers; a model can have one of each"
            )
        other.on(ModelBase(self.base, self.vocabulary), what="the second module")
        parts = tuple(part for card in (self, other) for part in card.parts or (card,))
        return ModuleCard(
            self.kind,
            self.base,
            lang=_common(self.lang, other.lang),
            task=_common(self.task, other.task),
            size=size,
            steps=self.steps + other.steps,
            parts=parts,
            vocabulary=self.vocabulary,
        )

    def scaled(self, factor: float) -> ModuleCard:
        """The card of the module times a factor."""
        parts = tuple(part.scaled(factor) for part in self.parts)
        return dataclasses.replace(self, weight=self.weight * factor, parts=parts)

    def on(self, base: ModelBase | None, *, what: object) -> ModuleCard:
        """The card, bound to a model as modules are bound now. base: None leaves it as it is.

        Raises ModelError where the module was learnt on another model, or before a language
        brought its pieces into the vocabulary, or took them away.
        """
        if base is None:
            return self
        if base.folder and self.base == base.folder:
            return dataclasses.replace(self, base=base.fingerprint, vocabulary=base.vocabulary)
        if self.base != base.fingerprint:
            raise ModelError(
                f"{what} is a {NAMES[self.kind]} of another model (base {self.base}); "
                f"this one is {base.fingerprint}"
            )
        if self.vocabulary != base.vocabulary:
            raise ModelError(
                f"{what} is a {NAMES[self.kind]} of this model with {self.vocabulary} pieces in "
                f"its vocabulary, and it has {base.vocabulary} now: a language came or went with "
                "pieces of its own. Use the model with the languages that it had then, or learn "
                "the module again: xret module learn"
            )
        return self

    def described(self) -> dict[str, Any]:
        """As JSON has it, without what says nothing of this kind of module."""
        unsaid = {name for name in _OPTIONAL if getattr(self, name) is None}
        return _without(dataclasses.asdict(self), unsaid)


def write_module(path: Path, tensors: Mapping[str, Tensor], card: ModuleCard) -> None:
    """Write a module durably: whole, or not at all and what was there before stays.

    Raises OSError naming the file where the disk refuses.
    """
    version = FORMAT if card.vocabulary is None else WITH_VOCABULARY
    text = json.dumps({"format": version, **card.described()}, ensure_ascii=False, sort_keys=True)
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(whole, {_METADATA: text})
    try:
        prepare_folder(path.parent)
        write_file(path, content)
    except OSError as error:
        reason = f"{error.strerror or error}; what was there before stays"
        raise OSError(error.errno, reason, str(path)) from error


def read_card(path: Path) -> ModuleCard:
    """The card alone; the tensors are not read. Raises ModelError for any other file."""
    return _opened(path, tensors=False)[0]


def read_module(path: Path, kind: ModuleKind) -> tuple[ModuleCard, dict[str, Tensor]]:
    """Card and tensors of a module of one kind. Raises ModelError for any other file."""
    card, tensors = _opened(path, tensors=True)
    if card.kind != kind:
        raise ModelError(f"{path} is a {NAMES[card.kind]}; a {NAMES[kind]} is needed")
    return card, tensors


def _opened(path: Path, *, tensors: bool) -> tuple[ModuleCard, dict[str, Tensor]]:
    if not path.is_file():
        raise ModelError(f"{path} is no module: there is no such file")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_METADATA)
            found = {n: file.get_tensor(n) for n in file.keys()} if tensors else {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} cannot be read as safetensors: {error}") from error
    if text is None:
        raise ModelError(
            f"{path} is no module: its metadata has no card; modules are made by: xret module learn"
        )
    return _card(path, text), found


def _card(path: Path, text: str) -> ModuleCard:
    try:
        content = json.loads(text)
        found = content.pop("format")
        if found not in (FORMAT, WITH_VOCABULARY):
            raise ModelError(
                f"{path} is a module of format {found}; this xret reads those up to "
                f"{WITH_VOCABULARY}"
            )
        return _typed(content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path} has a card that cannot be read: {error!r}") from error


def _typed(content: Mapping[str, Any]) -> ModuleCard:
    """Raises ValueError, TypeError or KeyError for fields that are missing or ill-typed."""
    values = dict(content)
    values["parts"] = tuple(_typed(part) for part in values.get("parts", ()))
    values["results"] = {str(k): float(v) for k, v in values.get("results", {}).items()}
    card = ModuleCard(**values)
    if card.kind not in NAMES:
        raise ValueError(f"no such kind of module: {card.kind!r}")
    if not isinstance(card.base, str) or not isinstance(card.size, int):
        raise TypeError("base must be a text and size a number")
    if not isinstance(card.vocabulary, int | None):
        raise TypeError("vocabulary must be a number")
    if not isinstance(card.invertible, bool | None):
        raise TypeError("invertible must be true or false")
    return card


def _without(fields: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The fields of a card and of its parts but for some."""
    parts = [_without(part, names) for part in fields["parts"]]
    kept = {name: value for name, value in fields.items() if name not in names}
    return {**kept, "parts": parts}


def _common(one: str | None, other: str | None) -> str | None:
    """What a sum is called: both parts' name, or the only one's; None where they differ."""
    if one is None or other is None:
        return one or other
    return one if one == other else None
