"""The heat map of an explanation and its page: what they draw, and that nothing breaks them."""

import re
from xml.etree import ElementTree

import pytest

from xret.eval.report.alignment_map import alignment_chart, score_sentence
from xret.eval.report.alignment_page import explanation_page, explanation_svg
from xret.retriever.alignment import AlignmentMap, percent
from xret.retriever.answer import PassageSpan, QueryInfo
from xret.retriever.explaining import ExplainedDocument
from xret.retriever.explanation import ExplainedWord, Explanation, WordPair

SVG = "{http://www.w3.org/2000/svg}"


def explanation(n_words: int = 3) -> Explanation:
    """Each word of the query meets one of the document: the first carries most."""
    parts = [1.0 / (i + 1) for i in range(n_words)]
    query = [
        ExplainedWord(f"word{i}", "query", 6 * i, 6 * i + 5, "en", "Latn", part)
        for i, part in enumerate(parts)
    ]
    document = [
        ExplainedWord("مرجان", "text", 6 * i, 6 * i + 5, "ar", "Arab", part)
        for i, part in enumerate(parts)
    ]
    document.append(ExplainedWord("بحر", "text", 900, 903, "ar", "Arab"))
    pairs = [WordPair(i, i, 0.95, part) for i, part in enumerate(parts)]
    alike = [[0.95 if i == j else -0.2 for j in range(len(document))] for i in range(n_words)]
    return Explanation("late-interaction", sum(parts), 0.9, query, document, pairs, alike)


def document(*explanations: Explanation, **changes: str) -> ExplainedDocument:
    given = {"query": "word0 <b>&", "id": "a<script>", "title": "مرجان", "text": "مرجان بحر"}
    given |= changes
    return ExplainedDocument(
        index="demo",
        model="xret-static",
        query=QueryInfo(given["query"], "en", "given"),
        id=given["id"],
        lang="ar",
        dir="rtl",
        title=given["title"],
        passage=PassageSpan(0, len(given["text"])),
        text=given["text"],
        explanations=list(explanations) or [explanation()],
        warnings=["the <end> was left out"],
    )


def test_the_words_that_carry_most_are_drawn_in_the_order_of_the_text() -> None:
    view = AlignmentMap.of(explanation(40), rows=3, columns=2)
    assert view.rows == [0, 1, 2] and view.columns == [0, 1]
    drawn = sum(1 / (i + 1) for i in range(3))
    assert view.rest == pytest.approx(1 - drawn / explanation(40).score)
    shares = view.pairs()
    assert view.level(0, 0, shares) == 9 and view.level(0, 1, shares) == 0


def test_words_without_a_vector_have_no_colour() -> None:
    found = explanation()
    found.document[3] = ExplainedWord("؟", "text", 900, 901, "ar", "", read=False)
    assert AlignmentMap.of(found).level(0, 3, {}) is None
    by_letters = Explanation("bm25", 1.0, None, found.query, found.document, found.pairs)
    view = AlignmentMap.of(by_letters)
    assert view.level(0, 1, view.pairs()) is None and view.level(0, 0, view.pairs()) == 9


def test_the_drawing_is_svg_with_every_word_and_share_and_follows_the_theme() -> None:
    text = explanation_svg(document())
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    words = [node.text for node in root.iter(f"{SVG}text")]
    assert {"word0", "word1", "word2", "مرجان", "Latn", "Arab", "55", "27", "18"} <= set(words)
    assert "بحر" not in words  # it carries nothing
    described = root.find(f"{SVG}desc")
    assert described is not None and "word0 with مرجان: 55 %." in str(described.text)
    assert "prefers-color-scheme:dark" in text and "paper" in text
    arabic = [node for node in root.iter(f"{SVG}text") if node.text == "مرجان"]
    assert all(node.get("direction") == "rtl" and node.get("lang") == "ar" for node in arabic)


def test_a_question_from_right_to_left_has_its_first_word_on_the_right() -> None:
    found = explanation()
    query = [ExplainedWord(w, "query", 0, 1, "he", "Hebr", 0.1) for w in ("ראשון", "שני", "שלוש")]
    turned = Explanation(
        "late-interaction", 1.0, 0.9, query, found.document, found.pairs, found.similarities
    )
    root = ElementTree.fromstring(alignment_chart(turned, key="k", query="q", doc_id="d").svg)
    places = {node.text: float(str(node.get("x"))) for node in root.iter(f"{SVG}text")}
    assert places["ראשון"] > places["שני"] > places["שלוש"]


def test_the_page_has_the_text_with_its_words_marked_the_map_and_the_tables() -> None:
    none = Explanation("bm25", 0.0, 0.0, explanation().query, explanation().document, [])
    page = explanation_page(document(explanation(), none))
    assert (
        '<p class="passage" lang="ar" dir="rtl"><mark class="h9" title="55 % of the score">' in page
    )
    assert page.count("<svg") == 1 and "None of the question" in page
    assert "Pairs of words that carry the score" in page and "Words of the question" in page
    assert "Content-Security-Policy" in page and "<script" not in page
    assert "a&lt;script&gt;" in page and "the &lt;end&gt; was left out" in page
    assert not re.search("https?://(?!www.w3.org)", page)


@pytest.mark.parametrize("found", [explanation(0), explanation(1), explanation(80)])
def test_any_number_of_words_can_be_drawn(found: Explanation) -> None:
    for title in ("", "x" * 3_000, "\u202eabc\x00"):
        ElementTree.fromstring(
            explanation_svg(document(found, query=title or "q", id=title or "d"))
        )
        assert explanation_page(document(found, title=title))


def test_what_the_index_gives_is_said_beside_what_is_explained() -> None:
    assert score_sentence(explanation()) == (
        "The parts add up to 1.8333; the index gives 0.9000 (−0.9333, −50.9 %), from vectors that "
        "are coded and may be pooled."
    )
    assert [percent(share) for share in (0.0, 0.0001, 0.5, 1.0, -0.25)] == [
        "0",
        "<1",
        "50",
        "100",
        "−25",
    ]
