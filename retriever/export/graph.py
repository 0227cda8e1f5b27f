"""Transformer encoders as ONNX graphs: for X-MOD one a language, its adapter folded in.

A model with many adapters chooses among them at run time, which no exporter carries over;
a copy with one adapter has nothing to choose. Every graph is compared with torch at several
batch shapes before it gets its name, and is refused beyond a difference of 1e-4. Weights in
int8 are always scaled per channel: per tensor, the cosine to float32 falls to .93.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import xxhash
from torch import Tensor, nn
from transformers import XmodModel

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
from xret.retriever.xmod.xmod import adapter_spelling, prepare_xmod
from xret.retriever.xmod.xmod_checkpoint import assemble_xmod
from xret.types import FloatArray, IntArray

__all__ = [
    "GraphReport",
    "PooledGraph",
    "TokenGraph",
    "export_graph",
    "export_languages",
    "fold",
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

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(b, t) int64 each to (b, dim)."""
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask)[0]
        if self.pooling == "cls":
            pooled = hidden[:, 0]
        else:
            weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return nn.functional.normalize(self.projection(pooled), dim=-1)


class TokenGraph(nn.Module):
    """A transformer and a projection: one vector of unit length a token."""

    def __init__(self, backbone: nn.Module, *, projection: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = projection or nn.Identity()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(b, t) int64 each to (b, t, dim)."""
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask)[0]
        return nn.functional.normalize(self.projection(hidden), dim=-1)


def fold(model: XmodModel, adapter: str) -> XmodModel:
    """A copy with one adapter, which it then applies to every text; in evaluation mode.

    Raises LanguageError for an adapter that is not installed.
    """
    spelling = adapter_spelling(adapter, model.config.languages)
    shared = {name: w for name, w in model.state_dict().items() if ".adapter_modules." not in name}
    own = f".adapter_modules.{spelling}."
    chosen = {name: w for name, w in model.state_dict().items() if own in name}
    weights = {name: w.detach().clone() for name, w in (shared | chosen).items()}
    folded = assemble_xmod(model.config, weights, spellings=[spelling])
    prepare_xmod(folded)
    return folded


def weights_hash(model: nn.Module) -> str:
    """Hash of every weight that is no language's own, equal for all languages of a model."""
    digest = xxhash.xxh3_128()
    for name, weight in sorted(model.state_dict().items()):
        if ".adapter_modules." not in name:
            digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
            digest.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def export_languages(
    model: XmodModel,
    folder: Path,
    *,
    adapters: Sequence[str],
    card: OnnxCard,
    tokenizer: Path,
    head: Callable[[nn.Module], nn.Module],
    int8: bool = False,
) -> Iterator[GraphReport]:
    """Export one graph a language to `onnx/<adapter>/` in the folder; a report each.

    head puts pooling and projection around a backbone: `partial(TokenGraph, projection=…)`.
    card says what the graphs have in common. Raises as `fold` and `export_graph` do.
    """
    for adapter in adapters:
        graph = head(fold(model, adapter))
        named = dataclasses.replace(card, adapter=adapter)
        target = folder / "onnx" / adapter
        yield export_graph(graph, target, card=named, tokenizer=tokenizer, int8=int8)


def export_graph(
    module: nn.Module, folder: Path, *, card: OnnxCard, tokenizer: Path, int8: bool = False
) -> GraphReport:
    """Write a module (input_ids, attention_mask) → vectors as a graph, into a folder of its own.

    tokenizer: the tokenizer.json that goes with it. The folder appears whole or not at all.
    Raises ModelError for a module that is not in float32 and where the graph and torch differ
    by more than 1e-4; MissingLibraryError without the extra `export`.
    """
    _check_precision(module)
    module = module.train(False)
    with published_folder(folder) as part:
        shutil.copyfile(tokenizer, part / TOKENIZER)
        _write_graph(module, part / GRAPH)
        card = dataclasses.replace(card, tokenizer=files_hash(part / TOKENIZER))
        error, _ = _compare(module, part, card)
        if not error <= TOLERANCE:
            raise ModelError(
                f"the exported graph differs from torch by {error:.1e}, more than {TOLERANCE:.0e}"
            )
        card = dataclasses.replace(card, max_error=error)
        if int8:
            quantise_graph(part / GRAPH)
            _, cosine = _compare(module, part, card)
            card = dataclasses.replace(card, precision="int8", cosine=cosine)
        card = dataclasses.replace(card, graph=graph_hash(part))
        card.write(part)
    return GraphReport(folder, card, sum(path.stat().st_size for path in folder.iterdir()))


def _check_precision(module: nn.Module) -> None:
    narrow = {weight.dtype for weight in module.state_dict().values()} - _EXPORTED
    if narrow:
        raise ModelError(f"a model is exported from float32; load it so, not in {narrow.pop()}")


def _write_graph(module: nn.Module, path: Path) -> None:
    onnx = onnx_library()
    ids = torch.full(SHAPES[0], 5)
    axes = {0: "texts", 1: "tokens"}
    chatter = logging.getLogger("torch.onnx")
    level = chatter.level
    chatter.setLevel(logging.ERROR)  # it reports at length that torchvision is not needed
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (ids, torch.ones_like(ids)),
                path,
                dynamo=True,
                verbose=False,
                input_names=["input_ids", "attention_mask"],
                output_names=["vectors"],
                dynamic_shapes={"input_ids": axes, "attention_mask": axes},
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


def _compare(module: nn.Module, folder: Path, card: OnnxCard) -> tuple[float, float]:
    """(largest difference, smallest cosine) of graph and module over SHAPES."""
    dataclasses.replace(card, graph=graph_hash(folder)).write(folder)
    session = OnnxSession.open(folder)
    device = next(module.parameters()).device
    error, cosine = 0.0, 1.0
    for ids, mask in _samples(card):
        with torch.inference_mode():
            features = (torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
            wanted: FloatArray = module(*features).float().cpu().numpy()
        found = session.forward(ids, mask)
        if found.shape != wanted.shape or found.shape[-1] != card.dim:
            raise ModelError(f"the graph gives {found.shape}, torch {wanted.shape}, not {card.dim}")
        if card.kind == "tokens":
            found, wanted = found[mask == 1], wanted[mask == 1]
        error = max(error, float(np.abs(found - wanted).max()))
        norms = np.linalg.norm(found, axis=-1) * np.linalg.norm(wanted, axis=-1)
        cosine = min(cosine, float(((found * wanted).sum(-1) / norms).min()))
    (folder / CARD).unlink()
    return error, cosine


def _samples(card: OnnxCard) -> Iterator[tuple[IntArray, IntArray]]:
    """(ids, mask) of each shape; in a batch the last text is half as long."""
    rng = np.random.default_rng(0)
    for n, longest in SHAPES:
        t = min(longest, card.max_length)
        ids = rng.integers(0, card.vocab_size, (n, t))
        ids[ids == card.pad_id] = (card.pad_id + 1) % card.vocab_size
        mask = np.ones((n, t), np.int64)
        if n > 1:
            mask[-1, (t + 1) // 2 :] = 0
            ids[-1, (t + 1) // 2 :] = card.pad_id
        yield ids, mask
