"""Bi-encoders: one vector a text, compared by cosine or dot product."""

from __future__ import annotations

from pathlib import Path

from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.transformer import TransformerEncoder
from xret.retriever.models.kinds import Kind
from xret.retriever.opening.transformer import load_transformer

__all__ = ["BiEncoder"]


class BiEncoder(TransformerEncoder):
    """A `SentenceTransformer` model: a transformer with a pooling, or static word vectors."""

    @classmethod
    def load(
        cls, folder: Path, *, name: str | None = None, options: EncoderOptions | None = None
    ) -> BiEncoder:
        """Open a model folder saved by sentence-transformers; `load_encoder` says what it raises.

        name: what an index records to find the model again; the folder where None.
        """
        return load_transformer(cls, folder, Kind.BI_ENCODER, name=name, options=options)
