"""Models of transformers opened from a folder: safetensors, whole, and nothing that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from xret.errors import ModelError
from xret.retriever.models.layout import check_loadable
from xret.retriever.models.quiet import quiet_libraries
from xret.retriever.models.tokenizer_file import check_tokenizer

__all__ = ["load_weights"]


def load_weights(folder: Path, kind: Any) -> tuple[Any, Any]:
    """The model in a folder, in float32 and ready to answer, and its tokenizer.

    kind: an Auto class of transformers. It runs on a GPU where there is one. Raises ModelError
    for pickled weights, for code that comes with the model, for weights that lack a parameter,
    and for a tokenizer of another model.
    """
    check_loadable(folder)
    try:
        with quiet_libraries():
            model, report = kind.from_pretrained(
                str(folder),
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # the libraries raise whatever the files make them trip over
        raise ModelError(f"{folder} cannot be loaded: {error}") from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(
            f"the weights in {folder} lack {len(missing)} parameters of its "
            f"{type(model).__name__}, among them {missing[0]}; they are another model's, or cut"
        )
    if not tokenizer.is_fast:
        raise ModelError(f"{folder} has no tokenizer.json, without which texts cannot be cut")
    known = tokenizer.get_vocab()
    check_tokenizer(folder, max(known.values()), model.get_input_embeddings().num_embeddings)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return model.to(device).eval(), tokenizer
