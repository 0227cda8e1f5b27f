"""One vector of each text: through its own language's adapter, within a time, of a width."""

import dataclasses

import numpy as np
import pytest
from encoders import HashingEncoder

from xret.deadline import Deadline
from xret.errors import LanguageError, QueryError
from xret.retriever.text_vectors import encode_texts, makes_one_vector
from xret.types import Document, Embeddings

TEXTS = [
    "Le chat dort sur le canapé.",
    "Die Katze schläft auf dem Sofa.",
    "El gato duerme tranquilamente en el sofá de la sala.",
]


class FirstWordEncoder(HashingEncoder):
    """The first word's vector stands for the text; `langs` are those that it was given."""

    def __init__(self, *, adapters: bool = False) -> None:
        super().__init__()
        self._spec = dataclasses.replace(self._spec, language_adapters=adapters)
        self.langs: list[str] = []

    def encode_documents(self, documents: list[Document]) -> Embeddings:  # type: ignore[override]
        self.langs += [document.lang for document in documents]
        made = super().encode_documents(documents)
        firsts = made.values[made.offsets[:-1]]
        return Embeddings(firsts, np.arange(len(documents) + 1, dtype=np.int64))


def test_an_encoder_of_many_vectors_is_told_apart() -> None:
    assert makes_one_vector(FirstWordEncoder())
    assert not makes_one_vector(HashingEncoder())
    with pytest.raises(QueryError, match="one vector of each word"):
        encode_texts(HashingEncoder(), TEXTS)


def test_each_text_goes_through_the_adapter_of_its_own_language() -> None:
    encoder = FirstWordEncoder(adapters=True)
    encode_texts(encoder, TEXTS)
    assert encoder.langs == ["fr", "de", "es"]
    encode_texts(encoder, TEXTS, lang="swa")
    assert encoder.langs[3:] == ["sw"] * 3
    with pytest.raises(LanguageError):
        encode_texts(encoder, TEXTS, lang="klingonese")


def test_no_language_is_identified_for_an_encoder_without_adapters() -> None:
    encoder = FirstWordEncoder()
    encode_texts(encoder, TEXTS)
    assert encoder.langs == ["und"] * 3


def test_many_texts_are_encoded_as_few_are_until_the_time_is_over() -> None:
    texts = [f"text{n} of many" for n in range(40)]
    made = encode_texts(FirstWordEncoder(), texts)
    alone = [encode_texts(FirstWordEncoder(), [text]).vectors[0] for text in texts]
    assert np.array_equal(made.vectors, np.stack(alone))
    late = encode_texts(FirstWordEncoder(), texts, deadline=Deadline(-1))
    assert (late.vectors.shape, late.tokens) == ((0, 32), 0)


@pytest.mark.parametrize("dim", [0, 33])
def test_a_width_that_the_encoder_has_not_is_refused(dim: int) -> None:
    with pytest.raises(QueryError, match="dimensions"):
        encode_texts(FirstWordEncoder(), TEXTS, dim=dim)
