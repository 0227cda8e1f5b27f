"""A sequence classifier as an exported graph: pairs scored by tokenizers and onnxruntime alone.

Beside the graph, `onnx/classifier.json` says what torch's side reads of a pair, and carries the
hash of the model that it was made from, so that a graph of other weights is never used.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from xret.errors import ModelError
from xret.retriever.encoders.batches import run_batches, token_batches
from xret.retriever.encoders.onnx_session import TOKENIZER, OnnxSession
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.published import write_file
from xret.retriever.rerankers.pair_texts import (
    BATCH_TOKENS,
    CHUNK,
    overlap_of,
    passage_room,
    passage_text,
)
from xret.retriever.rerankers.reranker import scored_until
from xret.types import Document, FloatArray, IntArray, Query

__all__ = ["CLASSIFIER_FACTS", "ExportedClassifier", "OnnxClassifier"]

CLASSIFIER_FACTS = {"kind": "classifier"}
"""What shapes a classifier's scores and stands in no file."""

_EXPORTED = "onnx/classifier.json"
_GRAPH = "onnx/model"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ExportedClassifier:
    """What was exported. model: fingerprint of the folder, with its ranking adapter. max_tokens:
    of a pair. marks: special tokens of a pair."""

    model: str
    max_tokens: int
    marks: int

    def write(self, folder: Path) -> None:
        """Save into a model folder; whole or not at all."""
        content = {"format": _FORMAT, **dataclasses.asdict(self)}
        write_file(folder / _EXPORTED, json.dumps(content, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> ExportedClassifier | None:
        """What was exported of this very model; None where nothing was, or of other weights."""
        path = folder / _EXPORTED
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("format") != _FORMAT:
                raise ValueError("another version")
            exported = cls(**content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"{path} cannot be read: {error}; export the model again") from error
        return exported if exported.model == model_fingerprint(folder, CLASSIFIER_FACTS) else None


class OnnxClassifier:
    """As `SequenceClassifier`, window by window the same pairs; safe to share by threads.

    In int8 the numbers of a window are rounded by what is largest in it: each goes alone, and
    does not depend on others.
    """

    weight = 0.9

    def __init__(
        self, name: str, exported: ExportedClassifier, session: OnnxSession, tokenizer: Tokenizer
    ) -> None:
        self.name = name
        self.fingerprint = f"{exported.model}-{session.card.graph}"
        self.max_tokens = exported.max_tokens
        self._marks = exported.marks
        self._session = session
        self._tokenizer = tokenizer
        self._budget = 1 if session.card.precision == "int8" else BATCH_TOKENS
        self._turn = threading.Lock()

    @classmethod
    def load(cls, folder: Path, exported: ExportedClassifier, *, name: str) -> OnnxClassifier:
        """Open the graph in a folder. Raises ModelError for one that is damaged."""
        graph = folder / _GRAPH
        threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
        session = OnnxSession.open(graph, threads=threads)
        if session.card.kind != "scores":
            raise ModelError(f"{graph} gives vectors and no scores; export the model again")
        tokenizer = Tokenizer.from_file(str(graph / TOKENIZER))
        tokenizer.no_padding()
        return cls(name, exported, session, tokenizer)

    def scores(
        self, query: Query, passages: Sequence[Document], *, until: float = math.inf
    ) -> FloatArray:
        """The logit of each pair's best window; see `Reranker.scores`."""
        scored = partial(self._scored, query)
        return scored_until(passages, scored, until=until, chunk=CHUNK)

    def _scored(self, query: Query, passages: Sequence[Document]) -> list[float]:
        windows, owners = self._windows(query.text, [passage_text(one) for one in passages])
        logits = np.empty(len(windows), np.float32)

        def forward(batch: IntArray) -> FloatArray:
            return self._forward([windows[n] for n in batch])

        lengths = [len(window[0]) for window in windows]
        for batch, found in run_batches(token_batches(lengths, self._budget), forward):
            logits[batch] = found
        best = np.full(len(passages), -np.inf, np.float32)
        np.maximum.at(best, owners, logits)
        return [float(score) for score in best]

    def _windows(
        self, query: str, passages: Sequence[str]
    ) -> tuple[list[tuple[list[int], list[int]]], list[int]]:
        """Ids and token types of every passage behind the whole question, in as many windows as
        it needs, and of each the number of its passage. Raises RerankError as `passage_room`."""
        with self._turn:  # a tokenizer's truncation is the object's own
            self._tokenizer.no_truncation()
            asked = len(self._tokenizer.encode(query, add_special_tokens=False).ids)
            room = passage_room(asked, self._marks, max_tokens=self.max_tokens, name=self.name)
            self._tokenizer.enable_truncation(
                self.max_tokens, stride=overlap_of(room), strategy="only_second"
            )
            encoded = self._tokenizer.encode_batch([(query, passage) for passage in passages])
        windows, owners = [], []
        for owner, encoding in enumerate(encoded):
            for window in (encoding, *encoding.overflowing):
                windows.append((window.ids, window.type_ids))
                owners.append(owner)
        return windows, owners

    def _forward(self, windows: Sequence[tuple[list[int], list[int]]]) -> FloatArray:
        shape = (len(windows), max(len(ids) for ids, _ in windows))
        ids = np.full(shape, self._session.card.pad_id, np.int64)
        types, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, (own, sides) in enumerate(windows):
            ids[row, : len(own)] = own
            types[row, : len(own)] = sides
            mask[row, : len(own)] = 1
        logits: FloatArray = self._session.forward(ids, mask, types=types)[:, 0]
        return logits
