"""Exported graphs as a text model: a query encoded by tokenizers and onnxruntime alone.

Beside the graphs, `onnx/encoder.json` says what torch's side would do with a text before and
after them: prompts, expansion of queries, the tokens that are not scored. It carries the
hash of the model it was made from, so that graphs of other weights are never used.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from xret.errors import ModelError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.onnx_session import TOKENIZER, OnnxSession, find_graphs
from xret.retriever.encoders.text_model import Features, Task, Through, text_offsets
from xret.retriever.encoders.text_tokens import prompt_tokens, text_tokens
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.published import write_file
from xret.types import FloatArray, IntArray

__all__ = ["EXPORTED", "ExportedEncoder", "OnnxModel"]

EXPORTED = "onnx/encoder.json"
FORMAT = 2
_CPU_BATCH_TOKENS = 4_096


@dataclass(frozen=True, slots=True)
class ExportedEncoder:
    """What is done with a text around a graph.

    model: fingerprint of the folder that was exported. adapters: all of the model's, also
    those without a graph; empty where it has none. prompts, lengths (of tokens, special ones
    included) and skipped (ids that are not scored) are by task. expansion: tokens that a
    query is filled up to with `expansion_id`; attend: whether they are attended to. openings:
    what texts may begin with, beside their prompts, that gets no vector; None where prompts
    have vectors.
    """

    model: str
    late: bool
    dim: int
    adapters: tuple[str, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, Sequence[int]] = field(default_factory=dict)
    expansion: int = 0
    expansion_id: int = 0
    attend: bool = False
    openings: Sequence[str] | None = None

    def write(self, folder: Path) -> None:
        """Save into a model folder; whole or not at all."""
        content = {"format": FORMAT, **dataclasses.asdict(self)}
        write_file(folder / EXPORTED, json.dumps(content, indent=2, ensure_ascii=False))

    @classmethod
    def read(cls, folder: Path) -> ExportedEncoder | None:
        """What was exported of this very model; None where nothing was, or of other weights."""
        path = folder / EXPORTED
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("format") not in (1, FORMAT):  # the first knew no openings
                raise ModelError(f"{path} is of another version; export the model again")
            found = cls(**{**content, "adapters": tuple(content["adapters"])})
            if not {"query", "document"} <= found.lengths.keys():
                raise ValueError("a length is missing")
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"{path} cannot be read: {error}; export the model again") from error
        return found if found.model == model_fingerprint(folder, {}, modules=False) else None


class OnnxModel:
    """The graphs of one model folder as a `TextModel`, each opened at need.

    A folder has one graph for all its adapters, or one an adapter from earlier exports.
    """

    def __init__(self, folder: Path, exported: ExportedEncoder, options: EncoderOptions) -> None:
        self.exported = exported
        self.unit = True
        self.dim = exported.dim
        self.max_tokens = min(
            options.max_tokens or exported.lengths["document"], exported.lengths["document"]
        )
        self._lengths = {**exported.lengths, "document": self.max_tokens}
        self._prompts = {**exported.prompts, **(options.prompts or {})}
        self._graphs = find_graphs(folder)
        self._sessions: dict[Path, OnnxSession] = {}
        self._tokenizers: dict[Task, Tokenizer] = {}
        first = self.session(next(iter(self._graphs)))
        # int8 graphs scale activations by batch: alone, a text does not depend on others.
        small = first.card.precision == "int8"
        self.batch_tokens = 1 if small else options.batch_tokens or _CPU_BATCH_TOKENS

    @staticmethod
    def has(folder: Path, adapters: Sequence[str] | None) -> bool:
        """Whether there is a graph for each of these adapters, or the one of a model without."""
        graphs = find_graphs(folder)
        wanted: Sequence[str | None] = [None] if adapters is None else adapters
        return bool(graphs) and all(adapter in graphs for adapter in wanted)

    @cached_property
    def tokens(self) -> Tokenizer:
        """The tokenizer, cutting and padding nothing."""
        folder = next(iter(self._graphs.values()))
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    def session(self, adapter: str | None) -> OnnxSession:
        """The graph of an adapter; ModelError where it was not exported."""
        if adapter not in self._graphs:
            raise ModelError(
                f"no graph was exported for the adapter {adapter}; run: "
                f"xret model export MODEL --lang {adapter}, or use the torch backend"
            )
        path = self._graphs[adapter]
        if path not in self._sessions:
            # onnxruntime does not read the variable that every other library here obeys.
            threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
            self._sessions[path] = OnnxSession.open(path, threads=threads)
        return self._sessions[path]

    def features(self, texts: Sequence[str], task: Task) -> Features:
        """Tokenised with the prompt of the task, cut and, for queries, expanded."""
        tokenizer = self._task_tokenizer(task)
        prompt = self._prompts.get(task) or ""
        encoded = tokenizer.encode_batch([prompt + text for text in texts])
        ids = [one.ids for one in encoded]
        cut = np.array([bool(one.overflowing) for one in encoded])
        batch = {"ids": ids, "real": np.array([len(row) for row in ids])}
        if task == "query" and self.exported.expansion:
            fill = self.exported.expansion
            ids = [row + [self.exported.expansion_id] * (fill - len(row)) for row in ids]
            batch["ids"] = ids
        return Features(batch, np.array([len(row) for row in ids], np.int64), cut)

    def vectors(
        self, features: Features, rows: IntArray, adapters: Sequence[Through] | None, task: Task
    ) -> list[FloatArray]:
        """One pass a graph over some of the texts."""
        for adapter in adapters or ():
            if not isinstance(adapter, str):
                raise ModelError(
                    "a graph reads a text in one language; mixed ones need the torch backend"
                )
        names = [None] * len(rows) if adapters is None else [str(name) for name in adapters]
        sessions = [self.session(name) for name in names]
        vectors: dict[int, FloatArray] = {}
        for session in dict.fromkeys(sessions):
            group = [place for place, other in enumerate(sessions) if other is session]
            numbers = [session.card.adapters.get(names[place] or "", 0) for place in group]
            batch = self._forward(session, features, rows[group], task, np.array(numbers, np.int64))
            vectors.update(zip(group, batch, strict=True))
        return [vectors[place] for place in range(len(rows))]

    def spans(self, text: str, task: Task) -> list[tuple[int, int]] | None:
        """Where in a text each of its vectors stands; None where it has one vector."""
        if not self.exported.late:
            return None
        prompt = self._prompts.get(task) or ""
        encoding = self._task_tokenizer(task).encode(prompt + text)
        fill = self.exported.expansion - len(encoding.ids) if task == "query" else 0
        ids = np.array(encoding.ids + [self.exported.expansion_id] * fill, np.int64)
        offsets = text_offsets(encoding.offsets, len(prompt)) + [(0, 0)] * fill
        return list(itertools.compress(offsets, self._kept(ids, task).tolist()))

    def _kept(self, ids: IntArray, task: Task) -> npt.NDArray[np.bool_]:
        """(t,) which tokens of a text get a vector."""
        marks = np.array(self.exported.skipped.get(task, ()), np.int64)
        return text_tokens(ids, marks=marks, openings=self._openings)

    def _forward(
        self,
        session: OnnxSession,
        features: Features,
        rows: IntArray,
        task: Task,
        lang_ids: IntArray,
    ) -> list[FloatArray]:
        lengths, real = features.lengths[rows], features.batch["real"][rows]
        width = int(lengths.max())
        ids = np.full((len(rows), width), session.card.pad_id, np.int64)
        for place, row in enumerate(rows.tolist()):
            ids[place, : lengths[place]] = features.batch["ids"][row]
        expanded = task == "query" and self.exported.expansion and self.exported.attend
        seen = np.arange(width)[None, :] < (lengths if expanded else real)[:, None]
        vectors = session.forward(ids, seen.astype(np.int64), lang_ids)
        if not self.exported.late:
            return list(vectors[:, None, :])
        return [
            states[:length][self._kept(text[:length], task)]
            for states, text, length in zip(vectors, ids, np.maximum(lengths, 1), strict=True)
        ]

    @cached_property
    def _openings(self) -> list[IntArray]:
        """Ids of the prompts that get no vector."""
        if self.exported.openings is None:
            return []
        marks = np.unique([i for ids in self.exported.skipped.values() for i in ids])
        prompts = (*self.exported.openings, *self._prompts.values())
        return prompt_tokens(self.tokens, prompts, marks=marks)

    def _task_tokenizer(self, task: Task) -> Tokenizer:
        """The tokenizer that was exported, cutting at the length of the task."""
        if task not in self._tokenizers:
            folder = next(iter(self._graphs.values()))
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            tokenizer.no_padding()
            tokenizer.enable_truncation(self._lengths[task])
            self._tokenizers[task] = tokenizer
        return self._tokenizers[task]
