"""Late interaction: a vector a token, compared by MaxSim (Khattab and Zaharia 2020)."""

from __future__ import annotations

from pathlib import Path

from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.transformer import TransformerEncoder
from xret.retriever.models.kinds import Kind
from xret.retriever.opening.transformer import load_transformer

__all__ = ["LateInteractionEncoder"]


class LateInteractionEncoder(TransformerEncoder):
    """A `MultiVectorEncoder` model, saved by sentence-transformers, PyLate or Stanford ColBERT."""

    @classmethod
    def load(
        cls, folder: Path, *, name: str | None = None, options: EncoderOptions | None = None
    ) -> LateInteractionEncoder:
        """Open a model folder of any of the three layouts; `load_encoder` says what it raises.

        name: what an index records to find the model again; the folder where None.
        """
        return load_transformer(cls, folder, Kind.LATE_INTERACTION, name=name, options=options)
