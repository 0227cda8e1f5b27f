"""The languages that a model folder has something of its own for, told by its files alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xret.errors import LanguageError
from xret.retriever.languages.codes import language_code
from xret.retriever.models.fingerprints import LANGUAGE_MODULES
from xret.retriever.models.layout import read_json
from xret.retriever.modules.lora import CONFIG_FILE as LORA_CONFIG
from xret.retriever.modules.transforms import CONFIG_FILE
from xret.retriever.xmod.xmod import adapter_name

__all__ = ["LORA", "LORA_FOLDER", "TRANSFORMS", "TRANSFORMS_FOLDER", "XMOD", "InstalledLanguages"]

XMOD, LORA, TRANSFORMS, LISTED = (
    "X-MOD adapters",
    "LoRA adapters",
    "static transforms",
    "languages of one table",
)
LORA_FOLDER, TRANSFORMS_FOLDER = LANGUAGE_MODULES[:2]


@dataclass(frozen=True, slots=True)
class InstalledLanguages:
    """What a model has by language. kind: which modules, None where it does not say.

    names: BCP 47 code to how the model spells it, in its own order.
    """

    kind: str | None
    names: Mapping[str, str]

    @classmethod
    def of(cls, folder: Path) -> InstalledLanguages:
        """Read configurations and names of folders, no weights."""
        config = read_json(folder / "config.json")
        if config.get("model_type") == "xmod":
            spelled = [str(one) for one in config.get("languages") or ()]
            return cls(XMOD, {adapter_name(one): one for one in spelled})
        if {"format", "vocabulary_size", "languages"} <= config.keys():
            return cls(LISTED, {str(one): str(one) for one in config["languages"]})
        lora, transforms = folder / LORA_FOLDER, folder / TRANSFORMS_FOLDER
        if lora.is_dir():
            found = sorted(path.parent.name for path in lora.glob(f"*/{LORA_CONFIG}"))
            return cls(LORA, {language_code(one): one for one in found})
        if transforms.is_dir():
            listed = read_json(transforms / CONFIG_FILE).get("languages") or ()
            return cls(TRANSFORMS, {language_code(str(one)): str(one) for one in listed})
        return cls(None, {})

    @property
    def langs(self) -> tuple[str, ...] | None:
        return tuple(self.names) if self.kind else None

    @property
    def beside(self) -> bool:
        """Whether they lie beside the model, bound to it by its fingerprint."""
        return self.kind in (LORA, TRANSFORMS)

    def check(self, langs: Sequence[str]) -> None:
        """Raises LanguageError for a language that the model has nothing for."""
        missing = [lang for lang in langs if lang not in self.names]
        if self.kind and missing:
            raise LanguageError(
                f"the model has no {', '.join(missing)} ({self.kind}); it has "
                f"{', '.join(sorted(self.names))}"
            )

    def served(self, langs: Sequence[str]) -> tuple[str, ...] | None:
        """Those of the languages that the model has something for, in its own order."""
        return tuple(lang for lang in self.names if lang in langs) if self.kind else None

    def spellings(self, langs: Sequence[str]) -> list[str] | None:
        """As an X-MOD checkpoint writes its adapters; None for another model."""
        if self.kind != XMOD:
            return None
        return [spelling for lang, spelling in self.names.items() if lang in langs]
