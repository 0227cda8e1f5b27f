"""Transformer encoders as ONNX graphs, for X-MOD with the adapters of its languages inside.

Every graph is compared with torch at several batch shapes, and through each adapter, before it
gets its name, and is refused beyond a difference of 1e-4. Weights in int8 are always scaled per
channel: per tensor, the cosine to float32 falls to .93.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import xxhash
from torch import Tensor, nn

from xret.errors import ModelError
from xret.retriever.encoders.onnx_session import (
    CARD,
    GRAPH,
    TOKENIZER,
    OnnxCard,
    OnnxSession,
    files_hash,
    graph_hash,
)
from xret.retriever.export.quantisation import onnx_library, quantise_graph
from xret.retriever.models.published import published_folder
from xret.types import FloatArray, IntArray

__all__ = [
    "Centred",
    "GraphReport",
    "PooledGraph",
    "Reference",
    "TokenGraph",
    "export_graph",
    "save_tokenizer",
    "weights_hash",
]

TOLERANCE = 1e-4
ONE_FILE_BYTES = 3 << 29
"""Weights beyond this lie beside the graph: one ONNX file holds less than 2 GiB."""

_EXPORTED = {torch.float32, torch.int64, torch.bool}

SHAPES = ((2, 8), (1, 1), (1, 13), (5, 3), (3, 40))
"""Batch shapes (texts, tokens) at which a graph must agree with torch."""


@dataclass(frozen=True, slots=True)
class GraphReport:
    """What an export wrote: where, what, and how large with its tokenizer and card."""

    folder: Path
    card: OnnxCard
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Reference:
    """What a graph must agree with in torch. lang_ids: by adapter, the module's own number."""

    module: nn.Module
    lang_ids: Mapping[str, int] = field(default_factory=dict)


class PooledGraph(nn.Module):
    """A transformer and its pooling: one vector of unit length a text."""

    def __init__(
        self,
        backbone: nn.Module,
        *,
        pooling: Literal["mean", "cls"],
        projection: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling = pooling
        self.projection = projection or nn.Identity()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, lang_ids: Tensor | None = None
    ) -> Tensor:
        """(b, t) int64 each, and (b,) where there are adapters, to (b, dim)."""
        hidden = _states(self.backbone, input_ids, attention_mask, lang_ids)
        if self.pooling == "cls":
            pooled = hidden[:, 0]
        else:
            weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return nn.functional.normalize(self.projection(pooled), dim=-1)


class TokenGraph(nn.Module):
    """A transformer and what follows each state: one vector of unit length a token."""

    def __init__(self, backbone: nn.Module, *, projection: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = projection or nn.Identity()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, lang_ids: Tensor | None = None
    ) -> Tensor:
        """(b, t) int64 each, and (b,) where there are adapters, to (b, t, dim)."""
        hidden = _states(self.backbone, input_ids, attention_mask, lang_ids)
        return nn.functional.normalize(self.projection(hidden), dim=-1)


class Centred(nn.Module):
    """States minus their mean (d,), as `TokenVectors` takes it away."""

    mean: Tensor

    def __init__(self, mean: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden - self.mean


def _states(
    backbone: nn.Module, input_ids: Tensor, attention_mask: Tensor, lang_ids: Tensor | None
) -> Tensor:
    languages = {} if lang_ids is None else {"lang_ids": lang_ids}
    hidden: Tensor = backbone(input_ids=input_ids, attention_mask=attention_mask, **languages)[0]
    return hidden


def save_tokenizer(tokenizer: Any, path: Path) -> None:
    """The file of a fast tokenizer, which neither pads nor cuts: its user does."""
    fast = tokenizer.backend_tokenizer
    fast.no_padding()
    fast.no_truncation()
    fast.save(str(path))


def weights_hash(model: nn.Module) -> str:
    """Hash of every weight that is no language's own, equal for all languages of a model."""
    digest = xxhash.xxh3_128()
    for name, weight in sorted(model.state_dict().items()):
        if ".adapter_modules." not in name:
            digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
            digest.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def export_graph(
    module: nn.Module,
    folder: Path,
    *,
    card: OnnxCard,
    tokenizer: Path,
    int8: bool = False,
    reference: Reference | None = None,
    types: bool = False,
) -> GraphReport:
    """Write a module (input_ids, attention_mask) → vectors as a graph, into a folder of its own.

    Where the card names adapters the module takes their rows too, `lang_ids`. types: it takes
    `token_type_ids`. tokenizer: the
    tokenizer.json that goes with it. reference: what the graph is compared with, the module
    itself if None. The folder appears whole or not at all. Raises ModelError for a module that
    is not in float32 and where the graph and torch differ by more than 1e-4;
    MissingLibraryError without the extra `export`.
    """
    _check_precision(module)
    module = module.train(False)
    reference = reference or Reference(module, card.adapters)
    with published_folder(folder) as part:
        shutil.copyfile(tokenizer, part / TOKENIZER)
        _write_graph(module, part / GRAPH, languages=bool(card.adapters), types=types)
        card = dataclasses.replace(card, tokenizer=files_hash(part / TOKENIZER))
        error, _ = _compare(reference, part, card, types)
        if not error <= TOLERANCE:
            raise ModelError(
                f"the exported graph differs from torch by {error:.1e}, more than {TOLERANCE:.0e}"
            )
        card = dataclasses.replace(card, max_error=error)
        if int8:
            quantise_graph(part / GRAPH)
            _, cosine = _compare(reference, part, card, types)
            card = dataclasses.replace(card, precision="int8", cosine=cosine)
        card = dataclasses.replace(card, graph=graph_hash(part))
        card.write(part)
    return GraphReport(folder, card, sum(path.stat().st_size for path in folder.iterdir()))


def _check_precision(module: nn.Module) -> None:
    narrow = {weight.dtype for weight in module.state_dict().values()} - _EXPORTED
    if narrow:
        raise ModelError(f"a model is exported from float32; load it so, not in {narrow.pop()}")


def _write_graph(module: nn.Module, path: Path, *, languages: bool, types: bool) -> None:
    onnx = onnx_library()
    ids = torch.full(SHAPES[0], 5)
    axes = {0: "texts", 1: "tokens"}
    inputs = {"input_ids": (ids, axes), "attention_mask": (torch.ones_like(ids), axes)}
    if types:
        inputs["token_type_ids"] = torch.ones_like(ids), axes
    if languages:
        inputs["lang_ids"] = torch.zeros(len(ids), dtype=torch.int64), {0: "texts"}
    chatter = logging.getLogger("torch.onnx")
    level = chatter.level
    chatter.setLevel(logging.ERROR)  # it reports at length that torchvision is not needed
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                tuple(example for example, _ in inputs.values()),
                path,
                dynamo=True,
                verbose=False,
                input_names=list(inputs),
                output_names=["vectors"],
                dynamic_shapes={name: named for name, (_, named) in inputs.items()},
                external_data=_n_bytes(module) > ONE_FILE_BYTES,
            )
    finally:
        chatter.setLevel(level)
    graph = onnx.load(path, load_external_data=False)
    for node in graph.graph.node:  # where each operation stood in the source, paths and all
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.save(graph, path)


def _n_bytes(module: nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in module.state_dict().values())


def _compare(
    reference: Reference, folder: Path, card: OnnxCard, types: bool
) -> tuple[float, float]:
    """(largest difference, smallest cosine) of graph and torch over all samples; scores by
    the largest of them where that is above 1, and without a cosine."""
    dataclasses.replace(card, graph=graph_hash(folder)).write(folder)
    session = OnnxSession.open(folder)
    error, cosine = 0.0, 1.0
    for ids, mask, names in _samples(card):
        sides = np.cumsum(ids % 3 == 0, axis=1).clip(max=1) if types else None
        wanted = _expected(reference, ids, mask, names, sides)
        rows = np.array([card.adapters[name] for name in names], np.int64)
        found = session.forward(ids, mask, rows, types=sides)
        if found.shape != wanted.shape or found.shape[-1] != card.dim:
            raise ModelError(f"the graph gives {found.shape}, torch {wanted.shape}, not {card.dim}")
        if card.kind == "scores":
            error = max(error, float(np.abs(found - wanted).max() / max(1, np.abs(wanted).max())))
            continue
        if card.kind == "tokens":
            found, wanted = found[mask == 1], wanted[mask == 1]
        error = max(error, float(np.abs(found - wanted).max()))
        norms = np.linalg.norm(found, axis=-1) * np.linalg.norm(wanted, axis=-1)
        cosine = min(cosine, float(((found * wanted).sum(-1) / norms).min()))
    (folder / CARD).unlink()
    return error, cosine


def _expected(
    reference: Reference,
    ids: IntArray,
    mask: IntArray,
    names: list[str],
    types: IntArray | None,
) -> FloatArray:
    device = next(reference.module.parameters()).device
    features = [torch.from_numpy(ids), torch.from_numpy(mask)]
    if types is not None:
        features.append(torch.from_numpy(types))
    if names:
        features.append(torch.tensor([reference.lang_ids[name] for name in names]))
    with torch.inference_mode():
        vectors: Tensor = reference.module(*(feature.to(device) for feature in features))
    wanted: FloatArray = vectors.float().cpu().numpy()
    return wanted


def _samples(card: OnnxCard) -> Iterator[tuple[IntArray, IntArray, list[str]]]:
    """(ids, mask, adapters) of each shape; in a batch the last text is half as long.

    The last batch has every adapter in it; no adapters where the graph has none.
    """
    rng = np.random.default_rng(0)
    adapters = list(card.adapters)
    for n, longest in (*SHAPES, *([(len(adapters), 3)] if adapters else [])):
        t = min(longest, card.max_length)
        ids = rng.integers(0, card.vocab_size, (n, t))
        ids[ids == card.pad_id] = (card.pad_id + 1) % card.vocab_size
        mask = np.ones((n, t), np.int64)
        if n > 1:
            mask[-1, (t + 1) // 2 :] = 0
            ids[-1, (t + 1) // 2 :] = card.pad_id
        yield ids, mask, [adapters[i % len(adapters)] for i in range(n)] if adapters else []
