"""The shipped modular encoder: its size, its languages, and that it crosses them."""

from __future__ import annotations

import numpy as np
import pytest

from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.models.registry import ENCODERS, PRETRAINED, languages_of
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Query

SAID = {
    "en": "Fishermen catch fewer fish because the sea is getting warmer.",
    "fr": "Les pêcheurs prennent moins de poisson parce que la mer se réchauffe.",
    "sw": "Wavuvi wanapata samaki wachache kwa sababu bahari inapata joto.",
    "zh": "由于海水变暖，渔民捕到的鱼越来越少。",
    "ru": "Рыбаки ловят меньше рыбы, потому что море становится теплее.",
}
OTHER = {
    "en": "The parliament voted on the new budget yesterday.",
    "fr": "Le parlement a voté hier le nouveau budget.",
    "sw": "Bunge lilipiga kura kuhusu bajeti mpya jana.",
    "zh": "议会昨天对新预算进行了表决。",
    "ru": "Парламент вчера проголосовал за новый бюджет.",
}


@pytest.fixture(scope="module", params=[False, True], ids=["late interaction", "single vectors"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return load_encoder("xret-modular", options=EncoderOptions(single_vector=request.param))


def test_it_is_small_and_speaks_many_languages() -> None:
    files = [path for path in (PRETRAINED / "xret-modular").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 64_000_000
    assert len(languages_of(ENCODERS["xret-modular"])) >= 70


@pytest.mark.parametrize("lang", SAID)
def test_a_question_finds_its_document_in_every_language(encoder: Encoder, lang: str) -> None:
    told = encoder.encode_documents(
        [
            Document(f"{kind}-{code}", texts[code], code)
            for kind, texts in (("said", SAID), ("other", OTHER))
            for code in SAID
        ]
    )
    asked = encoder.encode_queries([Query("1", SAID[lang], lang)])
    scores = np.array([(asked[0] @ document.T).max(axis=1).sum() for document in told])
    assert scores[: len(SAID)].min() > scores[len(SAID) :].max()


def test_batches_and_order_change_nothing(encoder: Encoder) -> None:
    documents = [Document(code, text, code) for code, text in SAID.items()]
    together = encoder.encode_documents(documents)
    for position, document in enumerate(documents):
        alone = encoder.encode_documents([document])
        assert np.abs(alone.values - together[position]).max() < 1e-5
