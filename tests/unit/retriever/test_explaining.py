"""Hits that say why, over a real index: what their parts add up to, and what is marked in them."""

from pathlib import Path

import pytest
from conftest import build
from encoders import HashingEncoder
from tiny_encoders import tiny_bi_encoder

import xret
from xret.errors import ModelError, QueryError
from xret.retriever.answer import SearchHit
from xret.retriever.explaining import MAX_EXPLAINED
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.types import Document

QUESTION = "Warum sind Korallenriffe wichtig für Fische?"


def checked(hit: SearchHit, method: str, score: float | None = None) -> None:
    """What holds for each explanation of a hit."""
    explained = next(one for one in hit.explanations if one.method == method)
    for parts in (explained.query, explained.document, explained.pairs):
        assert sum(part.contribution for part in parts) == pytest.approx(explained.score, abs=1e-5)
    assert not explained.similarities
    assert all(word.contribution for word in explained.document)
    if score is not None:
        assert explained.indexed_score == pytest.approx(score, abs=1e-5)


def raw(hit: SearchHit) -> float:
    """The score before it was made to compare with those in other languages, where it was."""
    before: float | None = getattr(hit, "raw_score", None)
    return hit.score if before is None else before


def test_a_search_explains_its_scores_and_marks_the_words_that_carry_them(demo: Searcher) -> None:
    plain = demo.answer(QUESTION, lang="de", k=8)
    answer = demo.answer(QUESTION, lang="de", k=8, explain=True)
    assert [(hit.id, hit.score) for hit in answer.hits] == [(h.id, h.score) for h in plain.hits]
    assert not any(hit.explanations or hit.snippets[0].spans for hit in plain.hits)
    assert answer.timings.explain_ms > 0 == plain.timings.explain_ms
    for hit in answer.hits:
        checked(hit, "late-interaction", raw(hit))
        explained = hit.explanations[0]
        assert explained.difference == pytest.approx(0, abs=0.01)  # what 8 bits round
        assert {word.lang for word in explained.document} == {hit.lang}
        (document,) = demo.reader.documents([hit.id])
        for word in explained.document:
            text = document.title if word.part == "title" else document.text
            assert word.part == "marks" or text[word.start : word.end] == word.text
        snippet = hit.snippets[0]
        assert len(snippet.text) <= 242
        words = {word.text: word.contribution / explained.score for word in explained.document}
        for start, end, weight in snippet.spans:
            assert words[snippet.text[start:end]] == pytest.approx(weight, abs=0.51)
    assert answer.hits[0].snippets[0].spans
    scripts = {w.script for hit in answer.hits for w in hit.explanations[0].document}
    assert len(scripts - {""}) >= 1


def test_words_that_matched_are_marked_where_words_were_searched(demo: Searcher) -> None:
    for hit in demo.answer(QUESTION, lang="de", k=5, mode="lexical", explain=True).hits:
        checked(hit, "bm25", raw(hit))
        carried = " ".join(word.text for word in hit.explanations[0].document).casefold()
        assert any(stem in carried for stem in ("korallenriff", "wichtig", "fisch"))
        marked = [hit.snippets[0].text[start:end] for start, end, _ in hit.snippets[0].spans]
        assert any(word.text in marked for word in hit.explanations[0].document) or all(
            word.part == "title" for word in hit.explanations[0].document
        )


def test_a_fused_hit_explains_both_of_its_scores(demo: Searcher) -> None:
    hits = demo.search(QUESTION, lang="de", k=3, mode="hybrid", explain=True)
    assert [one.method for one in hits[0].explanations] == ["late-interaction", "bm25"]
    for hit in hits:
        checked(hit, "late-interaction")
        checked(hit, "bm25")


def test_a_fused_hit_says_what_vectors_and_words_alone_make_of_it(demo: Searcher) -> None:
    hits = demo.search(QUESTION, lang="de", k=8, mode="hybrid", explain=True)
    alone = {
        name: {h.id: h for h in demo.search(QUESTION, lang="de", k=1000, mode=mode)}
        for name, mode in (("dense", "dense"), ("lexical", "lexical"))
    }
    for hit in hits:
        assert hit.stages.keys() == {name for name, by in alone.items() if hit.id in by}
        for name, stage in hit.stages.items():
            same = alone[name][hit.id]
            assert (stage.score, stage.rank) == (pytest.approx(same.score, abs=1e-5), same.rank)
    assert any("lexical" in hit.stages for hit in hits)
    assert not any(hit.stages for hit in demo.search(QUESTION, lang="de", mode="hybrid"))
    one = hits[2]
    stages = demo.explain(one.id, QUESTION, lang="de", mode="hybrid").stages
    assert {name: stages[name] for name in one.stages} == one.stages
    assert (stages["first"].rank, list(stages)[-1]) == (one.rank, "first")


def test_a_reranked_document_has_the_score_and_rank_of_every_stage(demo: Searcher) -> None:
    hits = demo.search(QUESTION, lang="de", k=8, rerank="xret-static@5", explain=True)
    assert [sorted(hit.stages) for hit in hits[:5]] == [["first", "rerank"]] * 5
    for hit in (hits[0], hits[4]):
        found = demo.explain(hit.id, QUESTION, lang="de", rerank="xret-static@5")
        assert list(found.stages) == ["first", "rerank", "final"]
        assert {name: found.stages[name] for name in hit.stages} == hit.stages
        assert found.stages["final"].rank == hit.rank
        assert found.stages["final"].score == pytest.approx(hit.score, abs=1e-5)
        assert not found.warnings
    below = demo.explain(hits[6].id, QUESTION, lang="de", rerank="xret-static@5")
    assert list(below.stages) == ["first", "final"]
    assert below.stages["final"].rank == 7
    assert any("below the first 5, which are all xret-static reads" in w for w in below.warnings)


def test_a_document_is_explained_with_all_of_its_words_whether_it_is_found_or_not(
    demo: Searcher,
) -> None:
    last = demo.search(QUESTION, lang="de", k=1000)[-1]
    found = demo.explain(last.id, QUESTION, lang="de")
    (explained,) = found.explanations
    assert explained.indexed_score == pytest.approx(raw(last), abs=1e-5)
    assert found.text[:20] in demo.reader.documents([last.id])[0].text
    assert len(explained.similarities) == len(explained.query)
    assert {len(row) for row in explained.similarities} == {len(explained.document)}
    assert any(not word.contribution for word in explained.document)
    assert (found.index, found.id, found.lang, found.query.lang) == (
        "demo",
        last.id,
        last.lang,
        "de",
    )


def test_the_explained_passage_is_the_one_that_scored(tmp_path: Path) -> None:
    filler = "The harbour was quiet and the ships lay still. " * 80
    text = filler + "Coral reefs shelter a quarter of all fish in the sea. " + filler
    build([Document("long", text, "en")], tmp_path / "index", load_encoder("xret-static"))
    with Searcher.open(tmp_path / "index") as searcher:
        (hit,) = searcher.search("coral reefs and fish", lang="en", explain=True)
        found = searcher.explain("long", "coral reefs and fish", lang="en")
    assert hit.passage.start > 0 and found.passage == hit.passage
    assert found.text == text[hit.passage.start : hit.passage.end]
    marked = {hit.snippets[0].text[start:end] for start, end, _ in hit.snippets[0].spans}
    assert {"Coral", "fish"} <= marked
    for word in found.explanations[0].document:
        assert text[word.start : word.end] == word.text


def test_an_id_that_is_not_there_is_one_message(demo: Searcher) -> None:
    with pytest.raises(QueryError, match="demo has no document 'nope': there never was one, or"):
        demo.explain("nope", "coral reefs", lang="en")
    with pytest.raises(QueryError, match="the query is empty"):
        demo.explain("nope", " ", lang="en")


def test_a_deleted_document_is_not_explained(tmp_path: Path) -> None:
    documents = [Document(str(i), f"coral reef {i}", "en") for i in range(3)]
    build(documents, tmp_path / "index", load_encoder("xret-static"))
    xret.delete(tmp_path / "index", ["1"])
    with Searcher.open(tmp_path / "index") as searcher:
        assert searcher.explain("0", "coral", lang="en").explanations
        with pytest.raises(QueryError, match="has no document '1'"):
            searcher.explain("1", "coral", lang="en")


def test_one_vector_of_a_text_is_refused_with_the_reason(tmp_path: Path) -> None:
    model = tiny_bi_encoder(tmp_path / "model")
    build([Document("1", "coral reefs", "en")], tmp_path / "index", load_encoder(str(model)))
    with Searcher.open(tmp_path / "index") as searcher:
        with pytest.raises(QueryError, match="makes one vector of a whole text: its score is one"):
            searcher.explain("1", "coral", lang="en")
        answer = searcher.answer("coral", lang="en", explain=True)
        assert answer.hits and not answer.hits[0].explanations
        assert any("makes one vector" in warning for warning in answer.warnings)
        by_words = searcher.explain("1", "coral", lang="en", mode="lexical")
        assert by_words.explanations[0].query[0].contribution > 0
        both = searcher.explain("1", "coral", lang="en", mode="hybrid")
        assert [one.method for one in both.explanations] == ["bm25"]
        assert any("only BM25" in warning for warning in both.warnings)


def test_an_encoder_that_tells_no_places_is_refused(tmp_path: Path) -> None:
    build([Document("1", "coral reefs", "en")], tmp_path / "index", HashingEncoder())
    reader = Searcher.open(tmp_path / "index", mode="lexical").reader
    with (
        Searcher("index", reader, HashingEncoder()) as searcher,  # type: ignore[arg-type]
        pytest.raises(QueryError, match="hashing does not tell where in a text"),
    ):
        searcher.explain("1", "coral", lang="en")


def test_an_encoder_that_is_gone_is_said_and_words_are_explained_all_the_same(
    tmp_path: Path,
) -> None:
    model = tiny_bi_encoder(tmp_path / "model")
    build([Document("1", "coral reefs", "en")], tmp_path / "index", load_encoder(str(model)))
    model.rename(tmp_path / "elsewhere")
    with Searcher.open(tmp_path / "index") as searcher:
        with pytest.raises(ModelError):
            searcher.explain("1", "coral", lang="en")
        assert searcher.explain("1", "coral", lang="en", mode="lexical").explanations


def test_too_many_hits_to_explain_are_refused(tmp_path: Path) -> None:
    documents = [Document(str(i), "coral reef", "en") for i in range(MAX_EXPLAINED + 1)]
    build(documents, tmp_path / "index", load_encoder("xret-static"))
    with Searcher.open(tmp_path / "index") as searcher:
        assert len(searcher.search("coral", lang="en", k=MAX_EXPLAINED, explain=True)) == 100
        with pytest.raises(QueryError, match="101 hits are too many to explain; ask for 100"):
            searcher.search("coral", lang="en", k=MAX_EXPLAINED + 1, explain=True)


def test_highlights_mark_the_words_without_the_explanations(demo: Searcher) -> None:
    explained = demo.answer(QUESTION, lang="de", k=4, explain=True).hits
    marked = demo.answer(QUESTION, lang="de", k=4, highlight=True).hits
    assert [hit.snippets for hit in marked] == [hit.snippets for hit in explained]
    assert marked[0].snippets[0].spans and not any(hit.explanations for hit in marked)
    groups = demo.answer(QUESTION, lang="de", k=60, highlight=True, group_by="lang")
    hits = [hit for group in groups.groups for hit in group.hits]
    best = sorted(hits, key=lambda hit: hit.rank)[:MAX_EXPLAINED]
    assert len(hits) > MAX_EXPLAINED and best[0].snippets[0].spans
    assert any("100 best hits" in warning for warning in groups.warnings)
