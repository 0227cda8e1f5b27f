"""A sequence classifier to ONNX: its scores of pairs, with the tokenizer that cuts them."""

from __future__ import annotations

import inspect
import shutil
import tempfile
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from xret.errors import ModelError
from xret.retriever.encoders.onnx_session import OnnxCard
from xret.retriever.export.graph import GraphReport, export_graph, save_tokenizer, weights_hash
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.rerankers.classifier import load_pair_model, pair_tokens
from xret.retriever.rerankers.onnx_classifier import CLASSIFIER_FACTS, ExportedClassifier

__all__ = ["ScoreGraph", "export_classifier"]


class ScoreGraph(nn.Module):
    """A classifier of one label, from what its tokenizer gives to its logits alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """(b, t) int64 each to (b, 1)."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        logits: Tensor = self.model(
            input_ids=input_ids, attention_mask=attention_mask, **types
        ).logits
        return logits


def export_classifier(folder: Path, *, int8: bool = False) -> GraphReport:
    """Write the graph of a reranker's folder into its `onnx` folder, in place of any before.

    A ranking adapter beside the weights is in the graph. Raises ModelError for a model with
    language adapters or masks, whose pairs have two languages, and what loading the model and
    `export_graph` raise.
    """
    model, tokenizer, languages = load_pair_model(folder, None)
    if languages is not None:
        raise ModelError(
            f"{folder} has language adapters or masks, which are chosen by pair: there is no one "
            "graph of it; rerankers without them are exported"
        )
    model = model.cpu()
    max_tokens = pair_tokens(model.config, tokenizer)
    card = OnnxCard(
        kind="scores",
        base=weights_hash(model),
        dim=1,
        max_length=max_tokens,
        vocab_size=int(model.get_input_embeddings().num_embeddings),
        pad_id=int(tokenizer.pad_token_id or 0),
    )
    shutil.rmtree(folder / "onnx", ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        saved = Path(scratch) / "tokenizer.json"
        save_tokenizer(tokenizer, saved)
        report = export_graph(
            ScoreGraph(model),
            folder / "onnx" / "model",
            card=card,
            tokenizer=saved,
            int8=int8,
            types=_reads_types(model, tokenizer),
        )
    marks = tokenizer.num_special_tokens_to_add(pair=True)
    fingerprint = model_fingerprint(folder, CLASSIFIER_FACTS)
    ExportedClassifier(fingerprint, max_tokens, marks).write(folder)
    return report


def _reads_types(model: nn.Module, tokenizer: Any) -> bool:
    """Whether the model is told which side of the pair a token is of."""
    named = "token_type_ids"
    return (
        named in tokenizer.model_input_names
        and named in inspect.signature(model.forward).parameters
    )
