"""Words that a language shares with English are read in its own meaning."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xret
from xret.errors import EncoderMismatchError, ModelError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.conditioned import ConditionedEncoder
from xret.retriever.languages.shared_words import SharedWords, shipped_shared_words
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.types import Document, Query

ROOT = Path(__file__).parents[3]
WORDS = SharedWords({"de": {"gift": "poison venom", "rat": "council"}}, "of a test")


def test_meanings_stand_in_the_place_of_shared_words() -> None:
    read = WORDS.conditioned("Der Rat: Gift! Ratgeber", "de-AT")
    assert read.text == "Der council: poison venom! Ratgeber"
    assert WORDS.conditioned("Gift", "en").text == "Gift"
    assert WORDS.conditioned("Gift", "und").changes == ()


@given(st.lists(st.sampled_from(["gift", "rat", "und", "so"]), max_size=6))
def test_a_place_is_that_of_the_word_before(words: list[str]) -> None:
    text = " ".join(words)
    read = WORDS.conditioned(text, "de")
    assert read.place(0, len(read.text)) == (0, len(text))
    start = 0
    for word in words:
        meaning = WORDS.meanings["de"].get(word, word)
        end = start + len(meaning)
        first, last = read.place(start, end)
        assert text[first:last] == word
        assert read.place(start, start + 1)[0] == first
        start = end + 1


def test_the_shipped_table_has_words_of_many_languages() -> None:
    meanings = shipped_shared_words().meanings
    assert len(meanings) >= 26
    assert "poison" in meanings["de"]["gift"].split()
    assert all(word not in of[word].split() for of in meanings.values() for word in of)


@pytest.fixture(scope="module")
def conditioned() -> ConditionedEncoder:
    fingerprint = shipped_shared_words().fingerprint
    encoder = load_encoder("xret-static", options=EncoderOptions(shared_words=fingerprint))
    assert isinstance(encoder, ConditionedEncoder)
    return encoder


def test_false_friends_mean_what_they_mean_in_their_language(
    conditioned: ConditionedEncoder,
) -> None:
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    with (ROOT / "benchmarks" / "false_friends.tsv").open(encoding="utf-8") as file:
        for part, lang, word, meaning, lookalike in csv.reader(file, delimiter="\t"):
            query = conditioned.encode_queries([Query("", word, lang)]).values
            texts = [Document("", text, "en") for text in (meaning, lookalike)]
            first, second = (
                (query @ vectors.T).max(axis=1).sum()
                for vectors in conditioned.encode_documents(texts)
            )
            right[part] += bool(first > second)
            total[part] += 1
    assert total["chosen"] + total["unseen"] >= 120
    assert right["chosen"] >= 0.75 * total["chosen"]
    assert right["unseen"] >= 0.65 * total["unseen"]


def test_documents_and_questions_of_a_language_still_meet(conditioned: ConditionedEncoder) -> None:
    query = conditioned.encode_queries([Query("", "Gift", "de")])[0]
    document = conditioned.encode_documents([Document("", "Gift", "de")])[0]
    assert float((query @ document.T).max(axis=1).sum()) == pytest.approx(1, abs=0.01)


def test_a_short_question_of_a_guessed_language_is_read_as_it_is(
    conditioned: ConditionedEncoder,
) -> None:
    plain = load_encoder("xret-static")
    guessed = Query("", "Gift", "de", "identified")
    np.testing.assert_array_equal(
        conditioned.encode_queries([guessed]).values, plain.encode_queries([guessed]).values
    )


def test_places_are_those_of_the_text_as_it_was(conditioned: ConditionedEncoder) -> None:
    document = Document("", "Das Gift wirkt schnell.", "de", title="Vom Rat")
    placed = conditioned.placed_document(document)
    assert placed is not None
    assert placed.text == "Vom Rat\nDas Gift wirkt schnell."
    words = {placed.text[slice(*span)] for spans in placed.places for span in spans}
    assert words == {"Vom", "Rat", "Das", "Gift", "wirkt", "schnell"}


def test_an_index_remembers_how_it_was_read(tmp_path: Path) -> None:
    corpus = tmp_path / "texts.jsonl"
    corpus.write_text(
        '{"id": "p", "text": "poison", "lang": "en"}\n{"id": "g", "text": "gift", "lang": "en"}\n'
    )
    folder = tmp_path / "index"
    xret.build(corpus, folder, encoder="xret-static", shared_words=True)
    with Searcher.open(folder) as searcher:
        assert searcher.search("Gift", lang="de")[0].id == "p"
        assert searcher.search("gift", lang="en")[0].id == "g"
    xret.build(corpus, folder)  # goes on as it began
    plain = tmp_path / "plain"
    xret.build(corpus, plain, encoder="xret-static")
    with pytest.raises(EncoderMismatchError):
        xret.build(corpus, plain, shared_words=True)


def test_another_table_is_told() -> None:
    with pytest.raises(ModelError, match="build the index anew"):
        load_encoder("xret-static", options=EncoderOptions(shared_words="0123"))
