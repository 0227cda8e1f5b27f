"""Late-interaction models that end in a head of our own, put together from their folders.

`WordPooling` makes vectors of words, `TokenVectors` of tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from transformers import XmodConfig

from xret.retriever.encoders.token_vectors import TokenVectors
from xret.retriever.encoders.word_pooling import WordPooling
from xret.retriever.models.layout import read_json
from xret.retriever.xmod.xmod import adapter_name
from xret.retriever.xmod.xmod_checkpoint import XmodCheckpoint

__all__ = ["HEADS", "XmodTransformer", "has_own_head", "load_own_model"]


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


HEADS: dict[str, tuple[tuple[str, Any], ...]] = {
    WordPooling.__name__: (
        ("1_WordPooling", WordPooling),
        ("2_MultiVectorMask", MultiVectorMask),
    ),
    TokenVectors.__name__: (("1_TokenVectors", TokenVectors),),
}
"""By head, the sub-folder and class of each module behind the transformer, in order."""


def has_own_head(folder: Path) -> bool:
    """Whether the model in a folder ends in one of `HEADS`, which only we load."""
    return _head(folder) is not None


def load_own_model(
    folder: Path, config: Mapping[str, Any], *, prompts: Mapping[str, str] | None = None
) -> MultiVectorEncoder:
    """The model in a folder, on the CPU in float32.

    config: values that replace those of config.json, such as `languages`. prompts: by task, in
    place of the folder's own. Raises ValueError
    where modules.json names other modules than belong together.
    """
    head = _head(folder)
    modules = HEADS[head] if head is not None else ()
    written = [row["path"] for row in json.loads((folder / "modules.json").read_text("utf-8"))]
    expected = ["", *(path for path, _ in modules)]
    if written != expected:
        raise ValueError(f"modules.json names {written}, expected {expected}")
    is_xmod = read_json(folder / "config.json").get("model_type") == "xmod"
    backbone: Any = XmodTransformer if is_xmod else Transformer
    transformer = backbone.load(str(folder), local_files_only=True, config_kwargs=dict(config))
    others: list[Any] = [
        module.load(str(folder), subfolder=path, local_files_only=True) for path, module in modules
    ]
    written_prompts = read_json(folder / "config_sentence_transformers.json").get("prompts")
    chosen = {**(written_prompts or {}), **(prompts or {})}
    return MultiVectorEncoder(modules=[transformer, *others], prompts=chosen or None)


def _head(folder: Path) -> str | None:
    path = folder / "modules.json"
    written = path.read_text(encoding="utf-8") if path.is_file() else ""
    return next((name for name in HEADS if name in written), None)
