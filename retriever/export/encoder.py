"""A whole encoder to ONNX: its head, its prompts and its tokenizer with every graph."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
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
from xret.retriever.encoders.onnx_session import OnnxCard, find_graphs
from xret.retriever.encoders.sentence_model import SentenceModel
from xret.retriever.encoders.token_vectors import TokenVectors
from xret.retriever.export.graph import (
    Centred,
    GraphReport,
    PooledGraph,
    Reference,
    TokenGraph,
    export_graph,
    save_tokenizer,
    weights_hash,
)
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.kinds import Kind
from xret.retriever.models.layout import model_kind
from xret.retriever.xmod.stacked import stack_adapters

__all__ = ["export_encoder"]


def export_encoder(
    folder: Path,
    *,
    adapters: Sequence[str] | None = None,
    int8: bool = False,
    options: EncoderOptions | None = None,
) -> GraphReport:
    """Write the graph of a model folder into its `onnx` folder, in place of any before.

    adapters: languages in the graph, of a model that has adapters; None is all of them. Raises
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
    graph, rows, lang_ids = _graph_model(model, backbone, adapters)
    card = _card(model, backbone, rows)
    exported = _settings(folder, model)
    if not _current(folder):  # graphs of earlier weights must not come back into use
        shutil.rmtree(folder / "onnx", ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = Path(scratch) / "tokenizer.json"
        save_tokenizer(model.model.tokenizer, tokenizer)
        report = export_graph(
            head(graph),
            folder / "onnx" / "model",
            card=card,
            tokenizer=tokenizer,
            int8=int8,
            reference=Reference(head(backbone), lang_ids),
        )
    exported.write(folder)
    for other in set(find_graphs(folder).values()) - {report.folder}:
        shutil.rmtree(other, ignore_errors=True)
    return report


def _graph_model(
    model: SentenceModel, backbone: Any, adapters: Sequence[str] | None
) -> tuple[Any, dict[str, int], dict[str, int]]:
    """The transformer as the graph holds it; by adapter its row there and its own number."""
    if model.adapters is None:
        return backbone, {}, {}
    names = list(dict.fromkeys(adapters or model.adapters.adapters))
    stacked, rows = stack_adapters(backbone, names)
    lang_ids: list[int] = model.adapters.ids(names).tolist()
    return stacked, dict(zip(names, rows, strict=True)), dict(zip(names, lang_ids, strict=True))


def _card(model: SentenceModel, backbone: Any, rows: dict[str, int]) -> OnnxCard:
    return OnnxCard(
        kind="tokens" if model.late else "pooled",
        base=weights_hash(backbone),
        dim=model.dim,
        max_length=int(model.model.max_seq_length or model.max_tokens),
        vocab_size=int(backbone.get_input_embeddings().num_embeddings),
        pad_id=int(backbone.config.pad_token_id or 0),
        adapters=rows,
        pooling=None if model.late else _pooling(model),
        projection=_projection(model) is not None,
    )


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
        if not isinstance(module, (Pooling, Dense, Normalize, MultiVectorMask, TokenVectors))
    ]
    if others or not model.unit:
        what = type(others[0]).__name__ if others else "a dot product without unit length"
        raise ModelError(f"a model with {what} cannot be exported; use the torch backend")
    projection = _projection(model)
    if model.late:
        return partial(TokenGraph, projection=projection)
    return partial(PooledGraph, pooling=_pooling(model), projection=projection)


def _projection(model: SentenceModel) -> nn.Module | None:
    """What is done with each state, or with a text's mean, before it has unit length."""
    own = _token_vectors(model)
    if own is not None:
        return Centred(own.mean)
    layers = [module for module in model.model if isinstance(module, Dense)]
    if not layers:
        return None
    pairs: list[Any] = [(dense.linear, dense.activation_function) for dense in layers]
    return nn.Sequential(*(part for pair in pairs for part in pair))


def _token_vectors(model: SentenceModel) -> TokenVectors | None:
    return next((module for module in model.model if isinstance(module, TokenVectors)), None)


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
    own = _token_vectors(model)
    if own is not None and expansion:
        raise ModelError("a model with query expansion and without marks cannot be exported")
    if own is not None:
        skipped = dict.fromkeys(("query", "document"), own.marks)
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
        openings=None if own is None else _openings(model, own),
    )


def _openings(model: SentenceModel, head: TokenVectors) -> list[str]:
    """What texts may begin with that gets no vector, as the head was told and the model."""
    prompts: Any = model.model.prompts.values()
    return sorted({*head.prompts, *prompts} - {"", None})
