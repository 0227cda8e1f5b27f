"""The teacher: what it says of training texts, asked once before the first step and kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from xret.errors import ConfigError, ModelError
from xret.index.scoring.maxsim import maxsim_scores
from xret.retriever.corpora.rows import Example
from xret.retriever.encoder import EncoderOptions
from xret.retriever.models.layout import check_loadable, read_json
from xret.retriever.models.location import model_location
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.training.recipes.distillation import COSINE_SCALE
from xret.types import Document, FloatArray, Query

__all__ = ["PassageScorer", "load_scorer", "teacher_vectors"]

_CHUNK = 256
_CLASSIFIERS = "ForSequenceClassification"


class PassageScorer(Protocol):
    """Scores passages for a query; higher is better."""

    def scores(self, examples: Sequence[Example]) -> list[FloatArray]:
        """Of each example: (1 + n,), its positive's and each negative's."""
        ...


def load_scorer(name: str, *, device: str | None) -> PassageScorer:
    """The teacher of that name or in that folder: an encoder, or a cross-encoder.

    Raises ModelError and UnknownModelError for what is neither.
    """
    folder = model_location(name)
    architectures = read_json(folder / "config.json").get("architectures") or [""]
    if _CLASSIFIERS in str(architectures[0]):
        return _CrossEncoder(folder, device)
    return _Encoder(name, device)


def teacher_vectors(
    name: str, texts: Sequence[tuple[str, str]], *, device: str | None
) -> Iterator[FloatArray]:
    """(m, d) vectors of m texts at a time; texts: (text, language).

    Raises ConfigError for a teacher with a vector for each token.
    """
    encoder = load_encoder(name, options=EncoderOptions(device=device, backend="torch"))
    for first in range(0, len(texts), _CHUNK):
        chunk = texts[first : first + _CHUNK]
        made = encoder.encode_documents([Document("", text, lang) for text, lang in chunk])
        if len(made.values) != len(chunk):
            raise ConfigError(
                f"{name} has a vector for each token; vectors are distilled from a bi-encoder, "
                "and late interaction teaches by its scores: --from scores"
            )
        yield made.values


class _Encoder:
    """A bi-encoder's cosines, as wide as the student's, or MaxSim."""

    def __init__(self, name: str, device: str | None) -> None:
        self._encoder = load_encoder(name, options=EncoderOptions(device=device, backend="torch"))

    def scores(self, examples: Sequence[Example]) -> list[FloatArray]:
        queries = self._encoder.encode_queries(
            [Query("", one.query, one.query_lang) for one in examples]
        )
        documents = self._encoder.encode_documents(
            [
                Document("", text, lang)
                for one in examples
                for text, lang in (
                    (one.positive, one.positive_lang),
                    *zip(one.negatives, one.negative_langs, strict=True),
                )
            ]
        )
        one_each = len(documents.values) == len(documents) and len(queries.values) == len(queries)
        scale = COSINE_SCALE if one_each else 1.0
        ends = np.cumsum([0, *(1 + len(one.negatives) for one in examples)])
        found = []
        for query, first, last in zip(queries, ends[:-1], ends[1:], strict=True):
            offsets = documents.offsets[first : last + 1]
            values = documents.values[offsets[0] : offsets[-1]]
            made = maxsim_scores(query, values, offsets - offsets[0])
            found.append((scale * made).astype(np.float32))
        return found


class _CrossEncoder:
    """A transformer that reads query and passage together."""

    def __init__(self, folder: Path, device: str | None) -> None:
        from sentence_transformers import CrossEncoder

        check_loadable(folder)
        try:
            self._model: Any = CrossEncoder(
                str(folder),
                device=device,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:  # the libraries raise whatever the files make them trip over
            raise ModelError(f"{folder} cannot be loaded: {error}") from error
        if self._model.num_labels != 1:
            raise ModelError(
                f"{folder} sorts into {self._model.num_labels} classes; a teacher of scores has "
                "one number"
            )

    def scores(self, examples: Sequence[Example]) -> list[FloatArray]:
        import torch

        pairs = [(one.query, text) for one in examples for text in (one.positive, *one.negatives)]
        flat = self._model.predict(
            pairs, show_progress_bar=False, activation_fn=torch.nn.Identity(), batch_size=32
        )
        ends = np.cumsum([1 + len(one.negatives) for one in examples])[:-1]
        return list(np.split(np.asarray(flat, np.float32).reshape(-1), ends))
