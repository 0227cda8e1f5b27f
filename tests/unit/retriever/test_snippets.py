"""Snippets: the stretch of a passage that weighs most, and spans in its own code points."""

import random

from xret.retriever.answer import SNIPPET_CHARACTERS
from xret.retriever.snippets import marked_snippet


def marks_of(text: str, words: dict[str, float]) -> list[tuple[int, int, float]]:
    found = [(text.index(word), text.index(word) + len(word), w) for word, w in words.items()]
    return sorted(found)


def test_a_short_text_is_whole_with_single_spaces() -> None:
    text = "\n  A  reef \t of\u3000coral. \n"
    snippet = marked_snippet(text, marks_of(text, {"reef": 0.5, "coral": 0.25}))
    assert snippet.text == "A reef of coral."
    assert [(snippet.text[a:b], w) for a, b, w in snippet.spans] == [("reef", 0.5), ("coral", 0.25)]


def test_the_stretch_that_weighs_most_is_shown_and_the_earliest_of_equal_ones() -> None:
    text = "plain words here " * 40 + "the coral reef lies here " + "plain words here " * 40
    snippet = marked_snippet(text, marks_of(text, {"plain": 0.1, "coral": 0.4, "reef": 0.3}))
    assert snippet.text.startswith("…") and snippet.text.endswith("…")
    assert [snippet.text[a:b] for a, b, _ in snippet.spans] == ["coral", "reef"]
    assert not snippet.text[1].isspace()
    assert marked_snippet(text, []).text.startswith("plain words")


def test_spans_are_those_of_the_words_in_any_script_and_place() -> None:
    rng = random.Random(0)
    alphabet = ["coral", "珊瑚", "الشعاب", "ปะการัง", "👩‍🚀", "é"]
    for _ in range(300):
        words = [rng.choice(alphabet) + str(i) for i in range(rng.randint(1, 120))]
        text = rng.choice(["", "  "]) + rng.choice([" ", "\n\n", ""]).join(words)
        chosen = {word: rng.random() for word in rng.sample(words, min(len(words), 5))}
        snippet = marked_snippet(text, marks_of(text, chosen))
        assert len(snippet.text) <= SNIPPET_CHARACTERS + 2
        assert snippet.spans
        for start, end, weight in snippet.spans:
            assert chosen[snippet.text[start:end]] == weight
