"""Late-interaction models whose vectors are words', put together from their folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from transformers import XmodConfig

from xret.retriever.encoders.word_pooling import WordPooling
from xret.retriever.xmod.xmod import adapter_name
from xret.retriever.xmod.xmod_checkpoint import XmodCheckpoint

__all__ = ["MODULES", "XmodTransformer", "load_word_model", "pools_words"]


class XmodTransformer(Transformer):
    """An X-MOD encoder of which only the adapters in use are read, compact or not."""

    def preprocess(self, *args: Any, **named: Any) -> Any:
        """As the base class; a text without a readable letter is one unknown token, not none."""
        features: Any = super().preprocess(*args, **named)
        ids, mask = features["input_ids"], features["attention_mask"]
        if not ids.shape[1]:
            ids, mask = ids.new_zeros((len(ids), 1)), mask.new_zeros((len(ids), 1))
        empty = mask.sum(dim=1) == 0
        if bool(empty.any()):
            tokenizer: Any = self.tokenizer
            ids[empty, 0], mask[empty, 0] = tokenizer.unk_token_id, 1
            features["input_ids"], features["attention_mask"] = ids, mask
        return features

    def _load_model(self, model_name_or_path: str, *args: Any, **_: Any) -> Any:
        config = next(value for value in args if isinstance(value, XmodConfig))
        checkpoint = XmodCheckpoint.open(Path(model_name_or_path))
        return checkpoint.load([adapter_name(spelling) for spelling in config.languages])


MODULES: tuple[tuple[str, Any], ...] = (
    ("", XmodTransformer),
    ("1_WordPooling", WordPooling),
    ("2_MultiVectorMask", MultiVectorMask),
)
"""Sub-folder and class of each module, in order; sentence-transformers loads only its own."""


def pools_words(folder: Path) -> bool:
    """Whether the model in a folder ends in a `WordPooling`."""
    path = folder / "modules.json"
    return path.is_file() and WordPooling.__name__ in path.read_text(encoding="utf-8")


def load_word_model(folder: Path, config: Mapping[str, Any]) -> MultiVectorEncoder:
    """The model in a folder, on the CPU in float32.

    config: values that replace those of config.json, such as `languages`.
    """
    written = [row["path"] for row in json.loads((folder / "modules.json").read_text("utf-8"))]
    if written != [path for path, _ in MODULES]:
        raise ValueError(f"modules.json names {written}, expected {[path for path, _ in MODULES]}")
    transformer = XmodTransformer.load(
        str(folder), local_files_only=True, config_kwargs=dict(config)
    )
    others: list[Any] = [
        module.load(str(folder), subfolder=path, local_files_only=True)
        for path, module in MODULES[1:]
    ]
    return MultiVectorEncoder(modules=[transformer, *others])
