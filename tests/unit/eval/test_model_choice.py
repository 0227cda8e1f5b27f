"""Settings ranked for a corpus without judgements."""

from __future__ import annotations

from pathlib import Path

import pytest

from xret.errors import ConfigError, CorpusError
from xret.eval.model_choice import choice_questions_steps, choose_model
from xret.types import finish


def test_a_question_is_in_the_language_asked_for_and_not_in_its_passage() -> None:
    made = finish(choice_questions_steps("demo", langs=["de"], n_passages=40))
    passages = {document.doc_id: document for document in made.documents}
    assert {query.query_id for query in made.queries} == set(made.judged)
    translated = [query for query in made.queries if "sentence" not in query.query_id]
    assert {query.lang for query in translated} == {"de"}
    whole = [query for query in made.queries if "sentence" in query.query_id]
    assert len(whole) == len(translated) >= 10
    left = [passages[next(iter(made.judged[query.query_id]))] for query in whole]
    held = [query.text in passage.text for query, passage in zip(whole, left, strict=True)]
    assert sum(held) < len(held) / 3


def test_what_finds_translations_stands_before_what_does_not(tmp_path: Path) -> None:
    parallel = tmp_path / "pairs.tsv"
    animals = "dog cat horse bird fish cow sheep goat lion bear wolf fox hen duck bee"
    tiere = "Hund Katze Pferd Vogel Fisch Kuh Schaf Ziege Löwe Bär Wolf Fuchs Huhn Ente Biene"
    lines = [
        f"de\tDas Tier ist {what}, {n} Jahre alt.\tThe animal is a {name}, {n} years old.\n"
        for n in (2, 3)
        for name, what in zip(animals.split(), tiere.split(), strict=True)
    ]
    parallel.write_text("".join(lines), encoding="utf-8")
    choice = choose_model(
        ["bm25", "xret-static"], "demo", langs=["en"], n_passages=40, parallel=parallel
    )
    names = [(score.encoder, score.mode) for score in choice.ranked]
    assert set(names) == {("bm25", "lexical"), ("xret-static", "dense"), ("xret-static", "hybrid")}
    assert names[-1] == ("bm25", "lexical")
    scores = [score.score for score in choice.ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    static, words = choice.ranked[0], choice.ranked[-1]
    assert static.mexa is not None
    assert 0.3 < static.mexa <= 1
    assert static.logme is not None
    assert (words.mexa, words.logme) == (None, None)


def test_what_cannot_be_chosen_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name the encoders"):
        choose_model([], "demo")
    corpus = tmp_path / "few.jsonl"
    text = "The library of the town was damaged by water in March, and nobody was hurt by it."
    corpus.write_text(f'{{"id": "a", "text": "{text}", "lang": "en"}}\n', encoding="utf-8")
    with pytest.raises(CorpusError, match="10 are needed"):
        choose_model(["bm25"], str(corpus))
