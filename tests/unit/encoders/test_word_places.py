"""Words of a normal form keep their places in the text as it was written."""

import random

import pytest

from xret.retriever.corpora.registry import open_corpus
from xret.retriever.encoders.word_places import placed_words
from xret.retriever.encoders.wordpieces import RUN_PREFIX, normalize, split_words

ALPHABETS = [
    "abcÀÉßĲﬁ'’-7½ \u00ad\u200d",
    "ΑΣσςάό İıI\u0307",
    "ابتثجحخدالوكفب\u064e\u0651\u0640 لله",
    "हिन्दी क्षेत्र\u093c ",
    "การเปลี่ยน\u0e48 ",
    "气候变化がガｶﾞﾊﾟ한국\u1112\u1161\u11ab",
    "שלום\u05b8\u05bc ",
    "ﷺ２０ｆｕＬＬ\u0301\u0323",
]


def demo_texts() -> list[str]:
    documents = open_corpus("demo").documents(on_reject=lambda _: None)
    return [f"{document.title}\n{document.text}" for document in documents]


def random_texts() -> list[str]:
    rng = random.Random(0)
    return [
        "".join(rng.choices(rng.choice(ALPHABETS), k=rng.randint(0, 14)))
        + "".join(rng.choices(rng.choice(ALPHABETS), k=3))
        for _ in range(4_000)
    ]


@pytest.mark.parametrize("texts", [demo_texts(), random_texts()], ids=["demo", "random"])
def test_the_words_are_those_that_the_encoder_reads(texts: list[str]) -> None:
    assert texts
    for text in texts:
        words = placed_words(text)
        assert [placed.word for placed in words] == split_words(text), ascii(text)
        starts = [placed.place[0] for placed in words]
        assert starts == sorted(starts)
        for placed in words:
            assert len(placed.places) == len(placed.word)
            start, end = placed.place
            assert 0 <= start < end <= len(text)


def test_a_place_holds_the_word_as_it_was_written() -> None:
    texts = demo_texts()
    for text in texts[:: max(len(texts) // 50, 1)]:
        for placed in placed_words(text):
            written = text[slice(*placed.place)]
            assert placed.word.removeprefix(RUN_PREFIX) in normalize(written)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("Ｔｈｅ ﬁsh", ["Ｔｈｅ", "ﬁsh"]),
        ("يُؤثِّر المُناخ", ["يُؤثِّر", "مُناخ"]),
        ("soft\u00adhyphen’s", ["soft\u00adhyphen", "s"]),
        ("ｶﾞラス", ["ｶﾞラス"]),
        ("ΟΔΟΣ", ["ΟΔΟΣ"]),
    ],
)
def test_places_of_forms_that_normalisation_changes(text: str, places: list[str]) -> None:
    assert [text[slice(*placed.place)] for placed in placed_words(text)] == places
