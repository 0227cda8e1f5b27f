"""Does a loaded model fit together: its tokenizer, its weights, the way it compares texts.

transformers draws weights that a file lacks at random, with a line in a log, and a foreign
tokenizer gives ids that mean other words; both would answer every query, wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from xret.errors import ModelError
from xret.retriever.models.compact import stored_zeros
from xret.retriever.models.tokenizer_file import check_tokenizer

__all__ = ["check_sound"]


def check_sound(folder: Path, model: Any) -> None:
    """Raises ModelError naming what does not fit. model: one of sentence-transformers'."""
    _check_vocabulary(folder, model)
    _check_weights(folder, model)
    _check_similarity(folder, model)


def _check_vocabulary(folder: Path, model: Any) -> None:
    """Ids without a row, or rows without an id, are signs of another model's tokenizer."""
    rows = getattr(model[0], "num_embeddings", None)
    if rows is None and model.transformers_model is not None:
        rows = model.transformers_model.get_input_embeddings().num_embeddings
    if rows is None:
        return
    tokenizer = model.tokenizer
    known = tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else {}
    if known:
        check_tokenizer(folder, max(known.values()), rows)


def _check_weights(folder: Path, model: Any) -> None:
    """Every parameter of the transformer must be in the files; the unused pooler need not."""
    backbone = model.transformers_model
    if backbone is None:
        return
    stored: set[str] = set()
    for path in folder.glob("*.safetensors"):
        try:
            with safe_open(path, framework="pt") as file:
                stored.update(_suffixes(file.keys()))
            stored.update(_suffixes(stored_zeros(path)))
        except SafetensorError as error:
            raise ModelError(f"{path} cannot be read as safetensors: {error}") from error
    expected = [name for name, _ in backbone.named_parameters() if not name.startswith("pooler.")]
    missing = [name for name in expected if name not in stored]
    if missing:
        raise ModelError(
            f"the weights in {folder} lack {len(missing)} of {len(expected)} parameters of its "
            f"{type(backbone).__name__}, among them {missing[0]}; they are another model's, or cut"
        )


def _suffixes(names: Iterable[str]) -> Iterator[str]:
    """Names with and without what wraps the transformer (`roberta.`, `bert.`), as it names them."""
    for name in names:
        modern = name.replace("LayerNorm.gamma", "LayerNorm.weight")
        modern = modern.replace("LayerNorm.beta", "LayerNorm.bias")
        yield modern
        yield modern.partition(".")[2]


def _check_similarity(folder: Path, model: Any) -> None:
    if model.similarity_fn_name not in ("cosine", "dot", "maxsim", "meanmaxsim"):
        raise ModelError(
            f"{folder} compares texts by {model.similarity_fn_name} distance; an index scores by "
            "cosine or dot product"
        )
