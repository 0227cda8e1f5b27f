"""Terms stand where their words do, in every script."""

import pytest

from xret.retriever.corpora.registry import open_corpus
from xret.retriever.lexical.analysis import analyse
from xret.retriever.lexical.term_places import term_places


@pytest.mark.parametrize(
    ("text", "lang", "term", "places"),
    [
        ("The fishes swim, fish!", "en", "fish", ["fishes", "fish"]),
        ("L’été d'art", "fr", "ete", ["été"]),
        ("It costs 1,000 now", "en", "1000", ["1,000"]),
        ("don't", "en", "dont", ["don't"]),
        ("تَغَيُّر المناخ", "ar", "مناخ", ["المناخ"]),
        ("東京タワー、東京", "ja", "东京", ["東京", "東京"]),
        ("Windows11版", "ja", "windows11", ["Windows11"]),
        ("สภาพอากาศ", "th", "อากา", ["อากา"]),
        ("기후 변화가", "ko", "변화", ["변화"]),
        ("İstanbul'da", "tr", "istanbul", ["İstanbul'da"]),
        ("किताबें", "hi", "किताब", ["किताबें"]),
    ],
)
def test_a_term_stands_where_its_word_does(
    text: str, lang: str, term: str, places: list[str]
) -> None:
    found = term_places(text, lang, {term, "absent"})
    assert {name: [text[a:b] for a, b in spans] for name, spans in found.items()} == {term: places}


def test_every_term_of_every_demo_document_has_a_place_that_makes_it() -> None:
    documents = list(open_corpus("demo").documents(on_reject=lambda _: None))
    for document in documents[::7]:
        text, lang = document.text[:400], document.lang
        terms = set(analyse(text, lang))
        found = term_places(text, lang, terms)
        assert found.keys() == terms
        for term, places in found.items():
            assert places == sorted(places)
            for start, end in places:
                assert term in analyse(text[start:end], lang)
