"""A whole encoder to ONNX: its head, its prompts and its tokenizer with every graph."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sentence_transformers.base.modules import Dense, Normalize
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn

from xret.errors import ModelError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.onnx_model import ExportedEncoder
from xret.retriever.encoders.onnx_session import OnnxCard
from xret.retriever.encoders.sentence_model import SentenceModel
from xret.retriever.export.graph import (
    GraphReport,
    PooledGraph,
    TokenGraph,
    export_graph,
    export_languages,
    weights_hash,
)
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.kinds import Kind
from xret.retriever.models.layout import model_kind

__all__ = ["export_encoder"]


def export_encoder(
    folder: Path,
    *,
    adapters: Sequence[str] | None = None,
    int8: bool = False,
    options: EncoderOptions | None = None,
) -> Iterator[GraphReport]:
    """Write the graphs of a model folder into its `onnx` folder; one report each.

    adapters: languages to fold in, of a model that has adapters; None is all of them. Raises
    ModelError for a model whose head has no graph, and what `export_graph` raises.
    """
    kind = model_kind(folder)
    if kind is Kind.STATIC:
        raise ModelError(f"{folder} is a table of words; it has no transformer to export")
    model = SentenceModel.load(folder, kind, options=options or EncoderOptions())
    backbone: Any = model.model.transformers_model
    if backbone is None:
        raise ModelError(f"{folder} has no transformer to export; it is fast as it is")
    head = _head(model)
    card = OnnxCard(
        kind="tokens" if model.late else "pooled",
        base=weights_hash(backbone),
        dim=model.dim,
        max_length=int(model.model.max_seq_length or model.max_tokens),
        vocab_size=int(backbone.get_input_embeddings().num_embeddings),
        pad_id=int(backbone.config.pad_token_id or 0),
        pooling=None if model.late else _pooling(model),
        projection=_projection(model) is not None,
    )
    exported = _settings(folder, model)
    if not _current(folder):  # graphs of earlier weights must not come back into use
        shutil.rmtree(folder / "onnx", ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = Path(scratch) / "tokenizer.json"
        _save_tokenizer(model, tokenizer)
        if model.adapters is None:
            target = folder / "onnx" / "model"
            yield export_graph(head(backbone), target, card=card, tokenizer=tokenizer, int8=int8)
        else:
            wanted = list(adapters or model.adapters.adapters)
            yield from export_languages(
                backbone,
                folder,
                adapters=wanted,
                card=card,
                tokenizer=tokenizer,
                head=head,
                int8=int8,
            )
    exported.write(folder)


def _current(folder: Path) -> bool:
    """Whether the graphs beside a model were made from the weights that it has now."""
    try:
        return ExportedEncoder.read(folder) is not None
    except ModelError:
        return False


def _head(model: SentenceModel) -> Any:
    """Puts what follows the transformer around a backbone: pooling, projection, unit length."""
    others = [
        module
        for module in list(model.model)[1:]
        if not isinstance(module, (Pooling, Dense, Normalize, MultiVectorMask))
    ]
    if others or not model.unit:
        what = type(others[0]).__name__ if others else "a dot product without unit length"
        raise ModelError(f"a model with {what} cannot be exported; use the torch backend")
    projection = _projection(model)
    if model.late:
        return partial(TokenGraph, projection=projection)
    return partial(PooledGraph, pooling=_pooling(model), projection=projection)


def _projection(model: SentenceModel) -> nn.Module | None:
    layers = [module for module in model.model if isinstance(module, Dense)]
    if not layers:
        return None
    pairs: list[Any] = [(dense.linear, dense.activation_function) for dense in layers]
    return nn.Sequential(*(part for pair in pairs for part in pair))


def _pooling(model: SentenceModel) -> Literal["mean", "cls"]:
    mode: Any = next(module.pooling_mode for module in model.model if isinstance(module, Pooling))
    if mode not in ("mean", "cls"):
        raise ModelError(f"a model with pooling {mode!r} cannot be exported; use the torch backend")
    chosen: Literal["mean", "cls"] = mode
    return chosen


def _settings(folder: Path, model: SentenceModel) -> ExportedEncoder:
    transformer: Any = model.model[0]
    expansion = transformer.query_expansion or {}
    if expansion and expansion["strategy"] != "fixed":
        raise ModelError("a model with query expansion of minimal length cannot be exported")
    tokenizer: Any = model.model.tokenizer
    expand = expansion.get("token")
    expansion_id = tokenizer.convert_tokens_to_ids(expand) if expand else tokenizer.mask_token_id
    mask = next((m for m in model.model if isinstance(m, MultiVectorMask)), None)
    skipped: dict[str, list[int]] = {}
    if mask is not None and mask.skiplist_words:
        ids = tokenizer.convert_tokens_to_ids(mask.skiplist_words)
        known = [i for i in ids if i is not None and i != tokenizer.unk_token_id]
        skipped = dict.fromkeys(mask.skiplist_tasks, known)
    query_length: Any = getattr(transformer, "query_length", None) or model.model.max_seq_length
    return ExportedEncoder(
        model=model_fingerprint(folder, {}, modules=False),
        late=model.late,
        dim=model.dim,
        adapters=() if model.adapters is None else model.adapters.adapters,
        prompts={task: model.prompt(task) or "" for task in ("query", "document")},
        lengths={
            "query": expansion.get("length") or int(query_length),
            "document": model.max_tokens,
        },
        skipped=skipped,
        expansion=expansion.get("length", 0),
        expansion_id=int(expansion_id or 0),
        attend=bool(expansion.get("attend")),
    )


def _save_tokenizer(model: SentenceModel, path: Path) -> None:
    tokenizer: Any = model.model.tokenizer
    fast = tokenizer.backend_tokenizer
    fast.no_padding()
    fast.no_truncation()
    fast.save(str(path))
